//! Stores every key once before anything is measured, so that a miss later means something.
//!
//! It runs before the workers do, so it can write their keys for them; each under a lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::generator::{Load, Shared};
use super::keyspace::Space;
use super::work::{Fill, Filled};
use crate::base::scope::Scope;

/// How many keys are stored at a time, so that preloading is no load test of its own.
const CONCURRENCY_MAX: u32 = 32;

/// How often a key is tried before it is given up.
const ATTEMPTS_MAX: u32 = 3;

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
            while let Some(fill) = fills.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut filled = Filled::No;
                for _ in 0..ATTEMPTS_MAX {
                    if filled == Filled::No && !over.is_cancelled() {
                        filled = hands.fill(*fill, true).await;
                    }
                }
                if filled == Filled::No {
                    failed += 1;
                } else {
                    shared.preloaded.fetch_add(1, Ordering::Relaxed);
                }
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
