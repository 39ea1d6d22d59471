//! The laws of healing, over many seeds: one healer for a node that is away and none for one that
//! is not, calls that are turned away at once, nodes that always come back in time, and clients that
//! do not come back in step.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until};

use super::callers::{Caller, Oracle, counter_key, register_key};
use super::network::{Dial, Network};
use super::node::{Mood, SimulatedNode};
use super::{in_virtual_time, longest_call};
use crate::base::scope::Scope;
use crate::base::seed::{Seed, Stream};
use crate::client::multi::join;
use crate::client::{
    Client, ClientConfig, Failure, HealingConfig, NodeSnapshot, Profile, Server, Ttl, conn,
};
use crate::event::{BreakerState, EventKind, Events};

const SEEDS: u64 = 200;
const NODES: usize = 2;
const CLIENTS: usize = 2;
const CALLERS: usize = 2;

/// A client with its own tasks and its own journal.
#[derive(Debug)]
struct Seat {
    client: Client,
    /// Owns its upkeep and its healers, and nothing else.
    scope: Scope,
    journal: Arc<Mutex<Vec<(Instant, EventKind)>>>,
}

impl Seat {
    fn new(network: &Network, number: usize, config: &ClientConfig, seed: Seed) -> Self {
        let journal = Arc::<Mutex<Vec<_>>>::default();
        let sink = Arc::clone(&journal);
        let events = Events::to(move |event| sink.lock().push((Instant::now(), event)));
        let servers: Vec<Server> =
            network.addresses().map(|address| Server::new(address).unwrap()).collect();
        let scope = Scope::current(format!("client[{number}]"));
        let made_of = conn::Network::Simulated(network.of_client(number));
        let seed = seed.fork("client").index(number as u64);
        let client =
            Client::start_in(made_of, &servers, config.clone(), seed, events, &scope).unwrap();
        Self { client, scope, journal }
    }

    /// One healer for each node that is away, and none besides: the upkeep is the only other task.
    fn check_healers(&self) {
        let away = self.client.snapshot().iter().filter(|node| !node.connection_available).count();
        assert_eq!(self.scope.tasks() - 1, away, "{:?}", self.client.snapshot());
    }

    /// A call on a node that is away is turned away in no time, in whatever form it asks.
    async fn check_shedding(&self) {
        for number in 0..CLIENTS * CALLERS {
            let key = register_key(number);
            if self.client.connection_available(&key) {
                continue;
            }
            let began = Instant::now();
            let call = self.client.get(&key).await;
            assert_eq!((call.result, call.trace.attempts), (Err(Failure::Shed), 0));
            let call = self.client.set(&key, b"unsent", Ttl::Never).await;
            assert_eq!((call.result, call.trace.attempts), (Err(Failure::Shed), 0));
            let call = self.client.get_multi(&[key]).await;
            assert_eq!((call.entries, call.trace.attempts), (vec![Err(Failure::Shed)], 0));
            assert_eq!(began.elapsed(), Duration::ZERO, "a call waited for healing");
        }
    }

    async fn close(self) {
        self.client.close().await;
        assert_eq!((self.scope.tasks(), self.scope.panicked()), (0, None));
        for node in self.client.snapshot() {
            let counts = node.connections;
            assert_eq!((counts.open, counts.opened), (0, counts.closed));
        }
    }
}

/// From one trouble to the next until `end`, then well for good.
async fn trouble(node: &SimulatedNode, mut draws: Stream, around: Duration, end: Instant) {
    loop {
        let next = Instant::now() + Duration::from_millis(draws.random_range(0..1500));
        sleep_until(next.min(end)).await;
        if Instant::now() >= end {
            break;
        }
        match draws.random_range(0..8) {
            0 => node.set(Mood::Refusing),
            1 => node.set(Mood::Mute),
            2 => node.set(Mood::Gone),
            3 => node.set(Mood::Busy),
            4 => node.set(Mood::Hostile { around }),
            5 => node.set(Mood::Slow(around.mul_f64(draws.random_range(0.5..5.0)))),
            6 => node.restart(),
            _ => node.set(Mood::Well),
        }
    }
    node.set(Mood::Well);
    node.cut();
}

