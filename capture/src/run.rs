//! The run as a whole: acquire, compile the filter, enter confinement, wait for the others, relay.

use policy::channel::Sender;
use policy::ring::Filling;
use policy::role::{Control, Done};
use policy::{Role, manifest, sandbox};
use proto::control::{Level, Savefile};
use proto::frame::FromCapture;
use proto::plan::{CapturePlan, Group, Live, Plan, Source};

use crate::error::Error;
use crate::filter::Filters;
use crate::inputs::Inputs;
use crate::live::Interface;
use crate::reading;
use crate::relay::Relay;

/// Captures as the plan says.
pub fn run(control: &Control) -> Result<Done, Error> {
    let sender = Sender::adopt(manifest::DATA_OUT)?.with_ring(Filling::adopt(manifest::FRAMES)?);
    let (plan, savefiles) = control.plan()?;
    let Plan::Capture(plan) = plan else { return Err(Error::WrongPlan) };
    match &plan.source {
        Source::Live(live) => capture_interface(control, sender, &plan, live),
        Source::Savefiles => capture_savefiles(control, sender, &plan, &savefiles),
    }
}

fn capture_savefiles(
    control: &Control,
    sender: Sender<FromCapture>,
    plan: &CapturePlan,
    savefiles: &[Savefile],
) -> Result<Done, Error> {
    let inputs = Inputs::open(savefiles);
    let filters = Filters::compile(plan.filter.as_deref());
    if let Some(words) = filters.hopeless()
        && !inputs.opened.is_empty()
    {
        return Err(Error::Filter(words.to_owned()));
    }
    control.ready(sandbox::enter(Role::CaptureFiles, &plan.confinement, None)?)?;
    let mut relay = Relay::new(control, sender);
    relay.ask_by_itself(inputs.size, plan.progress);
    let end = reading::relay_all(inputs, &filters, &mut relay)?;
    relay.end(end, None)
}

fn capture_interface(
    control: &Control,
    sender: Sender<FromCapture>,
    plan: &CapturePlan,
    live: &Live,
) -> Result<Done, Error> {
    let mut interface = Interface::open(live, plan.filter.as_deref())?;
    let group = live.group.map(|group| interface.share(group)).transpose()?;
    // Whoever joined has nothing new to say.
    let is_first = !matches!(live.group, Some(Group::Join(_)));
    if let (Some(number), true) = (group, is_first) {
        control.group(number)?;
    }
    let layers = sandbox::enter(Role::CaptureLive, &plan.confinement, Some(interface.socket()))?;
    interface.begin(control.ready(layers)?.at);
    if is_first {
        control.notice(Level::Warning, &format!("listening on {}", interface.name));
    }
    let mut relay = Relay::new(control, sender);
    relay.tell_of_drops(plan.drops);
    let end = interface.relay(&mut relay)?;
    let counts = interface.counts();
    relay.end(end, Some(counts))
}
