//! Every operation against the real memcached.

use std::time::Duration;

use harness::client::{ClientConfig, Failure, Item, Server, Store, Ttl};
use harness::event::{BreakerState, CloseCause, ErrorClass};
use harness::protocol::memcached::frame::key::Key;

use super::servers::Memcached;
use super::{client, key, patient, watched};

/// Catches an operation that sends something else than it says, or misreads what comes back.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn every_operation() {
    let server = Memcached::start().await;
    let client = client(&server.address, patient());
    let a = key("a");
    assert_eq!(client.get(&a).await.result, Ok(None));
    assert_eq!(client.gets(&a).await.result, Ok(None));
    assert_eq!(client.replace(&a, b"1", Ttl::Never).await.result, Ok(Store::NotStored));
    assert_eq!(client.append(&a, b"1", Ttl::Never).await.result, Ok(Store::NotStored));
    assert_eq!(client.prepend(&a, b"1", Ttl::Never).await.result, Ok(Store::NotStored));
    assert_eq!(client.cas(&a, b"1", Ttl::Never, 1).await.result, Ok(Store::NotFound));
    assert_eq!(client.delete(&a).await.result, Ok(false));
    assert_eq!(client.incr(&a, 1).await.result, Ok(None));
    assert_eq!(client.decr(&a, 1).await.result, Ok(None));
    assert_eq!(client.touch(&a, Ttl::Never).await.result, Ok(false));
    assert_eq!(client.exists(&a).await.result, Ok(false));
    assert_eq!(client.gat(&a, Ttl::Never).await.result, Ok(None));

    assert_eq!(client.set(&a, b"mid", Ttl::Never).await.result, Ok(Store::Stored));
    assert_eq!(client.add(&a, b"no", Ttl::Never).await.result, Ok(Store::NotStored));
    assert_eq!(client.append(&a, b"dle", Ttl::Never).await.result, Ok(Store::Stored));
    assert_eq!(client.prepend(&a, b"the ", Ttl::Never).await.result, Ok(Store::Stored));
    let item = client.gets(&a).await.result.unwrap().unwrap();
    assert_eq!(item.value, b"the middle");
    let unique = item.cas.unwrap();
    assert_eq!(client.cas(&a, b"2", Ttl::Never, unique + 1).await.result, Ok(Store::Exists));
    assert_eq!(client.cas(&a, b"2", Ttl::Never, unique).await.result, Ok(Store::Stored));
    assert_eq!(client.replace(&a, b"41", Ttl::Never).await.result, Ok(Store::Stored));
    assert_eq!(client.incr(&a, 2).await.result, Ok(Some(43)));
    assert_eq!(client.decr(&a, 100).await.result, Ok(Some(0)));
    let long = Ttl::After(Duration::from_secs(1000));
    assert_eq!(client.touch(&a, long).await.result, Ok(true));
    assert_eq!(client.exists(&a).await.result, Ok(true));
    assert_eq!(client.gat(&a, long).await.result.unwrap().unwrap().value, b"0 ");
    assert_eq!(client.touch(&a, Ttl::Expired).await.result, Ok(true));
    assert_eq!(client.get(&a).await.result, Ok(None));
    assert_eq!(client.set(&a, b"x", Ttl::Until(1)).await.result, Ok(Store::Stored));
    assert_eq!(client.get(&a).await.result, Ok(None), "a moment in 1970 has passed");
    assert_eq!(client.set(&a, b"", long).await.result, Ok(Store::Stored));
    assert_eq!(client.get(&a).await.result, Ok(Some(Item::default())));
    assert_eq!(client.gets(&a).await.result.unwrap().unwrap().value, b"");
    assert_eq!(client.delete(&a).await.result, Ok(true));

    assert!(client.version().await[0].result.as_ref().unwrap().starts_with("1."));
    let stats = client.stats().await.remove(0).result.unwrap();
    assert!(stats.iter().any(|(name, value)| name == "curr_items" && value == "0"));
    client.set(&a, b"x", Ttl::Never).await.result.unwrap();
    assert_eq!(client.flush_all().await[0].result, Ok(()));
    assert_eq!(client.get(&a).await.result, Ok(None));
    assert_eq!(client.health_check().await[0].result, Ok(()));
    let snapshot = client.snapshot().remove(0);
    assert_eq!((snapshot.breaker, snapshot.connections.poisoned), (BreakerState::Closed, 0));
    client.close().await;
    let snapshot = client.snapshot().remove(0);
    assert_eq!((snapshot.connections.open, snapshot.connections.in_use), (0, 0));
    assert_eq!(client.get(&a).await.result, Err(Failure::Shed));
}

