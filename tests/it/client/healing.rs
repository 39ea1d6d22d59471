//! A node that goes away and comes back: shed at once, one healer, back when it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::base::name::NodeIndex;
use harness::client::{Client, ClientConfig, Failure, HealingConfig, Profile, Store, Ttl};
use harness::event::{BreakerState, CloseCause, EventKind, Events};
use harness::protocol::memcached::frame::key::Key;
use parking_lot::Mutex;

use super::servers::{ABSENT, Memcached, Peer, Scripted, right_answer};
use super::{client, key, patient, watched};

type Journal = Arc<Mutex<Vec<EventKind>>>;

fn journal() -> (Journal, Events) {
    let journal = Journal::default();
    let sink = Arc::clone(&journal);
    (journal, Events::to(move |event| sink.lock().push(event)))
}

/// Calls until `done`, one call after the other.
async fn call_until(client: &Client, key: &Key, done: impl Fn() -> bool) {
    while !done() {
        // Whatever it comes to: the caller looks at what the client made of it.
        let _ = client.get(key).await;
        tokio::task::yield_now().await;
    }
}

fn available(client: &Client, node: usize) -> bool {
    client.snapshot()[node].connection_available
}

/// Catches a node that is not shed, a second healer, a node that does not come back, and a check of
/// recovery that could not fail: the same outage with healing switched off never ends.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_killed_node_is_shed_and_comes_back() {
    let server = Memcached::start().await;
    let (port, address) = (server.port(), server.address.clone());
    let (journal, events) = journal();
    let healing = watched(&[&address], patient(), events);
    let config = (Profile::find("no-healing").unwrap().config)();
    let lost =
        client(&address, ClientConfig { operation_timeout: Duration::from_secs(5), ..config });
    let a = key("a");
    for client in [&healing, &lost] {
        assert_eq!(client.set(&a, b"1", Ttl::Never).await.result, Ok(Store::Stored));
    }
    drop(server);
    for client in [&healing, &lost] {
        call_until(client, &a, || !available(client, 0)).await;
        let call = client.get(&a).await;
        assert_eq!((call.result, call.trace.attempts), (Err(Failure::Shed), 0));
        assert!(!client.connection_available(&a));
        let [check] = &client.health_check().await[..] else { panic!("one node, one result") };
        assert!(matches!(check.result, Err(Failure::Error(_))), "a real round trip: {check:?}");
        assert_eq!(client.snapshot()[0].breaker, BreakerState::Open);
    }
    let _server = Memcached::on(port).await.expect("the port is still free");
    let closed = || healing.snapshot()[0].breaker == BreakerState::Closed;
    call_until(&healing, &a, closed).await;
    assert_eq!(healing.set(&a, b"2", Ttl::Never).await.result, Ok(Store::Stored));
    assert_eq!(lost.get(&a).await.result, Err(Failure::Shed), "nobody heals it");
    check_story(&journal.lock());
}