/// By when a client serves again after a node is back for good: calls begun before may still fail
/// and give it up once more; then its healer waits once and pings, or its breaker tries again.
fn back_within(config: &ClientConfig) -> Duration {
    let breaker = config.breaker.open.mul_f64(1.0 + config.breaker.open_jitter);
    let probe_idle = config.probe_idle.unwrap_or_default();
    let healing = config.healing.delay_max + longest_call(config);
    longest_call(config) + healing.max(breaker).max(probe_idle)
}

/// Every reconnect of a journal came after the wait that it names, counted on from the last event on
/// its node: two healers would try more often than that. They are counted up by one.
fn check_reconnects(journal: &[(Instant, EventKind)]) {
    let mut last = [None; NODES];
    for (at, event) in journal {
        match event {
            EventKind::NodeEjected { node, .. } => {
                assert_eq!(last[node.position()], None, "given up twice");
                last[node.position()] = Some((*at, 0));
            }
            EventKind::NodeReinstated { node } => last[node.position()] = None,
            EventKind::Reconnect { node, attempt, delay_s, .. } => {
                let (before, attempts) = last[node.position()].expect("a healer without a loss");
                assert_eq!(*attempt, attempts + 1);
                let waited = at.saturating_duration_since(before).as_secs_f64();
                assert!(waited >= *delay_s - 1e-6, "{waited} s instead of {delay_s} s");
                last[node.position()] = Some((*at, *attempt));
            }
            _ => {}
        }
    }
}

/// One run with `config`: trouble for `troubled`, then calls that must all be answered.
fn run(number: u64, config: &ClientConfig, troubled: Duration, pace: Duration) {
    in_virtual_time(async {
        let seed = Seed::new(number).fork("laws");
        let scope = Scope::current("nodes");
        let network = Network::new(NODES, seed, &scope);
        let seats: Vec<Seat> =
            (0..CLIENTS).map(|client| Seat::new(&network, client, config, seed)).collect();
        let oracle = Oracle::new(CLIENTS * CALLERS);
        let well = Instant::now() + troubled;
        let served = well + back_within(config);
        let troubles = (0..NODES).map(|node| {
            let draws = seed.fork("trouble").index(node as u64).stream();
            trouble(network.node(node), draws, config.operation_timeout, well)
        });
        let callers = (0..CLIENTS * CALLERS).map(|number| {
            let (seat, oracle) = (&seats[number / CALLERS], &oracle);
            let draws = seed.fork("caller").index(number as u64).stream();
            let mut caller = Caller { client: &seat.client, oracle, number, draws };
            async move {
                while Instant::now() < served {
                    seat.check_healers();
                    seat.check_shedding().await;
                    caller.call().await;
                    sleep(pace.mul_f64(caller.draws.random_range(0.0..2.0))).await;
                }
                for call in 0..20 {
                    let answered = caller.call().await;
                    assert!(answered, "seed {number}: call {call} failed after the return");
                }
            }
        });
        tokio::join!(join(troubles.collect()), join(callers.collect()));
        check_end(&network, &oracle);
        for seat in seats {
            check_reconnects(&seat.journal.lock());
            assert!(seat.client.snapshot().iter().all(is_in_order));
            seat.close().await;
        }
        assert_eq!(scope.panicked(), None);
    });
}

fn is_in_order(node: &NodeSnapshot) -> bool {
    node.connection_available && node.breaker == BreakerState::Closed
}

/// No wrong read, and every change of a counter is known or in doubt.
fn check_end(network: &Network, oracle: &Oracle) {
    let seen = oracle.seen();
    assert!(seen.wrong == 0 && seen.values > 0, "{seen:?}");
    for caller in 0..CLIENTS * CALLERS {
        let key = counter_key(caller);
        let changes: u64 = (0..NODES).map(|node| network.node(node).changes(key.as_str())).sum();
        let counter = oracle.counter(caller);
        let legal = counter.acknowledged..=counter.acknowledged + counter.in_doubt;
        assert!(legal.contains(&changes), "{changes} of {counter:?}");
    }
}

