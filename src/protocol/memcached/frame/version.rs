//! Which memcached it is, as far as that changes where a request ends or whether it is answered.
//!
//! Owns the version number and the two parsers that stand behind it. It never guesses: an unknown
//! version is [`Parser::Unknown`], and what the two parsers frame differently is then unknowable.

use std::fmt;

/// The version of a memcached server, or that it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion(Option<(u16, u16, u16)>);

/// The two command parsers of memcached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parser {
    /// Before 1.6.40: counts tokens first, works on C strings, `noreply` per command.
    Old,
    /// From 1.6.40: swallows the block of a refused store, `noreply` on nearly every line.
    New,
    /// Not known which.
    Unknown,
}

impl ServerVersion {
    /// Not known.
    pub const UNKNOWN: Self = Self(None);
    /// The last of those that the facts in this module were checked against: Debian 12's.
    pub const V1_6_18: Self = Self::new(1, 6, 18);
    /// The newest that the facts in this module are taken from.
    pub const V1_6_45: Self = Self::new(1, 6, 45);
    /// The first with the new parser.
    const NEW_PARSER: (u16, u16, u16) = (1, 6, 40);
    /// The first that refuses `stats sizes_enable` (before: one `STAT` line without `END`).
    const SIZES_ALWAYS: (u16, u16, u16) = (1, 6, 25);

    /// A known version.
    #[must_use]
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self(Some((major, minor, patch)))
    }

    /// Reads `1.6.18`, `VERSION 1.6.18`, `1.6.45-beta`; anything else is unknown.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"VERSION ").unwrap_or(text);
        let mut numbers = text.split(|byte| *byte == b'.').map(leading_number);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch))) => {
                Self::new(major, minor, patch)
            }
            _ => Self::UNKNOWN,
        }
    }

    /// Which parser it has.
    #[must_use]
    pub fn parser(self) -> Parser {
        match self.0 {
            None => Parser::Unknown,
            Some(version) if version < Self::NEW_PARSER => Parser::Old,
            Some(_) => Parser::New,
        }
    }

    /// Whether it is known.
    #[must_use]
    pub const fn is_known(self) -> bool {
        self.0.is_some()
    }

    /// Whether `stats sizes_enable` is certainly refused like any unknown sub-command.
    #[must_use]
    pub fn refuses_sizes_enable(self) -> bool {
        self.0.is_some_and(|version| version >= Self::SIZES_ALWAYS)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((major, minor, patch)) => write!(f, "{major}.{minor}.{patch}"),
            None => f.write_str("unknown"),
        }
    }
}

/// The number that some bytes begin with; `None` without a digit or beyond 16 bits.
fn leading_number(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a server whose requests would be framed by the wrong parser.
    #[test]
    fn the_version_chooses_the_parser() {
        let cases: [(&[u8], Parser); 8] = [
            (b"VERSION 1.6.18", Parser::Old),
            (b"1.6.39", Parser::Old),
            (b"1.6.40", Parser::New),
            (b"1.6.45-dirty", Parser::New),
            (b"1.7.0", Parser::New),
            (b"1.4.4_rc", Parser::Old),
            (b"mcrouter", Parser::Unknown),
            (b"1.6.70000", Parser::Unknown),
        ];
        for (text, parser) in cases {
            assert_eq!(ServerVersion::parse(text).parser(), parser, "{}", text.escape_ascii());
        }
    }
}
