//! Values inside text that [`super::scan`] has proven well formed.

use bytes::Bytes;

use super::scan::{is_space, value_length};

/// A value: a slice of well-formed JSON text without space around it. Nothing here can fail on
/// such text, and nothing recurses: what is not looked at is skipped.
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
            let end = start + value_length(&rest[start..]).ok()?;
            let item = Value(&rest[start..end]);
            rest = &rest[end..];
            Some(item)
        })
    }

    /// The characters of a string. Lone surrogates and bytes that are no UTF-8 become U+FFFD.
    pub(super) fn string(self) -> String {
        // One for each bad byte, as Go does; then one for each surrogate, of which serde_json makes
        // three bytes and refuses a text.
        let literal = replaced(self.0, |_| true);
        serde_json::from_str(&literal)
            .map(|text: Bytes| replaced(&text, |byte| byte == SURROGATE))
            .unwrap_or_default()
    }
}

/// The first byte of a surrogate; the others begin no character.
const SURROGATE: u8 = 0xed;

fn replaced(text: &[u8], counts: impl Fn(u8) -> bool) -> String {
    text.utf8_chunks().fold(String::with_capacity(text.len()), |mut whole, chunk| {
        whole.push_str(chunk.valid());
        let bad = chunk.invalid().iter().filter(|byte| counts(**byte));
        whole.extend(bad.map(|_| char::REPLACEMENT_CHARACTER));
        whole
    })
}

const fn is_joint(byte: u8) -> bool {
    matches!(byte, b',' | b':')
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
