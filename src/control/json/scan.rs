//! Where the first value of a body ends, and whether it is well formed.
//!
//! A state machine over bytes with an explicit stack, so that no depth of nesting can exhaust the
//! thread's. Error texts are those that clients of the Go server see and that their tests compare.

/// How deep values may nest; deeper is refused, as the Go decoder does.
const DEPTH_MAX: usize = 10_000;

/// The first JSON value of `body`; whatever follows it is ignored.
///
/// # Errors
/// The parser's text when the body holds no complete value.
pub(crate) fn first_value(body: &[u8]) -> Result<&[u8], String> {
    let start = body.iter().position(|byte| !is_space(*byte)).ok_or("EOF")?;
    let mut scanner = Scanner { state: State::Value, open: Vec::new() };
    for (offset, byte) in body[start..].iter().enumerate() {
        match scanner.step(*byte)? {
            Step::More => {}
            Step::EndsHere => return Ok(&body[start..=start + offset]),
            Step::EndedBefore => return Ok(&body[start..start + offset]),
        }
    }
    // A number has no closing byte of its own: the end of the body may close it.
    match scanner.step(b' ') {
        Ok(Step::EndedBefore) => Ok(&body[start..]),
        _ => Err("unexpected EOF".to_owned()),
    }
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

struct Scanner {
    state: State,
    open: Vec<Open>,
}

/// What a byte did to the value.
enum Step {
    More,
    EndsHere,
    EndedBefore,
}

#[derive(Clone, Copy)]
enum Open {
    ObjectKey,
    ObjectValue,
    Array,
}

#[derive(Clone, Copy)]
enum State {
    Value,
    ValueOrArrayEnd,
    KeyOrObjectEnd,
    Key,
    AfterValue,
    InString,
    Escape,
    /// This many hexadecimal digits are still to come.
    Hex(u8),
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// The word, and how many of its letters were read.
    Word(&'static str, usize),
}

impl Scanner {
    fn step(&mut self, byte: u8) -> Result<Step, String> {
        match self.state {
            State::Value | State::ValueOrArrayEnd if is_space(byte) => {}
            State::ValueOrArrayEnd if byte == b']' => return Ok(self.close()),
            State::Value | State::ValueOrArrayEnd => self.begin(byte)?,
            State::KeyOrObjectEnd | State::Key if is_space(byte) => {}
            State::KeyOrObjectEnd if byte == b'}' => return Ok(self.close()),
            State::KeyOrObjectEnd | State::Key if byte == b'"' => self.state = State::InString,
            State::KeyOrObjectEnd | State::Key => {
                return Err(invalid(byte, "looking for beginning of object key string"));
            }
            State::AfterValue => return self.after_value(byte),
            State::InString | State::Escape | State::Hex(_) => return self.string(byte),
            State::Word(word, read) => self.word(byte, word, read)?,
            number => return self.number(number, byte),
        }
        Ok(Step::More)
    }

    fn begin(&mut self, byte: u8) -> Result<(), String> {
        self.state = match byte {
            b'{' => return self.open(Open::ObjectKey, State::KeyOrObjectEnd),
            b'[' => return self.open(Open::Array, State::ValueOrArrayEnd),
            b'"' => State::InString,
            b'-' => State::Minus,
            b'0' => State::Zero,
            b'1'..=b'9' => State::Digits,
            b't' => State::Word("true", 1),
            b'f' => State::Word("false", 1),
            b'n' => State::Word("null", 1),
            _ => return Err(invalid(byte, "looking for beginning of value")),
        };
        Ok(())
    }

    fn open(&mut self, what: Open, next: State) -> Result<(), String> {
        if self.open.len() >= DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        self.open.push(what);
        self.state = next;
        Ok(())
    }

    /// The innermost object or array was closed by this byte.
    fn close(&mut self) -> Step {
        self.open.pop();
        self.state = State::AfterValue;
        if self.open.is_empty() { Step::EndsHere } else { Step::More }
    }

    fn after_value(&mut self, byte: u8) -> Result<Step, String> {
        let Some(open) = self.open.last_mut() else {
            return Ok(Step::EndedBefore);
        };
        if is_space(byte) {
            return Ok(Step::More);
        }
        let wrong = match (*open, byte) {
            (Open::ObjectKey, b':') => {
                *open = Open::ObjectValue;
                self.state = State::Value;
                return Ok(Step::More);
            }
            (Open::ObjectValue, b',') => {
                *open = Open::ObjectKey;
                self.state = State::Key;
                return Ok(Step::More);
            }
            (Open::Array, b',') => {
                self.state = State::Value;
                return Ok(Step::More);
            }
            (Open::ObjectValue, b'}') | (Open::Array, b']') => return Ok(self.close()),
            (Open::ObjectKey, _) => "after object key",
            (Open::ObjectValue, _) => "after object key:value pair",
            (Open::Array, _) => "after array element",
        };
        Err(invalid(byte, wrong))
    }

    fn string(&mut self, byte: u8) -> Result<Step, String> {
        self.state = match (self.state, byte) {
            (State::Escape, b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"') => {
                State::InString
            }
            (State::Escape, b'u') => State::Hex(4),
            (State::Escape, _) => return Err(invalid(byte, "in string escape code")),
            (State::Hex(left), _) if byte.is_ascii_hexdigit() => match left {
                1 => State::InString,
                left => State::Hex(left - 1),
            },
            (State::Hex(_), _) => {
                return Err(invalid(byte, "in \\u hexadecimal character escape"));
            }
            (_, b'"') => State::AfterValue,
            (_, b'\\') => State::Escape,
            (_, 0..=0x1f) => return Err(invalid(byte, "in string literal")),
            (state, _) => state,
        };
        Ok(Step::More)
    }

    fn number(&mut self, state: State, byte: u8) -> Result<Step, String> {
        self.state = match (state, byte) {
            (State::Minus, b'0') => State::Zero,
            (State::Minus, b'1'..=b'9') => State::Digits,
            (State::Minus, _) => return Err(invalid(byte, "in numeric literal")),
            (State::Digits, b'0'..=b'9') => State::Digits,
            (State::Zero | State::Digits, b'.') => State::Point,
            (State::Point | State::Fraction, b'0'..=b'9') => State::Fraction,
            (State::Point, _) => {
                return Err(invalid(byte, "after decimal point in numeric literal"));
            }
            (State::Zero | State::Digits | State::Fraction, b'e' | b'E') => State::Exponent,
            (State::Exponent, b'+' | b'-') => State::ExponentSign,
            (State::Exponent | State::ExponentSign | State::ExponentDigits, b'0'..=b'9') => {
                State::ExponentDigits
            }
            (State::Exponent | State::ExponentSign, _) => {
                return Err(invalid(byte, "in exponent of numeric literal"));
            }
            _ => {
                self.state = State::AfterValue;
                return self.after_value(byte);
            }
        };
        Ok(Step::More)
    }

    fn word(&mut self, byte: u8, word: &'static str, read: usize) -> Result<(), String> {
        let expected = word.as_bytes()[read];
        if byte != expected {
            let place = format!("in literal {word} (expecting {})", quote(expected));
            return Err(invalid(byte, &place));
        }
        let all = read + 1 == word.len();
        self.state = if all { State::AfterValue } else { State::Word(word, read + 1) };
        Ok(())
    }
}

fn invalid(byte: u8, place: &str) -> String {
    format!("invalid character {} {place}", quote(byte))
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
