//! System calls: the role's list, compiled to BPF when this crate was built (`build.rs`).
//!
//! One list serves debug and release builds. Its default kills the process, except where programs of the
//! user's inherit it: the runner's list names what they are refused.

use std::os::fd::RawFd;

use seccompiler::sock_filter;

use crate::Role;

/// An instruction as the build wrote it: code, jump if true, jump if false, operand.
type Instruction = (u16, u8, u8, u32);

const CAPTURE_LIVE: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/capture-live.rs"));
const CAPTURE_FILES: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/capture-files.rs"));
const REASSEMBLER: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/reassembler.rs"));
const WRITER: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/writer.rs"));
const WRITER_RETAINING: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/writer-retaining.rs"));
const WRITER_OF_SEVERAL: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/writer-of-several.rs"));
const WRITER_OF_SEVERAL_RETAINING: &[Instruction] =
    include!(concat!(env!("OUT_DIR"), "/writer-of-several-retaining.rs"));
const RUNNER: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/runner.rs"));
const PYTHON: &[Instruction] = include!(concat!(env!("OUT_DIR"), "/python.rs"));

/// Stands in a list for the packet socket, whose number libpcap chooses.
const PACKET_SLOT: u32 = 0x7fff_fd01;

/// Loads the list of `role` in all threads, for good.
pub fn load(role: Role, packet: Option<RawFd>) -> Result<String, String> {
    let program = program(role, packet)?;
    seccompiler::apply_filter_all_threads(&program).map_err(|e| e.to_string())?;
    let default = if role.runs_programs() { "allow, for the programs' sake" } else { "kill" };
    Ok(format!("{} instructions, default: {default}", program.len()))
}

fn program(role: Role, packet: Option<RawFd>) -> Result<Vec<sock_filter>, String> {
    let list = match role {
        Role::CaptureLive => CAPTURE_LIVE,
        Role::CaptureFiles => CAPTURE_FILES,
        Role::Reassembler => REASSEMBLER,
        Role::Writer => WRITER,
        Role::WriterRetaining => WRITER_RETAINING,
        Role::WriterOfSeveral => WRITER_OF_SEVERAL,
        Role::WriterOfSeveralRetaining => WRITER_OF_SEVERAL_RETAINING,
        Role::Runner => RUNNER,
    };
    fill(list, packet)
}

/// The list of a plugin's process.
pub fn python() -> Result<Vec<sock_filter>, String> {
    fill(PYTHON, None)
}

fn fill(list: &[Instruction], packet: Option<RawFd>) -> Result<Vec<sock_filter>, String> {
    let packet = packet.map(u32::try_from).transpose().map_err(|_| "packet socket is not open")?;
    let fill = |k: u32| match (k, packet) {
        (PACKET_SLOT, Some(number)) => Ok(number),
        (PACKET_SLOT, None) => Err("this role's list names a packet socket, and there is none".to_owned()),
        (other, _) => Ok(other),
    };
    list.iter().map(|&(code, jt, jf, k)| Ok(sock_filter { code, jt, jf, k: fill(k)? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_socket_takes_its_slot() {
        let filled = program(Role::CaptureLive, Some(9)).unwrap();
        assert!(filled.iter().any(|i| i.k == 9));
        assert!(filled.iter().all(|i| i.k != PACKET_SLOT));
        assert!(program(Role::CaptureLive, None).is_err());
    }

    #[test]
    fn only_live_capture_names_a_packet_socket() {
        let writers = [(false, 1), (true, 1), (false, 2), (true, 2)];
        let writers = writers.map(|(retains, workers)| Role::writer(retains, workers));
        for role in writers.into_iter().chain([Role::CaptureFiles, Role::Reassembler, Role::Runner]) {
            assert!(program(role, None).is_ok(), "{role:?}");
        }
    }
}
