//! Lines that nobody asked for, in front of and behind the answers to every command: what a client
//! may take them for, and how soon it notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_memcached::AsciiProtocol;
use harness::base::seed::{Seed, Stream};
use harness::client::{Call, Client, ClientConfig, Failure, Item, Store, Ttl};
use harness::event::{CloseCause, ErrorClass};
use harness::protocol::memcached::frame::key::Key;
use rand::RngExt;

use super::desync::{closed, unguarded};
use super::servers::{ABSENT, FULL, Peer, Scripted, number_of, right_answer};
use super::{client, key, patient};

/// Lines that any request takes for its own answer.
const ERRORS: &[&str] = &["SERVER_ERROR stray\r\n", "CLIENT_ERROR stray\r\n", "ERROR\r\n"];

/// Lines that a classic request takes for its own answer.
const ANSWERS: &[&str] = &[
    "END\r\n",
    "STORED\r\n",
    "NOT_STORED\r\n",
    "DELETED\r\n",
    "NOT_FOUND\r\n",
    "OK\r\n",
    "MN\r\n",
];

/// Lines that no request of ours can take for its own answer.
const OTHERS: &[&str] = &[
    "17\r\n",
    "TOUCHED\r\n",
    "EXISTS\r\n",
    "HD\r\n",
    "EN\r\n",
    "HD kk1 O0\r\n",
    "VALUE stray 0 5\r\nstray\r\nEND\r\n",
    "VA 5 kk1 f1 O0\r\nstray\r\n",
    "HELLO\r\n",
    "\r\n",
];

/// What a server adds to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    Before(&'static str),
    After(&'static str),
    /// The answer once more.
    Twice,
}

/// A server that answers rightly and adds something to one answer in `every`, and how often it did.
async fn adding(
    seed: u64,
    every: u32,
    extra: impl Fn(&mut Stream) -> Extra + Send + Sync + 'static,
) -> (Scripted, Arc<AtomicU64>) {
    let added = Arc::<AtomicU64>::default();
    let (count, extra) = (Arc::clone(&added), Arc::new(extra));
    let server = Scripted::start(move |mut peer: Peer| {
        let (count, extra) = (Arc::clone(&count), Arc::clone(&extra));
        async move {
            let mut draws = Seed::new(seed).index(peer.number).stream();
            while let Some(line) = peer.request().await {
                let answer = right_answer(&line);
                // A batch is answered as a whole, at its end.
                if draws.random_range(0..every) != 0 || answer.is_empty() {
                    peer.send(&answer).await;
                    continue;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let whole = match extra(&mut draws) {
                    Extra::Before(line) => format!("{line}{answer}"),
                    Extra::After(line) => format!("{answer}{line}"),
                    Extra::Twice => format!("{answer}{answer}"),
                };
                peer.send(&whole).await;
            }
            peer
        }
    })
    .await;
    (server, added)
}

/// What one call came to, held against what the server holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// As it is.
    True,
    /// Another outcome than the server's, but no value: a miss, an acknowledgement.
    False,
    /// An error where the server refused nothing, or a doubt about a write.
    Error,
    /// A write that the server executed is said to have failed.
    Denied,
}

/// A read, or a write, against what the server answers to it.
fn seen<T: PartialEq>(result: Result<T, Failure>, truth: Result<T, ErrorClass>) -> Seen {
    match (result, truth) {
        (Err(Failure::Error(class)), Err(truth)) if class == truth => Seen::True,
        (Err(_), _) => Seen::Error,
        (Ok(answer), Ok(truth)) if answer == truth => Seen::True,
        (Ok(_), _) => Seen::False,
    }
}

/// A write: what the server executed must not be called failed.
fn seen_write<T: PartialEq>(result: Result<T, Failure>, truth: Result<T, ErrorClass>) -> Seen {
    let denied = matches!(result, Err(Failure::Error(_))) && truth.is_ok();
    if denied { Seen::Denied } else { seen(result, truth) }
}

