//! Service managers, told by the protocol of sd_notify(3): when `tcpflow` is ready, how far it is, that it
//! lives, that it reloads, that it ends.
//!
//! It lives as long as questions pass through all roles (`Count`): a role that hangs leaves one unanswered, and
//! then the watchdog is not fed, whatever else goes on. Ready it is with the first answer. A reload is that output goes on
//! in another directory, and is over when a question that was asked behind it has been answered.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use proto::control::Level;

use super::counters::Counters;
use super::settings::Settings;
use super::tell;

/// What a service manager says to a process in its environment, and to nobody that this one starts.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// How often all roles are asked how far they are.
const EVERY: Duration = Duration::from_secs(10);
/// How often at most, however impatient the watchdog.
const AT_MOST_EVERY: Duration = Duration::from_millis(50);
/// How long drops that go on are not told of again.
const BETWEEN_DROPS: Duration = Duration::from_secs(60);

/// Whoever supervises this process, if anyone does.
#[derive(Debug)]
pub struct Service {
    socket: Option<UnixDatagram>,
    /// When the roles are next to be asked; none: never.
    due: Option<Instant>,
    every: Duration,
    ready: bool,
    /// The round of answers with which a reload is over, if one goes on.
    reload: Option<u64>,
    stops: bool,
    drops: Drops,
}

impl Service {
    /// Whoever the environment names. The socket is connected now, while it can be reached.
    pub fn from_environment(settings: &Settings) -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let connected = connect(name.as_bytes());
            let told = |e| tell::at(Level::Warning, &format!("NOTIFY_SOCKET: {e}"), settings);
            connected.map_err(told).ok()
        });
        let every = watchdog().map_or(EVERY, period);
        let due = (socket.is_some() || tell::is_journal()).then(Instant::now);
        Self { socket, due, every, ready: false, reload: None, stops: false, drops: Drops::default() }
    }

    /// How often there is to be a sign of life.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// When the roles are next to be asked how far they are.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether they are to be asked now.
    pub fn asks(&mut self) -> bool {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = now.checked_add(self.every);
        true
    }

    /// A question has passed through all roles, and these are the answers.
    pub fn passed(&mut self, counters: &Counters, settings: &Settings) {
        let (captured, reassembled, _) = counters.newest();
        let status = format!(
            "{} packets, {} flows, {} open, {} packets dropped",
            captured.frames, reassembled.flows, reassembled.open, captured.dropped
        );
        if self.due.is_some() && self.drops.are_news(captured.dropped, Instant::now()) {
            let words = format!("{} packets were dropped by the kernel so far", captured.dropped);
            tell::at(Level::Warning, &words, settings);
        }
        self.lives(&status);
    }

    /// There is nothing to do yet, and it is no failure: whoever waits for this service need not wait for an
    /// interface.
    pub fn waits_for(&mut self, interface: &str) {
        self.lives(&format!("waiting for {interface}"));
    }

    /// A reload was asked for, and is over when all have answered the round `until`. The time tells the manager which of
    /// its words this answers.
    pub fn reloads(&mut self, until: u64) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.as_micros()));
        self.reload = Some(until);
    }

    /// All have answered this round.
    pub fn answered(&mut self, round: u64) {
        if self.reload.is_some_and(|until| until <= round) && self.say("READY=1") {
            self.reload = None;
        }
    }

    /// A reload was asked for, and there is nothing to be done for it.
    pub fn has_nothing_to_reload(&mut self) {
        self.reloads(0);
        self.answered(0);
    }

    /// The run ends.
    pub fn stops(&mut self) {
        if !std::mem::replace(&mut self.stops, true) {
            self.say("STOPPING=1\nSTATUS=ending");
        }
    }

    fn lives(&mut self, status: &str) {
        if self.stops {
            self.say("WATCHDOG=1");
            return;
        }
        let ready = if self.ready { "" } else { "READY=1\n" };
        // Each line is an assignment: a name must not make another.
        let status = status.replace(char::is_control, "?");
        self.ready |= self.say(&format!("{ready}WATCHDOG=1\nSTATUS={status}"));
    }

    /// Whether it was heard. Who does not listen is not waited for: there will be another time to say it.
    fn say(&self, assignments: &str) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.send(assignments.as_bytes()).is_ok())
    }
}

/// A socket of a path, or of the name of an abstract one after `@`.
fn connect(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name {
        [b'/', ..] => SocketAddr::from_pathname(OsStr::from_bytes(name))?,
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => return Err(std::io::Error::other("neither a path nor an abstract socket")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// How long the watchdog waits for us, if for us.
fn watchdog() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let ours = std::env::var_os("WATCHDOG_PID").is_none()
        || number("WATCHDOG_PID") == Some(std::process::id().into());
    number("WATCHDOG_USEC").filter(|_| ours).map(Duration::from_micros)
}

/// A question may take as long as two others, and the watchdog still be fed in time.
fn period(patience: Duration) -> Duration {
    patience.checked_div(3).unwrap_or(EVERY).clamp(AT_MOST_EVERY, EVERY)
}

/// What the kernel dropped, as far as it was told.
#[derive(Debug, Default)]
struct Drops {
    told: u64,
    last: Option<Instant>,
}

impl Drops {
    /// Whether there are more than were told, and that was long enough ago.
    fn are_news(&mut self, dropped: u64, now: Instant) -> bool {
        let soon = self.last.is_some_and(|last| now.saturating_duration_since(last) < BETWEEN_DROPS);
        if dropped <= self.told || soon {
            return false;
        }
        self.told = dropped;
        self.last = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_told_as_they_grow_but_not_all_the_time() {
        let mut drops = Drops::default();
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let rows =
            [(0, 0, false), (1, 5, true), (2, 5, false), (30, 9, false), (61, 9, true), (200, 9, false)];
        for (seconds, dropped, told) in rows {
            assert_eq!(drops.are_news(dropped, after(seconds)), told, "{seconds}: {dropped}");
        }
    }

    #[test]
    fn the_watchdog_is_fed_in_time() {
        let of = |milliseconds| period(Duration::from_millis(milliseconds)).as_millis();
        assert_eq!((of(60_000), of(9000), of(0)), (10_000, 3000, 50));
    }

    #[test]
    fn only_sockets_that_can_be_are_connected_to() {
        for name in
            [&b""[..], b"relative", b"vsock:2:1", b"/nonexistent/socket", b"@tcpflow-nobody-listens", b"/\0"]
        {
            assert!(connect(name).is_err(), "{name:?}");
        }
    }
}
