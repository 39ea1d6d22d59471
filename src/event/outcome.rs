//! What was asked, and what it came to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::KeyCounts;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;

/// What a client asks of the cache.
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
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Read one key.
    Get,
    /// Read several keys.
    MultiGet,
    /// Store.
    Set,
    /// Store if absent.
    Add,
    /// Store if present.
    Replace,
    /// Put behind the value.
    Append,
    /// Put before the value.
    Prepend,
    /// Store if unchanged since it was read.
    Cas,
    /// Remove.
    Delete,
    /// Add to a counter.
    Incr,
    /// Subtract from a counter.
    Decr,
    /// Set a new expiry.
    Touch,
    /// Read and set a new expiry.
    Gat,
}

impl Operation {
    /// Every operation.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;
    /// The name of each.
    pub const NAMES: &'static [&'static str] = <Self as strum::VariantNames>::VARIANTS;

    /// The name in files and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it returns a value whose presence is a hit and whose absence is a miss.
    #[must_use]
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Get | Self::MultiGet | Self::Gat)
    }
}

/// Why an operation failed: a closed list.
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
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// No reply within the operation's deadline.
    Timeout,
    /// No connection within the connect deadline.
    ConnectTimeout,
    /// The connection was refused.
    Refused,
    /// The connection was reset.
    Reset,
    /// The connection was closed.
    Closed,
    /// The server answered `SERVER_ERROR`.
    ServerError,
    /// The server answered `CLIENT_ERROR` or `ERROR`.
    ClientError,
    /// The reply was not one that the request can have.
    Protocol,
    /// The server refused the value for its size.
    TooLarge,
    /// No connection came free in time.
    NoConnection,
    /// The server's certificate was not to be believed, or it did not speak TLS.
    Untrusted,
    /// The server refused user name and password, or asked for them.
    Unauthenticated,
    /// What a client of others reports and none of these is.
    Other,
    /// The client told a miss, and no node had said so: the key was asked for nowhere, or nobody answered.
    Unanswered,
}

impl ErrorClass {
    /// Every class.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Those that a client can tell of itself.
    pub fn tellable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|class| *class != Self::Unanswered)
    }

    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    const fn position(self) -> usize {
        self as usize
    }
}

/// What one intended operation came to. Every one comes to exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// The value was there and is what was written.
    Hit,
    /// The home node says that it has no value.
    Miss,
    /// A miss although the home node holds the value.
    FalseMiss,
    /// Stored.
    Stored,
    /// Not stored, as the condition demanded.
    NotStored,
    /// Changed since it was read.
    Exists,
    /// Nothing there to change.
    NotFound,
    /// Removed.
    Deleted,
    /// The expiry was set.
    Touched,
    /// The counter was changed.
    Counted,
    /// Failed, and certainly not applied (or it was a read).
    Error(ErrorClass),
    /// Rejected at once by the client, without asking the node.
    Shed,
    /// A write without a reply: it may have been applied.
    Indeterminate(ErrorClass),
    /// A value that was written under another key, or was never written.
    Wrong,
    /// A value whose length or checksum is not its own.
    Corrupt,
    /// A value older than the last acknowledged write before the read began.
    Stale,
    /// A value that another run left behind.
    Foreign,
    /// An answer that cannot be, by what the same node has answered before.
    Contradiction,
    /// A key that memcached does not take was refused, as it must be.
    Refused,
    /// A key that memcached does not take was accepted, or reached a node.
    IllegalKey,
    /// Did not end within three times its deadline.
    Hung,
    /// Was due but never issued, because no worker was free in time.
    LostSlot,
    /// Abandoned by its caller, as the workload wants it.
    Cancelled,
    /// A service answered as it is expected to, in time.
    Ok,
    /// A service answered with another status than it is expected to.
    UnexpectedStatus,
    /// A service answered with the right status and another body than it is expected to.
    UnexpectedBody,
    /// A service answered rightly, and later than it is expected to.
    TooLate,
}

/// How many outcomes there are: the length of a table indexed by [`Outcome::position`].
pub const OUTCOMES: usize = 26 + ErrorClass::ALL.len();

impl Outcome {
    /// The place in a table of counts. All indeterminate outcomes share one.
    #[must_use]
    pub const fn position(self) -> usize {
        match self {
            Self::Hit => 0,
            Self::Miss => 1,
            Self::FalseMiss => 2,
            Self::Stored => 3,
            Self::NotStored => 4,
            Self::Exists => 5,
            Self::NotFound => 6,
            Self::Deleted => 7,
            Self::Touched => 8,
            Self::Counted => 9,
            Self::Shed => 10,
            Self::Indeterminate(_) => 11,
            Self::Wrong => 12,
            Self::Corrupt => 13,
            Self::Stale => 14,
            Self::Foreign => 15,
            Self::Contradiction => 16,
            Self::Hung => 17,
            Self::LostSlot => 18,
            Self::Cancelled => 19,
            Self::Ok => 20,
            Self::UnexpectedStatus => 21,
            Self::UnexpectedBody => 22,
            Self::TooLate => 23,
            Self::Refused => 24,
            Self::IllegalKey => 25,
            Self::Error(class) => 26 + class.position(),
        }
    }

