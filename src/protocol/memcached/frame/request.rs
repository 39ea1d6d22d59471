//! What the head of a request says: where the request ends and what reply it will have.
//!
//! Plain data that [`text`](super::text), [`meta`](super::meta) and [`binary`](super::binary) fill.

use super::command::{Command, Dialect};

pub use crate::protocol::exchange::Due;

/// How many data bytes follow the head, the closing CRLF of a text block included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// The head is the whole request.
    None,
    /// This many bytes, whatever they are.
    Bytes(u64),
    /// It depends on the server's version, which is not known: nobody can say where the next
    /// request starts.
    Unknown,
}

impl Block {
    /// The length; `None` when it is unknown.
    #[must_use]
    pub const fn length(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Bytes(length) => Some(length),
            Self::Unknown => None,
        }
    }
}

/// How the reply is built, hence where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One line.
    Line,
    /// `VALUE` blocks and `END`, or one error line.
    Get,
    /// `VA` and a block, or one line.
    Value,
    /// Decided by its first line: lines up to `END`, or one line.
    Stats,
    /// Lines up to `END` or `EN`, or one error line.
    Dump,
    /// One error line, or `OK` and a stream without end.
    Watch,
    /// Packets of the binary protocol: one, or for `stat` several.
    Packet,
    /// None: the server closes.
    Close,
}

/// Where the keys of a text head are. Positions are bytes of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeySpan {
    /// It has none.
    None,
    /// One, from the first position up to the second.
    One(u32, u32),
    /// Every token from this position on.
    From(u32),
}

/// The reading of one request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Framing {
    /// How it is said.
    pub dialect: Dialect,
    /// What it asks for.
    pub command: Command,
    /// What follows the head.
    pub block: Block,
    /// Whether a reply will come.
    pub due: Due,
    /// How the reply is built.
    pub shape: Shape,
    /// Where the keys are.
    pub keys: KeySpan,
    /// Well-formed and read alike by every version. What is not may be answered with an error
    /// before anything is looked up.
    pub regular: bool,
    /// A key of more than 250 bytes in a `get`, `gets` or `gat`: its error may wipe out the unsent
    /// replies to earlier requests.
    pub wipes_earlier: bool,
}

impl Framing {
    /// One line that is answered with one line.
    #[must_use]
    pub const fn line(command: Command) -> Self {
        Self {
            dialect: if command.is_meta() { Dialect::Meta } else { Dialect::Text },
            command,
            block: Block::None,
            due: Due::Always,
            shape: Shape::Line,
            keys: KeySpan::None,
            regular: true,
            wipes_earlier: false,
        }
    }

    /// One line that is answered with an error line.
    #[must_use]
    pub const fn malformed(command: Command) -> Self {
        Self { regular: false, ..Self::line(command) }
    }

    /// The one reading that holds for both parsers: where they differ it says so.
    #[must_use]
    pub fn merge(old: Self, new: Self) -> Self {
        Self {
            block: if old.block == new.block { new.block } else { Block::Unknown },
            due: if old.due == new.due { new.due } else { Due::Maybe },
            shape: match (old.shape, new.shape) {
                // If it closes, what we make of the rest does not matter.
                (Shape::Close, other) | (other, Shape::Close) => other,
                // A list that only one of them starts is recognised by its first line.
                (Shape::Line, other) | (other, _) => other,
            },
            regular: old == new && new.regular,
            wipes_earlier: old.wipes_earlier || new.wipes_earlier,
            ..if old.command == Command::Unknown { new } else { old }
        }
    }

    /// The keys, as the line says them: a base64 key is not decoded.
    #[must_use]
    pub fn keys<'a>(&self, line: &'a [u8]) -> Keys<'a> {
        match self.keys {
            KeySpan::None => Keys { rest: &[], single: false },
            KeySpan::One(from, to) => {
                Keys { rest: line.get(from as usize..to as usize).unwrap_or(&[]), single: true }
            }
            KeySpan::From(from) => {
                Keys { rest: line.get(from as usize..).unwrap_or(&[]), single: false }
            }
        }
    }
}

/// The keys of one request head.
#[derive(Clone, Debug)]
pub struct Keys<'a> {
    rest: &'a [u8],
    single: bool,
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.single {
            let key = std::mem::take(&mut self.rest);
            return (!key.is_empty()).then_some(key);
        }
        let mut tokens = super::text::tokens(self.rest);
        let key = tokens.next();
        self.rest = tokens.rest();
        key
    }
}
