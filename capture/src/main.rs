//! `tcpflow-capture`: opens what packets come from, gives up every privilege, relays frames undecoded.
//!
//! The only process of tcpflow that ever holds a privilege, and that only until [`policy::sandbox::enter`].

mod bytes;
mod classic;
mod defect;
mod error;
mod filter;
mod inputs;
mod link;
mod live;
mod pcapng;
mod reading;
mod record;
mod relay;
mod resolution;
mod run;
mod savefile;
mod source;
mod sys;
mod window;

fn main() -> std::process::ExitCode {
    policy::role::main(run::run)
}
