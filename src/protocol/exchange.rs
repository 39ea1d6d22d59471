//! What every protocol of a cache has: requests that are answered. The words in which a fault says, of
//! any protocol, what an answer is to be; the protocol's `speech` says it in bytes.

use bytes::Bytes;

/// A reply in the server's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CannedReply {
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
        /// The status that a reply without lines has instead (0: the one that says the same).
        status: u16,
    },
}

/// How a reply is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It ends in the middle of its value.
    Half,
    /// It announces half of the bytes that follow.
    ShortLength,
    /// One byte of its value is another.
    CorruptValue,
    /// Its beginning is garbage.
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
    pub(crate) const fn may_grow(&self) -> bool {
        matches!(self, Self::WrongValue | Self::Duplicate | Self::Unsolicited(_))
    }
}
