//! What a packet costs in each part that it passes: the decoder, the flow table, the assembler.

#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::unwrap_used, reason = "what is measured has to work")]

use std::ops::Range;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use proto::plan::Separation;
use proto::time::Timestamp;
use reassembler::assembler::Assembler;
use reassembler::decode::{Decoder, LinkType};
use reassembler::flow::{Beginning, Flow};
use reassembler::table::{Class, Ends, Table};

const DECODER: Decoder = Decoder { tunnels: true, separation: Separation::Tunnel };
/// Segments that are put in order at a time.
const SEGMENTS: u64 = 512;
const SEGMENT: u64 = 1448;

/// An Ethernet frame of the flow of this number.
fn frame(number: u32) -> Vec<u8> {
    let source = number.to_be_bytes();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, [192, 0, 2, 1], 64);
    let mut frame = Vec::new();
    builder.tcp(1024, 80, 100, 1024).write(&mut frame, &[b'x'; 100]).unwrap();
    frame
}

fn decoder(criterion: &mut Criterion) {
    let plain = frame(1);
    let mut tagged = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).single_vlan(1.try_into().unwrap());
    let ends = ([0x20; 16], [0x21; 16]);
    builder.ipv6(ends.0, ends.1, 64).tcp(1024, 80, 100, 1024).write(&mut tagged, &[b'x'; 100]).unwrap();
    let mut group = criterion.benchmark_group("decoder");
    group.throughput(Throughput::Elements(1));
    for (name, frame) in [("Ethernet, IPv4", &plain), ("Ethernet, VLAN, IPv6", &tagged)] {
        let length = u32::try_from(frame.len()).unwrap();
        group.bench_function(name, |bencher| {
            let link = LinkType::from_number(1);
            bencher.iter(|| {
                DECODER.open(link, std::hint::black_box(frame), length).segment().unwrap().payload.len()
            });
        });
    }
}

fn table(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    group.throughput(Throughput::Elements(1));
    for flows in [10_u32, 1000, 100_000, 1_000_000] {
        let mut table = Table::default();
        let mut all = Vec::new();
        for number in 0..flows {
            let frame = frame(number);
            let mut opened = DECODER.open(LinkType::from_number(1), &frame, 154);
            let segment = opened.segment().unwrap();
            let ends = table.hash(Ends::of(&segment));
            let number = u64::from(number);
            let beginning = Beginning::of(&segment, Timestamp::new(1, 0), number);
            table.insert(ends, Flow::new(beginning, number, &segment));
            all.push(ends);
        }
        let mut turn = all.iter().cycle();
        group.bench_function(BenchmarkId::new("find and touch", flows), |bencher| {
            bencher.iter(|| {
                let handle = table.find(turn.next().unwrap()).unwrap();
                table.touch(handle, Class::Active);
            });
        });
    }
}

fn assembler(criterion: &mut Criterion) {
    let at = |number: u64| number.saturating_mul(SEGMENT)..number.saturating_add(1).saturating_mul(SEGMENT);
    let orders: [(&str, Vec<Range<u64>>); 3] = [
        ("in order", (0..SEGMENTS).map(at).collect()),
        ("backwards", (0..SEGMENTS).rev().map(at).collect()),
        ("every other one first", (0..SEGMENTS).step_by(2).chain((1..SEGMENTS).step_by(2)).map(at).collect()),
    ];
    let mut group = criterion.benchmark_group("assembler");
    group.throughput(Throughput::Elements(SEGMENTS));
    for (name, ranges) in orders {
        group.bench_function(name, |bencher| {
            let fill = |mut assembler: Assembler| {
                for range in &ranges {
                    std::hint::black_box(assembler.look(range));
                    assembler.insert(range.clone());
                }
                assembler
            };
            bencher.iter_batched(Assembler::default, fill, BatchSize::SmallInput);
        });
    }
}

criterion_group!(benches, decoder, table, assembler);
criterion_main!(benches);
