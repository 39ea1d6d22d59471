//! Reads TOML by hand, so that every value knows where it stands in its file.
//!
//! A shape asks a [`TomlTable`] for the keys it knows and refuses the others; a [`TomlValue`] reads itself as
//! a duration, a count, a kind of a family. Whatever is wrong becomes a [`FileError`] at the very
//! value (or key) that is wrong. Nothing here knows what a scenario is.

mod json;

use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::error::FileError;
use super::files::is_name;
use super::options::{read_address, read_listen};
use super::traces::Traces;
use crate::base::family::{Chosen, Family, Kind, SettingError, Settings, Unit, Value, unknown};
use crate::base::time::DurationText;

/// The text of one file and the name that errors call it by.
#[derive(Clone, Debug, Default)]
pub struct FileText {
    name: String,
    text: String,
    /// Where the files lie that it names by path.
    folder: PathBuf,
    /// The recorded traces that it and others name.
    traces: Traces,
}

impl FileText {
    /// A file that was read, or that is built in.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), ..Self::default() }
    }

    /// The same, with the folder that its paths start from, and the traces that other files name as well.
    #[must_use]
    pub(super) fn lying_in(self, folder: impl Into<PathBuf>, traces: &Traces) -> Self {
        Self { folder: folder.into(), traces: traces.clone(), ..self }
    }

    /// The path of a file that it names, as seen from the working directory.
    pub(super) fn path_of(&self, named: &str) -> String {
        self.folder.join(named).to_string_lossy().into_owned()
    }

    /// What errors call the file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Parses the text and hands the whole of it to `read`.
    pub(super) fn read<T, E: From<FileError>>(
        &self,
        read: impl FnOnce(&TomlTable<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let document = DeTable::parse(&self.text).map_err(|error| {
            let end = self.text.len();
            self.error(&error.span().unwrap_or(end..end), error.message())
        })?;
        // A key that is missing at the top level is missing from the file: mark its first line.
        read(&TomlTable { source: self, span: 0..0, entries: document.get_ref() })
    }

    fn error(&self, span: &Range<usize>, what: impl Into<String>) -> FileError {
        FileError::new(&self.name, &self.text, span, what)
    }
}

/// A table and where it stands.
#[derive(Clone, Debug)]
pub(super) struct TomlTable<'a> {
    source: &'a FileText,
    span: Range<usize>,
    entries: &'a DeTable<'a>,
}

/// A value, the key it stands under and where both stand.
#[derive(Clone, Debug)]
pub(super) struct TomlValue<'a> {
    source: &'a FileText,
    key: &'a str,
    key_span: Range<usize>,
    span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> TomlTable<'a> {
    /// Refuses every key that is not among `known`; `noun` is what the error calls one.
    pub(super) fn only(&self, noun: &str, known: &[&str]) -> Result<(), FileError> {
        match self.iter().find(|node| !known.contains(&node.key)) {
            Some(node) => Err(node.error_at_key(unknown(noun, node.key, known))),
            None => Ok(()),
        }
    }

    /// The value under `key`.
    pub(super) fn get(&self, key: &str) -> Option<TomlValue<'a>> {
        self.entries.get_key_value(key).map(|(key, value)| self.node(key, value))
    }

    /// What `read` makes of the value under `key`, where there is one.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&TomlValue<'a>) -> Result<T, FileError>,
    ) -> Result<Option<T>, FileError> {
        self.get(key).map(|node| read(&node)).transpose()
    }

    /// The elements of the array under `key`; none where there is no such key.
    pub(super) fn list(&self, key: &str) -> Result<Vec<TomlValue<'a>>, FileError> {
        Ok(self.optional(key, TomlValue::list)?.unwrap_or_default())
    }

    /// The value under `key`; `what` says what should stand there.
    pub(super) fn need(&self, key: &str, what: &str) -> Result<TomlValue<'a>, FileError> {
        self.get(key).ok_or_else(|| self.error(format!("`{key}` is missing: {what}")))
    }

    /// Every value, in the order of the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = TomlValue<'a>> + use<'a> {
        let mut nodes: Vec<TomlValue<'a>> =
            self.entries.iter().map(|(key, value)| self.node(key, value)).collect();
        nodes.sort_by_key(|node| node.key_span.start);
        nodes.into_iter()
    }

    /// An error about the table as a whole.
    pub(super) fn error(&self, what: impl Into<String>) -> FileError {
        self.source.error(&self.span, what)
    }

    fn node(
        &self,
        key: &'a toml::Spanned<std::borrow::Cow<'a, str>>,
        value: &'a toml::Spanned<DeValue<'a>>,
    ) -> TomlValue<'a> {
        TomlValue {
            source: self.source,
            key: key.get_ref(),
            key_span: key.span(),
            span: value.span(),
            value: value.get_ref(),
        }
    }
}