/// A read: whatever happened, a value is the right one.
fn seen_value(result: Result<Option<Item>, Failure>, name: &str) -> Seen {
    let truth = (!name.starts_with(ABSENT)).then(|| format!("of {name}").into_bytes());
    let value = result.map(|item| item.map(|item| item.value));
    if let Ok(Some(value)) = &value {
        assert_eq!(Some(value), truth.as_ref(), "a wrong value under {name}");
    }
    seen(value, Ok(truth))
}

const COMMANDS: u32 = 16;

/// One call of the command with this number on a drawn key.
async fn call(client: &Client, command: u32, draws: &mut Stream) -> Seen {
    let family = ["k", "k", "k", ABSENT, FULL][draws.random_range(0..5)];
    let name = format!("{family}{}", draws.random_range(0..3));
    let (k, is_there) = (key(&name), !name.starts_with(ABSENT));
    let stored =
        if name.starts_with(FULL) { Err(ErrorClass::ServerError) } else { Ok(Store::Stored) };
    let (value, ttl) = (b"x".as_slice(), Ttl::Never);
    match command {
        0 => seen_value(client.get(&k).await.result, &name),
        1 => seen_value(client.gets(&k).await.result, &name),
        2 => seen_value(client.gat(&k, ttl).await.result, &name),
        3 => several(client, draws).await,
        4 => seen_write(client.set(&k, value, ttl).await.result, stored),
        5 => seen_write(client.add(&k, value, ttl).await.result, stored),
        6 => seen_write(client.replace(&k, value, ttl).await.result, stored),
        7 => seen_write(client.append(&k, value, ttl).await.result, stored),
        8 => seen_write(client.prepend(&k, value, ttl).await.result, stored),
        9 => seen_write(client.cas(&k, value, ttl, 1).await.result, stored),
        10 => seen_write(client.delete(&k).await.result, Ok(is_there)),
        11 | 12 => {
            let up = command == 11;
            let call = if up { client.incr(&k, 2).await } else { client.decr(&k, 2).await };
            if let Ok(Some(number)) = call.result {
                assert_eq!(number, number_of(&name), "another counter's number for {name}");
            }
            seen_write(call.result, Ok(is_there.then(|| number_of(&name))))
        }
        13 => seen_write(client.touch(&k, ttl).await.result, Ok(is_there)),
        14 => seen(client.exists(&k).await.result, Ok(is_there)),
        _ => seen_write(client.flush_all().await.remove(0).result, Ok(())),
    }
}

async fn several(client: &Client, draws: &mut Stream) -> Seen {
    let names = ["k0", "k1", "absent0", "absent1"];
    let first = draws.random_range(0..4);
    let names = &names[first.min(2)..];
    let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
    let entries = client.get_multi(&keys).await.entries;
    let all = entries.into_iter().zip(names).map(|(entry, name)| seen_value(entry, name));
    all.fold(Seen::True, |worst, seen| if seen == Seen::True { worst } else { seen })
}

/// What many calls on few connections came to.
#[derive(Debug, Default)]
struct Tally {
    errors: u64,
    falsehoods: u64,
    denials: u64,
    extras: u64,
}

/// Runs calls of every command, one after the other, so that each runs into what the last one left.
async fn tally(
    seeds: std::ops::Range<u64>,
    every: u32,
    extra: impl Fn(&mut Stream) -> Extra + Clone + Send + Sync + 'static,
) -> Tally {
    let mut sum = Tally::default();
    for seed in seeds {
        let (server, extras) = adding(seed, every, extra.clone()).await;
        let config = ClientConfig { pool_size: 1, ..unguarded(patient().operation_timeout) };
        let client = client(&server.address, config);
        let mut draws = Seed::new(seed).fork("calls").stream();
        for _ in 0..80 {
            let command = draws.random_range(0..COMMANDS);
            match call(&client, command, &mut draws).await {
                Seen::True => {}
                Seen::False => sum.falsehoods += 1,
                Seen::Error => sum.errors += 1,
                Seen::Denied => sum.denials += 1,
            }
        }
        sum.extras += extras.load(Ordering::SeqCst);
    }
    assert!(sum.extras > 100, "the server added too little: {sum:?}");
    sum
}

