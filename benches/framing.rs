//! What a look at every message costs: bytes and messages a second, per protocol.
//!
//! `cargo bench --bench framing`. Each stream is shown to an observer in reads of 16 KiB: ten
//! thousand requests, then their replies.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its streams should stop")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use harness::wire::binary::{Header, REPLY_MAGIC, REQUEST_MAGIC};
use harness::wire::observe::{Observer, Options, ReplyEvent, RequestEvent, State};
use harness::wire::version::ServerVersion;

/// How much a proxy reads at once.
const READ_BYTES: usize = 16 * 1024;
/// How many requests a stream has.
const REQUESTS: usize = 10_000;

/// One conversation.
struct Stream {
    name: &'static str,
    requests: Vec<u8>,
    replies: Vec<u8>,
    messages: u64,
}

impl Stream {
    fn text(name: &'static str, request: &str, reply: &str) -> Self {
        let mut requests = String::new();
        let mut replies = String::new();
        for index in 0..REQUESTS {
            write!(requests, "{}", request.replace("KEY", &format!("key-{index:08}"))).unwrap();
            write!(replies, "{}", reply.replace("KEY", &format!("key-{index:08}"))).unwrap();
        }
        let messages = 2 * REQUESTS as u64;
        Self { name, requests: requests.into_bytes(), replies: replies.into_bytes(), messages }
    }

    fn repeated(name: &'static str, request: &str, reply: &str, count: usize) -> Self {
        Self {
            name,
            requests: request.repeat(count).into_bytes(),
            replies: reply.repeat(count).into_bytes(),
            messages: 2 * count as u64,
        }
    }

    fn binary(name: &'static str, value: &[u8]) -> Self {
        let mut stream =
            Self { name, requests: Vec::new(), replies: Vec::new(), messages: 2 * REQUESTS as u64 };
        for index in 0..REQUESTS {
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
            stream.requests.extend_from_slice(&header.bytes());
            stream.requests.extend_from_slice(format!("key-{index:08}").as_bytes());
            let reply = Header {
                magic: REPLY_MAGIC,
                key_bytes: 0,
                extras_bytes: 4,
                body_bytes: 4 + u32::try_from(value.len()).unwrap(),
                ..header
            };
            stream.replies.extend_from_slice(&reply.bytes());
            stream.replies.extend_from_slice(&[0; 4]);
            stream.replies.extend_from_slice(value);
        }
        stream
    }

    /// Shows it all to an observer, and gives how many messages that saw.
    fn observe(&self, read: usize) -> u64 {
        let version = ServerVersion::V1_6_18;
        let mut observer = Observer::new(Options { version, ..Options::default() });
        let mut messages = 0;
        for piece in self.requests.chunks(read) {
            observer.on_request(piece, (), &mut |event| {
                messages += u64::from(matches!(event, RequestEvent::Request(_)));
            });
        }
        for piece in self.replies.chunks(read) {
            observer.on_reply(piece, &mut |event| {
                messages += u64::from(matches!(event, ReplyEvent::Done(_)));
            });
        }
        assert_eq!(observer.state(), State::Framed);
        messages
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
        Stream::repeated(
            "text multi-get of 100",
            &format!("{many}\r\n"),
            &format!("{found}END\r\n"),
            REQUESTS / 100,
        ),
        Stream::text("meta mg, 5 B", "mg KEY v t\r\n", "VA 5 t-1\r\nhello\r\n"),
        Stream::text("meta quiet mg", "mg KEY v q Okey\r\n", "VA 5 Okey\r\nhello\r\n"),
        Stream::binary("binary get, 5 B", b"hello"),
        Stream::binary("binary get, 1 KiB", value.as_bytes()),
    ]
}

fn framing(criterion: &mut Criterion) {
    for stream in streams() {
        assert_eq!(stream.observe(READ_BYTES), stream.messages, "{}", stream.name);
        let bytes = (stream.requests.len() + stream.replies.len()) as u64;
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
