//! Changes one whole reply.

use std::ops::Range;

use rand::RngExt;

use crate::base::seed::Stream;
use crate::protocol::exchange::{Change, Field, Position};
use crate::protocol::memcached::frame::binary::{HEADER_BYTES, Header};
use crate::protocol::memcached::frame::command::Dialect;
use crate::protocol::memcached::frame::meta;
use crate::protocol::memcached::frame::text;

/// A reply as the server sent it, with the places of its parts.
#[derive(Debug)]
pub(crate) struct Whole<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) bytes: &'a [u8],
    pub(crate) parts: &'a [Part],
}

/// A line with its data, or a packet: bytes of the reply.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) start: usize,
    pub(crate) head_end: usize,
    pub(crate) end: usize,
}

/// A key with its value.
pub(crate) type Remembered = (Vec<u8>, Vec<u8>);

impl<'a> Whole<'a> {
    /// Makes the change. `None`: this reply has nothing that could be changed so.
    pub(crate) fn change(
        &self,
        change: &Change,
        draws: &mut Stream,
        other: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        Some(match change {
            Change::Half => self.half().to_vec(),
            Change::Duplicate => self.bytes.repeat(2),
            Change::Unsolicited(extra) => [extra, self.bytes].concat(),
            Change::Extra(_) | Change::Message(_) => return None,
            Change::Said(Position::Before, said) => [said, self.bytes].concat(),
            Change::Said(Position::After, said) => [self.bytes, said].concat(),
            Change::Said(Position::Instead, said) => said.to_vec(),
            Change::Field(field, value) => self.with_field(*field, *value)?,
            Change::ShortLength => {
                let (part, value) = self.value()?;
                self.with_length(part, value.len() / 2)
            }
            Change::CorruptValue => {
                let (_, value) = self.value()?;
                let mut bytes = self.bytes.to_vec();
                // Zero would leave the byte as it is.
                bytes[draws.random_range(value)] ^= draws.random_range(1..=u8::MAX);
                bytes
            }
            Change::CorruptLine => self.garbage(draws)?,
            Change::WrongKey => self.with_other_key()?,
            Change::WrongValue => {
                let (part, value) = self.value()?;
                let other = other?;
                let mut bytes = self.with_length(part, other.len());
                // The header may have got longer or shorter, the value begins that much later.
                let start = bytes.len() - (self.bytes.len() - value.start);
                let end = start + value.len();
                bytes.splice(start..end, other.iter().copied());
                bytes
            }
        })
    }

    /// Another value in a field of the first header. `None`: there is none, or it says that already.
    fn with_field(&self, field: Field, value: u64) -> Option<Vec<u8>> {
        let part = self.parts.first().filter(|_| self.dialect == Dialect::Binary)?;
        self.header(part)?;
        let mut bytes = self.bytes.to_vec();
        let place = place(field);
        let value = &value.to_be_bytes()[size_of::<u64>() - place.len()..];
        bytes[part.start + place.start..part.start + place.end].copy_from_slice(value);
        (bytes != self.bytes).then_some(bytes)
    }

