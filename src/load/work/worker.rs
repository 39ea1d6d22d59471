//! A worker: takes tickets, one at a time, and settles each.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::change::SWAP_ATTEMPTS_MAX;
use super::{Done, Fill, Hands, Part, over};
use crate::base::deadline::Deadline;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::client::{Broken, Trace};
use crate::event::{Extent, KeyCounts, Operation, Outcome, Sample};
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
    /// How long an operation may take.
    pub(in crate::load) patience: Deadline,
    /// Dropped with the worker: when every one is, all workers have ended.
    pub(in crate::load) alive: mpsc::Sender<()>,
}

impl Worker {
    /// Works until there is no further ticket.
    pub(in crate::load) async fn run(mut self) {
        self.shared.halt.enroll().await;
        if self.closed_loop && !self.begins().await {
            return;
        }
        while let Some((ticket, taken)) = self.next().await {
            self.serve(ticket, taken).await;
        }
        drop(self.alive);
    }

    /// Waits until operations may begin; `false` when they never will.
    async fn begins(&mut self) -> bool {
        let begun = pin!(self.begun.wait_for(|begun| *begun));
        self.shared.halt.or(begun).await.is_some_and(|begun| begun.is_ok())
    }

    /// The next ticket, and when it was taken up.
    async fn next(&mut self) -> Option<(Ticket, Offset)> {
        // A client that sheds answers without ever waiting: the others must get their turn.
        tokio::task::consume_budget().await;
        let Shared { halt, queue, ledger, end, .. } = &*self.shared;
        if !self.closed_loop {
            return halt.or(pin!(queue.next(self.number, ledger.clock()))).await.flatten();
        }
        let now = ledger.clock().now();
        let over = now.0 >= end.load(Ordering::Relaxed) || halt.is_called();
        (!over).then(|| (ledger.issue(now, now), now))
    }

    /// Performs what a ticket is for, and then whatever waits for the same key, or follows at once.
    async fn serve(&mut self, ticket: Ticket, mut taken: Offset) {
        let draft = self.hands.drafter.draw(ticket.number());
        let shared = Arc::clone(&self.shared);
        let turns = shared.turns.as_ref().filter(|_| draft.writes_alone());
        let mut next = match turns {
            Some(turns) => turns.take((ticket, draft)),
            None => Some((ticket, draft)),
        };
        while let Some((ticket, draft)) = next {
            self.settle(ticket, taken, draft).await;
            self.read_back().await;
            next = turns.and_then(|turns| turns.pass(draft.slot));
            taken = self.shared.ledger.clock().now();
        }
    }

    /// Reads what was just written, where that is asked for: an operation of its own, due when the write
    /// was acknowledged.
    async fn read_back(&mut self) {
        let share = self.hands.read_back;
        let Some((slot, share)) = self.hands.written.take().zip(share) else { return };
        let now = self.shared.ledger.clock().now();
        let is_over = now.0 >= self.shared.end.load(Ordering::Relaxed);
        if is_over || !self.hands.drafter.draw_read_back(share) {
            return;
        }
        let home = self.hands.oracle.keyspace().home(slot);
        let draft = Draft { operation: Operation::Get, slot, home, given: None };
        self.hands.reads_back = true;
        self.settle(self.shared.ledger.follow(now), now, draft).await;
        self.hands.reads_back = false;
    }

    async fn settle(&mut self, mut ticket: Ticket, taken: Offset, draft: Draft) {
        self.hands.drafter.begin(draft.given);
        self.hands.written = None;
        ticket.take_up(draft.operation, draft.home);
        self.hands.parts.clear();
        self.hands.under_way.clear();
        self.hands.due = ticket.due();
        let done = self.attempt(draft, taken).await;
        let mut sample = self.sample(&ticket, taken, draft, done);
        let parts = self.parts(&mut sample);
        // The operation is over and its time is noted; what it makes necessary counts as its request.
        let written = self.hands.written;
        sample.needed += self.fill().await;
        self.hands.written = written;
        ticket.close(&sample, &parts, &mut self.sampler);
    }

    /// Performs the draft; one that does not end in its time, or with the run, is hung, unless its caller
    /// has abandoned it before. Dropping
    /// the client's call leaves a write in doubt, and the client closes the connection.
    async fn attempt(&mut self, draft: Draft, taken: Offset) -> Done {
        let limit = self.shared.hung_after * calls(draft.operation);
        let cancel = self.hands.cancel.filter(|it| self.hands.drafter.draw_cancel(it.share));
        let (limit, given_up) = match cancel {
            Some(cancel) if cancel.after < limit => (cancel.after, Outcome::Cancelled),
            _ => (limit, Outcome::Hung),
        };
        let at = self.shared.ledger.clock().instant(taken) + limit;
        let performed = pin!(self.hands.perform(draft));
        let bounded = pin!(self.patience.bound(at, performed));
        let done = self.shared.halt.or(bounded).await.flatten();
        done.unwrap_or_else(|| Done { outcome: given_up, trace: Trace::new(draft.home) })
    }

