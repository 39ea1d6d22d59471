//! Replies that come late, twice, to somebody else, in part or not at all: the class that the
//! caller sees, what becomes of the connection, and never a value of another key.

use std::sync::Arc;
use std::time::Duration;

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::client::{BreakerConfig, Client, ClientConfig, Failure, HealingConfig, Store, Ttl};
use harness::event::{CloseCause, ErrorClass};
use rand::RngExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::servers::{ABSENT, Peer, Scripted, number_of, right_answer, value_of};
use super::{client, key, patient};

/// Settings under which no breaker and no healer gets in the way of looking at connections.
pub(super) fn unguarded(operation_timeout: Duration) -> ClientConfig {
    ClientConfig {
        operation_timeout,
        breaker: BreakerConfig { min_requests: u32::MAX, ..BreakerConfig::default() },
        healing: HealingConfig { failures: u32::MAX, ..HealingConfig::default() },
        ..patient()
    }
}

const SHORT: Duration = Duration::from_millis(50);

pub(super) fn closed(client: &Client, cause: CloseCause) -> u64 {
    client.snapshot()[0].closed_for(cause)
}

/// A server whose first connection reads one request and sends `reply` whatever it was; the others
/// serve gets rightly.
async fn first_says(reply: &'static str) -> Scripted {
    Scripted::start(move |mut peer: Peer| async move {
        if peer.number == 1 {
            peer.line().await;
            peer.send(reply).await;
        }
        peer.serve().await;
        peer
    })
    .await
}

/// Catches the reuse of a connection after a timeout: the late reply would go to the next call.
#[tokio::test]
async fn a_late_reply_reaches_nobody() {
    let late = Arc::new(Notify::new());
    let told = Arc::clone(&late);
    let server = Scripted::start(move |mut peer: Peer| {
        let told = Arc::clone(&told);
        async move {
            if peer.number == 1 {
                let line = peer.line().await.unwrap();
                told.notified().await;
                peer.send(&value_of(line.strip_prefix("get ").unwrap())).await;
            }
            peer.serve().await;
            peer
        }
    })
    .await;
    let client = client(&server.address, unguarded(Duration::from_millis(300)));
    let timed_out = Err(Failure::Error(ErrorClass::Timeout));
    assert_eq!(client.get(&key("alice")).await.result, timed_out);
    late.notify_one();
    for name in ["bob", "carol", "dave"] {
        let item = client.get(&key(name)).await.result.unwrap().unwrap();
        assert_eq!(item.value, format!("of {name}").into_bytes());
    }
    assert_eq!((closed(&client, CloseCause::Timeout), server.accepted()), (1, 2));
}

/// Catches a dropped call whose connection goes back to the pool with the reply still to come.
#[tokio::test]
async fn a_cancelled_call_closes_its_connection() {
    let asked = Arc::new(Notify::new());
    let told = Arc::clone(&asked);
    let server = Scripted::start(move |mut peer: Peer| {
        let told = Arc::clone(&told);
        async move {
            if peer.number == 1 {
                peer.line().await;
                told.notify_one();
                // Until the client closes, then the reply that nobody may read.
                peer.line().await;
            }
            peer.serve().await;
            peer
        }
    })
    .await;
    let client = client(&server.address, patient());
    let alice = key("alice");
    tokio::select! {
        biased;
        call = client.get(&alice) => panic!("it cannot be answered: {call:?}"),
        () = asked.notified() => {}
    }
    assert_eq!(closed(&client, CloseCause::Cancelled), 1);
    let item = client.get(&key("bob")).await.result.unwrap().unwrap();
    assert_eq!(item.value, b"of bob");
    let connections = client.snapshot().remove(0).connections;
    assert_eq!((connections.poisoned, connections.open, connections.in_use), (1, 1, 0));
}

