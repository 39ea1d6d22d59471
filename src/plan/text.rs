//! Writes TOML that reads back to the same values.

use std::fmt::Write;
use std::time::Duration;

use crate::base::family::{Chosen, Family, Settings, Unit, Value};
use crate::base::time::DurationText;

/// A TOML document under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct TomlText {
    text: String,
    /// What every table stands in, with the dot behind it.
    within: String,
}

impl TomlText {
    /// A comment line.
    pub(super) fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    /// The header of a table.
    pub(super) fn table(&mut self, path: &str) {
        self.line(&format!("\n[{}{path}]", self.within));
    }

    /// The header of an element of a list of tables.
    pub(super) fn element(&mut self, path: &str) {
        self.line(&format!("\n[[{}{path}]]", self.within));
    }

    /// The header of an element of a list of tables, in which everything else stands from here on.
    pub(super) fn within(&mut self, path: &str) {
        self.line(&format!("\n[[{path}]]"));
        self.within = format!("{path}.");
    }

    /// A key and a value that is TOML already.
    pub(super) fn value(&mut self, key: &str, value: &str) {
        self.line(&format!("{key} = {value}"));
    }

    /// A key and a text.
    pub(super) fn string(&mut self, key: &str, value: &str) {
        self.value(key, &string(value));
    }

    /// A key and a time.
    pub(super) fn duration(&mut self, key: &str, value: Duration) {
        self.value(key, &duration(value));
    }

    /// A kind of `family` as a key, its settings as an inline table.
    pub(super) fn chosen<T: ?Sized>(&mut self, chosen: &Chosen, family: &Family<T>) {
        let unit_of = |name: &str| {
            family
                .find(&chosen.kind)
                .and_then(|kind| kind.setting(name))
                .map(|setting| setting.unit)
        };
        self.value(&chosen.kind, &inline(&chosen.settings, unit_of));
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn line(&mut self, line: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A text as TOML has it.
pub(super) fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A time as TOML text.
pub(super) fn duration(time: Duration) -> String {
    format!("\"{}\"", DurationText(time))
}

fn inline(settings: &Settings, unit_of: impl Fn(&str) -> Option<Unit>) -> String {
    let pairs: Vec<String> = settings
        .iter()
        .map(|(name, value)| {
            let value = match (value, unit_of(name)) {
                (Value::Text(text), _) => string(text),
                (_, Some(unit)) => unit.format(value),
                (_, None) => Unit::Number.format(value),
            };
            format!("{name} = {value}")
        })
        .collect();
    if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a text that ends its string early, or that TOML refuses.
    #[test]
    fn texts_are_quoted() {
        for text in ["plain", "a \"b\" \\ c", "line\nbreak", "\u{7f}\u{0}", "'''", "ä"] {
            let line = format!("x = {}", string(text));
            let table: toml::Table = line.parse().unwrap();
            assert_eq!(table["x"].as_str(), Some(text));
        }
    }

    /// Catches a time that loses a part of it on the way through text.
    #[test]
    fn times_are_exact() {
        for nanos in [0, 1, 999, 1_000_001, 90_000_000_000, 31_557_600_000_000_123] {
            let time = Duration::from_nanos(nanos);
            let text = duration(time);
            assert_eq!(text.trim_matches('"').parse::<DurationText>().unwrap().0, time, "{text}");
        }
    }
}
