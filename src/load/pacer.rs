//! Keeps the intended starts.
//!
//! It sleeps until the next start, then issues every ticket that is due by then, so a late wake-up
//! delays operations but never skips one. A ticket that finds the backlog full is dropped, which
//! records it as a lost slot.
//!
//! It is a task beside the workers, woken by a timerfd, and not a thread of its own: a thread would
//! have to wake the runtime for each ticket, a second wake-up that made starts twice as late. Where
//! the runtime itself is late, so is the pacer, and the delay that is reported says so: it ends when
//! a worker has the operation in hand.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::arrival::Arrival;
use super::queue::Queue;
use super::ticket::TicketCounts;
use crate::base::scope::Scope;
use crate::base::time::Offset;
use crate::base::timer::Timer;

/// The longest sleep: after it the pacer looks whether it should stop.
const SLEEP_MAX: Duration = Duration::from_millis(20);

/// The most tickets that are handed out at a time, so that workers begin while a late pacer still
/// catches up.
const BATCH_MAX: usize = 64;

/// Issues the tickets of one schedule.
#[derive(Debug)]
pub(super) struct Pacer {
    pub(super) arrival: Box<dyn Arrival>,
    pub(super) ledger: Arc<TicketCounts>,
    pub(super) queue: Arc<Queue>,
    /// Nothing that is due at this offset or later is issued. Can be moved while the pacer runs.
    pub(super) end: Arc<AtomicU64>,
    /// How long a ticket waits after it is due: nothing, but for a generator that is broken on purpose.
    pub(super) lag: Duration,
    /// Told to end: the run is over.
    pub(super) scope: Scope,
}

impl Pacer {
    /// Runs until the end, or until the schedule ends; then finishes the queue.
    pub(super) async fn run(mut self, start: Offset) {
        let mut timer = Timer::fine();
        let mut batch = VecDeque::with_capacity(BATCH_MAX);
        let mut wakers = Vec::with_capacity(BATCH_MAX);
        let mut next = self.next_due(start);
        while let Some(due) = next
            && self.wait_until(due.plus(self.lag), &mut timer).await
        {
            let now = self.ledger.clock().now();
            while let Some(due) = next
                && due.plus(self.lag) <= now
                && due < self.end()
                && batch.len() < BATCH_MAX
            {
                batch.push_back(self.ledger.issue(due, now));
                next = self.next_due(start);
            }
            self.queue.push(&mut batch, &mut wakers);
            // What the queue refused is recorded as lost.
            batch.clear();
            // A pacer that catches up never waits: the workers must get their turn.
            tokio::task::yield_now().await;
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
    async fn wait_until(&mut self, due: Offset, timer: &mut Timer) -> bool {
        loop {
            if due >= self.end() || self.scope.is_cancelled() {
                return false;
            }
            let now = self.ledger.clock().now();
            if now >= due {
                return true;
            }
            let until = due.min(now.plus(SLEEP_MAX));
            timer.until(self.ledger.clock().instant(until)).await;
        }
    }
}