/// Catches a value of another key, and a connection that is kept after a reply that the request
/// cannot have.
#[tokio::test]
async fn a_surprising_reply_is_an_error_and_closes_the_connection() {
    for reply in [
        "VALUE bob 0 6\r\nof bob\r\nEND\r\n",
        "VALUE alice 0 1\r\na\r\nVALUE alice 0 1\r\nb\r\nEND\r\n",
        "STORED\r\n",
        "DELETED\r\n",
        "17\r\n",
        "OK\r\n",
        "HELLO\r\n",
        "SERVER_ERROR\r\n",
        "\r\n",
    ] {
        let server = first_says(reply).await;
        let client = client(&server.address, patient());
        let protocol = Err(Failure::Error(ErrorClass::Protocol));
        assert_eq!(client.get(&key("alice")).await.result, protocol, "{reply:?}");
        let item = client.get(&key("alice")).await.result.unwrap().unwrap();
        assert_eq!((item.value.as_slice(), server.accepted()), (&b"of alice"[..], 2), "{reply:?}");
        assert_eq!(closed(&client, CloseCause::Protocol), 1, "{reply:?}");
    }
}

/// Catches the same for meta requests, which echo the key, and for writes, whose fate is unknown.
#[tokio::test]
async fn surprises_to_other_requests() {
    let protocol = ErrorClass::Protocol;
    let a = key("alice");
    for reply in ["VA 1 kbob f0 c1\r\nx\r\n", "HD kalice\r\n", "VA 1 f0 c1\r\nx\r\n", "NS\r\n"] {
        let server = first_says(reply).await;
        let client = client(&server.address, patient());
        assert_eq!(client.gets(&a).await.result, Err(Failure::Error(protocol)), "{reply:?}");
    }
    for reply in ["HD kbob\r\n", "HD\r\n", "NF kalice\r\n", "EN\r\n", "STORED\r\n"] {
        let server = first_says(reply).await;
        let client = client(&server.address, patient());
        let result = client.append(&a, b"x", Ttl::Never).await.result;
        assert_eq!(result, Err(Failure::Indeterminate(protocol)), "{reply:?}");
    }
    for reply in ["END\r\n", "TOUCHED\r\n", "DELETED\r\n", "EXISTS\r\n", "5\r\n"] {
        let server = first_says(reply).await;
        let client = client(&server.address, patient());
        let result = client.set(&a, b"x", Ttl::Never).await.result;
        assert_eq!(result, Err(Failure::Indeterminate(protocol)), "{reply:?}");
    }
    for reply in ["STORED\r\n", "END\r\n", "OK\r\n"] {
        let server = first_says(reply).await;
        let client = client(&server.address, patient());
        let result = client.incr(&a, 1).await.result;
        assert_eq!(result, Err(Failure::Indeterminate(protocol)), "{reply:?}");
    }
    let server = first_says("VA 1 kmallory f0\r\nx\r\nMN\r\n").await;
    let client = client(&server.address, patient());
    let call = client.get_multi(&[a, key("bob")]).await;
    assert_eq!(call.entries, vec![Err(Failure::Error(protocol)); 2]);
}

/// Catches a stray reply that shifts every later one: it may cost errors, never a wrong value.
#[tokio::test]
async fn a_stray_reply_never_becomes_a_value() {
    for stray in
        ["VALUE bob 0 6\r\nof bob\r\nEND\r\n", "STORED\r\n", "SERVER_ERROR odd\r\n", "END\r\n"]
    {
        let server = Scripted::start(move |mut peer: Peer| async move {
            let line = peer.line().await.unwrap();
            let reply = value_of(line.strip_prefix("get ").unwrap());
            if peer.number == 1 {
                peer.send(&format!("{reply}{stray}")).await;
            } else {
                peer.send(&reply).await;
            }
            peer.serve().await;
            peer
        })
        .await;
        let client = client(&server.address, patient());
        let mut errors = 0;
        for number in 0..6 {
            let name = format!("key-{number}");
            match client.get(&key(&name)).await.result {
                Ok(Some(item)) => assert_eq!(item.value, format!("of {name}").into_bytes()),
                Ok(None) | Err(_) => errors += 1,
            }
        }
        assert!((1..=2).contains(&errors), "{stray:?} cost {errors}");
        assert_eq!(closed(&client, CloseCause::Protocol), 1, "{stray:?}");
    }
}

/// Catches a short value that is handed out, and a lost write that is called failed.
#[tokio::test]
async fn a_connection_that_ends_early_is_an_error() {
    let server = Scripted::start(|mut peer: Peer| async move {
        peer.line().await;
        peer.send("VALUE alice 0 100\r\nhalf of it").await;
        peer
    })
    .await;
    let client = client(&server.address, patient());
    let a = key("alice");
    assert_eq!(client.get(&a).await.result, Err(Failure::Error(ErrorClass::Closed)));
    assert!(matches!(
        client.set(&a, b"x", Ttl::Never).await.result,
        Err(Failure::Indeterminate(ErrorClass::Closed | ErrorClass::Reset | ErrorClass::Protocol))
    ));
    let connections = client.snapshot().remove(0).connections;
    assert_eq!((connections.opened, connections.open), (2, 0));
}

