//! What a call comes to: a result, and a trace of how it came about.

use std::time::Duration;

use tokio::time::Instant;

use crate::base::name::NodeIndex;
use crate::event::ErrorClass;

/// The result of one operation and how it came about.
#[derive(Clone, Debug)]
#[must_use = "a call can fail; its result says how"]
pub struct Call<T> {
    /// What the node answered, or why there is no answer.
    pub result: Result<T, Failure>,
    /// How it came about.
    pub trace: Trace,
}

/// The result of a multi-get: every key has its own.
#[derive(Clone, Debug)]
#[must_use = "each key can fail by itself"]
pub struct MultiCall {
    /// One entry a key, in the order of the keys: the item, a miss, or why it is not known.
    pub entries: Vec<Result<Option<Item>, Failure>>,
    /// Who answered for each of them.
    pub answers: Vec<KeyAnswer>,
    /// One trace for each node that was needed, in node order.
    pub traces: Vec<Trace>,
    /// All of it as one operation: first send, longest wait, every attempt and request.
    pub trace: Trace,
}

/// Who answered for one key of a multi-get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyAnswer {
    /// The node that may have answered; `None`: none can have.
    pub served_by: Option<NodeIndex>,
    /// Whether it is known to have answered: without it an absent key may as well be a failed one.
    pub is_sure: bool,
    /// Whether certainly no node has answered for it.
    pub is_unanswered: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Rejected at once, without asking the node: its breaker is open or it was given up.
    Shed,
    /// Failed, and certainly not applied (or it was a read).
    Error(ErrorClass),
    /// A write that was sent and whose reply was lost, or whose answer, an error line, may have been
    /// to something else: it may have been applied.
    Indeterminate(ErrorClass),
}

impl Failure {
    /// The class, when it is not shed.
    #[must_use]
    pub const fn class(self) -> Option<ErrorClass> {
        match self {
            Self::Shed => None,
            Self::Error(class) | Self::Indeterminate(class) => Some(class),
        }
    }
}

/// How a call came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The node that owns the key on the full ring (for a multi-get, its first key).
    pub home: NodeIndex,
    /// The node that answered, when one did.
    pub served_by: Option<NodeIndex>,
    /// When the request was first written; `None`: never sent.
    pub sent: Option<Instant>,
    /// When the answer was there; `None` when there was none, or several calls had to be waited for.
    pub answered: Option<Instant>,
    /// How long it waited for a connection of the pool, dialling included.
    pub connection_wait: Duration,
    /// How often it was tried: 0 when shed, 2 after a stale connection.
    pub attempts: u32,
    /// Request lines that it put on the wire.
    pub requests: u32,
    /// Requests that it needed: one a node (a batch is one), however many lines and attempts it took.
    pub needed: u32,
    /// The last connection that it used, counted per node from 1.
    pub connection: Option<u64>,
    /// Whether certainly no node has answered, whatever the caller was told.
    pub is_unanswered: bool,
}

impl Trace {
    /// A call on the keys of `home` that has done nothing yet.
    #[must_use]
    pub const fn new(home: NodeIndex) -> Self {
        Self {
            home,
            served_by: None,
            sent: None,
            answered: None,
            connection_wait: Duration::ZERO,
            attempts: 0,
            requests: 0,
            needed: 0,
            connection: None,
            is_unanswered: false,
        }
    }

    /// Adds what another part of the same operation did.
    pub(super) fn absorb(&mut self, part: &Self) {
        self.served_by = self.served_by.or(part.served_by);
        self.sent = match (self.sent, part.sent) {
            (Some(own), Some(other)) => Some(own.min(other)),
            (own, other) => own.or(other),
        };
        self.connection_wait = self.connection_wait.max(part.connection_wait);
        self.attempts += part.attempts;
        self.requests += part.requests;
        self.needed += part.needed;
        self.connection = self.connection.or(part.connection);
    }
}

/// A value as the node holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// The bytes.
    pub value: Vec<u8>,
    /// The client flags stored with it.
    pub flags: u32,
    /// Its unique number, when it was asked for.
    pub cas: Option<u64>,
}

/// What a store came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Stored.
    Stored,
    /// Not stored, as the condition demanded.
    NotStored,
    /// Changed since it was read.
    Exists,
    /// Nothing there to change.
    NotFound,
}
