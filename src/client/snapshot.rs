//! What a client knows about a node at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::event::{BreakerState, CloseCause, Connections};

/// What a client knows about a node at one moment. Counts run from the start of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// The node.
    pub node: NodeIndex,
    /// Its connections.
    pub connections: Connections,
    /// Those that were closed, by cause; absent: none.
    pub closed: BTreeMap<CloseCause, u64>,
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

impl NodeSnapshot {
    /// How many connections were closed for this cause.
    #[must_use]
    pub fn closed_for(&self, cause: CloseCause) -> u64 {
        self.closed.get(&cause).copied().unwrap_or(0)
    }

    /// What two clients together know about a node: sums, and the worse of their breakers.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        let (mine, its) = (&mut self.connections, other.connections);
        mine.open += its.open;
        mine.idle += its.idle;
        mine.in_use += its.in_use;
        // At most: nobody saw both at a time.
        mine.high_water += its.high_water;
        mine.dialled += its.dialled;
        mine.opened += its.opened;
        mine.closed += its.closed;
        mine.poisoned += its.poisoned;
        for (cause, count) in &other.closed {
            *self.closed.entry(*cause).or_default() += count;
        }
        if other.breaker == BreakerState::Open {
            self.breaker = BreakerState::Open;
        }
        self.connection_available &= other.connection_available;
        self.breaker_opens += other.breaker_opens;
        self.open_time += other.open_time;
        self.requests_sent += other.requests_sent;
        self.operation_requests += other.operation_requests;
        self.unanswered += other.unanswered;
        self
    }
}
