//! What a message costs between two processes beside the socket: into a batch, and out of it.

#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::unwrap_used, reason = "what is measured has to work")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use proto::batch::{Incoming, Outgoing};
use proto::frame::{Frame, FromCapture};
use proto::time::Timestamp;

/// Batches of frames: as few as fit, and as many.
const SIZES: [u32; 2] = [60, 1514];

fn framing(criterion: &mut Criterion) {
    for size in SIZES {
        let frame = Frame { interface: 0, time: Timestamp::new(1, 2), captured: size, original: size };
        let message = FromCapture::Frame(frame);
        let payload = vec![0; usize::try_from(size).unwrap()];
        let mut batch = Outgoing::default();
        let count = fill(&mut batch, &message, &payload);
        let datagram = batch.parts().unwrap().concat();
        let mut group = criterion.benchmark_group(format!("frames of {size} bytes"));
        group.throughput(Throughput::Elements(count));
        group.bench_function("fill a batch", |bencher| {
            bencher.iter(|| {
                batch.advance();
                fill(&mut batch, &message, &payload)
            });
        });
        group.bench_function("read a batch", |bencher| {
            bencher.iter(|| {
                let mut batch = Incoming::<FromCapture>::open(&datagram, 0).unwrap();
                while let Some(read) = batch.next().unwrap() {
                    std::hint::black_box(read);
                }
            });
        });
    }
}

/// How many were put in.
fn fill(batch: &mut Outgoing<FromCapture>, message: &FromCapture, payload: &[u8]) -> u64 {
    let mut count = 0_u64;
    while !batch.is_full_for(payload.len()) {
        batch.push(message, payload).unwrap();
        count = count.saturating_add(1);
    }
    count
}

criterion_group!(benches, framing);
criterion_main!(benches);