/// Catches attempts to connect that are not counted because nobody took them: they are what a client
/// without a breaker burdens a dead node with.
#[tokio::test]
async fn an_attempt_to_connect_counts_whoever_takes_it() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = client(&nobody.to_string(), unguarded(SHORT));
    for _ in 0..3 {
        assert_eq!(client.get(&key("a")).await.result, Err(Failure::Error(ErrorClass::Refused)));
    }
    let connections = client.snapshot().remove(0).connections;
    assert_eq!((connections.dialled, connections.opened), (3, 0));
}

/// Catches a refused connection that counts as sent, and a write to nobody that is in doubt.
#[tokio::test]
async fn nothing_is_in_doubt_when_nobody_listens() {
    let server = first_says("").await;
    let address = server.address.clone();
    drop(server);
    let client = client(&address, unguarded(SHORT));
    let refused = Failure::Error(ErrorClass::Refused);
    // The listener may live on for a moment.
    while client.get(&key("a")).await.result != Err(refused) {}
    let call = client.incr(&key("a"), 1).await;
    assert_eq!((call.result, call.trace.sent), (Err(refused), None));
    assert_eq!((call.trace.requests, call.trace.attempts), (0, 1));
}

/// Catches a deadline that is not kept on a node that takes requests and says nothing, and a full
/// pool that is blamed on the node.
#[tokio::test]
async fn a_mute_node_times_out_and_a_full_pool_is_no_connection() {
    let server = Scripted::start(|mut peer: Peer| async move {
        while peer.line().await.is_some() {}
        peer
    })
    .await;
    let config =
        ClientConfig { pool_size: 1, pool_wait: Duration::from_millis(1), ..unguarded(SHORT * 10) };
    let client = client(&server.address, config);
    let a = key("a");
    let (read, queued) = tokio::join!(biased; client.get(&a), client.get(&a));
    assert_eq!(read.result, Err(Failure::Error(ErrorClass::Timeout)));
    assert_eq!(queued.result, Err(Failure::Error(ErrorClass::NoConnection)));
    assert_eq!((queued.trace.sent, queued.trace.served_by), (None, None));
    let written = client.set(&a, b"x", Ttl::Never).await;
    assert_eq!(written.result, Err(Failure::Indeterminate(ErrorClass::Timeout)));
    assert_eq!(closed(&client, CloseCause::Timeout), 2);
}

/// Catches a stale connection that costs an error where a second attempt is safe, and a second
/// attempt where it is not.
#[tokio::test]
async fn a_stale_connection_costs_one_retry_where_that_is_safe() {
    // Each connection answers once and closes, so that every warm one is stale.
    let server = Scripted::start(|mut peer: Peer| async move {
        if let Some(line) = peer.request().await {
            peer.send(&right_answer(&line)).await;
        }
        peer
    })
    .await;
    let config = ClientConfig { probe_idle: None, ..unguarded(Duration::from_secs(5)) };
    let client = client(&server.address, config);
    let a = key(ABSENT);
    assert_eq!(client.get(&a).await.result, Ok(None));
    let read = client.get(&a).await;
    assert_eq!((read.result, read.trace.attempts), (Ok(None), 2));
    let write = client.set(&a, b"x", Ttl::Never).await;
    assert_eq!((write.result, write.trace.attempts), (Ok(Store::Stored), 2));
    let a = key("a");
    let count = client.incr(&a, 1).await;
    assert!(matches!(count.result, Err(Failure::Indeterminate(_))), "{count:?}");
    assert_eq!(count.trace.attempts, 1);
    let again = client.incr(&a, 1).await;
    let number = Ok(Some(number_of("a")));
    assert_eq!((again.result, again.trace.attempts), (number, 1), "on a new connection");
}

/// What the hostile server does with one request.
#[derive(Clone, Copy)]
enum Whim {
    Answer,
    Late(u64),
    StrayBefore,
    StrayAfter,
    OtherKey,
    OtherKind,
    HalfAndClose,
    Close,
}