    /// Up to the middle of the first value, or else of the whole.
    pub(crate) fn half(&self) -> &'a [u8] {
        let end =
            self.value().map_or(self.bytes.len() / 2, |(_, value)| value.start + value.len() / 2);
        &self.bytes[..end]
    }

    /// The first value that has any bytes.
    fn value(&self) -> Option<(&Part, Range<usize>)> {
        self.parts.iter().find_map(|part| {
            let value = self.value_of(part)?;
            (!value.is_empty()).then_some((part, value))
        })
    }

    fn value_of(&self, part: &Part) -> Option<Range<usize>> {
        if self.dialect != Dialect::Binary {
            // The CRLF of the block is no part of the value.
            return (part.end > part.head_end + 2).then(|| part.head_end..part.end - 2);
        }
        let header = self.header(part)?;
        let head = usize::from(header.extras_bytes) + usize::from(header.key_bytes);
        (header.status == 0).then(|| (part.head_end + head).min(part.end)..part.end)
    }

    /// The key and the value that a text reply shows, or the value of the request's key.
    pub(crate) fn remembered(&self, request_key: &[u8]) -> Option<Remembered> {
        let (part, value) = self.value()?;
        let key = self.key(part).map_or(request_key, |key| &self.bytes[key]);
        Some((key.to_vec(), self.bytes[value].to_vec()))
    }

    fn header(&self, part: &Part) -> Option<Header> {
        Header::read(self.bytes.get(part.start..)?)
    }

    fn line(&self, part: &Part) -> &[u8] {
        text::without_line_end(&self.bytes[part.start..part.head_end])
    }

    /// The reply with another length in the head of a part.
    fn with_length(&self, part: &Part, length: usize) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        if let Some(header) = self.header(part).filter(|_| self.dialect == Dialect::Binary) {
            let head = u32::from(header.extras_bytes) + u32::from(header.key_bytes);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            let header = Header { body_bytes: head.saturating_add(length), ..header };
            bytes[part.start..part.start + HEADER_BYTES].copy_from_slice(&header.bytes());
            return bytes;
        }
        // VALUE <key> <flags> <bytes> [<cas>], VA <bytes> <flags>*
        let place = if self.dialect == Dialect::Meta { 1 } else { 3 };
        if let Some(token) = self.token(part, place) {
            bytes.splice(token, length.to_string().into_bytes());
        }
        bytes
    }

    /// Where a token of a part's line stands.
    fn token(&self, part: &Part, place: usize) -> Option<Range<usize>> {
        let mut tokens = text::tokens(self.line(part));
        for _ in 0..place {
            tokens.next();
        }
        let (at, token) = tokens.next_at()?;
        Some(part.start + at..part.start + at + token.len())
    }

    /// The first line, or the magic byte, as nobody can read it.
    fn garbage(&self, draws: &mut Stream) -> Option<Vec<u8>> {
        let part = self.parts.first()?;
        let mut bytes = self.bytes.to_vec();
        if self.dialect == Dialect::Binary {
            *bytes.get_mut(part.start)? ^= 0x55;
            return Some(bytes);
        }
        let line = part.start..part.start + self.line(part).len();
        // Lower case: no reply begins so.
        bytes[line].fill_with(|| draws.random_range(b'h'..=b'l'));
        Some(bytes)
    }

    /// Where the key of a part stands.
    fn key(&self, part: &Part) -> Option<Range<usize>> {
        match self.dialect {
            Dialect::Text => self.token(part, 1),
            Dialect::Meta => {
                let line = self.line(part);
                let key = meta::reply_flags(line).find(|flag| flag.name == b'k')?.argument;
                let place = text::tokens(line).position(|token| token.get(1..) == Some(key))?;
                let token = self.token(part, place)?;
                Some(token.start + 1..token.end)
            }
            Dialect::Binary => {
                let header = self.header(part)?;
                let start = part.head_end + usize::from(header.extras_bytes);
                let end = start + usize::from(header.key_bytes);
                (header.key_bytes > 0 && end <= part.end).then_some(start..end)
            }
        }
    }

    /// The first value under a key that nobody asked for; a packet without a key under another
    /// opaque.
    fn with_other_key(&self) -> Option<Vec<u8>> {
        let (part, _) = self.value()?;
        let mut bytes = self.bytes.to_vec();
        match self.key(part) {
            // Letters are in every key and, as base64, decode to something else.
            Some(key) => {
                let first = &mut bytes[key.start];
                *first = if *first == b'Q' { b'R' } else { b'Q' };
            }
            None if self.dialect == Dialect::Binary => {
                let header = self.header(part)?;
                let header = Header { opaque: !header.opaque, ..header };
                bytes[part.start..part.start + HEADER_BYTES].copy_from_slice(&header.bytes());
            }
            None => return None,
        }
        Some(bytes)
    }
}

/// Where a field stands in a header.
const fn place(field: Field) -> Range<usize> {
    match field {
        Field::Magic => 0..1,
        Field::Opcode => 1..2,
        Field::KeyLength => 2..4,
        Field::ExtrasLength => 4..5,
        Field::DataType => 5..6,
        Field::Status => 6..8,
        Field::TotalLength => 8..12,
        Field::Opaque => 12..16,
        Field::Cas => 16..24,
    }
}

