//! Stores every key once before anything is measured, so that a miss later means something.
//!
//! It runs before the workers do, so it can write their keys for them; each under a lease. It is
//! patient: what a node did not take is tried again, round after round, as long as anything is stored
//! at all. What is not there in the end is said: nothing may be measured then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::generator::{Load, Shared};
use super::keyspace::{Keyspace, Space};
use super::totals::Preloaded;
use super::work::{Fill, Filled, Hands};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::event::Outcome;

/// How many keys are stored at a time, so that preloading is no load test of its own.
const CONCURRENCY_MAX: u32 = 32;

/// The pause before what was not stored is tried again.
const ROUND_PAUSE: Duration = Duration::from_millis(200);

/// How long no key at all may be stored before the rest is given up: far longer than a client needs
/// to come back to a node that stood still.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an attempt that got no reply may still be on its way. A busy machine makes the first
/// writes late, when all connections are made at once; one that is executed behind its repetition
/// would make reads stale long after, and accuse the client of what the preloading did.
const DOUBT_SETTLES: Duration = Duration::from_secs(1);

pub(super) async fn run(
    load: &Load,
    shared: &Arc<Shared>,
    scope: &Scope,
    workers: u32,
) -> Preloaded {
    let keyspace = shared.oracle.keyspace();
    let all: Vec<Fill> = Space::ALL
        .into_iter()
        .flat_map(|space| keyspace.slots(space).map(move |slot| (space, slot)))
        .filter(|(space, slot)| load.parts.stores_first(*space, keyspace.place(*space, *slot)))
        .filter_map(|(space, slot)| Fill::of(space, slot))
        .collect();
    let mut hands: Vec<Hands> =
        (0..CONCURRENCY_MAX.min(workers)).map(|task| load.hands(task, "preload")).collect();
    let (mut pending, mut repeated) = (all.clone(), Vec::new());
    let patience = Arc::new(Patience::new());
    let mut failures = BTreeMap::new();
    loop {
        let count = &shared.preloaded;
        let tried = round(&mut hands, &pending, count, &patience, shared, scope).await;
        // Patience may be over before anything is tried once more.
        failures = if tried.failures.is_empty() { failures } else { tried.failures };
        let stored = tried.stored;
        if pending.len() < all.len() {
            repeated.extend(stored.iter().copied());
        }
        pending.retain(|fill| stored.binary_search(fill).is_err());
        if pending.is_empty() || scope.is_cancelled() || patience.is_over() {
            break;
        }
        sleep(ROUND_PAUSE).await;
    }
    settle(&mut hands, &repeated, shared, scope).await;
    Preloaded { failures, ..outcome(keyspace, &all, &pending) }
}

/// Stores once more what needed several attempts, when the lost ones can no longer come. It is there
/// already, whatever becomes of this one.
async fn settle(hands: &mut Vec<Hands>, repeated: &[Fill], shared: &Arc<Shared>, scope: &Scope) {
    if !repeated.is_empty() && !scope.is_cancelled() {
        sleep(DOUBT_SETTLES).await;
        let (shown_already, patience) = (Arc::default(), Arc::new(Patience::new()));
        round(hands, repeated, &shown_already, &patience, shared, scope).await;
    }
}

/// Since when no key was stored. A client that answers nothing at all would otherwise be waited for once
/// for each key.
struct Patience(Mutex<Instant>);

impl Patience {
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn stored(&self) {
        *self.0.lock() = Instant::now();
    }

    fn is_over(&self) -> bool {
        self.0.lock().elapsed() >= PATIENCE
    }
}

/// What trying to store each key once came to.
#[derive(Default)]
struct Round {
    /// Those that are stored now, in their order.
    stored: Vec<Fill>,
    /// How the other attempts ended, and how many.
    failures: BTreeMap<String, u64>,
}

/// Tries to store each of `fills` once, several at a time, until patience is over.
async fn round(
    hands: &mut Vec<Hands>,
    fills: &[Fill],
    count: &Arc<AtomicU64>,
    patience: &Arc<Patience>,
    shared: &Shared,
    scope: &Scope,
) -> Round {
    let fills: Arc<[Fill]> = fills.into();
    let next = Arc::new(AtomicUsize::new(0));
    let (report, mut reports) = mpsc::unbounded_channel();
    for (task, mut own) in hands.drain(..).enumerate() {
        let (fills, next, report) = (Arc::clone(&fills), Arc::clone(&next), report.clone());
        let (over, counter, patience) = (scope.clone(), Arc::clone(count), Arc::clone(patience));
        let hung_after = shared.hung_after;
        scope.spawn(format!("preload[{task}]"), async move {
            let mut round = Round::default();
            while let Some(fill) = fills.get(next.fetch_add(1, Ordering::Relaxed))
                && !over.is_cancelled()
                && !patience.is_over()
            {
                let filled = timeout(hung_after, own.fill(*fill, true)).await;
                let failure = match filled {
                    Ok(Filled::No(failure)) => failure,
                    Err(_) => Outcome::Hung,
                    Ok(Filled::Yes | Filled::Needless) => {
                        counter.fetch_add(1, Ordering::Relaxed);
                        patience.stored();
                        round.stored.push(*fill);
                        continue;
                    }
                };
                *round.failures.entry(named(failure)).or_default() += 1;
            }
            // Nobody listens any more when the run was given up.
            let _ = report.send((own, round));
        });
    }
    drop(report);
    let mut all = Round::default();
    while let Some((own, Round { stored, failures })) = reports.recv().await {
        hands.push(own);
        all.stored.extend(stored);
        for (failure, count) in failures {
            *all.failures.entry(failure).or_default() += count;
        }
    }
    all.stored.sort_unstable();
    all
}

/// The class of an error, whether or not the write may have been applied; else the outcome.
fn named(failure: Outcome) -> String {
    let failure = match failure {
        Outcome::Indeterminate(class) => Outcome::Error(class),
        other => other,
    };
    failure.name().to_owned()
}

/// `missing` of `all` could not be stored.
fn outcome(keyspace: &Keyspace, all: &[Fill], missing: &[Fill]) -> Preloaded {
    let by_node = |fills: &[Fill]| {
        let mut count = BTreeMap::<NodeIndex, u64>::new();
        // A key that no node was ever asked for is no node's fault.
        for home in fills.iter().filter_map(|fill| keyspace.known_home(fill.slot())) {
            *count.entry(home).or_default() += 1;
        }
        count
    };
    let held = by_node(all);
    let silent = by_node(missing).into_iter().filter(|(node, count)| held.get(node) == Some(count));
    Preloaded {
        stored: (all.len() - missing.len()) as u64,
        failed: missing.len() as u64,
        silent: silent.collect(),
        failures: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a node that took nothing and is not named, and one that is although it took some.
    #[test]
    fn a_node_that_took_nothing_is_named() {
        let keyspace =
            Keyspace::new([6, 0, 0, 0], |key| NodeIndex(u16::from(key.as_bytes().ends_with(b"5"))));
        let fills: Vec<Fill> = keyspace.slots(Space::Values).map(Fill::Value).collect();
        let of = |missing: &[Fill]| outcome(&keyspace, &fills, missing);
        assert_eq!(of(&[]), Preloaded { stored: 6, ..Preloaded::default() });
        assert_eq!(of(&fills[..2]), Preloaded { stored: 4, failed: 2, ..Preloaded::default() });
        let silent = vec![(NodeIndex(1), 1)];
        assert_eq!(
            of(&fills[4..]),
            Preloaded { stored: 4, failed: 2, silent, ..Preloaded::default() }
        );
    }
}