impl<'a> TomlValue<'a> {
    /// The key the value stands under; of an element, the key of its array.
    pub(super) const fn key(&self) -> &'a str {
        self.key
    }

    /// An error at the value.
    pub(super) fn error(&self, what: impl Into<String>) -> FileError {
        self.source.error(&self.span, what)
    }

    /// An error at the key.
    pub(super) fn error_at_key(&self, what: impl Into<String>) -> FileError {
        self.source.error(&self.key_span, what)
    }

    fn expected(&self, what: &str) -> FileError {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(format!("`{}`: expected {what}, found {found}", self.key))
    }

    /// A text, when it is one.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text),
            _ => None,
        }
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&'a str, FileError> {
        self.as_text().ok_or_else(|| self.expected("a text"))
    }

    /// A text that is the path of a file, from where this one lies.
    pub(super) fn path(&self) -> PathBuf {
        let path = self.source.folder.join(self.as_text().unwrap_or_default());
        std::path::absolute(&path).unwrap_or(path)
    }

    /// The recorded traces that were read for its file and others.
    pub(super) const fn traces(&self) -> &Traces {
        &self.source.traces
    }

    /// A text that can be a name, and thus part of a file's.
    pub(super) fn name(&self) -> Result<&'a str, FileError> {
        let text = self.text()?;
        if is_name(text) {
            return Ok(text);
        }
        Err(self.error("a name has letters, digits, `-`, `_` and `.`, and at most 64 of them"))
    }

    /// One of a few words, as what it stands for.
    pub(super) fn word<T: Clone>(&self, noun: &str, words: &[(&str, T)]) -> Result<T, FileError> {
        let text = self.text()?;
        words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| meaning.clone()).ok_or_else(
            || {
                let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                self.error(unknown(noun, text, &names))
            },
        )
    }

    /// One of `all`, by its name.
    pub(super) fn one_of<T: Copy>(
        &self,
        noun: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, FileError> {
        let words: Vec<(&str, T)> = all.iter().map(|one| (name(*one), *one)).collect();
        self.word(noun, &words)
    }

    /// A text in a form of its own: an address, a ratio, a rate.
    pub(super) fn parsed<T>(&self, what: &str) -> Result<T, FileError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        match self.bare_number().as_deref().or_else(|| self.as_text()) {
            Some(text) => {
                text.parse().map_err(|error| self.error(format!("`{}`: {error}", self.key)))
            }
            None => Err(self.expected(what)),
        }
    }

    /// A time with its unit.
    pub(super) fn duration(&self) -> Result<Duration, FileError> {
        self.parsed::<DurationText>("a duration such as \"10s\"").map(|text| text.0)
    }

    /// A numeric address with a port.
    pub(super) fn address(&self) -> Result<SocketAddr, FileError> {
        read_address(self.text()?).map_err(|what| self.error(format!("`{}`: {what}", self.key)))
    }

    /// A numeric address to listen on; port 0 is any free one.
    pub(super) fn listen_address(&self) -> Result<SocketAddr, FileError> {
        read_listen(self.text()?).map_err(|what| self.error(format!("`{}`: {what}", self.key)))
    }

    /// A whole number within `range`.
    pub(super) fn count(&self, range: RangeInclusive<u64>) -> Result<u64, FileError> {
        let DeValue::Integer(number) = self.value else {
            return Err(self.expected("a whole number"));
        };
        u64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (low, high) = range.into_inner();
                self.error(format!("`{}` must lie between {low} and {high}", self.key))
            })
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Result<bool, FileError> {
        match self.value {
            DeValue::Boolean(flag) => Ok(*flag),
            _ => Err(self.expected("true or false")),
        }
    }

    /// Whether it is a table.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// A table.
    pub(super) fn table(&self) -> Result<TomlTable<'a>, FileError> {
        match self.value {
            DeValue::Table(entries) => Ok(TomlTable {
                source: self.source,
                // The span of a `[table]` is its header; of a dotted one it is the key.
                span: if self.span.is_empty() { self.key_span.clone() } else { self.span.clone() },
                entries,
            }),
            _ => Err(self.expected("a table")),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> Result<Vec<Self>, FileError> {
        let DeValue::Array(elements) = self.value else {
            return Err(self.expected("a list"));
        };
        let element = |element: &'a toml::Spanned<DeValue<'a>>| Self {
            span: element.span(),
            value: element.get_ref(),
            ..self.clone()
        };
        Ok(elements.iter().map(element).collect())
    }

    /// A value in `unit`, as the text form of the unit or, where a bare number is meant, a number.
    pub(super) fn in_unit(&self, unit: Unit) -> Result<Value, FileError> {
        let number = self.bare_number();
        match (unit, self.value) {
            (Unit::Flag, DeValue::Boolean(flag)) => return Ok(Value::Flag(*flag)),
            (Unit::Flag, _) => return Err(self.expected("true or false")),
            (Unit::Count | Unit::Number, _) if number.is_none() => {
                return Err(self.expected(if unit == Unit::Count {
                    "a whole number"
                } else {
                    "a number"
                }));
            }
            (Unit::Text | Unit::Choice(_), _) if number.is_some() => {
                return Err(self.expected("a text"));
            }
            _ => {}
        }
        let text = number.as_deref().or_else(|| self.as_text());
        let text = text.ok_or_else(|| self.expected(unit.example()))?;
        unit.parse(self.key, text).map_err(|error| self.error(error.what))
    }

    /// A number as text: where a unit is meant, the parser of the unit says what is missing.
    fn bare_number(&self) -> Option<String> {
        match self.value {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(
                    |_| Some(number.as_str().to_owned()),
                    |number| Some(number.to_string()),
                ),
            DeValue::Float(number) => Some(number.as_str().to_owned()),
            _ => None,
        }
    }

    /// A table with exactly one key, which names a kind of `family`; its value holds the settings.
    pub(super) fn chosen<T: ?Sized>(&self, family: &Family<T>) -> Result<Chosen, FileError> {
        let table = self.table()?;
        let mut kinds = table.iter();
        let names: Vec<&str> = family.kinds.iter().map(|kind| kind.name).collect();
        let Some(node) = kinds.next() else {
            return Err(self.error_at_key(format!(
                "`{}` names no {}; there are {}",
                self.key,
                family.noun,
                names.join(", ")
            )));
        };
        if let Some(second) = kinds.next() {
            return Err(second.error_at_key(format!(
                "`{}` and `{}`: there can be only one {}",
                node.key, second.key, family.noun
            )));
        }
        match family.find(node.key) {
            Some(kind) => node.kind(kind),
            None => Err(node.error_at_key(family.unknown(node.key))),
        }
    }

    /// The settings of `kind`, checked by building one; the key of this value named it.
    pub(super) fn kind<T: ?Sized>(&self, kind: &Kind<T>) -> Result<Chosen, FileError> {
        let table = self.table()?;
        let mut given = Settings::default();
        for node in table.iter() {
            let setting = kind.setting(node.key).ok_or_else(|| {
                let names: Vec<&str> = kind.settings.iter().map(|setting| setting.name).collect();
                node.error_at_key(unknown(&format!("setting of {}", kind.name), node.key, &names))
            })?;
            given.insert(setting.name, node.in_unit(setting.unit)?);
        }
        let blame = |error: SettingError| {
            let setting = error.setting.as_deref().and_then(|name| table.get(name));
            setting.map_or_else(|| self.error_at_key(&error.what), |node| node.error(&error.what))
        };
        let settings = kind.complete(&given).map_err(blame)?;
        kind.make(&settings).map_err(blame)?;
        Ok(Chosen { kind: kind.name.to_owned(), settings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Setting;
    use crate::base::units::{Rate, Ratio};

    static STEPS: Family<u64> = Family {
        noun: "step",
        kinds: &[
            Kind {
                name: "walk",
                summary: "one by one",
                settings: &[
                    Setting {
                        name: "every",
                        unit: Unit::Milliseconds,
                        default: None,
                        summary: "how often",
                    },
                    Setting {
                        name: "count",
                        unit: Unit::Count,
                        default: Some("3"),
                        summary: "how many",
                    },
                ],
                build: |settings| match settings.count("count")? {
                    0 => Err(SettingError::at("count", "`count` must be above 0")),
                    count => Ok(Box::new(count)),
                },
            },
            Kind { name: "jump", summary: "once", settings: &[], build: |_| Ok(Box::new(1)) },
        ],
    };

    fn first_line(
        text: &str,
        read: impl FnOnce(&TomlTable<'_>) -> Result<(), FileError>,
    ) -> String {
        let error = FileText::new("f.toml", text).read(read).unwrap_err().to_string();
        error.lines().next().unwrap().to_owned()
    }

    fn step(text: &str) -> String {
        first_line(text, |table| table.need("step", "a step")?.chosen(&STEPS).map(drop))
    }

    /// Catches an error that points elsewhere, or that does not say what to write.
    #[test]
    fn every_mistake_in_a_kind_is_placed() {
        let cases = [
            ("", "f.toml:1:1: `step` is missing: a step"),
            ("step = 5", "f.toml:1:8: `step`: expected a table, found a whole number"),
            ("[step]", "f.toml:1:2: `step` names no step; there are walk, jump"),
            ("step = { wlak = {} }", "f.toml:1:10: unknown step `wlak`; did you mean `walk`?"),
            (
                "[step]\njump = {}\nwalk = {}",
                "f.toml:3:1: `jump` and `walk`: there can be only one step",
            ),
            ("[step]\nwalk = {}", "f.toml:2:1: walk needs `every`: how often"),
            (
                "[step]\nwalk = { evry = \"5ms\" }",
                "f.toml:2:10: unknown setting of walk `evry`; did you mean `every`?",
            ),
            (
                "[step]\nwalk = { every = 5 }",
                "f.toml:2:18: `every`: \"5\" has no unit; write \"5s\", \"5ms\" or \"5m\"",
            ),
            (
                "[step]\nwalk = { every = \"5ms\", count = 0 }",
                "f.toml:2:33: `count` must be above 0",
            ),
            (
                "[step]\nwalk = { every = \"5ms\", count = \"9\" }",
                "f.toml:2:33: `count`: expected a whole number, found a text",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(step(text), expected);
        }
    }

    /// Catches a default that is not filled in, and a unit that is read as another.
    #[test]
    fn a_kind_is_read_complete() {
        let source = FileText::new("f.toml", "step.walk.every = \"1.5s\"");
        let chosen = source.read(|table| table.need("step", "")?.chosen(&STEPS)).unwrap();
        assert_eq!(chosen.kind, "walk");
        assert_eq!(chosen.settings.number("every"), Ok(1500.0));
        assert_eq!(chosen.settings.count("count"), Ok(3));
    }

    /// Catches a parser error without a place, and a value of the wrong type that is accepted.
    #[test]
    fn plain_values_are_strict() {
        type Read = fn(&TomlValue<'_>) -> Result<(), FileError>;
        let of =
            |text: &str, read: Read| first_line(text, |table| read(&table.need("x", "a value")?));
        let cases: [(&str, Read, &str); 8] = [
            (
                "x = 5",
                |x| x.text().map(drop),
                "f.toml:1:5: `x`: expected a text, found a whole number",
            ),
            (
                "x = 10",
                |x| x.duration().map(drop),
                "f.toml:1:5: `x`: \"10\" has no unit; write \"10s\", \"10ms\" or \"10m\"",
            ),
            (
                "x = 0.05",
                |x| x.parsed::<Ratio>("a ratio").map(drop),
                "f.toml:1:5: `x`: \"0.05\" is no ratio; write \"5%\"",
            ),
            (
                "x = 2000",
                |x| x.parsed::<Rate>("a rate").map(drop),
                "f.toml:1:5: `x`: \"2000\" is no rate; write \"2000/s\" (events a second, above zero)",
            ),
            ("x = -1", |x| x.count(0..=9).map(drop), "f.toml:1:5: `x` must lie between 0 and 9"),
            (
                "x = [1, \"b\"]",
                |x| x.list()?.iter().try_for_each(|x| x.count(0..=9).map(drop)),
                "f.toml:1:9: `x`: expected a whole number, found a text",
            ),
            (
                "x = \"bath\"",
                |x| x.word("stream", &[("both", 1), ("upstream", 2)]).map(drop),
                "f.toml:1:5: unknown stream `bath`; did you mean `both`?",
            ),
            ("x = 1\nx = 2", |x| x.flag().map(drop), "f.toml:2:1: duplicate key"),
        ];
        for (text, read, expected) in cases {
            assert_eq!(of(text, read), expected);
        }
        let unknown = first_line("suite = 1\nname = 2", |table| table.only("key", &["name"]));
        assert_eq!(unknown, "f.toml:1:1: unknown key `suite`; there are `name`");
    }

    /// Catches a panic or an endless parse on what is no TOML at all.
    #[test]
    fn rubbish_is_an_error() {
        let deep = "x = ".to_owned() + &"[".repeat(100_000);
        for text in ["=", "x", "x = \"", "\0", "[[", "x = 99999999999999999999", &deep] {
            let read = |table: &TomlTable<'_>| table.need("x", "a count")?.count(0..=9).map(drop);
            assert!(FileText::new("f.toml", text).read(read).is_err());
        }
    }
}