/// The largest value of a field.
pub(crate) const fn largest(field: Field) -> u64 {
    let place = place(field);
    u64::MAX >> (u64::BITS as usize - 8 * (place.end - place.start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    fn changed(
        change: &Change,
        dialect: Dialect,
        reply: &str,
        value: Range<usize>,
    ) -> Option<String> {
        let part = Part {
            start: 0,
            head_end: value.start,
            end: if value.is_empty() { value.start } else { value.end + 2 },
        };
        let whole = Whole { dialect, bytes: reply.as_bytes(), parts: &[part] };
        let changed = whole.change(change, &mut Seed::new(1).stream(), Some(b"another"));
        changed.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Catches a change of text that is not the one that was asked for.
    #[test]
    fn text_replies_are_changed_in_one_place() {
        let hit = "VALUE key 0 4\r\nabcd\r\nEND\r\n";
        let text = |change| changed(&change, Dialect::Text, hit, 15..19).unwrap();
        assert_eq!(text(Change::Half), "VALUE key 0 4\r\nab");
        assert_eq!(text(Change::ShortLength), "VALUE key 0 2\r\nabcd\r\nEND\r\n");
        assert_eq!(text(Change::WrongKey), "VALUE Qey 0 4\r\nabcd\r\nEND\r\n");
        assert_eq!(text(Change::WrongValue), "VALUE key 0 7\r\nanother\r\nEND\r\n");
        assert_eq!(text(Change::Duplicate), hit.repeat(2));
        let garbage = text(Change::CorruptLine);
        assert!(garbage.ends_with("\r\nabcd\r\nEND\r\n") && !garbage.starts_with('V'));
    }

    /// Catches flags of a meta reply that are taken for its length or its key.
    #[test]
    fn meta_replies_are_changed_in_one_place() {
        let meta = |change: Change, reply: &str| {
            let start = reply.find('\n').unwrap() + 1;
            changed(&change, Dialect::Meta, reply, start..reply.len() - 2)
        };
        let hit = "VA 4 f0 kkey O1\r\nabcd\r\n";
        assert_eq!(meta(Change::ShortLength, hit).unwrap(), "VA 2 f0 kkey O1\r\nabcd\r\n");
        assert_eq!(meta(Change::WrongKey, hit).unwrap(), "VA 4 f0 kQey O1\r\nabcd\r\n");
        assert_eq!(meta(Change::WrongValue, hit).unwrap(), "VA 7 f0 kkey O1\r\nanother\r\n");
        assert_eq!(meta(Change::WrongKey, "VA 4 f0\r\nabcd\r\n"), None);
    }

    /// Catches a field that is written over its neighbour, one of a reply that has no header, and a change
    /// that changes nothing.
    #[test]
    fn a_field_of_a_header_says_something_else() {
        let header = Header {
            magic: 0x81,
            opcode: 0,
            key_bytes: 0,
            extras_bytes: 0,
            status: 1,
            body_bytes: 0,
            opaque: 7,
            cas: 9,
        };
        let bytes = header.bytes();
        let part = [Part { start: 0, head_end: HEADER_BYTES, end: HEADER_BYTES }];
        let changed = |dialect, field, value| {
            let whole = Whole { dialect, bytes: &bytes, parts: &part };
            whole.change(&Change::Field(field, value), &mut Seed::new(1).stream(), None)
        };
        let read =
            |field, value| Header::read(&changed(Dialect::Binary, field, value).unwrap()).unwrap();
        assert_eq!(read(Field::Opaque, 8), Header { opaque: 8, ..header });
        assert_eq!(
            read(Field::TotalLength, u64::from(u32::MAX)),
            Header { body_bytes: u32::MAX, ..header }
        );
        assert_eq!(read(Field::Cas, u64::MAX), Header { cas: u64::MAX, ..header });
        assert_eq!(read(Field::Magic, 0), Header { magic: 0, ..header });
        assert_eq!(changed(Dialect::Binary, Field::Status, 1), None);
        assert_eq!(changed(Dialect::Text, Field::Status, 2), None);
        assert_eq!((largest(Field::Magic), largest(Field::Cas)), (255, u64::MAX));
    }

    /// Catches a miss in which a value is changed.
    #[test]
    fn a_miss_has_no_value() {
        for change in [Change::ShortLength, Change::CorruptValue, Change::WrongKey] {
            assert_eq!(changed(&change, Dialect::Text, "END\r\n", 5..5), None);
        }
    }
}
