//! Everything counted for one node in one phase; tallies of several nodes merge to one of all.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::{Counts, ratio};
use super::histogram::Latency;
use crate::event::{KeyCounts, Outcome, Sample};

/// What the operations of one node (by the key's home) or of several came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// By outcome.
    pub counts: Counts,
    /// From the intended start to the end. Lost slots have no end; shed operations were never asked
    /// of the cache, and their microseconds would flatter every percentile: both are left out.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub response: Latency,
    /// From writing the request to the end.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub service: Latency,
    /// Waiting for a connection of the pool.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub wait: Latency,
    /// Shed operations, from when a worker took them up to the rejection.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub fast_fail: Latency,
    /// Requests that the operations needed: a swap a read and a store, a multi-get one a node. Retries
    /// and checks are what comes on top of them on the wire.
    pub needed_requests: u64,
    /// How often calls of the client were tried for them. A compare-and-swap takes two calls each time.
    pub attempts: u64,
    /// The keys of operations that asked for several at once.
    pub keys: KeyCounts,
    /// Operations that some node answered.
    pub served: u64,
    /// Operations that another node answered than the key's own.
    pub served_elsewhere: u64,
}

impl Tally {
    /// Adds one sample.
    pub(crate) fn add(&mut self, sample: &Sample) {
        self.counts.add(sample.outcome);
        self.keys.merge(&sample.keys.into());
        match sample.outcome {
            Outcome::LostSlot => return,
            // How long its caller was ready to wait is the workload's affair.
            Outcome::Cancelled => {}
            Outcome::Shed => self.fast_fail.record(sample.done.since(sample.taken)),
            _ => self.response.record(sample.done.since(sample.due)),
        }
        if let Some(sent) = sample.sent {
            self.service.record(sample.done.since(sent));
            self.wait.record(sample.connection_wait);
        } else if sample.connection_wait > Duration::ZERO {
            self.wait.record(sample.connection_wait);
        }
        self.needed_requests += u64::from(sample.needed);
        self.attempts += u64::from(sample.attempts);
        if let Some(node) = sample.served_by {
            self.served += 1;
            self.served_elsewhere += u64::from(node != sample.home);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.wait.merge(&other.wait);
        self.fast_fail.merge(&other.fast_fail);
        self.keys.merge(&other.keys);
        self.needed_requests += other.needed_requests;
        self.attempts += other.attempts;
        self.served += other.served;
        self.served_elsewhere += other.served_elsewhere;
    }

    /// Keeps the same in a fraction of the memory. What is added later unpacks it.
    pub(super) fn pack(&mut self) {
        for latency in [&mut self.response, &mut self.service, &mut self.wait, &mut self.fast_fail]
        {
            latency.pack();
        }
    }

    /// The share of served operations that another node served than the key's own.
    #[must_use]
    pub fn moved_ratio(&self) -> Option<f64> {
        ratio(self.served_elsewhere, self.served)
    }

    /// Latencies longer than the histograms tell apart.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.response.clamped() + self.service.clamped() + self.wait.clamped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NodeIndex;
    use crate::base::time::Offset;
    use crate::event::{ErrorClass, Extent, Operation};

    fn sample(outcome: Outcome, needed: u32, attempts: u32) -> Sample {
        Sample {
            extent: Extent::Single,
            operation: Operation::MultiGet,
            home: NodeIndex(0),
            served_by: outcome.is_good().then_some(NodeIndex(1)),
            outcome,
            due: Offset(1_000_000),
            issued: Offset(3_000_000),
            taken: Offset(3_000_000),
            sent: (needed > 0).then_some(Offset(4_000_000)),
            done: Offset(6_000_000),
            connection_wait: Duration::from_micros(700),
            attempts,
            needed,
            keys: KeyCounts::default(),
        }
    }

    /// Catches a latency counted from the wrong moment: the four moments of an operation differ.
    #[test]
    fn each_class_has_its_own_moments() {
        let mut tally = Tally::default();
        tally.add(&sample(Outcome::Hit, 1, 1));
        assert_eq!(tally.response.max(), Some(Duration::from_millis(5)));
        assert_eq!(tally.service.max(), Some(Duration::from_millis(2)));
        assert_eq!(tally.wait.max(), Some(Duration::from_micros(700)));
        assert_eq!(tally.moved_ratio(), Some(1.0));
    }

    /// Catches rejections and lost slots that flatter or fill the response times.
    #[test]
    fn what_was_never_asked_has_no_response_time() {
        let mut tally = Tally::default();
        tally.add(&sample(Outcome::Shed, 0, 0));
        tally.add(&sample(Outcome::LostSlot, 0, 0));
        assert_eq!((tally.response.count(), tally.service.count()), (0, 0));
        assert_eq!(tally.fast_fail.max(), Some(Duration::from_millis(3)));
        assert_eq!((tally.counts.offered(), tally.counts.operations()), (2, 1));
        assert_eq!(tally.moved_ratio(), None);
    }

    /// Catches attempts that count as needed, and an operation that needs several requests and counts
    /// as one.
    #[test]
    fn needed_requests_are_those_that_operations_say() {
        let mut tally = Tally::default();
        tally.add(&sample(Outcome::Hit, 3, 3));
        tally.add(&sample(Outcome::Error(ErrorClass::Timeout), 1, 2));
        tally.add(&sample(Outcome::Stored, 2, 2));
        tally.add(&sample(Outcome::Shed, 0, 0));
        assert_eq!(tally.needed_requests, 6);
        assert_eq!(tally.attempts, 7);
    }

    /// Catches a sample that grows: every worker holds thousands of them.
    #[test]
    fn a_sample_stays_small() {
        assert!(size_of::<Sample>() <= 96, "{}", size_of::<Sample>());
    }
}
