//! Keeps the intended starts, on a thread of its own.
//!
//! It sleeps until the next start, then issues every ticket that is due by then, so a late wake-up
//! delays operations but never skips one. A ticket that finds the backlog full is dropped, which
//! records it as a lost slot.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::arrival::Arrival;
use super::queue::Queue;
use super::ticket::Ledger;
use crate::base::scope::Scope;
use crate::base::time::Offset;
use crate::base::timer::{block_until, sharpen_this_thread};

/// The longest sleep: after it the pacer looks whether it should stop.
const SLEEP_MAX: Duration = Duration::from_millis(20);

/// The most tickets that are handed out at a time, so that workers begin while a late pacer still
/// catches up.
const BATCH_MAX: usize = 64;

/// Issues the tickets of one schedule.
#[derive(Debug)]
pub(super) struct Pacer {
    pub(super) arrival: Box<dyn Arrival>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) queue: Arc<Queue>,
    /// Nothing that is due at this offset or later is issued. Can be moved while the pacer runs.
    pub(super) end: Arc<AtomicU64>,
    /// Told to end: the run is over.
    pub(super) scope: Scope,
}

impl Pacer {
    /// Runs until the end, or until the schedule ends; then finishes the queue.
    pub(super) fn run(mut self, start: Offset) {
        sharpen_this_thread();
        let mut batch = VecDeque::with_capacity(BATCH_MAX);
        let mut wakers = Vec::with_capacity(BATCH_MAX);
        let mut next = self.next_due(start);
        while let Some(due) = next
            && self.wait_until(due)
        {
            let now = self.ledger.clock().now();
            while let Some(due) = next
                && due <= now
                && due < self.end()
                && batch.len() < BATCH_MAX
            {
                batch.push_back(self.ledger.issue(due, now));
                next = self.next_due(start);
            }
            self.queue.push(&mut batch, &mut wakers);
            // What the queue refused is recorded as lost.
            batch.clear();
        }
        self.queue.finish();
    }

    fn next_due(&mut self, start: Offset) -> Option<Offset> {
        self.arrival.next_due().map(|due| start.plus(due))
    }

    fn end(&self) -> Offset {
        Offset(self.end.load(Ordering::Relaxed))
    }

    /// Sleeps until `due`; `false` when that is not before the end.
    fn wait_until(&self, due: Offset) -> bool {
        loop {
            if due >= self.end() || self.scope.is_cancelled() {
                return false;
            }
            let now = self.ledger.clock().now();
            if now >= due {
                return true;
            }
            let until = due.min(now.plus(SLEEP_MAX));
            block_until(self.ledger.clock().instant(until));
        }
    }
}
