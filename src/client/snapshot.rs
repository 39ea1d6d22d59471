//! What a client knows about a node at one moment.

use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::event::{BreakerState, CloseCause};

/// What a client knows about a node at one moment. Counts run from the start of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// The node.
    pub node: NodeIndex,
    /// Its connections.
    pub connections: ConnectionCounts,
    /// The state of its breaker.
    pub breaker: BreakerState,
    /// Whether calls are sent to it; `false` from when it was given up until it is reinstated.
    pub connection_available: bool,
    /// How often its breaker opened.
    pub breaker_opens: u64,
    /// How long its breaker was open in all, up to now. Half-open is not open.
    pub open_time: Duration,
    /// Request lines written to it, pings included. A multi-get of N keys is N `mg` lines and one
    /// `mn`: N + 1.
    pub requests_sent: u64,
    /// The same without the client's own pings (`version`): the lines of operations.
    pub operation_requests: u64,
    /// Request lines for which nothing came back, or not yet: the connection ended before, or was
    /// given up. Whether the node ever read them is not known.
    pub unanswered: u64,
}

/// The connections to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Open now.
    pub open: u64,
    /// Of those, waiting for work.
    pub idle: u64,
    /// Of those, with an operation.
    pub in_use: u64,
    /// The most that were open at a time.
    pub high_water: u64,
    /// Attempts to connect in all, whether anybody took them or not.
    pub dialled: u64,
    /// Opened in all.
    pub opened: u64,
    /// Closed in all, by cause, in the order of [`CloseCause::ALL`].
    pub closed: [u64; CloseCause::ALL.len()],
    /// Closed because what they would have delivered next was in doubt.
    pub poisoned: u64,
}

impl ConnectionCounts {
    /// How many were closed for this cause.
    #[must_use]
    pub fn closed_for(&self, cause: CloseCause) -> u64 {
        CloseCause::ALL
            .iter()
            .zip(&self.closed)
            .filter(|(known, _)| **known == cause)
            .map(|(_, count)| count)
            .sum()
    }

    /// How many were closed in all.
    #[must_use]
    pub fn closed_in_all(&self) -> u64 {
        self.closed.iter().sum()
    }
}
