//! What a load has come to, while it goes on and when it is over.

use std::collections::BTreeMap;

use super::audit::Audit;
use super::keeping::Gone;
use super::origin::OriginTotals;
use super::violation::Violation;
use crate::base::name::NodeIndex;
use crate::event::{self, DataTotals, DelayUs, OUTCOMES, Outcome, RefillCounts};

/// What storing every key before the run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preloaded {
    /// Keys that are stored.
    pub stored: u64,
    /// Keys that could not be stored.
    pub failed: u64,
    /// The nodes that stored none of their keys, with how many those are.
    pub silent: Vec<(NodeIndex, u64)>,
    /// How the last attempts to store the others ended, by class of error or outcome, and how many.
    pub failures: BTreeMap<String, u64>,
}

/// What a load has come to so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Operations that were issued.
    pub issued: u64,
    /// Operations that have their outcome.
    pub closed: u64,
    /// Keys stored before the run.
    pub preloaded: u64,
    /// Keys stored again after a miss.
    pub fills: u64,
}

/// What a load came to.
#[derive(Clone, Debug)]
pub struct LoadTotals {
    /// Operations that were issued.
    pub issued: u64,
    /// Operations by outcome, in the order of [`Outcome::position`].
    pub outcomes: [u64; OUTCOMES],
    /// Whether operations had no intended starts.
    pub closed_loop: bool,
    /// How late the generator itself was; `None`: nothing had an intended start.
    pub issue_delay: Option<DelayUs>,
    /// Writes of a recorded trace that waited until another one of the same key was over.
    pub waited_turns: u64,
    /// Keys stored again after a miss. These are part of no operation.
    pub fills: u64,
    /// Keys that could not be stored again.
    pub fills_failed: u64,
    /// What was asked of the modelled origin, when the workload has one.
    pub origin: Option<OriginTotals>,
    /// Values written back after a miss, and how many at once; `None`: the workload writes none back.
    pub refills: Option<RefillCounts>,
    /// What the data came to, but for what the nodes did with it.
    pub data: DataTotals,
    /// The first violations of each kind, in the order in which they were seen.
    pub examples: Vec<Violation>,
    /// What was found gone on each node, to be settled with what the nodes did.
    pub gone: Vec<Gone>,
    /// How much was checked at the end.
    pub audit: Audit,
}

impl LoadTotals {
    /// How many operations have an outcome. Equal to `issued`, or the harness has lost one.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.outcomes.iter().sum()
    }

    /// How many operations came to `outcome`.
    #[must_use]
    pub const fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome.position()]
    }

    /// What reports say of it, with what was stored beforehand.
    #[must_use]
    pub fn facts(&self, preloaded: &Preloaded) -> event::LoadCounts {
        event::LoadCounts {
            preloaded: preloaded.stored,
            not_preloaded: preloaded.failed,
            preload_failures: preloaded.failures.clone(),
            tickets_issued: self.issued,
            tickets_closed: self.closed(),
            shed_tickets: self.lost_slots(),
            issue_delay: self.issue_delay,
            refills: self.refills,
        }
    }

    /// How many operations were due but never issued.
    #[must_use]
    pub const fn lost_slots(&self) -> u64 {
        self.count(Outcome::LostSlot)
    }
}
