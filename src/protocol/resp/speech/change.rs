//! Changes one whole reply.

use std::ops::Range;

use rand::RngExt;

use crate::base::seed::Stream;
use crate::protocol::exchange::{Change, Position};
use crate::protocol::resp::frame::number::decimal;

/// The first string in a reply that has any bytes: where its length and where its data stand.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    length: Range<usize>,
    data: Range<usize>,
}

/// Makes the change. `None`: this reply has nothing that could be changed so.
pub(crate) fn changed(
    reply: &[u8],
    change: &Change,
    draws: &mut Stream,
    other: Option<&[u8]>,
) -> Option<Vec<u8>> {
    Some(match change {
        Change::Half => half(reply).to_vec(),
        Change::Duplicate => reply.repeat(2),
        Change::Said(Position::Before, said) => [said, reply].concat(),
        Change::Said(Position::After, said) => [reply, said].concat(),
        Change::Said(Position::Instead, said) => said.to_vec(),
        Change::ShortLength => {
            let found = first(reply)?;
            with_length(reply, &found, found.data.len() / 2)
        }
        Change::CorruptValue => {
            let mut bytes = reply.to_vec();
            // Zero would leave the byte as it is.
            bytes[draws.random_range(first(reply)?.data)] ^= draws.random_range(1..=u8::MAX);
            bytes
        }
        Change::CorruptLine => {
            let end = memchr::memchr(b'\r', reply)?;
            let mut bytes = reply.to_vec();
            // Lower case: no reply begins so.
            bytes[..end].fill_with(|| draws.random_range(b'h'..=b'l'));
            bytes
        }
        Change::WrongValue => {
            let (found, other) = (first(reply)?, other?);
            let mut bytes = reply.to_vec();
            bytes.splice(found.data.clone(), other.iter().copied());
            with_length(&bytes, &found, other.len())
        }
        // No reply names its key, or has a head of a fixed form; what comes besides was made bytes.
        Change::WrongKey
        | Change::Field(..)
        | Change::Unsolicited(_)
        | Change::Extra(_)
        | Change::Message(_) => return None,
    })
}

/// Up to the middle of the first string, or else of the whole.
pub(crate) fn half(reply: &[u8]) -> &[u8] {
    let middle = first(reply).map(|found| found.data.start + found.data.len() / 2);
    &reply[..middle.unwrap_or(reply.len() / 2)]
}

/// The first string that has any bytes.
pub(crate) fn value(reply: &[u8]) -> Option<&[u8]> {
    Some(&reply[first(reply)?.data])
}

fn first(reply: &[u8]) -> Option<Found> {
    let mut at = 0;
    loop {
        let line = reply.get(at..).filter(|rest| !rest.is_empty())?;
        let end = at + memchr::memchr(b'\r', line)?;
        let (length, data) = (at + 1..end, end + 2);
        match decimal(&reply[length.clone()]).and_then(|length| usize::try_from(length).ok()) {
            Some(count) if matches!(line[0], b'$' | b';') => {
                let data = data..data.checked_add(count)?;
                if count > 0 {
                    return (data.end <= reply.len()).then_some(Found { length, data });
                }
                at = if line[0] == b'$' { data.end + 2 } else { data.end };
            }
            // Its form is no part of the text.
            Some(count @ 5..) if line[0] == b'=' => {
                let data = data + 4..data.checked_add(count)?;
                return (data.end <= reply.len()).then_some(Found { length, data });
            }
            _ => at = data,
        }
    }
}

/// The reply with another length of its first string.
fn with_length(reply: &[u8], found: &Found, length: usize) -> Vec<u8> {
    // The form of a verbatim string counts.
    let form = found.data.start - (found.length.end + 2);
    let mut bytes = reply.to_vec();
    bytes.splice(found.length.clone(), (length + form).to_string().into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    fn with(change: &Change, reply: &str) -> Option<String> {
        let mut draws = Seed::new(1).stream();
        let bytes = changed(reply.as_bytes(), change, &mut draws, Some(b"another"))?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Catches a change that is not the one that was asked for, or is made in another place.
    #[test]
    fn replies_are_changed_in_one_place() {
        let hit = "*2\r\n$0\r\n\r\n$4\r\nabcd\r\n";
        let changed = |change| with(&change, hit).unwrap();
        assert_eq!(changed(Change::Half), "*2\r\n$0\r\n\r\n$4\r\nab");
        assert_eq!(changed(Change::ShortLength), "*2\r\n$0\r\n\r\n$2\r\nabcd\r\n");
        assert_eq!(changed(Change::WrongValue), "*2\r\n$0\r\n\r\n$7\r\nanother\r\n");
        assert_eq!(changed(Change::Duplicate), hit.repeat(2));
        let garbage = changed(Change::CorruptLine);
        assert!(garbage.ends_with(&hit[2..]) && !garbage.starts_with('*'));
        let corrupt = with(&Change::CorruptValue, "$1\r\nx\r\n").unwrap();
        assert!(corrupt.starts_with("$1\r\n") && corrupt != "$1\r\nx\r\n");
        assert_eq!(with(&Change::WrongValue, "=5\r\ntxt:x\r\n").unwrap(), "=11\r\ntxt:another\r\n");
        assert_eq!(
            with(&Change::ShortLength, "$?\r\n;2\r\nab\r\n;0\r\n").unwrap(),
            "$?\r\n;1\r\nab\r\n;0\r\n"
        );
    }

    /// Catches a nil in which a value is changed, and bytes of which a length lies that are read beyond.
    #[test]
    fn what_has_no_value_is_not_changed() {
        for reply in ["$-1\r\n", "_\r\n", "+OK\r\n", ":5\r\n", "*0\r\n", "$9\r\nabc\r\n", "$", ""] {
            for change in [Change::ShortLength, Change::CorruptValue, Change::WrongValue] {
                assert_eq!(with(&change, reply), None, "{reply:?}");
            }
        }
        assert_eq!(with(&Change::Half, "+OK\r\n").unwrap(), "+O");
        assert_eq!(with(&Change::WrongKey, "$1\r\nx\r\n"), None);
    }
}
