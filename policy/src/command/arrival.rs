//! `--wait-interface`: waits for the interface before anything is opened, and knows afterwards whether it went.
//!
//! The list of interfaces is asked for again and again: interfaces come seldom, and whoever has waited for one
//! does not mind half a second more, so that no socket has to be kept and no news be understood.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::Error;
use super::interfaces::is_up;
use super::service::Service;
use super::settings::{Input, Settings, Wait};
use super::signals::Caught;
use super::tell;

/// How often to look, or more often if a watchdog waits.
const LOOK: Duration = Duration::from_millis(500);

/// Waits for the interface, where that is asked for; whether there is anything to capture, which there is not
/// when a signal has ended the wait.
pub fn wait(settings: &Settings, signals: &Caught, service: &mut Service) -> Result<bool, Error> {
    let Some((name, wait)) = awaited(settings) else { return Ok(true) };
    let begun = Instant::now();
    let mut told = false;
    while !is_up(name)? {
        if let Wait::Seconds(seconds) = wait
            && begun.elapsed() >= Duration::from_secs(seconds.into())
        {
            return Err(Error::Told(format!("{name}: not there, or down, after {seconds} s")));
        }
        if !told {
            tell::always(&format!("waiting for {name}"), settings);
            told = true;
        }
        service.waits_for(name);
        let Caught { end, rotate, .. } = signals;
        let mut fds = [end, rotate].map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN));
        let look = PollTimeout::try_from(LOOK.min(service.every())).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, look) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(Error::Told(format!("poll: {e}"))),
        }
        if end.came() {
            service.stops();
            return Ok(false);
        }
        // There is no directory yet of which another could take the place.
        if rotate.came() {
            service.has_nothing_to_reload();
        }
    }
    Ok(true)
}

/// The interface that was waited for and is gone again, which is not a failure of this run.
pub fn departed(settings: &Settings) -> Option<Error> {
    let (name, _) = awaited(settings)?;
    let there = is_up(name).unwrap_or(true);
    (!there).then(|| Error::Gone(name.to_owned()))
}

fn awaited(settings: &Settings) -> Option<(&str, Wait)> {
    match &settings.input {
        Input::Live { interface: Some(name), wait: Some(wait), .. } => Some((name, *wait)),
        Input::Live { .. } | Input::Savefiles(_) => None,
    }
}