/// Catches a refusal that costs the connection or opens the breaker, and a class that hides it.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn refusals_are_answers() {
    let server = Memcached::start().await;
    let client = client(&server.address, patient());
    let a = key("a");
    let large = vec![b'x'; 2 << 20];
    for _ in 0..12 {
        let too_large = Err(Failure::Error(ErrorClass::TooLarge));
        assert_eq!(client.set(&a, &large, Ttl::Never).await.result, too_large);
        assert_eq!(client.set(&a, b"word", Ttl::Never).await.result, Ok(Store::Stored));
        let not_a_number = Err(Failure::Error(ErrorClass::ClientError));
        assert_eq!(client.incr(&a, 1).await.result, not_a_number);
        assert_eq!(client.get(&a).await.result.unwrap().unwrap().value, b"word");
        assert_eq!(client.append(&a, &large, Ttl::Never).await.result, too_large);
    }
    let snapshot = client.snapshot().remove(0);
    assert_eq!((snapshot.connections.opened, snapshot.connections.open), (1, 1));
    assert_eq!((snapshot.breaker, snapshot.connection_available), (BreakerState::Closed, true));
}

/// Catches a multi-get that loses a key, mixes two up, asks twice for one, or fails as a whole.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_multi_get_answers_key_by_key() {
    let (one, two) = (Memcached::start().await, Memcached::start().await);
    let addresses = [one.address.as_str(), two.address.as_str()];
    let client = watched(&addresses, patient(), harness::event::Events::ignore());
    let keys: Vec<Key> = (0..200).map(|number| key(&format!("key-{number}"))).collect();
    for (number, key) in keys.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
        let value = format!("value-{number}");
        assert_eq!(client.set(key, value.as_bytes(), Ttl::Never).await.result, Ok(Store::Stored));
    }
    let mut asked = keys.clone();
    asked.push(keys[1].clone());
    let call = client.get_multi(&asked).await;
    for (number, entry) in call.entries.iter().enumerate() {
        let number = if number == 200 { 1 } else { number };
        let expected = (number % 3 != 0).then(|| format!("value-{number}").into_bytes());
        assert_eq!(entry.as_ref().unwrap().as_ref().map(|item| item.value.clone()), expected);
    }
    assert_eq!(call.traces.len(), 2);
    assert_eq!(call.trace.requests, 200 + call.trace.attempts, "one mg a key, one mn a batch");
    // One node dies: its keys fail one by one, the other's do not.
    drop(two);
    let call = client.get_multi(&keys).await;
    for (key, entry) in keys.iter().zip(&call.entries) {
        assert_eq!(entry.is_ok(), client.home(key).position() == 0);
    }
    assert_eq!(client.get_multi(&[]).await.entries, []);
}

/// Catches a count of requests that differs from what memcached received: wire counts could not be
/// compared with client counts.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn requests_are_counted_as_they_are_sent() {
    let server = Memcached::start().await;
    let client = client(&server.address, patient());
    let keys: Vec<Key> = (0..100).map(|number| key(&format!("key-{number}"))).collect();
    for key in &keys {
        client.set(key, b"value", Ttl::Never).await.result.unwrap();
        client.get(key).await.result.unwrap();
    }
    let _ = client.get_multi(&keys).await;
    client.health_check().await;
    let stats = client.stats().await.remove(0).result.unwrap();
    let count = |wanted: &str| {
        let found = stats.iter().find(|(name, _)| name == wanted);
        found.unwrap().1.parse::<u64>().unwrap()
    };
    let snapshot = client.snapshot().remove(0);
    // 100 sets, 100 gets, 100 mg with 2 mn, 1 stats; and the ping of the health check.
    assert_eq!((count("cmd_set"), count("cmd_get")), (100, 200));
    assert_eq!((snapshot.operation_requests, snapshot.requests_sent), (303, 304));
    assert_eq!(snapshot.unanswered, 0);
}

