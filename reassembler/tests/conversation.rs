//! What the capture process may not say.
#![allow(clippy::unwrap_used, reason = "a test that fails loudly is a test that works")]

mod support;

use proto::control::Level;
use proto::flow::FromReassembler;
use proto::frame::{CaptureEnd, Ending, Frame, FromCapture};
use proto::text::Text;
use proto::time::Timestamp;
use reassembler::Error;
use reassembler::protocol::Conversation;
use support::plan;

fn input() -> FromCapture {
    FromCapture::Input { name: Text::cut("x.pcap"), completing: false }
}

fn interface() -> FromCapture {
    FromCapture::Interface { link_type: 1, snap_length: 0, nanoseconds: false }
}

fn frame(interface: u32) -> FromCapture {
    FromCapture::Frame(Frame { interface, time: Timestamp::new(0, 0), captured: 0, original: 0 })
}

fn end() -> FromCapture {
    FromCapture::End(CaptureEnd {
        ending: Ending::Complete,
        frames_read: 0,
        frames_filtered: 0,
        kernel: None,
        savefile_drops: None,
    })
}

fn hear(messages: Vec<FromCapture>) -> Result<(), Error> {
    let mut conversation = Conversation::new(&plan(), Vec::new());
    messages.into_iter().try_for_each(|message| conversation.hear(message, &[], &mut |_, _| ()))
}

#[test]
fn the_order_of_messages_is_kept() {
    hear(vec![input(), interface(), frame(0), interface(), frame(1), input(), interface(), frame(0), end()])
        .unwrap();
    hear(vec![end()]).unwrap();
    for wrong in [
        vec![interface()],
        vec![frame(0)],
        vec![input(), frame(0)],
        vec![input(), interface(), frame(1)],
        vec![input(), interface(), input(), frame(0)],
        vec![end(), input()],
        vec![end(), end()],
    ] {
        assert!(matches!(hear(wrong.clone()), Err(Error::Breach(_))), "{wrong:?}");
    }
}

#[test]
fn an_end_without_notice_is_told_and_fails() {
    let mut conversation = Conversation::new(&plan(), Vec::new());
    conversation.hear(input(), &[], &mut |_, _| ()).unwrap();
    let messages = conversation.close().unwrap();
    let (FromReassembler::End(totals), _) = messages.last().unwrap() else { panic!("no end") };
    let reason = Text::cut("tcpflow-capture ended without saying why");
    assert_eq!(totals.capture.ending, Ending::Interrupted(reason));
    assert!(matches!(conversation.verdict(), Err(Error::CaptureVanished)));
}

#[test]
fn an_unknown_link_type_is_told_once_a_frame_comes_in_tcpflows_words() {
    let mut told = Vec::new();
    let mut conversation = Conversation::new(&plan(), Vec::new());
    let mut tell = |level: Level, text: &str| told.push((level, text.to_owned()));
    conversation.hear(input(), &[], &mut tell).unwrap();
    let unknown = FromCapture::Interface { link_type: 147, snap_length: 0, nanoseconds: false };
    conversation.hear(unknown, &[], &mut tell).unwrap();
    // The capture process has the word if no frame of the input can be decoded.
    conversation.hear(frame(0), &[], &mut tell).unwrap();
    conversation.hear(frame(0), &[], &mut tell).unwrap();
    let words = "sorry - unknown datalink type 147 on interface x.pcap";
    assert_eq!(told, [(Level::Error, words.to_owned())]);
    conversation.hear(end(), &[], &mut |_, _| ()).unwrap();
    conversation.close().unwrap();
    assert_eq!(conversation.verdict().unwrap(), policy::role::Done::InPart);
}
