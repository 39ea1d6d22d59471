//! Text and numbers as Go's encoder writes them.

use std::fmt::{self, Write};

/// A JSON string: `<`, `>` and `&` escaped, other characters outside ASCII as they are.
#[derive(Debug)]
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(self.0).map_err(|_| fmt::Error)?;
        text.chars().try_for_each(|character| match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(f, "\\u{:04x}", u32::from(character))
            }
            other => f.write_char(other),
        })
    }
}

/// A finite 32-bit number in its shortest form: `1`, `0.1`, `1e-7`, `1e+21`.
#[derive(Debug)]
pub(crate) struct Float32(pub(crate) f32);

impl fmt::Display for Float32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shortest(f, self.0, self.0.into())
    }
}

/// A finite 64-bit number in its shortest form.
#[derive(Debug)]
pub(crate) struct Float64(pub(crate) f64);

impl fmt::Display for Float64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shortest(f, self.0, self.0)
    }
}

fn shortest(
    f: &mut fmt::Formatter<'_>,
    number: impl fmt::Display + fmt::LowerExp,
    size: f64,
) -> fmt::Result {
    // Go compares a 32-bit number with 32-bit limits.
    #[expect(clippy::cast_possible_truncation, reason = "the limits are the same in both sizes")]
    let size = size.abs() as f32;
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        write!(f, "{number}")
    } else {
        f.write_str(&with_sign(&format!("{number:e}")))
    }
}

/// Go writes the sign of a positive exponent.
fn with_sign(number: &str) -> String {
    match number.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a toxicity that clients would see spelled differently than by Toxiproxy.
    #[test]
    fn numbers_are_in_their_shortest_form() {
        for (number, text) in [
            (1.0, "1"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333334"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-9, "1.5e-9"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(Float32(number).to_string(), text);
        }
        for (number, text) in [(0.1, "0.1"), (1.0, "1"), (1e-7, "1e-7"), (0.05, "0.05")] {
            assert_eq!(Float64(number).to_string(), text);
        }
    }

    /// Catches a string that a client reads back differently, or that differs from Go's bytes.
    #[test]
    fn strings_are_escaped_as_go_does() {
        let text = "a\"\\\u{8}\u{c}\n\r\t\u{1}\u{7f}<>&é\u{2028}\u{1f600}";
        let quoted = Quoted(text).to_string();
        assert_eq!(
            quoted,
            "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\u{7f}\\u003c\\u003e\\u0026é\\u2028\u{1f600}\""
        );
        assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
    }
}