    fn sample(&self, ticket: &Ticket, taken: Offset, draft: Draft, done: Done) -> Sample {
        let clock = self.shared.ledger.clock();
        let trace = done.trace;
        let sent = trace.sent.map(|sent| clock.offset(sent));
        let begun = match self.hands.cache.broken() {
            Some(Broken::LateStopwatch) => sent.unwrap_or(taken),
            _ => ticket.due(),
        };
        Sample {
            extent: Extent::Single,
            operation: draft.operation,
            home: trace.home,
            served_by: trace.served_by,
            outcome: done.outcome,
            due: begun,
            issued: ticket.issued(),
            taken,
            sent,
            done: over(&trace, clock),
            connection_wait: trace.connection_wait,
            attempts: trace.attempts,
            needed: trace.needed,
            keys: KeyCounts::default(),
        }
    }

    /// What each node had to do with an operation that asked several. Of one that was cut off it is its
    /// first key's node that is blamed, but every key of one that hung has failed at its own.
    fn parts(&self, sample: &mut Sample) -> Vec<Sample> {
        let parts = &self.hands.parts;
        match sample.outcome {
            Outcome::Hung => return self.keys_that_hung(*sample),
            Outcome::Cancelled => return Vec::new(),
            _ => {}
        }
        sample.keys = parts.iter().fold(sample.keys, |all, part| all.with(part.keys));
        if parts.len() < 2 {
            return Vec::new();
        }
        sample.extent = Extent::Whole;
        let clock = self.shared.ledger.clock();
        let part = |Part { done, keys }: &Part| Sample {
            extent: Extent::Part,
            home: done.trace.home,
            served_by: done.trace.served_by,
            outcome: done.outcome,
            sent: done.trace.sent.map(|sent| clock.offset(sent)),
            // What was shed at once was over when it was taken up, whatever the others took.
            done: done.trace.answered.map_or(sample.done, |answered| clock.offset(answered)),
            connection_wait: done.trace.connection_wait,
            attempts: done.trace.attempts,
            needed: done.trace.needed,
            keys: *keys,
            ..*sample
        };
        parts.iter().map(part).collect()
    }

    fn keys_that_hung(&self, sample: Sample) -> Vec<Sample> {
        let of_node = |(home, keys): &(NodeIndex, usize)| Sample {
            extent: Extent::Keys,
            home: *home,
            keys: KeyCounts::all_failed(*keys),
            ..sample
        };
        self.hands.under_way.iter().map(of_node).collect()
    }

    /// Stores what the ticket found absent; returns how many requests that needed, whatever came of them.
    async fn fill(&mut self) -> u32 {
        self.hands.filling = 0;
        let shared = Arc::clone(&self.shared);
        while let Some(fill) = self.hands.absent.pop() {
            // Under way until the next turn, whatever becomes of it.
            let _refill = match (fill, &shared.refills) {
                (Fill::Value(slot), Some(refills)) => Some(refills.begin(slot)),
                _ => None,
            };
            if !self.load_from_origin(fill).await {
                self.shared.fills_failed.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let at = Instant::now() + self.shared.hung_after;
            let filling = pin!(self.hands.fill(fill, false));
            let bounded = pin!(self.patience.bound(at, filling));
            let Some(filled) = self.shared.halt.or(bounded).await else { break };
            match filled {
                Some(Filled::Yes) => self.shared.fills.fetch_add(1, Ordering::Relaxed),
                Some(Filled::Needless) => continue,
                Some(Filled::No(_)) | None => {
                    self.shared.fills_failed.fetch_add(1, Ordering::Relaxed)
                }
            };
        }
        self.hands.filling
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
        self.shared.halt.or(pin!(tokio::time::sleep_until(clock.instant(at)))).await.is_some()
    }
}

/// How many calls of the client one ticket may need.
const fn calls(operation: Operation) -> u32 {
    match operation {
        // A swap that was done may be followed by one that must be refused.
        Operation::Cas => 2 * SWAP_ATTEMPTS_MAX + 1,
        Operation::Append | Operation::Prepend => 3,
        _ => 1,
    }
}

/// The longest that one call of the client may take by its own settings, and three times that.
pub(in crate::load) const fn hung_after(deadline: Duration) -> Duration {
    deadline.saturating_mul(3)
}