/// Catches a prefix that is not sent, is left on the way back, or makes a key too long to send.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_prefix_stands_before_every_key() {
    let server = Memcached::start().await;
    let prefixed = client(&server.address, ClientConfig { key_prefix: "app:".into(), ..patient() });
    let plain = client(&server.address, patient());
    let (a, long) = (key("a"), key(&"x".repeat(247)));
    prefixed.set(&a, b"mine", Ttl::Never).await.result.unwrap();
    assert_eq!(plain.get(&a).await.result, Ok(None));
    assert_eq!(plain.get(&key("app:a")).await.result.unwrap().unwrap().value, b"mine");
    assert_eq!(prefixed.gets(&a).await.result.unwrap().unwrap().value, b"mine");
    let failure = Failure::Error(ErrorClass::ClientError);
    assert_eq!(prefixed.get(&long).await.result, Err(failure));
    let call = prefixed.get_multi(&[long, a]).await;
    assert_eq!(call.entries[0], Err(failure));
    assert_eq!(call.entries[1].as_ref().unwrap().as_ref().unwrap().value, b"mine");
}

/// Catches a restart that costs an error for each pooled connection, and a counter that is sent
/// twice because its connection was stale.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_restart_costs_one_retry_a_connection() {
    let server = Memcached::start().await;
    let port = server.port();
    let config = ClientConfig { probe_idle: Some(Duration::ZERO), ..patient() };
    let client = client(&server.address, config);
    let a = key("a");
    let gets: Vec<_> = (0..8).map(|_| client.get(&a)).collect();
    for call in futures(gets).await {
        assert_eq!(call.result, Ok(None));
    }
    let warm = client.snapshot()[0].connections.idle;
    drop(server);
    let _server = Memcached::on(port).await.expect("the port is still free");
    assert_eq!(client.incr(&a, 1).await.result, Ok(None), "pinged first, so never in doubt");
    for _ in 0..warm {
        assert_eq!(client.set(&a, b"1", Ttl::Never).await.result, Ok(Store::Stored));
        assert_eq!(client.get(&a).await.result.unwrap().unwrap().value, b"1");
    }
    let snapshot = client.snapshot().remove(0);
    assert_eq!((snapshot.breaker_opens, snapshot.connections.poisoned), (0, 0));
    assert!(snapshot.closed_for(CloseCause::PeerClosed) >= 1);
}

/// Catches a bound that is not kept, and waiters that are not served.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn the_pool_is_bounded() {
    let server = Memcached::start().await;
    let client = client(&server.address, ClientConfig { pool_size: 3, ..patient() });
    let a = key("a");
    let gets: Vec<_> = (0..50).map(|_| client.get(&a)).collect();
    assert!(futures(gets).await.iter().all(|call| call.result == Ok(None)));
    let connections = client.snapshot().remove(0).connections;
    assert!(connections.high_water <= 3 && connections.opened <= 3, "{connections:?}");
    assert_eq!((connections.in_use, connections.idle), (0, connections.open));
}

/// Catches a name that is not resolved, and a dead address that is not named by the health check.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn names_are_resolved_and_dead_nodes_are_named() {
    let server = Memcached::start().await;
    let named = format!("localhost:{}", server.port());
    assert!(Server::new(&named).is_ok());
    let client = watched(&[&named, "127.0.0.1:1"], patient(), harness::event::Events::ignore());
    let health = client.health_check().await;
    assert_eq!(health[0].result, Ok(()));
    assert_eq!(health[1].result, Err(Failure::Error(ErrorClass::Refused)));
}

/// Runs futures at the same time, keeping their order.
async fn futures<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in running.iter_mut().zip(&mut done) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        match done.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
