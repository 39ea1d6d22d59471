//! Patterns over bytes: `*` stands for any bytes, also none, and `?` for one byte. `\` before a character takes
//! it as it is. There are no character classes and `/` is a byte like any other, because keys hold both.

/// A pattern over bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Box<[Piece]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Bytes,
    Byte,
    Exactly(u8),
}

impl Glob {
    pub(crate) fn new(pattern: &[u8]) -> Self {
        let mut bytes = pattern.iter();
        let mut pieces = Vec::with_capacity(pattern.len());
        while let Some(byte) = bytes.next() {
            pieces.push(match byte {
                b'*' => Piece::Bytes,
                b'?' => Piece::Byte,
                b'\\' => Piece::Exactly(*bytes.next().unwrap_or(&b'\\')),
                byte => Piece::Exactly(*byte),
            });
        }
        Self(pieces.into())
    }

    /// At worst pattern times text: a `*` only ever gives back to the last one before it.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        let (mut at, mut place) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(place) {
                Some(Piece::Bytes) => {
                    retry = Some((place, at));
                    place += 1;
                }
                Some(Piece::Byte) => (at, place) = (at + 1, place + 1),
                Some(Piece::Exactly(byte)) if *byte == text[at] => {
                    (at, place) = (at + 1, place + 1);
                }
                _ => {
                    let Some((star, from)) = retry else { return false };
                    retry = Some((star, from + 1));
                    (at, place) = (from + 1, star + 1);
                }
            }
        }
        self.0[place..].iter().all(|piece| *piece == Piece::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches file-name rules in a glob over keys, and one that takes exponential time.
    #[test]
    fn globs_are_over_bytes() {
        let cases: &[(&str, &str, bool)] = &[
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*c", "a/b/c", true),
            ("a*c", "ac", true),
            ("a*c", "acd", false),
            ("[ab]", "a", false),
            ("[ab]", "[ab]", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*b", "xaxbab", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Glob::new(pattern.as_bytes()).matches(text.as_bytes()), *expected);
        }
        let hard = "a*".repeat(50) + "b";
        assert!(!Glob::new(hard.as_bytes()).matches(&[b'a'; 250]));
    }
}
