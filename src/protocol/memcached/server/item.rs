//! One stored item and what it weighs.

use super::clock::{NEVER, Now};
use crate::protocol::node::table::Keyed;
use crate::protocol::node::value::Value;

/// What memcached's item header, with the cas unique, and the end of the value weigh in bytes.
const HEADER_BYTES: usize = 48 + 8;
const FLAGS_BYTES: usize = 4;
const END_BYTES: usize = 2;

/// The largest piece in which memcached stores a value; a counter cannot be larger.
pub const PIECE_BYTES_MAX: usize = 512 * 1024;

/// The state of an item that clients can see through the meta commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Read at least once since it was stored.
    pub fetched: bool,
    /// Read at least twice.
    pub active: bool,
    /// Invalidated, but kept for readers.
    pub stale: bool,
    /// Some reader was told to fetch a new value.
    pub token_sent: bool,
    /// Stored under a key in base64.
    pub key_encoded: bool,
}

/// A stored value with its attributes.
#[derive(Clone, Debug)]
pub struct Item {
    /// The key, decoded.
    pub key: Box<[u8]>,
    /// The value.
    pub value: Value,
    /// The client's flags.
    pub flags: u32,
    /// When it expires, in node seconds; [`NEVER`] for never.
    pub deadline: u32,
    /// Its cas unique.
    pub cas: u64,
    /// When it was stored or last counted as used, in node seconds.
    pub used: u32,
    /// Its marks.
    pub marks: Marks,
}

/// What an item with a key, flags and a value of these sizes weighs: memcached's own formula, so
/// that `-I` and the `bytes` statistic mean the same.
#[must_use]
pub const fn weight(key_bytes: usize, flags: u32, value_bytes: usize) -> usize {
    let flags_bytes = if flags == 0 { 0 } else { FLAGS_BYTES };
    HEADER_BYTES + key_bytes + 1 + flags_bytes + value_bytes + END_BYTES
}

impl Keyed for Item {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Item {
    /// What it weighs.
    #[must_use]
    pub fn weight(&self) -> usize {
        weight(self.key.len(), self.flags, self.value.byte_count())
    }

    /// Whether it has expired.
    #[must_use]
    pub const fn is_expired(&self, now: Now) -> bool {
        self.deadline != NEVER && self.deadline <= now.seconds
    }

    /// Seconds to its expiry as the meta commands print them: -1 for never, and modulo 2^32 when it
    /// is past already, as memcached does.
    #[must_use]
    pub fn time_to_live(&self, now: Now) -> i64 {
        match self.deadline {
            NEVER => -1,
            deadline => i64::from(deadline.wrapping_sub(now.seconds)),
        }
    }

    /// Notes one read. Only the second read of an item counts as a use.
    pub const fn bump(&mut self, now: Now) {
        if self.marks.active {
            return;
        }
        if self.marks.fetched {
            self.marks.active = true;
            self.used = now.seconds;
        } else {
            self.marks.fetched = true;
        }
    }
}

/// The number of the slab class in which memcached, with its default factor of 1.25, keeps an item
/// of this weight: `me` prints it.
#[must_use]
pub const fn class(weight: usize) -> u32 {
    let mut size = 96;
    let mut class = 1;
    while size < weight && size <= PIECE_BYTES_MAX * 4 / 5 {
        size = (size * 5 / 4).next_multiple_of(8);
        class += 1;
    }
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a value limit that differs from memcached's by even one byte.
    #[test]
    fn the_largest_value_is_memcached_s() {
        assert_eq!(weight(1, 0, 1_048_516), 1 << 20);
        assert_eq!(weight(1, 0, 1), 61);
        assert_eq!(weight(1, 7, 1), 65);
    }

    /// Catches a class number that memcached would not print.
    #[test]
    fn classes_grow_by_a_quarter() {
        for (weight, expected) in [(61, 1), (96, 1), (97, 2), (120, 2), (121, 3), (1184, 12)] {
            assert_eq!(class(weight), expected, "{weight}");
        }
    }
}
