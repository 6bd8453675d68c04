//! The line that shows how far the reading of savefiles is: on a terminal only, gone at the end, and never in
//! the way of anything else.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::JoinHandle;

use nix::pty::{Winsize, openpty};
use tcpflow_tests::capture::{ETHERNET, pcap};
use tcpflow_tests::cases;
use tcpflow_tests::conversation::{Conversation, Side};
use tcpflow_tests::run::Bench;
use tcpflow_tests::subject::Subject;
use tcpflow_tests::suite::{self, Need};

/// What stands in the line and nowhere else.
const SHOWN: &str = " packets, ";
/// What takes a line away: to its beginning, and erase.
const CLEARED: &str = "\r\u{1b}[2K";

fn main() -> ExitCode {
    suite::main(cases![&[Need::Ours("it shows none")];
        a_terminal_shows_a_line_and_is_left_clean,
        notices_have_lines_of_their_own,
        a_pipe_shows_none,
        quiet_runs_show_none,
        the_console_has_the_terminal_for_itself,
    ])
}

/// Options to read the capture so often that it takes well over the time before a line is shown, on any machine.
fn read() -> Vec<&'static str> {
    ["-r", "in.pcap"].repeat(8)
}

/// A capture that ends in a notice.
fn bench() -> Bench {
    let mut talk = Conversation::default();
    talk.open();
    for number in 0..100_000 {
        talk.data(Side::Client, number * 500, &[b'x'; 500]);
    }
    let whole = pcap(ETHERNET, &talk.packets);
    Bench::of(Subject::Ours).file("in.pcap", &whole[..whole.len() - 100])
}

/// A run whose standard error, and if asked its standard output, is a terminal.
struct OnTerminal {
    child: Child,
    reader: JoinHandle<String>,
}

impl OnTerminal {
    /// Reads the capture so.
    fn start(bench: &Bench, arguments: &[&str], console: bool) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size, None).unwrap();
        let stdout = if console { Stdio::from(terminal.slave.try_clone().unwrap()) } else { Stdio::null() };
        let child = Command::new(Subject::Ours.executable())
            .args(arguments)
            .args(read())
            .current_dir(bench.path())
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::from(terminal.slave))
            .spawn()
            .unwrap();
        let reader = std::thread::spawn(move || read_all(terminal.master));
        Self { child, reader }
    }

    fn finish(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.reader.join().unwrap())
    }
}

/// A terminal has no end but an error, when the last that has it open is gone.
fn read_all(master: OwnedFd) -> String {
    let (mut master, mut bytes, mut buffer) = (File::from(master), Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        bytes.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn a_terminal_shows_a_line_and_is_left_clean() {
    let (code, said) = OnTerminal::start(&bench(), &["-o", "out"], false).finish();
    assert_eq!(code, Some(1), "the capture is cut: {said:?}");
    assert!(said.contains(SHOWN) && said.contains(" flows, ") && said.contains("/s"), "{said:?}");
    let (_, after) = said.rsplit_once(SHOWN).unwrap();
    assert!(after.contains(CLEARED), "it is taken away: {after:?}");
    assert!(said.ends_with('\n') || said.ends_with(CLEARED), "{said:?}");
}

/// Whatever is said begins at the left edge of an empty line.
fn notices_have_lines_of_their_own() {
    let (_, said) = OnTerminal::start(&bench(), &["-v", "-o", "out"], false).finish();
    assert!(said.contains(SHOWN) && said.contains("tcpflow: in.pcap: truncated dump file"), "{said:?}");
    for (place, _) in said.match_indices("tcpflow: ") {
        let before = &said[..place];
        let clean = before.is_empty() || before.ends_with('\n') || before.ends_with(CLEARED);
        assert!(clean, "{:?} stands before a notice", before.rsplit('\n').next());
    }
}

fn a_pipe_shows_none() {
    let outcome = bench().run(&[vec!["-o", "out"], read()].concat()).finish().expect(1);
    assert!(!outcome.stderr.contains(SHOWN), "{:?}", outcome.stderr);
    assert!(!outcome.stderr.contains(['\r', '\u{1b}']), "{:?}", outcome.stderr);
}

fn quiet_runs_show_none() {
    let bench = bench();
    for option in ["-q", "-d0"] {
        let (_, said) = OnTerminal::start(&bench, &[option, "-o", "out"], false).finish();
        assert!(!said.contains(SHOWN) && !said.contains('\u{1b}'), "{option}: {said:?}");
    }
}

fn the_console_has_the_terminal_for_itself() {
    let line = ["-c", "-b", "1"];
    let (_, said) = OnTerminal::start(&bench(), &line, true).finish();
    assert!(!said.contains(SHOWN) && !said.contains('\u{1b}'), "{said:?}");
}