fn either(draws: &mut Stream, lines: &'static [&'static str]) -> Extra {
    let line = lines[draws.random_range(0..lines.len())];
    if draws.random() { Extra::Before(line) } else { Extra::After(line) }
}

/// Catches a client that takes an error line for an answer and goes on as if nothing were left over:
/// each may cost one error, or one doubt about a write, and nothing else but that is ever untrue.
#[tokio::test]
async fn a_stray_error_line_costs_one_error() {
    let sum = tally(0..60, 8, |draws| either(draws, ERRORS)).await;
    assert_eq!((sum.falsehoods, sum.denials), (0, 0), "{sum:?}");
    assert!(sum.errors <= sum.extras, "{sum:?}");
}

/// Catches an increment that counts as not applied because an error line stood before its answer,
/// whatever else the server says on that connection.
#[tokio::test]
async fn a_write_behind_an_error_line_is_in_doubt() {
    let (server, _) = adding(1, 1, |_| Extra::Before(ERRORS[0])).await;
    let client = client(&server.address, unguarded(patient().operation_timeout));
    let (k, ttl) = (key("k"), Ttl::Never);
    let doubt = Failure::Indeterminate(ErrorClass::ServerError);
    for _ in 0..10 {
        assert_eq!(client.incr(&k, 1).await.result, Err(doubt));
        assert_eq!(client.append(&k, b"x", ttl).await.result, Err(doubt));
        assert_eq!(client.set(&k, b"x", ttl).await.result, Err(doubt));
        assert_eq!(client.delete(&k).await.result, Err(doubt));
        let read = Failure::Error(ErrorClass::ServerError);
        assert_eq!(client.get(&k).await.result, Err(read), "a read is never in doubt");
    }
}

/// Catches a refusal that a caller cannot rely on: the node refuses the write and answers the check
/// behind it, so it was refused, whatever became of its block.
#[tokio::test]
async fn a_proven_refusal_is_an_error() {
    for (line, class) in [
        ("SERVER_ERROR out of memory storing object\r\n", ErrorClass::ServerError),
        ("SERVER_ERROR object too large for cache\r\n", ErrorClass::TooLarge),
        ("CLIENT_ERROR bad data chunk\r\n", ErrorClass::ClientError),
        ("ERROR\r\n", ErrorClass::ClientError),
    ] {
        let server = refusing_writes(line).await;
        let client = client(&server.address, unguarded(patient().operation_timeout));
        let (k, ttl, refused) = (key("k"), Ttl::Never, Failure::Error(class));
        assert_eq!(client.set(&k, b"x", ttl).await.result, Err(refused), "{line:?}");
        assert_eq!(client.cas(&k, b"x", ttl, 1).await.result, Err(refused), "{line:?}");
        assert_eq!(client.add(&k, b"x", ttl).await.result, Err(refused), "{line:?}");
        let incremented = client.incr(&k, 1).await;
        assert_eq!(incremented.result, Err(refused), "{line:?}");
        assert_eq!(incremented.trace.requests, 2, "the request and the check");
        assert_eq!(client.get(&k).await.trace.requests, 1, "nothing is left to check");
        assert_eq!((server.accepted(), closed(&client, CloseCause::Protocol)), (1, 0));
    }
}

/// A server that answers every write with `line` and executes none, and the rest rightly.
async fn refusing_writes(line: &'static str) -> Scripted {
    Scripted::start(move |mut peer: Peer| async move {
        while let Some(request) = peer.request().await {
            let is_write = ["set", "add", "ms", "ma", "md", "delete"]
                .contains(&request.split(' ').next().unwrap_or_default());
            let answer = if is_write { line.to_owned() } else { right_answer(&request) };
            peer.send(&answer).await;
        }
        peer
    })
    .await
}

