//! Where the first value of a body ends, and whether it is well formed.
//!
//! `serde_json` decides both, without recursion. What it refuses is told in the words of Go's
//! parser, which clients of the Go server see and their tests compare: those are ours, and so are
//! the bound on depth and a zero before a digit, which ends a value for Go.

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Error};

/// How deep values may nest; deeper is refused, as the Go decoder does.
const DEPTH_MAX: usize = 10_000;

/// The first JSON value of `body`; whatever follows it is ignored.
///
/// # Errors
/// The parser's text when the body holds no complete value.
pub(crate) fn first_value(body: &[u8]) -> Result<&[u8], String> {
    let start = body.iter().position(|byte| !is_space(*byte)).ok_or("EOF")?;
    let body = &body[start..];
    // With space behind it every mistake has a byte, even one in four digits that are not all there.
    let text = [body, b"    "].concat();
    let parsed = value_length(&text);
    let (end, place) = match &parsed {
        Ok(length) => (*length, None),
        Err(error) => refused(&text, error),
    };
    let open = open_brackets(&text[..end])?;
    if parsed.is_err() && end >= body.len() {
        return Err("unexpected EOF".to_owned());
    }
    let place = match (place, open.last()) {
        (Some(place), _) => place,
        (None, Some(b'{')) => "after object key:value pair".to_owned(),
        (None, Some(_)) => "after array element".to_owned(),
        (None, None) => return Ok(&body[..end]),
    };
    Err(format!("invalid character {} {place}", quote(text[end])))
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// How long the value is that `text` begins with.
pub(super) fn value_length(text: &[u8]) -> Result<usize, Error> {
    let mut values = Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match (values.next(), values.byte_offset()) {
        (Some(Err(error)), 0) => Err(error),
        // What follows the value may be anything.
        (_, length) => Ok(length),
    }
}

/// The brackets that are open behind the start of a value.
fn open_brackets(text: &[u8]) -> Result<Vec<u8>, String> {
    let (mut open, mut in_string, mut escaped) = (Vec::new(), false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' if open.len() >= DEPTH_MAX => return Err("exceeded max depth".to_owned()),
            b'{' | b'[' => open.push(*byte),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
    }
    Ok(open)
}

/// Where the byte stands that `serde_json` refuses, and what Go calls the place; no name where a
/// value was complete and the byte is none that may follow it.
fn refused(text: &[u8], error: &Error) -> (usize, Option<String>) {
    let lines = text.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let read = lines.map(<[u8]>::len).sum::<usize>() + error.column();
    let at = read.saturating_sub(1);
    let message = error.to_string();
    let place = match message.split(" at line ").next().unwrap_or_default() {
        "expected value" => "looking for beginning of value",
        "key must be a string" => "looking for beginning of object key string",
        "expected `:`" => "after object key",
        "expected ident" => return (at, Some(in_word(&text[..at]))),
        "invalid escape" => return in_escape(text, at),
        // The one byte that was not read.
        r"control character (\u0000-\u001F) found while parsing a string" => {
            return (read, Some("in string literal".to_owned()));
        }
        "invalid number" => match &text[..at] {
            [.., b'e' | b'E'] | [.., b'e' | b'E', b'+' | b'-'] => "in exponent of numeric literal",
            [.., b'-'] => "in numeric literal",
            [.., b'.'] => "after decimal point in numeric literal",
            _ => return (at, None),
        },
        _ => return (at, None),
    };
    (at, Some(place.to_owned()))
}

/// `read` ends with the part of a word that is right.
fn in_word(read: &[u8]) -> String {
    let next = |word: &'static str| {
        let right = (1..word.len()).find(|right| read.ends_with(&word.as_bytes()[..*right]))?;
        Some(format!("in literal {word} (expecting {})", quote(word.as_bytes()[right])))
    };
    ["true", "false", "null"].into_iter().find_map(next).unwrap_or_default()
}

