//! What every protocol of a cache has: requests that are answered. First what anybody can say of one that
//! passes, whatever it is written in; then the words in which a fault says what an answer is to be. The
//! protocol's `conversation` reads the first from its bytes, and its `speech` says the second in them.

use bytes::Bytes;
use tokio::time::Instant;

/// A word of a protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The name in reports.
    pub(crate) name: &'static str,
    /// Its place in a table of counts: small, and its own among the words of its sort.
    pub(crate) place: usize,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verb {
    pub(crate) word: Word,
    pub(crate) kind: Kind,
}

/// What asking for it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It reads keys.
    Read,
    /// It changes keys.
    Write,
    /// It asks who the server is, or says who asks: no part of an operation.
    Ping,
    /// It asks for nothing: its reply tells that everything before it was answered.
    Barrier,
    /// Something else, about no key.
    Other,
}

/// Whether a reply will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    /// Exactly one.
    Always,
    /// None, not even an error.
    Never,
    /// A quiet request, or one that an unknown version may or may not answer.
    Maybe,
}

/// The most requests of one connection that may await a reply. Beyond it the connection is not understood.
pub const OUTSTANDING_MAX: usize = 65_536;

/// How the place of a reply of our own can be found among those that the server still owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It comes right behind a reply that certainly comes, or nothing is outstanding.
    Next,
    /// Quiet requests before it may have a reply first, which can be told from those behind it.
    Told,
    /// Only a request that is certainly answered, in its place, would tell.
    NeedsBarrier,
    /// Not at all: what is outstanding may be answered in ways that nobody can tell.
    Unknown,
}

/// What becomes of a request whose sender may be kept from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is sent.
    Sent,
    /// It is not.
    Kept,
    /// A no-op is sent in its place: the reply to that has the sequence of the request.
    Replaced,
    /// It is sent and behind it a no-op, which has the next sequence.
    Followed,
}

/// What a piece of the reply direction held.
#[derive(Debug)]
pub(crate) enum Answered {
    /// The end of a reply.
    Reply(Reply),
    /// Something that nobody asked for.
    Unsolicited,
    /// The connection is no longer understood, and why; said once, by either direction.
    Opaque(&'static str),
}

/// A reply that passed.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The place of its request.
    pub(crate) sequence: u64,
    pub(crate) verb: &'static Verb,
    /// When its request came.
    pub(crate) asked: Instant,
    /// What it says.
    pub(crate) status: &'static Word,
}

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
    /// Nothing, whatever was asked.
    Nil,
    /// A value or a list without anything in it.
    Empty,
    /// This value.
    Value(Bytes),
    /// These bytes, whatever they are.
    Bytes(Bytes),
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
    /// Another reply comes before it, in the words of its command.
    Extra(CannedReply),
    /// A message with these words comes before it, as one to a subscriber.
    Message(Box<[u8]>),
    /// These bytes come there.
    Said(Position, Bytes),
    /// A field of its head says this.
    Field(Field, u64),
}

impl Change {
    /// Whether the reply may get longer by more than a few bytes.
    pub(crate) const fn may_grow(&self) -> bool {
        matches!(
            self,
            Self::WrongValue
                | Self::Duplicate
                | Self::Unsolicited(_)
                | Self::Extra(_)
                | Self::Message(_)
                | Self::Said(..)
        )
    }
}

/// Where something that is said stands to a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    Before,
    After,
    Instead,
}

/// A field of the head of a reply that has a head of a fixed form.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Field {
    Magic,
    Opcode,
    KeyLength,
    ExtrasLength,
    DataType,
    Status,
    TotalLength,
    Opaque,
    Cas,
}

impl Field {
    /// The name in files and in JSON.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}
