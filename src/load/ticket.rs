//! One promise for each intended operation, and the ledger in which every promise is settled.
//!
//! A ticket is closed exactly once. One that is dropped (a panic, a cancelled task, a backlog that
//! is thrown away) closes itself, so that issued = sum of outcomes holds whatever happens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

use super::draft::{Draft, Drafter};
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, RunClock};
use crate::event::{DelayUs, Extent, KeyCounts, OUTCOMES, Operation, Outcome, Sample};

/// Where a worker's samples go: one for each worker, so that recording shares nothing.
pub type Sampler = Box<dyn FnMut(&Sample) + Send>;

/// The longest delay that is told apart from a longer one, in microseconds: ten minutes.
const DELAY_US_MAX: u64 = 600_000_000;

/// How many histograms share the counting of delays, so that workers seldom meet at one.
const DELAY_SHARDS: usize = 8;

/// An intended operation that has been issued and not yet settled.
#[derive(Debug)]
#[must_use = "a ticket that is dropped is recorded as lost or hung"]
pub(super) struct Ticket {
    /// Which operation of the run it is, from 0.
    number: u64,
    due: Offset,
    issued: Offset,
    /// Whether it follows another at once, so that nobody can be late with it.
    follows: bool,
    state: TicketState,
    ledger: Arc<TicketCounts>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TicketState {
    /// Nobody has taken it up.
    Waiting,
    /// A worker is at it.
    Taken { operation: Operation, home: NodeIndex },
    /// It has its outcome.
    Closed,
}

/// Counts every ticket that was issued and every outcome. One for all workers.
pub(super) struct TicketCounts {
    clock: RunClock,
    issued: AtomicU64,
    outcomes: [AtomicU64; OUTCOMES],
    delays: Vec<Mutex<Histogram<u64>>>,
    /// What records tickets that no worker took up.
    spare: Mutex<Spare>,
}

/// Draws what a lost ticket would have asked for, from a stream of its own.
struct Spare {
    sampler: Sampler,
    drafter: Drafter,
}

impl TicketCounts {
    pub(super) fn new(clock: RunClock, sampler: Sampler, drafter: Drafter) -> Arc<Self> {
        let histogram = || {
            let histogram = Histogram::new_with_bounds(1, DELAY_US_MAX, 2);
            Mutex::new(histogram.expect("1 to ten minutes at two digits are valid bounds"))
        };
        Arc::new(Self {
            clock,
            issued: AtomicU64::new(0),
            outcomes: [const { AtomicU64::new(0) }; OUTCOMES],
            delays: (0..DELAY_SHARDS).map(|_| histogram()).collect(),
            spare: Mutex::new(Spare { sampler, drafter }),
        })
    }

    pub(super) const fn clock(&self) -> &RunClock {
        &self.clock
    }

    /// Issues a ticket at `now` for what was due at `due`.
    pub(super) fn issue(self: &Arc<Self>, due: Offset, now: Offset) -> Ticket {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let (state, ledger) = (TicketState::Waiting, Arc::clone(self));
        Ticket { number, due, issued: now, follows: false, state, ledger }
    }

    /// Issues a ticket for what follows another operation at once: it is due when that is over.
    pub(super) fn follow(self: &Arc<Self>, now: Offset) -> Ticket {
        let mut ticket = self.issue(now, now);
        ticket.follows = true;
        ticket
    }

    /// How many tickets were issued.
    pub(super) fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// How many tickets came to each outcome, in the order of [`Outcome::position`].
    pub(super) fn outcomes(&self) -> [u64; OUTCOMES] {
        std::array::from_fn(|position| self.outcomes[position].load(Ordering::Relaxed))
    }

    /// How late tickets were issued.
    pub(super) fn issue_delay(&self) -> DelayUs {
        let mut all = self.delays[0].lock().clone();
        for shard in &self.delays[1..] {
            all.add(&*shard.lock()).expect("every shard has the same bounds");
        }
        if all.is_empty() {
            return DelayUs { p50: Some(0), p99: Some(0), max: Some(0) };
        }
        let at = |quantile| Some(all.value_at_quantile(quantile));
        DelayUs { p50: at(0.5), p99: at(0.99), max: Some(all.max()) }
    }

    fn count(&self, outcome: Outcome) {
        self.outcomes[outcome.position()].fetch_add(1, Ordering::Relaxed);
    }

    fn count_delay(&self, due: Offset, issued: Offset) {
        let delay = u64::try_from(issued.since(due).as_micros()).unwrap_or(DELAY_US_MAX);
        // Consecutive operations are spread over the shards by their due time.
        let shard = usize::try_from(due.0 >> 10).unwrap_or_default() % DELAY_SHARDS;
        self.delays[shard].lock().saturating_record(delay);
    }
}

impl Ticket {
    /// A worker begins with it, at once: it was free when the ticket was issued, so the time it
    /// took to wake it is the generator's own lateness.
    pub(super) fn taken_at_once(&mut self, now: Offset) {
        self.issued = now;
    }

    /// A worker has drawn what to ask for.
    pub(super) fn take_up(&mut self, operation: Operation, home: NodeIndex) {
        self.state = TicketState::Taken { operation, home };
        if !self.follows {
            self.ledger.count_delay(self.due, self.issued);
        }
    }

    /// Which operation of the run it is, from 0.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// When the operation should have started.
    pub(super) const fn due(&self) -> Offset {
        self.due
    }

    /// When it was issued.
    pub(super) const fn issued(&self) -> Offset {
        self.issued
    }

    /// Settles it: `sample` is its outcome, `parts` what each node had to do with it, when there were
    /// several.
    pub(super) fn close(mut self, sample: &Sample, parts: &[Sample], sampler: &mut Sampler) {
        self.state = TicketState::Closed;
        self.ledger.count(sample.outcome);
        sampler(sample);
        parts.iter().for_each(sampler);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let (operation, home, outcome) = match self.state {
            // The usual end: the workers must not meet at the spare sampler.
            TicketState::Closed => return,
            TicketState::Taken { operation, home } => (operation, home, Outcome::Hung),
            TicketState::Waiting => {
                let Draft { operation, home, .. } =
                    self.ledger.spare.lock().drafter.draw(self.number);
                (operation, home, Outcome::LostSlot)
            }
        };
        let now = self.ledger.clock.now();
        self.ledger.count(outcome);
        let issued = if outcome == Outcome::LostSlot { now } else { self.issued };
        (self.ledger.spare.lock().sampler)(&Sample {
            extent: Extent::Single,
            operation,
            home,
            served_by: None,
            outcome,
            due: self.due,
            issued,
            taken: issued,
            sent: None,
            done: now,
            connection_wait: Duration::ZERO,
            attempts: 0,
            needed: 0,
            keys: KeyCounts::default(),
        });
    }
}

impl fmt::Debug for TicketCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("issued", &self.issued()).finish_non_exhaustive()
    }
}
