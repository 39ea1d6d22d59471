//! The one language of output: what an operation came to, and what happened during a run.
//!
//! Load, client, proxies and lab emit; the recorder, the live lines and the journal listen. The
//! names here are the names in the JSON, so they change only with `schema_version`.

mod connections;
mod fact;
mod keys;
mod member;
mod outcome;
mod trace;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::name::NodeIndex;

pub use self::connections::{CloseCause, ClosedConnections, Connections};
pub use self::fact::{
    CalibrationCheck, CommandFacts, DataTotals, DelayUs, FaultRecord, LateWrite, LoadCounts,
    NotJudged, RefillCounts, SERVICE, SubjectError, SubjectFacts,
};
pub use self::keys::KeyCounts;
pub use self::member::{MEMBERS_MAX, Member, RUN_ID_BYTES_MAX};
pub use self::outcome::{ErrorClass, Extent, OUTCOMES, Operation, Outcome, Sample};
pub use self::trace::{WireMessage, WireMessageKind, WireTrace};

/// A part of a run. Samples belong to the phase in which they were due.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Preload and settle; discarded.
    Warmup,
    /// The baseline.
    Steady,
    /// Faults are active.
    Fault,
    /// Faults were healed when it began.
    Recovery,
    /// Nothing new is issued; what is under way ends.
    Drain,
}

impl Phase {
    /// Every phase in its order.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state of a node's circuit breaker.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Calls pass.
    #[default]
    Closed,
    /// Calls are rejected at once.
    Open,
    /// A few probes pass.
    HalfOpen,
}

impl BreakerState {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What happened to a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProcessChange {
    /// It was started and answers.
    Started,
    /// It was killed.
    Killed,
    /// It was stopped (SIGSTOP): connections stay, nothing is answered.
    Stopped,
    /// It goes on.
    Continued,
    /// It ended by itself.
    Died,
}

/// Which kind of data violation was seen.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// A value of another key, or one that was never written.
    Wrong,
    /// A value whose length or checksum is not its own.
    Corrupt,
    /// Older than the last acknowledged write.
    Stale,
    /// Older than the last attempted write, which was not acknowledged.
    StaleUnacknowledged,
    /// A miss although the home node holds the value.
    FalseMiss,
    /// An acknowledged write that was never executed.
    AcknowledgedButLost,
    /// A record that is there more often than it was asked for.
    DoubleApplied,
    /// Older than the last acknowledged write, because a write whose reply was lost was executed
    /// after it.
    LateWrite,
    /// A value that another run left behind: nothing that this run wrote.
    Foreign,
    /// An answer that cannot be, by what the same node has answered before.
    Contradiction,
    /// A counter below what was acknowledged and indeterminate together: an increment was lost, or a
    /// decrement was applied twice.
    CounterBehind,
    /// A counter above it: a decrement was lost, or an increment was applied twice.
    CounterAhead,
    /// A key that memcached does not take was accepted by the client, or reached a node.
    IllegalKey,
}

impl ViolationKind {
    /// Every kind.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// What people call it: the name in reports, with blanks.
    #[must_use]
    pub fn words(self) -> String {
        let name = serde_json::to_value(self).ok();
        let name = name.as_ref().and_then(|name| name.as_str()).unwrap_or_default();
        name.replace('_', " ")
    }

    /// Whether a person who looks on should see it at once. What follows from a write that failed
    /// is expected under a fault, and counted.
    #[must_use]
    pub const fn is_shown_at_once(self) -> bool {
        !matches!(self, Self::StaleUnacknowledged)
    }
}

