//! Values inside text that [`super::scan`] has proven well formed.

use super::scan::is_space;

/// A value: a slice of well-formed JSON text without space around it. Nothing here can fail on
/// such text, and nothing recurses: what is not looked at is skipped by counting brackets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a [u8]);

/// What kind of value it is, in the words of the decoder's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl<'a> Value<'a> {
    /// A value that [`super::first_value`] returned.
    pub(crate) const fn proven(text: &'a [u8]) -> Self {
        Self(text)
    }

    pub(super) fn kind(self) -> Type {
        match self.0.first() {
            Some(b'{') => Type::Object,
            Some(b'[') => Type::Array,
            Some(b'"') => Type::String,
            Some(b't' | b'f') => Type::Bool,
            Some(b'n') | None => Type::Null,
            Some(_) => Type::Number,
        }
    }

    pub(super) fn is_true(self) -> bool {
        self.0.first() == Some(&b't')
    }

    pub(crate) fn is_text(self) -> bool {
        self.kind() == Type::String
    }

    /// A number that is written as an integer.
    pub(crate) fn whole(self) -> Option<i64> {
        self.literal().parse().ok()
    }

    /// The text of a number.
    pub(super) fn literal(self) -> &'a str {
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    /// The members of an object in their order, duplicates included.
    pub(super) fn members(self) -> impl Iterator<Item = (String, Self)> {
        let mut items = self.items();
        std::iter::from_fn(move || Some((items.next()?.string(), items.next()?)))
    }

    /// The elements of an array; of an object, its keys and values in turn.
    pub(super) fn items(self) -> impl Iterator<Item = Self> {
        let inside = match self.kind() {
            Type::Object | Type::Array => &self.0[1..self.0.len() - 1],
            _ => &[],
        };
        let mut rest = inside;
        std::iter::from_fn(move || {
            let start = rest.iter().position(|byte| !is_space(*byte) && !is_joint(*byte))?;
            let end = start + length(&rest[start..]);
            let item = Value(&rest[start..end]);
            rest = &rest[end..];
            Some(item)
        })
    }

    /// The characters of a string. Lone surrogates and bytes that are no UTF-8 become U+FFFD.
    pub(super) fn string(self) -> String {
        let inside = match self.kind() {
            Type::String => &self.0[1..self.0.len() - 1],
            _ => &[],
        };
        let mut text: Vec<u8> = Vec::with_capacity(inside.len());
        let mut rest = inside;
        while let Some((byte, after)) = rest.split_first() {
            if *byte == b'\\' {
                rest = unescape(after, &mut text);
            } else {
                text.push(*byte);
                rest = after;
            }
        }
        // One replacement for each bad byte, as Go does.
        text.utf8_chunks().fold(String::with_capacity(text.len()), |mut whole, chunk| {
            whole.push_str(chunk.valid());
            whole.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
            whole
        })
    }
}

const fn is_joint(byte: u8) -> bool {
    matches!(byte, b',' | b':')
}

/// How long the value at the start of `text` is.
fn length(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in text.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            if !in_string && depth == 0 {
                return offset + 1;
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return offset + 1,
            b'}' | b']' => depth -= 1,
            byte if depth == 0 && (is_joint(*byte) || is_space(*byte)) => return offset,
            _ => {}
        }
    }
    text.len()
}

/// Writes what the escape after a backslash stands for; returns what follows it.
fn unescape<'a>(after: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let Some((letter, mut rest)) = after.split_first() else {
        return after;
    };
    let plain = match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => {
            let mut character = hex(rest).and_then(|unit| char::from_u32(u32::from(unit)));
            let high = hex(rest).filter(|unit| (0xd800..0xdc00).contains(unit));
            rest = &rest[rest.len().min(4)..];
            let low = rest.strip_prefix(br"\u").and_then(hex);
            if let (Some(high), Some(low @ 0xdc00..0xe000)) = (high, low) {
                let pair = 0x10000 + (u32::from(high - 0xd800) << 10) + u32::from(low - 0xdc00);
                character = char::from_u32(pair);
                rest = &rest[6..];
            }
            let mut buffer = [0; 4];
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            return rest;
        }
        other => *other,
    };
    text.push(plain);
    rest
}

fn hex(digits: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::super::first_value;
    use super::*;

    fn value(body: &str) -> Value<'_> {
        Value::proven(first_value(body.as_bytes()).unwrap())
    }

    /// Catches a walk that loses its place behind strings with brackets, commas or escapes.
    #[test]
    fn items_are_found_behind_anything() {
        let items: Vec<&str> = value(r#"[ "a,]\"" , {"b":[1,2]} ,-1.5e3,null,[],true ]"#)
            .items()
            .map(Value::literal)
            .collect();
        assert_eq!(items, [r#""a,]\"""#, r#"{"b":[1,2]}"#, "-1.5e3", "null", "[]", "true"]);
        let members: Vec<(String, Type)> = value(r#"{"a" : 1, "a":"x","":{}, "n" :null}"#)
            .members()
            .map(|(key, value)| (key, value.kind()))
            .collect();
        let expected =
            [("a", Type::Number), ("a", Type::String), ("", Type::Object), ("n", Type::Null)];
        assert_eq!(members, expected.map(|(key, kind)| (key.to_owned(), kind)));
    }

    /// Catches an escape that is read differently from Go, surrogates above all.
    #[test]
    fn strings_are_unescaped_as_go_does() {
        for (body, text) in [
            (r#""\b\f\n\r\t\/\\\"""#, "\u{8}\u{c}\n\r\t/\\\""),
            (r#""\u00e9\ud83d\ude00""#, "\u{e9}\u{1f600}"),
            (r#""\ud83d-""#, "\u{fffd}-"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
        ] {
            assert_eq!(value(body).string(), text, "{body}");
        }
        assert_eq!(Value::proven(b"\"a\xff\xfe\"").string(), "a\u{fffd}\u{fffd}");
    }
}
