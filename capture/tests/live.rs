//! Live capture on the loopback of a network namespace of the test's own, through the real executable.
//!
//! Making the namespace needs root; without, these tests have nothing to show and pass.

#![cfg(test)]
#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails, as it should")]

mod common;

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use common::{Role, begin, plan};
use nix::sched::{CloneFlags, unshare};
use proto::control::{FromRole, ToRole};
use proto::frame::Ending;
use proto::plan::{Group, Live, Source};
use proto::time::Timestamp;

/// Moves this thread, and the processes it starts, into a network of its own; none without root.
fn own_network() -> Option<UdpSocket> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip(&["link", "set", "lo", "up"]);
    Some(UdpSocket::bind("127.0.0.1:7000").unwrap())
}

fn ip(arguments: &[&str]) {
    assert!(Command::new("ip").args(arguments).status().unwrap().success());
}

fn source(interface: &str) -> Source {
    Source::Live(Live {
        interface: Some(interface.to_owned()),
        promiscuous: true,
        snap_length: 262_144,
        ring: 4 << 20,
        packet_buffer_timeout: 10,
        group: None,
    })
}

#[test]
fn frames_sent_before_the_stop_are_relayed_and_counted() {
    let Some(socket) = own_network() else { return };
    let role = Role::start(plan(source("lo"), Some("udp dst port 7000")), &[], Stdio::null());
    begin(&role);
    for number in 0..500_u16 {
        socket.send_to(&number.to_be_bytes(), "127.0.0.1:7000").unwrap();
        socket.send_to(b"unseen", "127.0.0.1:7001").unwrap();
    }
    role.tell(&ToRole::Stop(Timestamp::default()));
    let outcome = role.finish();
    assert_eq!(outcome.last, FromRole::Done { failed: false });
    assert_eq!(outcome.relayed.interfaces, [(1, 262_144)]);
    assert_eq!(outcome.notices, ["listening on lo"]);
    // On a loopback each frame is seen twice, going out and coming in, unless libpcap drops the first.
    let numbers: Vec<&[u8]> = outcome.payloads().into_iter().map(|frame| &frame[42..44]).collect();
    let due: Vec<_> = (0..500_u16).map(u16::to_be_bytes).collect();
    assert_eq!(numbers, due);
    let end = outcome.end();
    let kernel = end.kernel.unwrap();
    assert_eq!((&end.ending, end.frames_read, kernel.dropped), (&Ending::Stopped, 500, 0));
    assert!(kernel.received >= 500);
}

#[test]
fn several_share_an_interface() {
    let Some(_socket) = own_network() else { return };
    let in_group = |group| match source("lo") {
        Source::Live(live) => Source::Live(Live { group: Some(group), ..live }),
        Source::Savefiles => panic!("an interface"),
    };
    let filter = Some("udp dst portrange 7100-7199");
    let start = |group| Role::start(plan(in_group(group), filter), &[], Stdio::null());
    let first = start(Group::Begin);
    let FromRole::Group(number) = first.hear() else { panic!("it tells its group") };
    // Nobody else's is begun twice.
    let alone = start(Group::Begin);
    let FromRole::Group(other) = alone.hear() else { panic!("it tells its group") };
    assert_ne!(number, other);
    let second = start(Group::Join(number));
    let roles = [first, second, alone];
    roles.iter().for_each(begin);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for port in 7100..7200_u16 {
        for _ in 0..3 {
            socket.send_to(&port.to_be_bytes(), ("127.0.0.1", port)).unwrap();
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = Timestamp::new(i64::try_from(now.as_secs()).unwrap() + 1, 0);
    roles.iter().for_each(|role| role.tell(&ToRole::Stop(at)));
    let mut ports = roles.map(|role| {
        let outcome = role.finish();
        assert_eq!(outcome.end().kernel.unwrap().dropped, 0);
        let ports = outcome.payloads().into_iter().map(|frame| frame[42..44].to_vec());
        ports.collect::<Vec<_>>()
    });
    assert_eq!(ports[2].len(), 300, "who is alone has all");
    assert!(ports[..2].iter().all(|ports| ports.len() > 30), "{ports:?}");
    assert_eq!(ports[0].len() + ports[1].len(), 300);
    for ports in &mut ports {
        ports.dedup();
    }
    assert_eq!(ports[0].len() + ports[1].len(), 100, "all of a port are one's");
}

#[test]
fn what_comes_after_the_word_to_stop_is_nobodys_in_a_group() {
    let Some(socket) = own_network() else { return };
    let Source::Live(live) = source("lo") else { panic!("an interface") };
    let source = Source::Live(Live { group: Some(Group::Begin), ..live });
    let role = Role::start(plan(source, None), &[], Stdio::null());
    assert!(matches!(role.hear(), FromRole::Group(_)));
    begin(&role);
    socket.send_to(b"late", "127.0.0.1:7000").unwrap();
    // An hour before that.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    role.tell(&ToRole::Stop(Timestamp::new(i64::try_from(now.as_secs()).unwrap() - 3600, 0)));
    let outcome = role.finish();
    assert_eq!(outcome.payloads(), Vec::<&[u8]>::new());
    assert_eq!(outcome.end().frames_read, 0);
}

#[test]
fn a_frame_is_relayed_while_the_network_is_quiet() {
    let Some(socket) = own_network() else { return };
    let mut role = Role::start(plan(source("lo"), None), &[], Stdio::null());
    begin(&role);
    socket.send_to(b"alone", "127.0.0.1:7000").unwrap();
    while role.frames() < 1 {
        assert!(role.receive());
    }
    role.tell(&ToRole::Stop(Timestamp::default()));
    assert_eq!(role.finish().last, FromRole::Done { failed: false });
}

#[test]
fn the_time_is_told_while_nothing_comes() {
    let Some(_socket) = own_network() else { return };
    let mut role = Role::start(plan(source("lo"), None), &[], Stdio::null());
    begin(&role);
    while role.ticks() < 2 {
        assert!(role.receive());
    }
    role.tell(&ToRole::Stop(Timestamp::default()));
    assert_eq!(role.finish().last, FromRole::Done { failed: false });
}

#[test]
fn an_interface_that_vanishes_ends_the_run_in_part() {
    if own_network().is_none() {
        return;
    }
    ip(&["link", "add", "here", "type", "veth", "peer", "name", "there"]);
    ip(&["link", "set", "here", "up"]);
    let role = Role::start(plan(source("here"), None), &[], Stdio::null());
    begin(&role);
    ip(&["link", "set", "here", "down"]);
    ip(&["link", "delete", "here"]);
    let outcome = role.finish();
    assert_eq!(outcome.last, FromRole::Done { failed: true });
    assert!(matches!(&outcome.end().ending, Ending::Interrupted(reason)
        if reason.as_str() == "here: The interface disappeared"));
}

#[test]
fn what_cannot_be_captured_fails_before_confinement() {
    if own_network().is_none() {
        return;
    }
    for (interface, filter, words) in [
        ("none", None, "none: No such device exists (No such device exists)"),
        ("lo", Some("tcp prot 80"), "can't parse filter expression: syntax error"),
    ] {
        let outcome = Role::start(plan(source(interface), filter), &[], Stdio::null()).finish();
        assert!(
            matches!(&outcome.last, FromRole::Failed(text) if text.as_str() == words),
            "{:?}",
            outcome.last
        );
    }
    ip(&["link", "set", "lo", "down"]);
    let outcome = Role::start(plan(source("lo"), None), &[], Stdio::null()).finish();
    assert!(matches!(&outcome.last, FromRole::Failed(text) if text.as_str() == "lo: That device is not up"));
}