/// `serde_json` refuses four digits together, Go the first wrong one.
fn in_escape(text: &[u8], at: usize) -> (usize, Option<String>) {
    let (head, digits) = text[..=at].split_at(at.saturating_sub(3));
    let head = head.strip_suffix(b"u").unwrap_or_default();
    let slashes = head.iter().rev().take_while(|byte| **byte == b'\\').count();
    match digits.iter().position(|digit| !digit.is_ascii_hexdigit()) {
        Some(wrong) if slashes % 2 == 1 => {
            (at - 3 + wrong, Some("in \\u hexadecimal character escape".to_owned()))
        }
        _ => (at, Some("in string escape code".to_owned())),
    }
}

/// The byte as a Go character literal; bytes above ASCII stand for the character of that number.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        0x07 => r"'\a'".to_owned(),
        0x08 => r"'\b'".to_owned(),
        0x09 => r"'\t'".to_owned(),
        0x0a => r"'\n'".to_owned(),
        0x0b => r"'\v'".to_owned(),
        0x0c => r"'\f'".to_owned(),
        0x0d => r"'\r'".to_owned(),
        0..=0x1f | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(body: &str) -> Result<&str, String> {
        first_value(body.as_bytes()).map(|value| std::str::from_utf8(value).unwrap())
    }

    /// Catches a body that Toxiproxy reads and we refuse: only the first value counts.
    #[test]
    fn only_the_first_value_counts() {
        for (body, value) in [
            (r#" {"a":[1,{}]} trailing"#, r#"{"a":[1,{}]}"#),
            ("[]]", "[]"),
            ("12", "12"),
            ("-0.5e+3,", "-0.5e+3"),
            ("null x", "null"),
            ("true", "true"),
            ("01", "0"),
            (r#""a\u00e9\"" rest"#, r#""a\u00e9\"""#),
        ] {
            assert_eq!(first(body).as_deref(), Ok(value), "{body}");
        }
    }

    /// Catches an error text that differs from what clients of the Go server compare.
    #[test]
    fn error_texts_are_those_of_the_go_decoder() {
        for (body, text) in [
            ("", "EOF"),
            ("  \n", "EOF"),
            ("{", "unexpected EOF"),
            (r#"{"a""#, "unexpected EOF"),
            ("-", "unexpected EOF"),
            ("tru", "unexpected EOF"),
            ("hello", "invalid character 'h' looking for beginning of value"),
            ("{name}", "invalid character 'n' looking for beginning of object key string"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b"}"#, "invalid character '\"' after object key:value pair"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("[-x]", "invalid character 'x' in numeric literal"),
            ("[1.x]", "invalid character 'x' after decimal point in numeric literal"),
            ("[1ex]", "invalid character 'x' in exponent of numeric literal"),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            (r#""\x""#, "invalid character 'x' in string escape code"),
            (r#""\u12g4""#, "invalid character 'g' in \\u hexadecimal character escape"),
            ("'a'", r"invalid character '\'' looking for beginning of value"),
            ("\u{e9}", "invalid character '\u{c3}' looking for beginning of value"),
            ("\u{0}", r"invalid character '\x00' looking for beginning of value"),
        ] {
            assert_eq!(first(body), Err(text.to_owned()), "{body}");
        }
    }

    /// Catches a nesting that exhausts the stack instead of being refused.
    #[test]
    fn nesting_is_bounded() {
        assert!(first(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000))).is_ok());
        assert_eq!(first(&"[".repeat(10_001)), Err("exceeded max depth".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Catches a panic on any bytes, and a value that another parser does not accept.
        #[test]
        fn what_is_accepted_is_json(body in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = first_value(&body)
                && std::str::from_utf8(value).is_ok()
            {
                prop_assert!(serde_json::from_slice::<serde_json::Value>(value).is_ok()
                    || value.iter().any(|byte| matches!(byte, b'\\' | b'e' | b'E')));
            }
        }

        /// Catches valid JSON that is refused or cut short.
        #[test]
        fn json_is_accepted_whole(
            text in "[a-z\"\\\\é\n]{0,12}",
            number in any::<f64>(),
            flag: bool,
        ) {
            let value = serde_json::json!({ "k": [text, number, flag, null_or(flag)], "": {} });
            let body = serde_json::to_vec_pretty(&value).unwrap();
            prop_assert_eq!(first_value(&body), Ok(&body[..]));
        }
    }

    fn null_or(flag: bool) -> serde_json::Value {
        if flag { serde_json::Value::Null } else { serde_json::json!([]) }
    }
}
