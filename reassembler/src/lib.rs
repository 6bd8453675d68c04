//! The reassembler: takes frames apart and puts TCP streams together.
//!
//! It reads nothing but its capture channel, writes nothing but its writer channel, and knows no time but
//! that of packets. Everything between the two is here, apart from sockets, so that tests drive it directly:
//! [`protocol`] checks what the capture process says, [`decode`] finds the TCP segment in a frame,
//! [`fragments`] puts datagrams together that came in parts,
//! [`connections`] finds or makes its flow, [`flow`] and [`assembler`] place its bytes, [`ordered`] puts them in
//! order for its [`reader`]s, such as [`http`], [`traffic`] looks on and counts, [`rotation`] says when output goes on in
//! another directory, and a [`sink::Sink`] takes what comes out.
#![forbid(unsafe_code)]

pub mod assembler;
pub mod connections;
pub mod cut_off;
pub mod decode;
mod error;
pub mod extent;
pub mod flow;
pub mod fragments;
pub mod holes;
pub mod http;
pub mod ledger;
pub mod offer;
pub mod ordered;
pub mod origin;
pub mod outlet;
pub mod protocol;
pub mod reader;
pub mod rotation;
pub mod sequence;
pub mod sink;
pub mod table;
pub mod traffic;

pub use error::Error;

use policy::channel::{Receiver, Sender};
use policy::ring::{Emptying, Filling};
use policy::role::{Control, Done};
use policy::{Role, manifest, sandbox};
use proto::Breach;
use proto::control::Level;
use proto::flow::FromReassembler;
use proto::frame::FromCapture;
use proto::plan::{Plan, ReassemblerPlan};

use crate::protocol::Conversation;

/// Runs the role from its plan to the end of its input.
pub fn run(control: &Control) -> Result<Done, Error> {
    let frames = Receiver::<FromCapture>::adopt(manifest::DATA_IN)?;
    let mut frames = frames.with_ring(Emptying::adopt(manifest::FRAMES)?);
    let flows = Sender::<FromReassembler>::adopt(manifest::DATA_OUT)?;
    let flows = flows.with_ring(Filling::adopt(manifest::FLOWS)?);
    let plan = plan(control)?;
    let mut conversation = Conversation::new(&plan, flows);
    let layers = sandbox::enter(Role::Reassembler, &plan.confinement, None)?;
    control.ready(layers)?;
    let heard = hear_all(&mut conversation, &mut frames, control);
    if heard.is_err() {
        // What came before a breach came in order, and is the writer's; if he is gone that is the reason already.
        let _ = conversation.settle();
        let _ = conversation.sink().flush();
    }
    heard?;
    conversation.close()?.flush()?;
    control.counts(conversation.counts());
    conversation.verdict()
}

/// Takes all that capture says.
fn hear_all(
    conversation: &mut Conversation<Sender<FromReassembler>>,
    frames: &mut Receiver<FromCapture>,
    control: &Control,
) -> Result<(), Error> {
    let mut tell = |level: Level, text: &str| control.notice(level, text);
    loop {
        if !frames.is_ready()? {
            // Nothing to do but to wait: what was placed so far is the writer's now, not at the next full
            // batch. Should this process die, or someone follow a flow as it grows, nothing is missing.
            conversation.sink().flush()?;
        }
        let Some(mut batch) = frames.receive()? else { return Ok(()) };
        while let Some((message, bytes)) = batch.next()? {
            let asks = message == FromCapture::Count;
            conversation.hear(message, bytes, &mut tell)?;
            if asks {
                control.counts(conversation.counts());
            }
        }
        conversation.settle()?;
    }
}

fn plan(control: &Control) -> Result<ReassemblerPlan, Error> {
    match control.plan()? {
        (Plan::Reassembler(plan), inputs) if inputs.is_empty() => Ok(plan),
        (Plan::Reassembler(_) | Plan::Capture(_) | Plan::Writer(_) | Plan::Runner(_), _) => {
            Err(Breach::Forbidden("a plan that is not the reassembler's").into())
        }
    }
}
