//! One whole request, as far as a liar must understand it.

use bytes::{Buf, BytesMut};

use crate::protocol::memcached::frame::command::Command;
use crate::protocol::memcached::frame::request::{Block, Due};
use crate::protocol::memcached::frame::text::{frame_request, tokens, without_line_end};
use crate::protocol::memcached::frame::version::ServerVersion;

/// The longest line that a liar reads: what memcached takes but for lists of keys.
const LINE_BYTES_MAX: usize = 2048;
/// The most keys of one line. Their replies are collected, so they must be few.
const KEYS_MAX: usize = 100;

/// What a request does, in whichever dialect it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Read values.
    Read,
    /// Store in any case.
    Set,
    /// Store where there is nothing.
    Add,
    /// Store over something.
    Replace,
    /// Put behind or before what is there.
    Extend,
    /// Store over what has this unique number.
    Cas,
    /// Remove.
    Delete,
    /// Count up.
    Incr,
    /// Count down.
    Decr,
    /// Set the expiry.
    Touch,
    /// Anything else.
    Other,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) deed: Deed,
    /// The words of its line.
    pub(super) words: Vec<Vec<u8>>,
    /// Its data block, the end of it included.
    block: Vec<u8>,
    /// Whether it is in the meta dialect.
    pub(super) is_meta: bool,
    /// Whether a reply will come in any case.
    pub(super) is_answered: bool,
    /// Whether the next request is there already: the client pipelines.
    pub(super) is_followed: bool,
}

/// What is at the head of the input.
#[derive(Debug)]
pub(super) enum Taken {
    /// A request; it is no longer in the input.
    Whole(Request),
    /// The beginning of one.
    Partial,
    /// Something that a liar leaves alone.
    Unreadable,
}

impl Request {
    /// Takes the first request out of `input`. `block_bytes_max` bounds what is kept of it.
    pub(super) fn take(input: &mut BytesMut, block_bytes_max: usize) -> Taken {
        let Some(end) = memchr::memchr(b'\n', input) else {
            return if input.len() > LINE_BYTES_MAX { Taken::Unreadable } else { Taken::Partial };
        };
        let line_bytes = end + 1;
        let line = without_line_end(&input[..line_bytes]);
        let framing = frame_request(line, ServerVersion::V1_6_18);
        let Block::Bytes(block) = block_of(framing.block) else { return Taken::Unreadable };
        let block = usize::try_from(block).unwrap_or(usize::MAX);
        let readable = line.len() <= LINE_BYTES_MAX
            && block <= block_bytes_max
            && !line.contains(&0)
            && framing.keys(line).nth(KEYS_MAX).is_none();
        if !readable {
            return Taken::Unreadable;
        }
        if input.len() - line_bytes < block {
            return Taken::Partial;
        }
        let words: Vec<Vec<u8>> = tokens(line).map(<[u8]>::to_vec).collect();
        let mut request = Self {
            deed: Deed::Other,
            words,
            block: input[line_bytes..line_bytes + block].to_vec(),
            is_meta: framing.command.is_meta(),
            is_answered: framing.due == Due::Always,
            is_followed: input.len() > line_bytes + block,
        };
        if framing.regular && framing.keys(line).count() == 1 {
            request.deed = request.read_deed(framing.command);
        }
        input.advance(line_bytes + block);
        Taken::Whole(request)
    }

    fn read_deed(&self, command: Command) -> Deed {
        // A key in base64 is not worth decoding for a lie.
        if self.is_meta && self.flag(b'b').is_some() {
            return Deed::Other;
        }
        match command {
            Command::Get | Command::Gets | Command::Bget | Command::Gat | Command::Gats => {
                Deed::Read
            }
            Command::MetaGet if self.flag(b'v').is_some() => Deed::Read,
            Command::MetaGet if self.flag(b'T').is_some() => Deed::Touch,
            Command::Set => Deed::Set,
            Command::Add => Deed::Add,
            Command::Replace => Deed::Replace,
            Command::Append | Command::Prepend => Deed::Extend,
            Command::Cas => Deed::Cas,
            Command::MetaSet => match self.flag(b'M') {
                Some(b"E" | b"e") => Deed::Add,
                Some(b"A" | b"P" | b"a" | b"p") => Deed::Extend,
                _ if self.flag(b'C').is_some() => Deed::Cas,
                Some(b"R" | b"r") => Deed::Replace,
                _ => Deed::Set,
            },
            Command::Delete | Command::MetaDelete => Deed::Delete,
            Command::Incr => Deed::Incr,
            Command::Decr => Deed::Decr,
            Command::MetaArithmetic => match self.flag(b'M') {
                Some(b"D" | b"d" | b"-") => Deed::Decr,
                _ => Deed::Incr,
            },
            Command::Touch => Deed::Touch,
            _ => Deed::Other,
        }
    }

    /// The key; of a list the first, and nothing when there is none.
    pub(super) fn key(&self) -> &[u8] {
        let at = if matches!(self.words.first().map(Vec::as_slice), Some(b"gat" | b"gats")) {
            2
        } else {
            1
        };
        self.words.get(at).map_or(&[], Vec::as_slice)
    }

    /// The argument of a meta flag.
    pub(super) fn flag(&self, name: u8) -> Option<&[u8]> {
        let flags = self.words.get(self.flags_from()..).unwrap_or_default();
        flags.iter().find(|word| word[0] == name).map(|word| &word[1..])
    }

    /// The same request with another argument of a meta flag, or without the flag.
    pub(super) fn with_flag(&self, name: u8, argument: Option<&[u8]>) -> Self {
        let mut other = self.clone();
        let from = self.flags_from();
        let place = other.words.iter().skip(from).position(|word| word[0] == name);
        match (place, argument) {
            (Some(place), Some(argument)) => {
                other.words[from + place] = [&[name], argument].concat();
            }
            (Some(place), None) => {
                other.words.remove(from + place);
            }
            (None, _) => {}
        }
        other
    }

    /// The same request with another word at `index`.
    pub(super) fn with_word(&self, index: usize, word: &[u8]) -> Self {
        let mut other = self.clone();
        if let Some(place) = other.words.get_mut(index) {
            *place = word.to_vec();
        }
        other
    }

    /// Where the flags of a meta line begin: behind the key, and for `ms` behind the length.
    fn flags_from(&self) -> usize {
        if self.words.first().is_some_and(|name| name == b"ms") { 3 } else { 2 }
    }

    /// The request as it is sent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.words.join(&b' ');
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.block);
        bytes
    }
}

/// A request without a block has one of no bytes.
const fn block_of(block: Block) -> Block {
    match block {
        Block::None => Block::Bytes(0),
        block => block,
    }
}