    /// Every outcome, once, in the order of [`Outcome::position`].
    pub fn all() -> impl Iterator<Item = Self> {
        [
            Self::Hit,
            Self::Miss,
            Self::FalseMiss,
            Self::Stored,
            Self::NotStored,
            Self::Exists,
            Self::NotFound,
            Self::Deleted,
            Self::Touched,
            Self::Counted,
            Self::Shed,
            Self::Indeterminate(ErrorClass::Timeout),
            Self::Wrong,
            Self::Corrupt,
            Self::Stale,
            Self::Foreign,
            Self::Contradiction,
            Self::Hung,
            Self::LostSlot,
            Self::Cancelled,
            Self::Ok,
            Self::UnexpectedStatus,
            Self::UnexpectedBody,
            Self::TooLate,
            Self::Refused,
            Self::IllegalKey,
        ]
        .into_iter()
        .chain(ErrorClass::ALL.iter().copied().map(Self::Error))
    }

    /// The key under `outcomes` in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error(class) => match class {
                ErrorClass::Timeout => "error.timeout",
                ErrorClass::ConnectTimeout => "error.connect_timeout",
                ErrorClass::Refused => "error.refused",
                ErrorClass::Reset => "error.reset",
                ErrorClass::Closed => "error.closed",
                ErrorClass::ServerError => "error.server_error",
                ErrorClass::ClientError => "error.client_error",
                ErrorClass::Protocol => "error.protocol",
                ErrorClass::TooLarge => "error.too_large",
                ErrorClass::NoConnection => "error.no_connection",
                ErrorClass::Untrusted => "error.untrusted",
                ErrorClass::Unauthenticated => "error.unauthenticated",
                ErrorClass::Other => "error.other",
                ErrorClass::Unanswered => "error.unanswered",
            },
            other => other.into(),
        }
    }

    /// The outcome under this key of a report; `None`: a later harness wrote it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|outcome| outcome.name() == name)
    }

    /// Whether the caller got what the cache should give: availability is good over offered.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(
            self,
            Self::Hit
                | Self::Miss
                | Self::Stored
                | Self::NotStored
                | Self::Exists
                | Self::NotFound
                | Self::Deleted
                | Self::Touched
                | Self::Counted
                | Self::Ok
                | Self::Refused
        )
    }

    /// Whether the cache handed out data that it must not.
    #[must_use]
    pub const fn is_bad_data(self) -> bool {
        matches!(self, Self::Wrong | Self::Corrupt)
    }
}

/// How much of an intended operation a sample is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it, and it asked one node.
    #[default]
    Single,
    /// All of it, and it asked several nodes: of each there is a part besides.
    Whole,
    /// What one of several nodes had to do with it. Judged at that node; no operation by itself.
    Part,
    /// Nothing but the keys that one node had of an operation that was cut off: no operation either.
    Keys,
}

/// The measured fact about one intended operation. Latencies are differences of its offsets:
/// `issued - due` is the harness's own lateness, `sent - issued` the wait for a worker and a
/// connection, `done - sent` service time, `done - due` response time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// How much of the operation this is.
    pub extent: Extent,
    /// What was asked.
    pub operation: Operation,
    /// The node that owns the key on the full ring.
    pub home: NodeIndex,
    /// The node that answered, when one did.
    pub served_by: Option<NodeIndex>,
    /// What it came to.
    pub outcome: Outcome,
    /// When it should have started. In a closed loop: when it was issued.
    pub due: Offset,
    /// When it was issued: taken up by a worker that was free, or put where it waits for one
    /// because none was (for a lost slot: when it was given up).
    pub issued: Offset,
    /// When a worker had it in hand: what comes before was the wait for a worker.
    pub taken: Offset,
    /// When a connection was at hand and the request was written; `None`: never sent.
    pub sent: Option<Offset>,
    /// When it ended.
    pub done: Offset,
    /// How long it waited for a connection of the pool.
    pub connection_wait: Duration,
    /// How often it was tried.
    pub attempts: u32,
    /// Requests that it needed on the wire, however often each was sent: one for each call of the
    /// client (a swap is a read and a store), one a node for a multi-get, and the write that fills
    /// the gap of a read that found nothing. None for a call that never left the client.
    pub needed: u32,
    /// What became of its keys, where it asked for several at once.
    pub keys: KeyCounts<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an outcome that shares a counter with another or falls outside the table.
    #[test]
    fn every_outcome_has_its_own_place_and_name() {
        let outcomes: Vec<Outcome> = Outcome::all().collect();
        assert_eq!(outcomes.len(), OUTCOMES);
        for (position, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.position(), position, "{}", outcome.name());
            assert_eq!(Outcome::named(outcome.name()), Some(*outcome));
        }
        let names: std::collections::BTreeSet<&str> =
            outcomes.iter().map(|outcome| outcome.name()).collect();
        assert_eq!(names.len(), OUTCOMES);
    }
}
