//! What a look at every message costs: bytes and messages a second, per protocol.
//!
//! `cargo bench --bench framing`. Each stream is shown to an observer in reads of at most
//! 16 KiB: sixteen requests, then their replies, and so on.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its streams should stop")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::protocol::memcached::frame::binary::{Header, REPLY_MAGIC, REQUEST_MAGIC};
use harness::protocol::memcached::frame::observe::{
    Observer, Options, ReplyEvent, RequestEvent, State,
};
use harness::protocol::memcached::frame::version::ServerVersion;

/// How much a proxy reads at once.
const READ_BYTES: usize = 16 * 1024;
/// How many requests a stream has: so few that they stay in the cache, as what was just read does.
const REQUESTS: usize = 512;
/// How many of them are sent before their replies come.
const DEPTH: usize = 16;

/// One conversation: what is sent and what comes back, in turns.
struct Stream {
    name: &'static str,
    turns: Vec<(Vec<u8>, Vec<u8>)>,
    messages: u64,
}

impl Stream {
    fn new(
        name: &'static str,
        count: usize,
        exchange: impl Fn(usize) -> (Vec<u8>, Vec<u8>),
    ) -> Self {
        let mut turns = vec![(Vec::new(), Vec::new()); count.div_ceil(DEPTH)];
        for index in 0..count {
            let (request, reply) = exchange(index);
            turns[index / DEPTH].0.extend(request);
            turns[index / DEPTH].1.extend(reply);
        }
        Self { name, turns, messages: 2 * count as u64 }
    }

    fn text(name: &'static str, request: &str, reply: &str) -> Self {
        // A long request is a multi-get: fewer of them.
        let count = if request.starts_with("get KEY-") { REQUESTS / 32 } else { REQUESTS };
        Self::new(name, count, |index| {
            let with_key = |text: &str| text.replace("KEY", &format!("key-{index:08}"));
            (with_key(request).into_bytes(), with_key(reply).into_bytes())
        })
    }

    fn binary(name: &'static str, value: &[u8]) -> Self {
        Self::new(name, REQUESTS, |index| {
            let header = Header {
                magic: REQUEST_MAGIC,
                opcode: 0,
                key_bytes: 12,
                extras_bytes: 0,
                status: 0,
                body_bytes: 12,
                opaque: u32::try_from(index).unwrap(),
                cas: 0,
            };
            let reply = Header {
                magic: REPLY_MAGIC,
                key_bytes: 0,
                extras_bytes: 4,
                body_bytes: 4 + u32::try_from(value.len()).unwrap(),
                ..header
            };
            let key = format!("key-{index:08}");
            (
                [header.bytes().as_slice(), key.as_bytes()].concat(),
                [reply.bytes().as_slice(), &[0; 4], value].concat(),
            )
        })
    }

    /// Shows it all to an observer, and gives how many messages that saw.
    fn observe(&self, read: usize) -> u64 {
        let version = ServerVersion::V1_6_18;
        let mut observer = Observer::new(Options { version, ..Options::default() });
        let mut messages = 0;
        for (requests, replies) in &self.turns {
            for piece in requests.chunks(read) {
                observer.on_request(piece, (), &mut |event| {
                    messages += u64::from(matches!(event, RequestEvent::Request(_)));
                });
            }
            for piece in replies.chunks(read) {
                observer.on_reply(piece, &mut |event| {
                    messages += u64::from(matches!(event, ReplyEvent::Done(_)));
                });
            }
        }
        assert_eq!(observer.state(), State::Framed);
        messages
    }

    fn bytes(&self) -> u64 {
        self.turns.iter().map(|(requests, replies)| (requests.len() + replies.len()) as u64).sum()
    }
}

fn streams() -> Vec<Stream> {
    let value = "v".repeat(1024);
    let many: String = (0..100).fold(String::from("get"), |mut line, index| {
        write!(line, " KEY-{index}").unwrap();
        line
    });
    let found: String = (0..100).fold(String::new(), |mut reply, index| {
        write!(reply, "VALUE KEY-{index} 0 5\r\nhello\r\n").unwrap();
        reply
    });
    let hit = |value: &str| format!("VALUE KEY 0 {}\r\n{value}\r\nEND\r\n", value.len());
    vec![
        Stream::text("text get, 5 B", "get KEY\r\n", &hit("hello")),
        Stream::text("text get, 1 KiB", "get KEY\r\n", &hit(&value)),
        Stream::text("text set, 5 B", "set KEY 0 0 5\r\nhello\r\n", "STORED\r\n"),
        Stream::text("text set, 1 KiB", &format!("set KEY 0 0 1024\r\n{value}\r\n"), "STORED\r\n"),
        Stream::text("text multi-get of 100", &format!("{many}\r\n"), &format!("{found}END\r\n")),
        Stream::text("meta mg, 5 B", "mg KEY v t\r\n", "VA 5 t-1\r\nhello\r\n"),
        Stream::text("meta quiet mg", "mg KEY v q Okey\r\n", "VA 5 Okey\r\nhello\r\n"),
        Stream::binary("binary get, 5 B", b"hello"),
        Stream::binary("binary get, 1 KiB", value.as_bytes()),
    ]
}

fn framing(criterion: &mut Criterion) {
    for stream in streams() {
        assert_eq!(stream.observe(READ_BYTES), stream.messages, "{}", stream.name);
        let bytes = stream.bytes();
        let mut group = criterion.benchmark_group(stream.name);
        for (unit, throughput) in [
            ("messages", Throughput::Elements(stream.messages)),
            ("bytes", Throughput::Bytes(bytes)),
        ] {
            group.throughput(throughput);
            group.bench_function(BenchmarkId::from_parameter(unit), |bencher| {
                bencher.iter(|| black_box(stream.observe(black_box(READ_BYTES))));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, framing);
criterion_main!(benches);
