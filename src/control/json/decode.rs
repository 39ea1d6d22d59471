//! Values into fields, with the rules and the error texts of Go's decoder.
//!
//! `null` leaves a field as it is. A value of the wrong type leaves it too, and the *first* such
//! mistake becomes the answer while the rest is still read. Keys match whatever their case. A derived
//! `Deserialize` stops at the first mistake, takes a key once and names no Go type: so this is ours.

use super::value::{Type, Value};

/// Where a value stands, for the error text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// The body itself or an element of an array.
    Root,
    /// A field: the name of the innermost structure (empty when it has none) and the path from the
    /// outermost one.
    Field(&'a str, &'a str),
}

/// Reads values into fields and remembers the first mistake.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    mistake: Option<String>,
}

impl Decoder {
    /// Everything was read.
    ///
    /// # Errors
    /// The first value of a wrong type.
    pub(crate) fn finish(self) -> Result<(), String> {
        self.mistake.map_or(Ok(()), Err)
    }

    /// The members of an object, or none when it is something else.
    pub(crate) fn members<'a>(
        &mut self,
        value: Value<'a>,
        place: Place<'_>,
        go_type: &str,
    ) -> impl Iterator<Item = (String, Value<'a>)> + use<'a> {
        self.expect(value, Type::Object, place, go_type).into_iter().flat_map(Value::members)
    }

    /// The elements of an array, or none when it is something else.
    pub(crate) fn elements<'a>(
        &mut self,
        value: Value<'a>,
        place: Place<'_>,
        go_type: &str,
    ) -> impl Iterator<Item = Value<'a>> + use<'a> {
        self.expect(value, Type::Array, place, go_type).into_iter().flat_map(Value::items)
    }

    pub(crate) fn text(&mut self, value: Value<'_>, place: Place<'_>) -> Option<String> {
        self.expect(value, Type::String, place, "string").map(Value::string)
    }

    pub(crate) fn flag(&mut self, value: Value<'_>, place: Place<'_>) -> Option<bool> {
        self.expect(value, Type::Bool, place, "bool").map(Value::is_true)
    }

    /// A 64-bit integer, written as one: `1.5`, `1e3` and `"10"` are refused.
    pub(crate) fn integer(
        &mut self,
        value: Value<'_>,
        place: Place<'_>,
        go_type: &str,
    ) -> Option<i64> {
        let literal = self.expect(value, Type::Number, place, go_type)?.literal();
        let number = literal.parse().ok();
        if number.is_none() {
            self.refuse(&format!("number {literal}"), place, go_type);
        }
        number
    }

    pub(crate) fn float32(&mut self, value: Value<'_>, place: Place<'_>) -> Option<f32> {
        let literal = self.expect(value, Type::Number, place, "float32")?.literal();
        let number = literal.parse().ok().filter(|number: &f32| number.is_finite());
        if number.is_none() {
            self.refuse(&format!("number {literal}"), place, "float32");
        }
        number
    }

    pub(crate) fn float64(&mut self, value: Value<'_>, place: Place<'_>) -> Option<f64> {
        let literal = self.expect(value, Type::Number, place, "float64")?.literal();
        let number = literal.parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() {
            self.refuse(&format!("number {literal}"), place, "float64");
        }
        number
    }

    /// Remembers a mistake that is no mismatch of types.
    pub(crate) fn mistake(&mut self, text: String) {
        self.mistake.get_or_insert(text);
    }

    /// The value when it has the type that is wanted; `null` is left out without a mistake.
    fn expect<'a>(
        &mut self,
        value: Value<'a>,
        wanted: Type,
        place: Place<'_>,
        go_type: &str,
    ) -> Option<Value<'a>> {
        match value.kind() {
            Type::Null => None,
            kind if kind == wanted => Some(value),
            kind => {
                self.refuse(kind.name(), place, go_type);
                None
            }
        }
    }

    fn refuse(&mut self, what: &str, place: Place<'_>, go_type: &str) {
        let target = match place {
            Place::Root => format!("value of type {go_type}"),
            Place::Field(structure, path) => {
                format!("struct field {structure}.{path} of type {go_type}")
            }
        };
        self.mistake(format!("json: cannot unmarshal {what} into Go {target}"));
    }
}

/// Whether `key` means the field `name`, which is in lower-case ASCII. Two characters outside ASCII
/// fold to ASCII letters.
pub(crate) fn key_is(key: &str, name: &str) -> bool {
    let fold = |character| match character {
        '\u{212a}' => 'k',
        '\u{17f}' => 's',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).eq(name.chars())
}

#[cfg(test)]
mod tests {
    use super::super::first_value;
    use super::*;

    fn value(body: &str) -> Value<'_> {
        Value::proven(first_value(body.as_bytes()).unwrap())
    }

    fn integer(body: &str) -> (Option<i64>, Result<(), String>) {
        let mut decoder = Decoder::default();
        let place = Place::Field("LatencyToxic", "attributes.latency");
        (decoder.integer(value(body), place, "int64"), decoder.finish())
    }

    /// Catches an integer read more leniently or more strictly than Go reads it.
    #[test]
    fn integers_are_integer_literals() {
        assert_eq!(integer("-9223372036854775808"), (Some(i64::MIN), Ok(())));
        assert_eq!(integer("-0"), (Some(0), Ok(())));
        assert_eq!(integer("null"), (None, Ok(())));
        for (body, what) in [
            ("1.5", "number 1.5"),
            ("1e3", "number 1e3"),
            ("9223372036854775808", "number 9223372036854775808"),
            ("\"10\"", "string"),
            ("{}", "object"),
            ("[1]", "array"),
            ("true", "bool"),
        ] {
            let text = format!(
                "json: cannot unmarshal {what} into Go struct field \
                 LatencyToxic.attributes.latency of type int64"
            );
            assert_eq!(integer(body), (None, Err(text)));
        }
    }

    /// Catches a later mistake that hides the first, and a field that `null` resets.
    #[test]
    fn the_first_mistake_counts_and_null_keeps() {
        let mut decoder = Decoder::default();
        let (name, enabled) = (Place::Field("Proxy", "name"), Place::Field("Proxy", "enabled"));
        assert_eq!(decoder.text(value("null"), name), None);
        assert_eq!(decoder.flag(value("1"), enabled), None);
        assert_eq!(decoder.float32(value("1e40"), Place::Field("", "toxicity")), None);
        assert_eq!(decoder.text(value("\"new\""), name), Some("new".to_owned()));
        let text = "json: cannot unmarshal number into Go struct field Proxy.enabled of type bool";
        assert_eq!(decoder.finish(), Err(text.to_owned()));
    }

    /// Catches a key that Go would match and we do not.
    #[test]
    fn keys_match_whatever_their_case() {
        assert!(key_is("NAME", "name") && key_is("UpStream", "upstream"));
        assert!(key_is("up\u{17f}tream", "upstream"));
        assert!(!key_is("names", "name") && !key_is("nam", "name"));
    }
}