/// Catches a duplicate that becomes another request's answer: a number of another counter, an older
/// value of the same key, an acknowledgement of the write before.
#[tokio::test]
async fn an_answer_that_comes_twice_is_taken_once() {
    let sum = tally(0..60, 8, |_| Extra::Twice).await;
    // The end of a batch has no name: a second one is a batch without hits, once.
    assert!(sum.falsehoods <= sum.extras / 20, "{sum:?}");
    assert!(sum.errors <= sum.extras, "{sum:?}");
}

/// Catches a line of a kind that no request expects and that passes as an answer all the same.
#[tokio::test]
async fn a_line_of_no_fitting_kind_is_never_an_answer() {
    let sum = tally(0..60, 8, |draws| either(draws, OTHERS)).await;
    assert_eq!(sum.falsehoods, 0, "{sum:?}");
}

/// Catches a desynchronised connection that lives on: a line that a classic request cannot tell from
/// its answer costs one untrue outcome, never a value, and is found out by the next request.
#[tokio::test]
async fn what_looks_like_an_answer_costs_one_untrue_outcome() {
    let sum = tally(0..60, 8, |draws| either(draws, ANSWERS)).await;
    assert!(sum.falsehoods > 0, "the server is not hostile enough: {sum:?}");
    assert!(sum.falsehoods <= sum.extras, "{sum:?}");
}

/// Catches a server that is not hostile enough: the crate alone, which compares no key, hands out
/// values of other keys.
#[tokio::test]
async fn the_same_server_catches_a_client_that_does_not_look() {
    let mut wrong = 0;
    for seed in 0..20 {
        let (server, _) = adding(seed, 8, |draws| either(draws, ERRORS)).await;
        let mut careless =
            async_memcached::Client::new(format!("tcp://{}", server.address)).await.unwrap();
        for number in 0..80 {
            let name = format!("k{number}");
            if let Ok(Some(value)) = careless.get(&name).await {
                wrong += u32::from(value.data.unwrap() != format!("of {name}").into_bytes());
            }
        }
    }
    assert!(wrong > 0, "a careless client got away with it");
}

/// Catches a connect for every store that a full node refuses, and a check for every refusal of one
/// that refuses everything.
#[tokio::test]
async fn refusals_keep_the_connection() {
    let server = Scripted::start(|mut peer: Peer| async move {
        while let Some(line) = peer.request().await {
            let busy = line.contains("busy");
            let answer =
                if busy { "SERVER_ERROR busy\r\n".to_owned() } else { right_answer(&line) };
            peer.send(&answer).await;
        }
        peer
    })
    .await;
    let client = client(&server.address, patient());
    let refused = Failure::Error(ErrorClass::ServerError);
    for _ in 0..20 {
        let Call { result, trace } = client.set(&key(FULL), b"x", Ttl::Never).await;
        assert_eq!((result, trace.requests), (Err(refused), 2), "the request and a check");
        assert_eq!(client.get(&key("k")).await.trace.requests, 1);
        assert_eq!(client.get(&key("busy")).await.result, Err(refused));
        assert_eq!(client.get(&key("k")).await.trace.requests, 2, "a check and the request");
        assert_eq!(client.get(&key("other")).await.trace.requests, 1);
    }
    assert_eq!(server.accepted(), 1);

    let all_busy = Scripted::start(|mut peer: Peer| async move {
        while peer.request().await.is_some() {
            peer.send("SERVER_ERROR busy\r\n").await;
        }
        peer
    })
    .await;
    let client = super::client(&all_busy.address, patient());
    for (call, requests) in [1, 2, 1, 1, 1].into_iter().enumerate() {
        let Call { result, trace } = client.get(&key("k")).await;
        assert_eq!((result, trace.requests), (Err(refused), requests), "call {call}: one check");
    }
    let doubt = Failure::Indeterminate(ErrorClass::ServerError);
    let Call { result, trace } = client.incr(&key("k"), 1).await;
    assert_eq!((result, trace.requests), (Err(doubt), 1), "nothing proves it, nor is it tried");
    assert_eq!((all_busy.accepted(), closed(&client, CloseCause::Protocol)), (1, 0));
}