/// Something that happened during a run, other than an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// A phase began; its name is the event's phase.
    PhaseStarted,
    /// Every key was stored once, or as many as could be.
    Preloaded {
        /// Keys that are stored.
        stored: u64,
        /// Keys that could not be stored.
        failed: u64,
    },
    /// A fault was acknowledged by everything that it targets.
    FaultApplied {
        /// The fault's name in the plan.
        fault: String,
        /// What kind of fault.
        kind: String,
        /// The nodes it targets.
        nodes: Vec<NodeIndex>,
    },
    /// A fault was taken back, and that was acknowledged.
    FaultHealed {
        /// The fault's name in the plan.
        fault: String,
        /// What kind of fault.
        kind: String,
        /// The nodes it targets.
        nodes: Vec<NodeIndex>,
    },
    /// A circuit breaker changed its state.
    BreakerChanged {
        /// The node.
        node: NodeIndex,
        /// The state before.
        from: BreakerState,
        /// The state now.
        to: BreakerState,
        /// Why, in a few words: "5 of 8 failed within 1s", "probe succeeded".
        cause: String,
    },
    /// A connection was closed because what it would deliver next was in doubt.
    ConnectionPoisoned {
        /// The node.
        node: NodeIndex,
        /// Why.
        cause: CloseCause,
    },
    /// The client stopped sending to a node.
    NodeEjected {
        /// The node.
        node: NodeIndex,
        /// Why.
        cause: String,
    },
    /// The client sends to the node again.
    NodeReinstated {
        /// The node.
        node: NodeIndex,
    },
    /// A healer tried to reach a node.
    Reconnect {
        /// The node.
        node: NodeIndex,
        /// Which attempt since the node was given up, from 1.
        attempt: u32,
        /// How long it waited before, in seconds.
        delay_s: f64,
        /// "ok", or the error class.
        outcome: String,
    },
    /// A node's process changed.
    Process {
        /// The node.
        node: NodeIndex,
        /// What happened.
        change: ProcessChange,
    },
    /// Data was not what it must be.
    Violation {
        /// Which kind.
        kind: ViolationKind,
        /// The node that answered.
        node: NodeIndex,
        /// The key's name.
        #[serde(default)]
        key: String,
        /// A sentence with the evidence; never a value.
        detail: String,
        /// What passed last on the connection that last carried the key, where a proxy of ours saw
        /// it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wire: Option<WireTrace>,
        /// Of a value that a late write put there: when that write began, in seconds since the start.
        /// `wire` is then what passed on the connection of the write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        write_begun_s: Option<f64>,
    },
    /// A message fault fired.
    MessageFault {
        /// The node whose proxy it was.
        node: NodeIndex,
        /// The connection, counted per proxy.
        connection: u64,
        /// The command it hit.
        command: String,
        /// The fault's name.
        fault: String,
    },
    /// Something happened that a fault of the scenario may wait for, as somebody told the API.
    EventTold {
        /// Its name.
        name: String,
    },
    /// The process of the client died.
    ClientCrashed {
        /// How: "signal 9", "exit code 1".
        how: String,
        /// The last lines of its stderr.
        last_words: String,
    },
    /// The machine disturbed the run.
    Noise {
        /// How late a 10 ms timer woke, in microseconds.
        timer_delay_us: u64,
    },
    /// Something in the harness itself is in trouble.
    Trouble {
        /// What, and what it means for the figures.
        detail: String,
    },
}

/// An event with its place in the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// Seconds since the start of the run.
    pub at_s: f64,
    /// The same by the wall clock, RFC 3339; empty in runs that were stored without it.
    #[serde(default)]
    pub at: String,
    /// The phase in which it happened.
    pub phase: Phase,
    /// The member of the fleet that saw it; absent where there is one client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Where events go. Cheap to clone; emitting never waits.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(EventKind) + Send + Sync>);

impl Events {
    /// Hands every event to `listener`, on the thread that emits: it must not block.
    pub fn to(listener: impl Fn(EventKind) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    /// Drops every event: for a stand-alone proxy, node or client that nobody records.
    #[must_use]
    pub fn ignore() -> Self {
        Self::to(|_| {})
    }

    /// Hands over one event.
    pub fn emit(&self, kind: EventKind) {
        (self.0)(kind);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an event whose JSON differs from what the report contract promises.
    #[test]
    fn events_are_flat_objects() {
        let event = Event {
            at_s: 1.5,
            at: "2026-01-31T12:00:01.500Z".to_owned(),
            phase: Phase::Fault,
            member: None,
            kind: EventKind::ConnectionPoisoned { node: NodeIndex(1), cause: CloseCause::Timeout },
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"at_s":1.5,"at":"2026-01-31T12:00:01.500Z","phase":"fault","event":"connection_poisoned","node":"n2","cause":"timeout"}"#
        );
    }
}
