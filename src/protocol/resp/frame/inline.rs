//! A request that is a line of words, as somebody types it: words with blanks between them, some of them
//! in quotes.

use std::ops::Range;

/// Quotes that are not closed, or text right behind closed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unbalanced;

/// Appends the words of a line to `words`, without their quotes, and where each stands there to `places`.
pub(super) fn split(
    line: &[u8],
    words: &mut Vec<u8>,
    places: &mut Vec<Range<usize>>,
) -> Result<(), Unbalanced> {
    // The server takes the line for a C string.
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let mut rest = line;
    loop {
        while let [first, behind @ ..] = rest
            && is_blank(*first)
        {
            rest = behind;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let start = words.len();
        rest = word(rest, words)?;
        places.push(start..words.len());
    }
}

/// Takes one word; quotes may begin in its middle.
fn word<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    while let [first, behind @ ..] = rest {
        match *first {
            b'"' => return closed(double_quoted(behind, words)?),
            b'\'' => return closed(single_quoted(behind, words)?),
            byte if is_blank(byte) => return Ok(rest),
            byte => words.push(byte),
        }
        rest = behind;
    }
    Ok(rest)
}

/// Nothing may follow a closing quote but a blank.
fn closed(rest: &[u8]) -> Result<&[u8], Unbalanced> {
    match rest.first() {
        Some(byte) if !is_blank(*byte) => Err(Unbalanced),
        _ => Ok(rest),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [] => return Err(Unbalanced),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                words.push(hex(*high) << 4 | hex(*low));
                behind
            }
            [b'\\', escaped, behind @ ..] => {
                words.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    byte => *byte,
                });
                behind
            }
            [b'"', behind @ ..] => return Ok(behind),
            [byte, behind @ ..] => {
                words.push(*byte);
                behind
            }
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Result<&'a [u8], Unbalanced> {
    loop {
        rest = match rest {
            [] => return Err(Unbalanced),
            [b'\\', b'\'', behind @ ..] => {
                words.push(b'\'');
                behind
            }
            [b'\'', behind @ ..] => return Ok(behind),
            [byte, behind @ ..] => {
                words.push(*byte);
                behind
            }
        }
    }
}

const fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Option<Vec<String>> {
        let (mut words, mut places) = (Vec::new(), Vec::new());
        split(line, &mut words, &mut places).ok()?;
        let shown = places.into_iter().map(|place| words[place].escape_ascii().to_string());
        Some(shown.collect())
    }

    /// Catches a key that is not the one that the server sees, because of a quote or an escape.
    #[test]
    fn words_are_split_as_the_server_splits_them() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"", &[]),
            (b" \t ", &[]),
            (b"GET  a", &["GET", "a"]),
            (br#"SET "a b" 'c"\'d'"#, &["SET", "a b", "c\\\"\\'d"]),
            (br#"set k "\x41\n\q\xZZ""#, &["set", "k", "A\\nqxZZ"]),
            (br#"set a"b" ''"#, &["set", "ab", ""]),
            (b"get a\0b c", &["get", "a"]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line).unwrap(), *expected, "{}", line.escape_ascii());
        }
        for line in [&b"get \"a"[..], b"get 'a", b"get \"a\"b", b"get 'a'b", b"get \"a\\"] {
            assert_eq!(words(line), None, "{}", line.escape_ascii());
        }
    }
}
