//! What one line of a trace says, whatever its format.

use crate::event::Operation;
use crate::load::life::LIFE_MAX;
use crate::load::values::VALUE_BYTES_MAX;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Request(Told),
    /// Nothing that is asked of a cache here; what it is.
    Other(String),
    /// So many lines were lost.
    Lost(u64),
    /// Nothing.
    Nothing,
}

/// A request as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) at_us: u64,
    pub(super) key: Vec<u8>,
    pub(super) operation: Operation,
    pub(super) bytes: u32,
    /// As [`super::Request`] has it.
    pub(super) life_s: u32,
    /// Of a read: whether it found a value.
    pub(super) found: bool,
    /// The connection, where the order of its lines matters; 0: it does not.
    pub(super) connection: u64,
}

/// A text of digits as a number; `None`: it is none, or beyond 64 bits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

/// A length as a value may have it.
pub(super) fn bytes(length: u64) -> u32 {
    u32::try_from(length.min(VALUE_BYTES_MAX)).unwrap_or(u32::MAX)
}

/// So many seconds as a time to live; what is longer than any here is for ever.
pub(super) fn life(seconds: u64) -> u32 {
    if seconds > LIFE_MAX.as_secs() { 0 } else { u32::try_from(seconds).unwrap_or(0) }
}

/// The first characters of a word that nobody knows.
pub(super) fn shown(word: &[u8]) -> String {
    const CHARS_MAX: usize = 24;
    let text = String::from_utf8_lossy(word);
    text.chars().filter(|c| !c.is_control()).take(CHARS_MAX).collect()
}
