//! Whose answer comes next on a connection: what the last answer proves about it. Pure.
//!
//! Answers come in the order of the requests and most of the classic ones name neither key nor
//! request. So a line too many (a stray one, a reply sent twice, an error that was answered before
//! the data was read) is taken for an answer, and the true one is left for the next request. What
//! helps is to ask in a form whose answer names its request: a meta command with an opaque token.
//!
//! ```text
//!  last answer                     the next request goes out
//!  named its request               in its classic form
//!  had the right kind, no name     in its meta form, if it could take a second such answer for its own
//!  was an error line               after a check: `mg` with a token, whose answer must be the next line
//!  the same, and so was the check  in its meta form, until one answer has the right name
//! ```
//! An error line never has a name, so the connection is kept (a full node answers every store with
//! one, and a connect for each would be a storm), but nothing is asked on it before the check. After
//! a write the check follows at once, because it also tells whether the write was refused.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the last answer on a connection proves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// It named its request, or there was none yet: nothing is left over.
    #[default]
    Proven,
    /// It had a kind that the request can have, and no name.
    Unnamed(Unnamed),
    /// It was an error line; `checked` when the check was answered by one too.
    Refused {
        /// Whether the check was refused as well.
        checked: bool,
    },
}

/// An answer that does not say to which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// `END` alone.
    Miss,
    /// A value under the key with this hash: it names the key, not which of two requests for it.
    Value(u64),
    /// `STORED` or `NOT_STORED`.
    Stored,
    /// `DELETED` or `NOT_FOUND`.
    Deleted,
    /// The end of a multi-get without a single hit.
    Batch,
    /// `OK`.
    Flushed,
    /// Counters and their `END`.
    Stats,
}

/// In which form a request goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The classic form.
    Plain,
    /// The form whose answer names the request.
    Named,
    /// Only after a check of the connection.
    Checked,
}

impl Unnamed {
    /// A value under `key`.
    pub(super) fn value_of(key: &[u8]) -> Self {
        // FNV-1a. Two keys with one hash cost a meta get.
        Self::Value(key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }
}

impl Standing {
    /// For a request with two forms. `confusable` says of an earlier answer whether a second one
    /// like it would pass as the answer to this request.
    pub(super) fn manner(self, confusable: impl FnOnce(Unnamed) -> bool) -> Manner {
        match self {
            Self::Unnamed(last) if confusable(last) => Manner::Named,
            Self::Proven | Self::Unnamed(_) => Manner::Plain,
            Self::Refused { checked: true } => Manner::Named,
            Self::Refused { checked: false } => Manner::Checked,
        }
    }

    /// For a request that only has the form with a name.
    pub(super) const fn always_named(self) -> Manner {
        match self {
            Self::Proven | Self::Unnamed(_) | Self::Refused { checked: true } => Manner::Named,
            Self::Refused { checked: false } => Manner::Checked,
        }
    }

    /// For a request that has no form with a name.
    pub(super) fn never_named(self, confusable: impl FnOnce(Unnamed) -> bool) -> Manner {
        match self {
            Self::Unnamed(last) if confusable(last) => Manner::Checked,
            Self::Proven | Self::Unnamed(_) => Manner::Plain,
            Self::Refused { .. } => Manner::Checked,
        }
    }

    /// After an error line.
    pub(super) const fn refused(self) -> Self {
        Self::Refused { checked: matches!(self, Self::Refused { checked: true }) }
    }
}

/// Tokens of one node's connections: none is used twice.
#[derive(Debug)]
pub(super) struct Tokens(AtomicU64);

/// The opaque token of one request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Token([u8; TOKEN_FLAG_BYTES]);

/// `O` and 16 hexadecimal digits; memcached takes 31 bytes behind the `O`.
const TOKEN_FLAG_BYTES: usize = 17;

impl Tokens {
    /// Counts from `first`, which differs from node to node and from client to client.
    pub(super) const fn new(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }

    /// One that no request had.
    pub(super) fn next(&self) -> Token {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let mut flag = [b'O'; TOKEN_FLAG_BYTES];
        for (place, digit) in flag[1..].iter_mut().enumerate() {
            let nibble = (number >> (60 - 4 * place)) & 0xf;
            *digit = b"0123456789abcdef"[nibble as usize];
        }
        Token(flag)
    }
}

impl Token {
    /// As a flag of a meta command: the `O` and the token.
    pub(super) fn flag(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// As it comes back, without the `O`.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[1..]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.flag())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Manner::{Checked, Named, Plain};

    const REFUSED: Standing = Standing::Refused { checked: false };
    const REFUSED_TWICE: Standing = Standing::Refused { checked: true };

    /// Catches a request that goes out unchecked after an error line, in a form without a name where
    /// an answer may be left over that it would take for its own, and a check without end.
    #[test]
    fn the_form_follows_from_the_last_answer() {
        let miss = Standing::Unnamed(Unnamed::Miss);
        let rows = [
            (Standing::Proven, [Plain, Named, Plain]),
            (miss, [Named, Named, Checked]),
            (Standing::Unnamed(Unnamed::Stored), [Plain, Named, Plain]),
            (REFUSED, [Checked, Checked, Checked]),
            (REFUSED_TWICE, [Named, Named, Checked]),
        ];
        let confusable = |last| last == Unnamed::Miss;
        for (standing, expected) in rows {
            let forms = [
                standing.manner(confusable),
                standing.always_named(),
                standing.never_named(confusable),
            ];
            assert_eq!(forms, expected, "{standing:?}");
        }
        assert_eq!((Standing::Proven.refused(), REFUSED.refused()), (REFUSED, REFUSED));
        assert_eq!(REFUSED_TWICE.refused(), REFUSED_TWICE, "one check, not one for each refusal");
    }

    /// Catches a token that is used twice, and one that memcached would refuse.
    #[test]
    fn every_token_is_another() {
        let tokens = Tokens::new(u64::MAX - 1);
        let made: Vec<Token> = (0..4).map(|_| tokens.next()).collect();
        let flags: Vec<&str> = made.iter().map(Token::flag).collect();
        let expected =
            ["Offfffffffffffffe", "Offffffffffffffff", "O0000000000000000", "O0000000000000001"];
        assert_eq!(flags, expected);
        assert_eq!(made[1].bytes(), b"ffffffffffffffff");
    }

    /// Catches two keys that are taken for one: their second get would never be compared.
    #[test]
    fn a_value_names_its_key() {
        assert_eq!(Unnamed::value_of(b"a"), Unnamed::value_of(b"a"));
        assert_ne!(Unnamed::value_of(b"a"), Unnamed::value_of(b"b"));
    }
}
