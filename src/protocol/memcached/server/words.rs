//! The words of one request line: the tokens that memcached looks at in one pass.

use crate::protocol::memcached::frame::text::tokens;

/// How many words memcached reads at once; the rest of a longer line only matters to lists of keys.
const WORDS_MAX: usize = 23;
const NOREPLY: &[u8] = b"noreply";

/// The words of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    words: [&'a [u8]; WORDS_MAX],
    count: usize,
}

impl<'a> Words<'a> {
    /// Splits a line without its end.
    #[must_use]
    pub(super) fn read(line: &'a [u8]) -> Self {
        let mut read = Self { words: [&[]; WORDS_MAX], count: 0 };
        for (slot, word) in read.words.iter_mut().zip(tokens(line)) {
            *slot = word;
            read.count += 1;
        }
        read
    }

    /// How many there are.
    #[must_use]
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The word at `index`; empty when there is none.
    #[must_use]
    pub(super) fn get(&self, index: usize) -> &'a [u8] {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// The words from `index` on.
    #[must_use]
    pub(super) fn from(&self, index: usize) -> &[&'a [u8]] {
        self.words.get(index..self.count).unwrap_or_default()
    }

    /// Whether the last word asks for silence.
    #[must_use]
    pub(super) fn noreply(&self) -> bool {
        self.count > 0 && self.words[self.count - 1] == NOREPLY
    }
}
