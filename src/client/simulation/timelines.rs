//! Thousands of random timelines against a node that does everything wrong: no wrong read, no
//! increment that is denied, and a planted bug that the same run catches.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use super::callers::{Caller, Oracle, Seen, counter_key};
use super::in_virtual_time;
use super::network::Network;
use super::node::{Mood, SimulatedNode};
use crate::base::scope::Scope;
use crate::base::seed::{Seed, Stream};
use crate::client::multi::join;
use crate::client::{BreakerConfig, Broken, Client, ClientConfig, HealingConfig, Server, conn};
use crate::event::Events;

/// How many timelines there are.
const TIMELINES: u64 = 2000;

/// How many callers share a client, and how many calls each makes.
const CALLERS: usize = 2;
const CALLS: usize = 20;

/// Every other timeline has no breaker and no healer, so that nothing keeps calls from a node that
/// does not deserve them.
fn config(draws: &mut Stream) -> ClientConfig {
    let config = ClientConfig { pool_size: 2, ..ClientConfig::default() };
    if draws.random() {
        return config;
    }
    ClientConfig {
        breaker: BreakerConfig { min_requests: u32::MAX, ..config.breaker },
        healing: HealingConfig { failures: u32::MAX, ..config.healing },
        ..config
    }
}

/// Moods, cuts and restarts, one after the other.
async fn trouble(node: &SimulatedNode, mut draws: Stream, around: Duration) {
    let hostile = Mood::Hostile { around };
    node.set(hostile);
    loop {
        sleep(Duration::from_millis(draws.random_range(0..1500))).await;
        match draws.random_range(0..10) {
            0 => node.set(Mood::Well),
            1 => node.set(Mood::Mute),
            2 => node.set(Mood::Refusing),
            3 => node.set(Mood::Slow(around.mul_f64(draws.random_range(0.5..1.5)))),
            4 | 5 => node.cut(),
            6 => node.restart(),
            _ => node.set(hostile),
        }
    }
}

/// One timeline; what it came to, checked but for wrong reads.
fn timeline(number: u64, careless: bool) -> Seen {
    in_virtual_time(async {
        let seed = Seed::new(number).fork("timeline");
        let scope = Scope::current("timeline");
        let network = Network::new(1, seed, &scope);
        let mut draws = seed.fork("settings").stream();
        let broken = careless.then_some(Broken::ReuseAfterTimeout);
        let config = ClientConfig { broken, ..config(&mut draws) };
        let around = config.operation_timeout;
        let servers: Vec<Server> =
            network.addresses().map(|address| Server::new(address).unwrap()).collect();
        let made_of = conn::Network::Simulated(network.clone());
        let client =
            Client::start_in(made_of, &servers, config, seed, Events::ignore(), &scope).unwrap();
        let oracle = Oracle::new(CALLERS);
        let callers = (0..CALLERS).map(|number| {
            let draws = seed.fork("caller").index(number as u64).stream();
            let mut caller = Caller { client: &client, oracle: &oracle, number, draws };
            async move {
                for _ in 0..CALLS {
                    caller.call().await;
                    sleep(Duration::from_millis(caller.draws.random_range(0..30))).await;
                }
            }
        });
        tokio::select! {
            biased;
            _ = join(callers.collect()) => {}
            () = trouble(network.node(0), seed.fork("trouble").stream(), around) => {}
        }
        for caller in 0..CALLERS {
            let changes = network.node(0).changes(counter_key(caller).as_str());
            let counter = oracle.counter(caller);
            let legal = counter.acknowledged..=counter.acknowledged + counter.in_doubt;
            assert!(careless || legal.contains(&changes), "{number}: {changes} of {counter:?}");
        }
        client.close().await;
        scope.cancel();
        assert_eq!(scope.panicked(), None);
        oracle.seen()
    })
}

/// Catches a read of another key's value, of half a value, or of one older than what was written
/// before; an increment that was executed and is called failed; a call without an end. Then catches
/// a run that could not see any of it: the same timelines with a client that uses a connection again
/// after a timeout.
#[test]
fn no_timeline_has_a_wrong_read() {
    let mut sum = Seen::default();
    for number in 0..TIMELINES {
        let seen = timeline(number, false);
        assert_eq!(seen.wrong, 0, "timeline {number}: {seen:?}");
        sum.calls += seen.calls;
        sum.values += seen.values;
        sum.errors += seen.errors;
        sum.in_doubt += seen.in_doubt;
        sum.shed += seen.shed;
    }
    assert!(sum.values > sum.calls / 10, "too little was read: {sum:?}");
    assert!(sum.errors + sum.in_doubt > sum.calls / 20, "too little went wrong: {sum:?}");
    let caught = (0..TIMELINES).filter(|&number| timeline(number, true).wrong > 0).take(3).count();
    assert_eq!(caught, 3, "a client that reuses connections after a timeout got away with it");
}

/// Catches a simulation that cannot be repeated: a seed that fails must fail again.
#[test]
fn a_seed_decides_everything() {
    for number in 0..20 {
        assert_eq!(timeline(number, false), timeline(number, false), "timeline {number}");
    }
}