/// Ejected once, attempts counted up by one, reinstated, and the breaker's changes in a chain.
fn check_story(events: &[EventKind]) {
    let mut state = BreakerState::Closed;
    let (mut attempts, mut ejected, mut reinstated) = (0, 0, 0);
    for event in events {
        match event {
            EventKind::BreakerChanged { from, to, cause, .. } => {
                assert_eq!(*from, state, "{cause}");
                state = *to;
            }
            EventKind::NodeEjected { node, .. } => {
                assert_eq!(*node, NodeIndex(0));
                ejected += 1;
            }
            EventKind::Reconnect { attempt, .. } => {
                assert_eq!(*attempt, attempts + 1, "a second healer counts twice");
                attempts = *attempt;
            }
            EventKind::NodeReinstated { .. } => reinstated += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((state, ejected, reinstated), (BreakerState::Closed, 1, 1));
    assert!(attempts >= 1);
}

/// Catches a node that accepts connections and says nothing, and is taken for healthy because of
/// it; and one whose return is not noticed because its connections never failed.
#[tokio::test]
async fn a_mute_node_is_shed_and_comes_back() {
    let mute = Arc::new(AtomicBool::new(true));
    let silent = Arc::clone(&mute);
    let server = Scripted::start(move |mut peer: Peer| {
        let silent = Arc::clone(&silent);
        async move {
            while let Some(line) = peer.request().await {
                if !silent.load(Ordering::SeqCst) {
                    peer.send(&right_answer(&line)).await;
                }
            }
            peer
        }
    })
    .await;
    let config =
        ClientConfig { operation_timeout: Duration::from_millis(50), ..ClientConfig::default() };
    let client = client(&server.address, config);
    let a = key("a");
    call_until(&client, &a, || !available(&client, 0)).await;
    assert_eq!(client.snapshot()[0].breaker_opens, 1);
    mute.store(false, Ordering::SeqCst);
    call_until(&client, &a, || client.snapshot()[0].breaker == BreakerState::Closed).await;
    assert!(client.snapshot()[0].open_time > Duration::ZERO);
    client.close().await;
    assert_eq!(client.snapshot()[0].connections.open, 0);
}

/// Catches connections from before a give-up that are used after it: they lead to a process that
/// may be gone, and their replies may be old.
#[tokio::test]
async fn connections_do_not_survive_a_give_up() {
    let server = Scripted::start(|mut peer: Peer| async move {
        while let Some(line) = peer.line().await {
            if line == "version" || line.contains(ABSENT) {
                peer.send(&right_answer(&line)).await;
            } else {
                peer.send("BOGUS\r\n").await;
            }
        }
        peer
    })
    .await;
    let config = ClientConfig {
        healing: HealingConfig { failures: 3, ..HealingConfig::default() },
        ..patient()
    };
    let client = client(&server.address, config);
    let (good, bad) = (key(ABSENT), key("bad"));
    // Asked at the same time, so on a connection each.
    let get = || client.get(&good);
    let calls = tokio::join!(get(), get(), get(), get(), get());
    assert_eq!(calls.4.result, Ok(None));
    assert_eq!(client.snapshot()[0].connections.idle, 5);
    call_until(&client, &bad, || client.snapshot()[0].breaker_opens > 0).await;
    let snapshot = client.snapshot().remove(0);
    assert_eq!(snapshot.closed_for(CloseCause::Protocol), 3);
    assert_eq!(snapshot.closed_for(CloseCause::NodeDown), 2);
    call_until(&client, &good, || client.snapshot()[0].breaker == BreakerState::Closed).await;
    let call = client.get(&good).await;
    assert!(call.trace.connection.unwrap() > 5, "not one of the first five");
}

/// Catches keys of a dead node that fail although failover is on, keys of healthy nodes that move,
/// and keys that do not come home.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn failover_serves_a_dead_nodes_keys_elsewhere() {
    let (one, two) = (Memcached::start().await, Memcached::start().await);
    let (port, addresses) = (two.port(), [one.address.clone(), two.address.clone()]);
    let config = ClientConfig { failover: true, ..patient() };
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let client = watched(&addresses, config, Events::ignore());
    let of_node = |node: u16| {
        (0..)
            .map(|number| key(&format!("key-{number}")))
            .find(|key| client.home(key).0 == node)
            .unwrap()
    };
    let (healthy, victim) = (of_node(0), of_node(1));
    drop(two);
    call_until(&client, &victim, || !available(&client, 1)).await;
    let call = client.set(&victim, b"x", Ttl::Never).await;
    assert_eq!((call.result, call.trace.served_by), (Ok(Store::Stored), Some(NodeIndex(0))));
    assert_eq!(call.trace.home, NodeIndex(1));
    assert_eq!(client.get(&healthy).await.trace.served_by, Some(NodeIndex(0)));
    let _two = Memcached::on(port).await.expect("the port is still free");
    call_until(&client, &victim, || client.snapshot()[1].breaker == BreakerState::Closed).await;
    assert_eq!(client.get(&victim).await.trace.served_by, Some(NodeIndex(1)));
}