fn whim(draw: u64, late: u64) -> Whim {
    match draw {
        0..40 => Whim::Answer,
        40..60 => Whim::Late(late),
        60..66 => Whim::StrayBefore,
        66..72 => Whim::StrayAfter,
        72..78 => Whim::OtherKey,
        78..84 => Whim::OtherKind,
        84..92 => Whim::HalfAndClose,
        _ => Whim::Close,
    }
}

/// Serves gets by whim, with delays on both sides of `deadline`.
async fn hostile(seed: u64, deadline: Duration) -> Scripted {
    let deadline = u64::try_from(deadline.as_micros()).unwrap();
    Scripted::start(move |mut peer: Peer| async move {
        let mut draws = Seed::new(seed).index(peer.number).stream();
        while let Some(line) = peer.request().await {
            let reply = right_answer(&line);
            let (draw, late) = (draws.random_range(0..100), draws.random_range(0..2 * deadline));
            match whim(draw, late) {
                Whim::Answer => peer.send(&reply).await,
                Whim::Late(micros) => {
                    tokio::time::sleep(Duration::from_micros(micros)).await;
                    peer.send(&reply).await;
                }
                Whim::StrayBefore => peer.send(&format!("{}{reply}", value_of("stray"))).await,
                Whim::StrayAfter => peer.send(&format!("{reply}{}", value_of("stray"))).await,
                Whim::OtherKey => peer.send(&value_of("other")).await,
                Whim::OtherKind => peer.send("STORED\r\n").await,
                Whim::HalfAndClose => {
                    peer.send(&reply[..reply.len() / 2]).await;
                    return peer;
                }
                Whim::Close => return peer,
            }
        }
        peer
    })
    .await
}

/// How many calls one run of the property makes, in how many tasks.
const CALLS: usize = 3000;
const TASKS: usize = 16;
const DEADLINE: Duration = Duration::from_millis(4);

/// Catches a desynchronised connection that is reused: thousands of calls against a server that
/// does everything wrong, with not a single value of another key.
#[tokio::test]
async fn thousands_of_hostile_replies_and_no_wrong_value() {
    let server = hostile(7, DEADLINE).await;
    let client = client(&server.address, unguarded(DEADLINE));
    let scope = Scope::current("callers");
    let right = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for task in 0..TASKS {
        let (client, right) = (client.clone(), Arc::clone(&right));
        scope.spawn(format!("caller[{task}]"), async move {
            for number in 0..CALLS / TASKS {
                let name = format!("key-{task}-{number}");
                // Every fifth caller gives up by itself, sooner than the client would.
                let patience = if number % 5 == 0 { DEADLINE / 4 } else { DEADLINE * 100 };
                let sent = key(&name);
                let Ok(call) = timeout(patience, client.get(&sent)).await else { continue };
                if let Ok(Some(item)) = call.result {
                    assert_eq!(item.value, format!("of {name}").into_bytes());
                    right.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
        });
    }
    while scope.tasks() > 0 && scope.panicked().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(scope.panicked(), None);
    let right = right.load(std::sync::atomic::Ordering::Relaxed);
    assert!(right > CALLS / 10, "only {right} of {CALLS} calls had a value");
}

/// Catches a hostile server that is not hostile enough: a client that goes on using a connection
/// after a timeout must be seen to hand out wrong values.
#[tokio::test]
async fn the_same_server_catches_a_careless_client() {
    let server = hostile(7, DEADLINE).await;
    let mut wrong = 0;
    for round in 0..60 {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let mut stream = BufReader::new(stream);
        for number in 0..20 {
            let name = format!("key-{round}-{number}");
            if stream.write_all(format!("get {name}\r\n").as_bytes()).await.is_err() {
                break;
            }
            if let Ok(Some(value)) = timeout(DEADLINE, careless_read(&mut stream)).await {
                wrong += usize::from(value != format!("of {name}").into_bytes());
            }
        }
    }
    assert!(wrong > 0, "a careless client got away with it");
}

/// Reads a value without looking whose it is.
async fn careless_read(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut head = String::new();
    stream.read_line(&mut head).await.ok()?;
    let length: usize = head.trim_end().rsplit_once(' ')?.1.parse().ok()?;
    let mut value = vec![0; length + "\r\nEND\r\n".len()];
    stream.read_exact(&mut value).await.ok()?;
    value.truncate(length);
    Some(value)
}
