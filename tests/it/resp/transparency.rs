//! Random pipelines, told to a Redis directly and through a proxy: the answers are the same bytes.

use harness::base::seed::{Seed, Stream as Draws};
use rand::RngExt as _;
use tokio::net::UnixStream;

use super::*;

/// Commands of a pipeline.
const COMMANDS: usize = 200;
/// Pipelines of a test; `RESP_PIPELINES` asks for more.
const PIPELINES: u64 = 12;
const MARK: &[u8] = b"$8\r\nthe end.\r\n";

/// Types of replies that the server says on demand.
const TYPES: [&str; 13] = [
    "string", "integer", "double", "null", "array", "set", "map", "attrib", "push", "verbatim",
    "true", "false", "bignum",
];

fn draw(draws: &mut Draws, resp3: bool) -> Vec<u8> {
    let key = format!("k{}", draws.random_range(0..20));
    let other = format!("k{}", draws.random_range(0..20));
    let number = draws.random_range(0..1000).to_string();
    let length = match draws.random_range(0..20) {
        0 => draws.random_range(10_000..60_000),
        _ => draws.random_range(0..100),
    };
    let mut value = vec![0; length];
    value.fill_with(|| draws.random::<u8>());
    let line = match draws.random_range(0..24) {
        0..4 => return command(&[b"SET", key.as_bytes(), &value]),
        4 => return command(&[b"SET", key.as_bytes(), &value, b"EX", b"10000"]),
        5 => return command(&[b"MSET", key.as_bytes(), &value, other.as_bytes(), &value]),
        6..10 => format!("GET {key}"),
        10 => format!("MGET {key} {other} none"),
        11 => format!("INCR n{number}"),
        12 => format!("DEL {key} {other}"),
        13 => format!("HSET h{key} f {number}"),
        14 => format!("HGETALL h{key}"),
        15 => format!("RPUSH l{key} {number}"),
        16 => format!("LRANGE l{key} 0 -1"),
        17 => format!("SADD s{key} {number}"),
        18 => format!("SISMEMBER s{key} {number}"),
        19 => "NOSUCH command".to_owned(),
        20 => format!("EVAL return{{1,'two',{{3}},redis.error_reply('FOUR')}} 1 {key}"),
        21 => return [said("MULTI"), said(&format!("GET {key}")), said("EXEC")].concat(),
        22 => return format!("GET {key}\r\n").into_bytes(),
        _ => {
            let kinds = if resp3 { &TYPES[..] } else { &TYPES[..6] };
            format!("DEBUG PROTOCOL {}", kinds[draws.random_range(0..kinds.len())])
        }
    };
    said(&line)
}

fn cut(draws: &mut Draws, bytes: &[u8]) -> Vec<Vec<u8>> {
    let longest = [1, 20, 2000, 100_000][draws.random_range(0..4)];
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        // Single bytes of a long pipeline would only take long.
        let longest = if pieces.len() > 3000 { 100_000 } else { longest };
        let (piece, behind) = rest.split_at(draws.random_range(1..=longest).min(rest.len()));
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// Catches a byte that is changed, lost or held back, and a request or a reply that is counted wrongly, in
/// either version and in any pieces.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
async fn pipelines_are_answered_as_without_a_proxy() {
    let asked = std::env::var("RESP_PIPELINES").ok().and_then(|count| count.parse().ok());
    let seed = std::env::var("RESP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let proxied = Proxied::new(None).await;
    let pipelines = asked.unwrap_or(PIPELINES);
    let mut requests = 0;
    for number in 0..pipelines {
        let mut draws = Seed::new(seed).fork(&format!("pipeline {number}")).stream();
        let resp3 = number % 2 == 1;
        // `HELLO` answers with the number of the connection.
        let hello = if resp3 { said("HELLO 3") } else { said("PING") };
        let mut told = said("FLUSHALL");
        for _ in 0..COMMANDS {
            told.extend(draw(&mut draws, resp3));
        }
        let told = [&told[..], &command(&[b"ECHO", b"the end."])].concat();
        let pieces = cut(&mut draws, &told);
        let mut direct = UnixStream::connect(proxied.redis.socket()).await.unwrap();
        greet(&mut direct, &hello).await;
        let direct = talk(direct, pieces.clone(), MARK).await;
        let mut through = proxied.connect().await;
        greet(&mut through, &hello).await;
        let through = talk(through, pieces, MARK).await;
        assert!(direct == through, "pipeline {number} of seed {seed} is answered in another way");
        requests += commands_in(&told) + 1;
    }
    let tap = proxied.tap().await;
    assert_eq!((tap.requests(), tap.replies(), tap.opaque), (requests, requests, 0));
    assert_eq!((tap.outstanding, tap.bytes_from_clients), (0, tap.bytes_to_servers));
    proxied.end().await;
}

/// Sends a command and takes what is answered, which ends a line before anything else was asked.
async fn greet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), hello: &[u8]) {
    stream.write_all(hello).await.unwrap();
    let mut heard = Vec::new();
    let whole = |heard: &[u8]| {
        let bytes = bytes::Bytes::copy_from_slice(heard);
        harness::protocol::resp::frame::value::Value::read(&bytes).is_some()
    };
    while !whole(&heard) {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "closed");
    }
}

fn commands_in(mut bytes: &[u8]) -> u64 {
    let mut commands = harness::protocol::resp::frame::command::Commands::new(usize::MAX);
    let mut count = 0;
    while commands.next(&mut bytes).unwrap().is_some() {
        count += 1;
    }
    count
}

/// Catches values that are gathered: 64 MiB pass in both directions while the proxy keeps little, and the
/// request behind them is seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
async fn large_values_stream_through() {
    let proxied = Proxied::new(Some(Protocol::Resp)).await;
    let value = vec![b'x'; 64 << 20];
    let told = [command(&[b"SET", b"k", &value, b"EX", b"1000"]), said("GET k"), said("PING")];
    let heard = talk(proxied.connect().await, told.to_vec(), b"+PONG\r\n").await;
    assert_eq!(heard.len(), 5 + 11 + value.len() + 2 + 7);
    let tap = proxied.tap().await;
    let count = |name| tap.requests_by_command.get(name).copied();
    assert_eq!((count("set"), count("get"), count("ping")), (Some(1), Some(1), Some(1)));
    assert_eq!((tap.replies_by_status.get("hit"), tap.opaque), (Some(&1), 0));
    proxied.end().await;
}
