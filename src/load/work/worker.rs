//! A worker: takes tickets, one at a time, and settles each.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::change::SWAP_ATTEMPTS_MAX;
use super::{Done, Fill, Hands};
use crate::base::time::Offset;
use crate::client::Trace;
use crate::event::{Operation, Outcome, Sample};
use crate::load::draft::Draft;
use crate::load::generator::Shared;
use crate::load::origin::Loading;
use crate::load::ticket::{Sampler, Ticket};
use crate::load::work::fill::Filled;

/// One worker.
pub(in crate::load) struct Worker {
    pub(in crate::load) number: usize,
    pub(in crate::load) shared: Arc<Shared>,
    pub(in crate::load) hands: Hands,
    pub(in crate::load) sampler: Sampler,
    /// Whether it issues its own tickets, as soon as it is done.
    pub(in crate::load) closed_loop: bool,
    /// Set when operations may begin.
    pub(in crate::load) begun: watch::Receiver<bool>,
    /// The run is over: give up what is under way.
    pub(in crate::load) cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Dropped with the worker: when every one is, all workers have ended.
    pub(in crate::load) alive: mpsc::Sender<()>,
}

impl Worker {
    /// Works until there is no further ticket.
    pub(in crate::load) async fn run(mut self) {
        while let Some(ticket) = self.next().await {
            self.serve(ticket).await;
        }
        drop(self.alive);
    }

    async fn next(&mut self) -> Option<Ticket> {
        if !self.closed_loop {
            let next = self.shared.queue.next(self.number, self.shared.ledger.clock());
            return tokio::select! {
                biased;
                ticket = next => ticket,
                () = &mut self.cancelled => None,
            };
        }
        tokio::select! {
            biased;
            () = &mut self.cancelled => return None,
            begun = self.begun.wait_for(|begun| *begun) => begun.ok()?,
        };
        let now = self.shared.ledger.clock().now();
        let over = now.0 >= self.shared.end.load(Ordering::Relaxed);
        (!over).then(|| self.shared.ledger.issue(now, now))
    }

    async fn serve(&mut self, mut ticket: Ticket) {
        // A client that sheds answers without ever waiting: the others must get their turn.
        tokio::task::consume_budget().await;
        let taken = self.shared.ledger.clock().now();
        let draft = self.hands.drafter.draw();
        ticket.take_up(draft.operation, draft.home);
        let done = self.attempt(draft).await;
        let mut sample = self.sample(&ticket, taken, draft, done);
        // The operation is over and its time is noted; what it makes necessary counts as its request.
        sample.requests += self.fill().await;
        ticket.close(&sample, &mut self.sampler);
    }

    /// Performs the draft; one that does not end in its time, or with the run, is hung. Dropping
    /// the client's call leaves a write in doubt, and the client closes the connection.
    async fn attempt(&mut self, draft: Draft) -> Done {
        let limit = self.shared.hung_after * calls(draft.operation);
        let done = tokio::select! {
            biased;
            done = tokio::time::timeout(limit, self.hands.perform(draft)) => done.ok(),
            () = &mut self.cancelled => None,
        };
        done.unwrap_or_else(|| Done { outcome: Outcome::Hung, trace: Trace::new(draft.home) })
    }

    fn sample(&self, ticket: &Ticket, taken: Offset, draft: Draft, done: Done) -> Sample {
        let clock = self.shared.ledger.clock();
        let trace = done.trace;
        Sample {
            operation: draft.operation,
            home: trace.home,
            served_by: trace.served_by,
            outcome: done.outcome,
            due: ticket.due(),
            issued: ticket.issued(),
            taken,
            sent: trace.sent.map(|sent| clock.offset(sent)),
            done: clock.now(),
            connection_wait: trace.connection_wait,
            attempts: trace.attempts,
            requests: trace.requests,
        }
    }

    /// Stores what the ticket found absent; returns how many values it stored.
    async fn fill(&mut self) -> u32 {
        let mut stored = 0;
        while let Some(fill) = self.hands.absent.pop() {
            if !self.load_from_origin(fill).await {
                self.shared.fills_failed.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let limit = self.shared.hung_after;
            let filled = tokio::select! {
                biased;
                filled = tokio::time::timeout(limit, self.hands.fill(fill, false)) => filled,
                () = &mut self.cancelled => return stored,
            };
            match filled {
                Ok(Filled::Yes) => {
                    stored += 1;
                    self.shared.fills.fetch_add(1, Ordering::Relaxed)
                }
                Ok(Filled::Needless) => continue,
                Ok(Filled::No) | Err(_) => self.shared.fills_failed.fetch_add(1, Ordering::Relaxed),
            };
        }
        stored
    }

    /// Waits until the origin has what is to be stored, as an application's thread would; `false`
    /// when the origin refuses, or the run is over.
    async fn load_from_origin(&mut self, fill: Fill) -> bool {
        let (Some(origin), Fill::Value(slot)) = (&self.shared.origin, fill) else { return true };
        let clock = self.hands.clock;
        // Under the lock the clock is read in the order of the calls.
        let loading = {
            let mut origin = origin.lock();
            origin.load(slot, clock.now())
        };
        let Loading::Ready(at) = loading else { return false };
        tokio::select! {
            biased;
            () = &mut self.cancelled => false,
            () = tokio::time::sleep_until(clock.instant(at)) => true,
        }
    }
}

/// How many calls of the client one ticket may need.
const fn calls(operation: Operation) -> u32 {
    match operation {
        Operation::Cas => 2 * SWAP_ATTEMPTS_MAX,
        Operation::Append | Operation::Prepend => 3,
        _ => 1,
    }
}

/// The longest that one call of the client may take by its own settings, and three times that.
pub(in crate::load) const fn hung_after(deadline: Duration) -> Duration {
    deadline.saturating_mul(3)
}
