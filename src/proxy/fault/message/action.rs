//! What a rule does once it fires.

use std::time::Duration;

use bytes::Bytes;

use crate::proxy::close::CloseManner;

/// What happens to a request or to its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The request is answered in the server's place; it never sees it.
    Answer(Reply),
    /// The message comes late.
    Delay {
        /// At least so late.
        delay: Duration,
        /// Up to so much later.
        jitter: Duration,
    },
    /// The message waits until the rule is changed or removed.
    Hold,
    /// The connection is ended.
    Drop {
        /// Before or after the command ran, or within its reply.
        when: When,
        /// With a FIN or a RST.
        how: CloseManner,
    },
    /// The reply is changed.
    Tamper(Change),
}

/// A reply of our own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// No such key.
    Miss,
    /// Not stored.
    NotStored,
    /// Changed since it was read.
    Exists,
    /// Done, although nothing was.
    Done,
    /// An error.
    Error {
        /// The line, with its line end.
        line: Bytes,
        /// The status that a packet has instead (0: the one that says the same).
        status: u16,
    },
}

/// When a connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// The server does not see the request.
    Before,
    /// The client does not see the reply.
    After,
    /// The client sees half of the reply.
    MidReply,
}

/// How a reply is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It ends in the middle of its value.
    Truncate(Then),
    /// It announces half of the bytes that follow.
    ShortLength,
    /// One byte of its value is another.
    CorruptValue,
    /// Its first line, or magic byte, is garbage.
    CorruptLine,
    /// It names another key.
    WrongKey,
    /// It carries the value of another key.
    WrongValue,
    /// It comes twice.
    Duplicate,
    /// This line comes before it.
    Unsolicited(Box<[u8]>),
}

impl Change {
    /// Whether the reply may get longer by more than a few bytes.
    pub(super) const fn may_grow(&self) -> bool {
        matches!(self, Self::WrongValue | Self::Duplicate | Self::Unsolicited(_))
    }
}

/// What follows half a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// The end of the connection.
    Close(CloseManner),
    /// Nothing, until the rule is changed or removed.
    Stall,
}