/// Catches a second healer, a healer for a node that is well, a call that waits for healing, a node
/// that does not come back in time, a task or a connection that is left, and a wrong read.
#[test]
fn the_laws_hold_whatever_happens() {
    for number in 0..SEEDS {
        let config = ClientConfig { pool_size: 4, ..ClientConfig::default() };
        run(number, &config, Duration::from_secs(3), Duration::from_millis(40));
    }
}

/// Catches the same where times are long: hours of the profile `classic`.
#[test]
fn the_laws_hold_for_slow_healers() {
    let config = (Profile::find("classic").unwrap().config)();
    for number in 0..10 {
        run(number, &config, Duration::from_secs(600), Duration::from_millis(1500));
    }
}

const CROWD: usize = 50;
const OUTAGE: Duration = Duration::from_secs(60);

/// What a crowd of clients dialled while a node was away, and after it was back.
struct Storm {
    /// Attempts of each client while it was away.
    attempts: Vec<usize>,
    /// The most attempts of all in any 10 ms, once everybody has lost it.
    busiest: usize,
    /// The same after it is back.
    busiest_after: usize,
}

/// Many clients lose one node in the same moment.
fn storm(number: u64, healing: HealingConfig) -> Storm {
    in_virtual_time(async {
        let seed = Seed::new(number).fork("storm");
        let scope = Scope::current("nodes");
        let network = Network::new(1, seed, &scope);
        let config = ClientConfig { healing, ..ClientConfig::default() };
        let seats: Vec<Seat> =
            (0..CROWD).map(|client| Seat::new(&network, client, &config, seed)).collect();
        network.node(0).set(Mood::Refusing);
        let lost = Instant::now() + Duration::from_secs(1);
        let back = lost + OUTAGE;
        let call = async |seat: &Seat| {
            while Instant::now() < back + back_within(&config) {
                let _ = seat.client.get(&register_key(0)).await;
                sleep(Duration::from_millis(50)).await;
            }
            assert!(seat.client.get(&register_key(0)).await.result.is_ok(), "not back in time");
        };
        let heal = async {
            sleep_until(back).await;
            network.node(0).set(Mood::Well);
        };
        tokio::join!(heal, join(seats.iter().map(call).collect()));
        let dials = network.dials();
        let during: Vec<Dial> =
            dials.iter().copied().filter(|dial| (lost..back).contains(&dial.at)).collect();
        let after: Vec<Dial> = dials.into_iter().filter(|dial| dial.at >= back).collect();
        let of = |client| during.iter().filter(|dial| dial.client == client).count();
        Storm {
            attempts: (0..CROWD).map(of).collect(),
            busiest: busiest(&during, lost),
            busiest_after: busiest(&after, back),
        }
    })
}

/// The most attempts in any 10 ms since `start`.
fn busiest(dials: &[Dial], start: Instant) -> usize {
    let mut bins = vec![0; 7000];
    for dial in dials {
        let at = dial.at.saturating_duration_since(start).as_millis() / 10;
        bins[usize::try_from(at).unwrap()] += 1;
    }
    bins.into_iter().max().unwrap_or_default()
}

/// Catches a reconnect storm: clients that dial a node more often than their settings say, or in
/// step. Without jitter they do, so the run would see it.
#[test]
fn clients_that_lose_a_node_together_do_not_return_together() {
    let healing = ClientConfig::default().healing;
    let mean = (healing.delay_floor + healing.delay_max).as_secs_f64() / 2.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "about 585")]
    let expected = (OUTAGE.as_secs_f64() / mean) as usize;
    for number in 0..2 {
        let Storm { attempts, busiest, busiest_after } = storm(number, healing);
        let bounds = expected * 3 / 4..=expected * 5 / 4;
        assert!(attempts.iter().all(|count| bounds.contains(count)), "{attempts:?}");
        // A twentieth of the longest wait has a tenth of the mean number of attempts for each client.
        assert!(busiest <= CROWD / 2, "{busiest} of {CROWD} clients dialled within 10 ms");
        assert!(busiest_after <= CROWD / 2, "{busiest_after} of {CROWD} came back within 10 ms");
    }
    let longest = healing.delay_max;
    let in_step = HealingConfig { delay_floor: longest, delay_min: longest, ..healing };
    assert_eq!(storm(0, in_step).busiest, CROWD, "without jitter they dial in step");
}
