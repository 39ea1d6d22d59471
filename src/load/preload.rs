//! Stores every key once before anything is measured, so that a miss later means something.
//!
//! It runs before the workers do, so it can write their keys for them; each under a lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::generator::{Load, Shared};
use super::keyspace::Space;
use super::work::{Fill, Filled, Hands};
use crate::base::scope::Scope;

/// How many keys are stored at a time, so that preloading is no load test of its own.
const CONCURRENCY_MAX: u32 = 32;

/// How often a key is tried before it is given up.
const ATTEMPTS_MAX: u32 = 3;

/// How long an attempt that got no reply may still be on its way. A busy machine makes the first
/// writes late, when all connections are made at once; one that is executed behind its repetition
/// would make reads stale long after, and accuse the client of what the preloading did.
const DOUBT_SETTLES: Duration = Duration::from_secs(1);

/// What preloading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preloaded {
    /// Keys that are stored.
    pub stored: u64,
    /// Keys that could not be stored: reads of them will miss until they are written.
    pub failed: u64,
}

pub(super) async fn run(
    load: &Load,
    shared: &Arc<Shared>,
    scope: &Scope,
    workers: u32,
) -> Preloaded {
    let fills: Arc<Vec<Fill>> = Arc::new(
        Space::ALL
            .into_iter()
            .flat_map(|space| {
                let slots = shared.oracle.keyspace().slots(space);
                slots.filter_map(move |slot| Fill::of(space, slot))
            })
            .collect(),
    );
    let next = Arc::new(AtomicUsize::new(0));
    let (report, mut reports) = mpsc::unbounded_channel();
    for task in 0..CONCURRENCY_MAX.min(workers) {
        let mut hands = load.hands(task, "preload");
        let (fills, next) = (Arc::clone(&fills), Arc::clone(&next));
        let (shared, report, over) = (Arc::clone(shared), report.clone(), scope.clone());
        scope.spawn(format!("preload[{task}]"), async move {
            let mut failed = 0_u64;
            let mut doubtful = Vec::new();
            while let Some(fill) = fills.get(next.fetch_add(1, Ordering::Relaxed)) {
                match store(&mut hands, *fill, &over).await {
                    Stored::At(attempt) => {
                        shared.preloaded.fetch_add(1, Ordering::Relaxed);
                        if attempt > 1 {
                            doubtful.push(*fill);
                        }
                    }
                    Stored::Never => failed += 1,
                }
            }
            if !doubtful.is_empty() && !over.is_cancelled() {
                tokio::time::sleep(DOUBT_SETTLES).await;
            }
            for fill in doubtful {
                // It is there already, whatever becomes of this one.
                store(&mut hands, fill, &over).await;
            }
            // Nobody listens any more when the run was given up.
            let _ = report.send(failed);
        });
    }
    drop(report);
    let mut failed = 0;
    while let Some(more) = reports.recv().await {
        failed += more;
    }
    Preloaded { stored: fills.len() as u64 - failed, failed }
}

/// What storing one key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    /// This attempt did it; those before it may still be executed.
    At(u32),
    /// None did.
    Never,
}

async fn store(hands: &mut Hands, fill: Fill, over: &Scope) -> Stored {
    for attempt in 1..=ATTEMPTS_MAX {
        if over.is_cancelled() {
            break;
        }
        if hands.fill(fill, true).await != Filled::No {
            return Stored::At(attempt);
        }
    }
    Stored::Never
}
