//! A family is a table: every extension point lists its kinds as name, summary, settings, builder.
//!
//! The command line, the scenario files, the API and the documentation all read the table, so a new
//! kind is one file and one row. A setting has a unit; scenario files write it with that unit
//! (`"500ms"`), JSON writes the bare number in it (`500`), and both arrive here as the same
//! [`Settings`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub(crate) use super::misspelt::distance;
pub use super::misspelt::{meant, unknown};
use super::time::DurationText;
use super::units::{ByteSize, Rate, Ratio};

/// One extension point: a noun and its kinds, in the order in which people should read them.
#[derive(Debug)]
pub struct Family<T: ?Sized + 'static> {
    /// What one of these is called: "toxic", "arrival".
    pub noun: &'static str,
    /// The kinds.
    pub kinds: &'static [Kind<T>],
}

/// One row of a family.
pub struct Kind<T: ?Sized + 'static> {
    /// The name in files, in JSON and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Its settings; anything else is an error (or, on a lenient interface, ignored).
    pub settings: &'static [Setting],
    /// Makes one from checked settings. An error names the setting that is at fault.
    pub build: fn(&Settings) -> Result<Box<T>, SettingError>,
}

/// One setting of a kind.
#[derive(Debug)]
pub struct Setting {
    /// The name in files and in JSON.
    pub name: &'static str,
    /// What a bare number means.
    pub unit: Unit,
    /// What is used when the setting is absent, in the text form of the unit; `None`: it must be
    /// given.
    pub default: Option<&'static str>,
    /// What it does, in one line.
    pub summary: &'static str,
}

/// The unit of a setting: how text is read and what a bare JSON number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `"250ms"`; a number counts milliseconds.
    Milliseconds,
    /// `"250us"`; a number counts microseconds.
    Microseconds,
    /// `"30s"`; a number counts seconds.
    Seconds,
    /// `"64KiB"`; a number counts bytes.
    Bytes,
    /// `"100KB/s"`; a number counts thousands of bytes a second, as Toxiproxy does.
    KilobytesPerSecond,
    /// `"5%"`; a number lies between 0 and 1.
    Ratio,
    /// `"2000/s"`; a number counts events a second.
    PerSecond,
    /// A whole number.
    Count,
    /// A plain number, such as the exponent of a distribution.
    Number,
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `true` or `false`.
    Flag,
}

/// A value in the unit of its setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// `true` or `false`.
    Flag(bool),
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SettingError {
    /// The setting at fault, when it is one.
    pub setting: Option<String>,
    /// What is wrong and what to write instead.
    pub what: String,
}

impl SettingError {
    /// An error at `setting`.
    pub fn at(setting: &str, what: impl Into<String>) -> Self {
        Self { setting: Some(setting.to_owned()), what: what.into() }
    }
}

/// The settings of one kind: checked names, values in their units, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(BTreeMap<String, Value>);

impl Settings {
    /// Sets a value that is already in the unit of its setting.
    pub fn insert(&mut self, name: impl Into<String>, value: Value) {
        self.0.insert(name.into(), value);
    }

    /// The value as it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// A number in the unit of the setting.
    ///
    /// # Errors
    /// When it is absent or no number.
    pub fn number(&self, name: &str) -> Result<f64, SettingError> {
        match self.0.get(name) {
            #[expect(clippy::cast_precision_loss, reason = "settings are far below 2^53")]
            Some(Value::Integer(value)) => Ok(*value as f64),
            Some(Value::Float(value)) => Ok(*value),
            Some(_) => Err(SettingError::at(name, format!("`{name}` must be a number"))),
            None => Err(SettingError::at(name, format!("`{name}` is missing"))),
        }
    }

    /// A whole number of at least zero.
    ///
    /// # Errors
    /// When it is absent, negative or not whole.
    pub fn count(&self, name: &str) -> Result<u64, SettingError> {
        let error =
            || SettingError::at(name, format!("`{name}` must be a whole number above or at 0"));
        match self.0.get(name) {
            Some(Value::Integer(value)) => u64::try_from(*value).map_err(|_| error()),
            Some(_) => Err(error()),
            None => Err(SettingError::at(name, format!("`{name}` is missing"))),
        }
    }

    /// A time of at least zero, for a setting in milliseconds, microseconds or seconds.
    ///
    /// # Errors
    /// When it is absent, negative or too long to count.
    pub fn duration(&self, name: &str, unit: Unit) -> Result<std::time::Duration, SettingError> {
        let scale = match unit {
            Unit::Microseconds => 1e-6,
            Unit::Seconds => 1.0,
            _ => 1e-3,
        };
        std::time::Duration::try_from_secs_f64(self.number(name)? * scale)
            .map_err(|_| SettingError::at(name, format!("`{name}` must be a time above or at 0")))
    }

    /// A share between 0 and 1.
    ///
    /// # Errors
    /// When it is absent or out of range.
    pub fn ratio(&self, name: &str) -> Result<Ratio, SettingError> {
        Ratio::new(self.number(name)?)
            .ok_or_else(|| SettingError::at(name, format!("`{name}` must lie between 0 and 1")))
    }

    /// A rate above zero.
    ///
    /// # Errors
    /// When it is absent or out of range.
    pub fn rate(&self, name: &str) -> Result<Rate, SettingError> {
        Rate::per_second(self.number(name)?)
            .ok_or_else(|| SettingError::at(name, format!("`{name}` must be a rate above 0/s")))
    }

    /// A text or a choice.
    ///
    /// # Errors
    /// When it is absent or no text.
    pub fn text(&self, name: &str) -> Result<&str, SettingError> {
        match self.0.get(name) {
            Some(Value::Text(value)) => Ok(value),
            Some(_) => Err(SettingError::at(name, format!("`{name}` must be a text"))),
            None => Err(SettingError::at(name, format!("`{name}` is missing"))),
        }
    }

    /// `true` or `false`; absent is `false`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&self, name: &str) -> Result<bool, SettingError> {
        match self.0.get(name) {
            Some(Value::Flag(value)) => Ok(*value),
            None => Ok(false),
            Some(_) => Err(SettingError::at(name, format!("`{name}` must be true or false"))),
        }
    }
}

/// One kind of a family, chosen with its settings: plain data that a plan stores, prints and hashes.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The kind's name.
    pub kind: String,
    /// Its settings, complete.
    pub settings: Settings,
}

impl<T: ?Sized> Family<T> {
    /// Makes what `chosen` describes.
    ///
    /// # Errors
    /// For an unknown kind, and for settings that it refuses.
    pub fn make(&self, chosen: &Chosen) -> Result<Box<T>, SettingError> {
        let kind = self
            .find(&chosen.kind)
            .ok_or_else(|| SettingError { setting: None, what: self.unknown(&chosen.kind) })?;
        kind.make(&chosen.settings)
    }

    /// The kind called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Kind<T>> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// The error for an unknown `name`: the nearest kinds, else all of them.
    #[must_use]
    pub fn unknown(&self, name: &str) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name).collect();
        unknown(self.noun, name, &names)
    }
}

impl<T: ?Sized> Kind<T> {
    /// Makes one from settings as given: names are checked and defaults filled in first.
    ///
    /// # Errors
    /// For an unknown or missing setting, and for what the builder refuses.
    pub fn make(&self, given: &Settings) -> Result<Box<T>, SettingError> {
        (self.build)(&self.complete(given)?)
    }

    /// The settings as given, with every default filled in.
    ///
    /// # Errors
    /// For an unknown or missing setting.
    pub fn complete(&self, given: &Settings) -> Result<Settings, SettingError> {
        let names: Vec<&str> = self.settings.iter().map(|setting| setting.name).collect();
        for (name, _) in given.iter() {
            if !names.contains(&name) {
                return Err(SettingError::at(name, unknown("setting", name, &names)));
            }
        }
        let mut complete = given.clone();
        for setting in self.settings {
            if complete.get(setting.name).is_some() {
                continue;
            }
            let text = setting.default.ok_or_else(|| {
                let what = format!("{} needs `{}`: {}", self.name, setting.name, setting.summary);
                SettingError::at(setting.name, what)
            })?;
            complete.insert(setting.name, setting.unit.parse(setting.name, text)?);
        }
        Ok(complete)
    }

    /// The setting called `name`.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

impl Setting {
    /// Whether `value` is what is used when the setting is absent.
    #[must_use]
    pub fn is_default(&self, value: &Value) -> bool {
        let default = self.default.and_then(|text| self.unit.parse(self.name, text).ok());
        default.as_ref() == Some(value)
    }
}

impl<T: ?Sized> fmt::Debug for Kind<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Unit {
    /// Reads the text form, as scenario files and workloads write it.
    ///
    /// # Errors
    /// When the text has no unit, or another one; the error shows the right spelling.
    pub fn parse(self, setting: &str, text: &str) -> Result<Value, SettingError> {
        let wrong = |what: String| SettingError::at(setting, format!("`{setting}`: {what}"));
        let seconds = |scale: f64| {
            DurationText::from_str(text)
                .map(|time| number(time.0.as_secs_f64() * scale))
                .map_err(|error| wrong(error.to_string()))
        };
        match self {
            Self::Milliseconds => seconds(1e3),
            Self::Microseconds => seconds(1e6),
            Self::Seconds => seconds(1.0),
            Self::Bytes => ByteSize::from_str(text)
                .map(|size| Value::Integer(i64::try_from(size.0).unwrap_or(i64::MAX)))
                .map_err(|error| wrong(error.to_string())),
            Self::KilobytesPerSecond => text
                .trim()
                .strip_suffix("/s")
                .and_then(|size| ByteSize::from_str(size).ok())
                .map(|size| number(size.0 as f64 / 1000.0))
                .ok_or_else(|| wrong(format!("\"{text}\" is no bandwidth; write \"100KB/s\""))),
            Self::Ratio => Ratio::from_str(text)
                .map(|ratio| Value::Float(ratio.value()))
                .map_err(|error| wrong(error.to_string())),
            Self::PerSecond => Rate::from_str(text)
                .map(|rate| Value::Float(rate.as_per_second()))
                .map_err(|error| wrong(error.to_string())),
            Self::Count => text
                .parse()
                .map(Value::Integer)
                .map_err(|_| wrong(format!("\"{text}\" is no whole number; write 10"))),
            Self::Number => text
                .parse()
                .map(Value::Float)
                .map_err(|_| wrong(format!("\"{text}\" is no number; write 0.99"))),
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Self::Choice(words) => Err(wrong(unknown("choice", text, words))),
            Self::Flag => text
                .parse()
                .map(Value::Flag)
                .map_err(|_| wrong(format!("\"{text}\" is neither true nor false"))),
        }
    }

    /// What is wrong with a number of this unit, if it lies outside what the unit can mean.
    #[must_use]
    pub fn out_of_range(self, value: &Value) -> Option<&'static str> {
        let number = match value {
            #[expect(clippy::cast_precision_loss, reason = "only its sign and size count")]
            Value::Integer(value) => *value as f64,
            Value::Float(value) => *value,
            Value::Text(_) | Value::Flag(_) => return None,
        };
        match self {
            Self::Ratio => (!(0.0..=1.0).contains(&number)).then_some("outside 0 to 1"),
            Self::Number | Self::Text | Self::Choice(_) | Self::Flag => None,
            _ => (number < 0.0).then_some("below 0"),
        }
    }

    /// The text form of a value, as a file would write it: the inverse of [`Unit::parse`].
    #[must_use]
    pub fn format(self, value: &Value) -> String {
        let number = match value {
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Flag(value) => return value.to_string(),
            Value::Text(text) => return format!("{text:?}"),
        };
        match self {
            Self::Milliseconds => format!("\"{number}ms\""),
            Self::Microseconds => format!("\"{number}us\""),
            Self::Seconds => format!("\"{number}s\""),
            Self::Bytes => format!("\"{number}B\""),
            Self::KilobytesPerSecond => format!("\"{number}KB/s\""),
            Self::PerSecond => format!("\"{number}/s\""),
            Self::Ratio => {
                let share = number.parse().ok().and_then(Ratio::new).unwrap_or_default();
                format!("\"{share}\"")
            }
            _ => number,
        }
    }

    /// Whether a file writes this as a bare number rather than as text with a unit.
    #[must_use]
    pub const fn is_bare(self) -> bool {
        matches!(self, Self::Count | Self::Number)
    }

    /// An example of the text form, for documentation and error messages.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Milliseconds => "\"250ms\"",
            Self::Microseconds => "\"250us\"",
            Self::Seconds => "\"30s\"",
            Self::Bytes => "\"64KiB\"",
            Self::KilobytesPerSecond => "\"100KB/s\"",
            Self::Ratio => "\"5%\"",
            Self::PerSecond => "\"2000/s\"",
            Self::Count => "10",
            Self::Number => "0.99",
            Self::Text => "\"text\"",
            Self::Choice(words) => words[0],
            Self::Flag => "true",
        }
    }
}

/// A whole number where the value is one, so that JSON shows `500` and not `500.0`.
fn number(value: f64) -> Value {
    let rounded = value.round();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked against the range of exact integers"
    )]
    if (value - rounded).abs() < 1e-9 && rounded.abs() < 9e15 {
        Value::Integer(rounded as i64)
    } else {
        Value::Float(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample(f64);

    static SAMPLES: Family<Sample> = Family {
        noun: "sample",
        kinds: &[Kind {
            name: "latency",
            summary: "wait",
            settings: &[
                Setting {
                    name: "delay",
                    unit: Unit::Milliseconds,
                    default: None,
                    summary: "how long",
                },
                Setting {
                    name: "share",
                    unit: Unit::Ratio,
                    default: Some("5%"),
                    summary: "how often",
                },
            ],
            build: |settings| Ok(Box::new(Sample(settings.number("delay")?))),
        }],
    };

    fn given(name: &str, value: Value) -> Settings {
        let mut settings = Settings::default();
        settings.insert(name, value);
        settings
    }

    /// Catches a typo that is swallowed, and a default that is not filled in.
    #[test]
    fn names_are_checked_and_defaults_filled_in() {
        let kind = SAMPLES.find("latency").unwrap();
        let error = kind.make(&given("dealy", Value::Integer(5))).unwrap_err();
        assert_eq!(error.to_string(), "unknown setting `dealy`; did you mean `delay`?");
        assert_eq!(
            kind.make(&Settings::default()).unwrap_err().to_string(),
            "latency needs `delay`: how long"
        );
        let complete = kind.complete(&given("delay", Value::Integer(5))).unwrap();
        assert_eq!(complete.ratio("share").unwrap().value(), 0.05);
        assert_eq!(*kind.make(&complete).unwrap(), Sample(5.0));
    }

    /// Catches text and JSON that disagree about the unit.
    #[test]
    fn text_is_read_in_the_unit_of_the_setting() {
        let cases = [
            (Unit::Milliseconds, "1.5s", Value::Integer(1500)),
            (Unit::Milliseconds, "250us", Value::Float(0.25)),
            (Unit::Microseconds, "1ms", Value::Integer(1000)),
            (Unit::KilobytesPerSecond, "1MB/s", Value::Integer(1000)),
            (Unit::Bytes, "1KiB", Value::Integer(1024)),
            (Unit::Ratio, "5%", Value::Float(0.05)),
        ];
        for (unit, text, value) in cases {
            assert_eq!(unit.parse("x", text), Ok(value.clone()), "{text}");
            let again = unit.format(&value);
            assert_eq!(unit.parse("x", again.trim_matches('"')), Ok(value), "{again}");
        }
        assert!(Unit::Milliseconds.parse("delay", "500").is_err());
    }

    /// Catches a suggestion that has nothing to do with what was typed.
    #[test]
    fn suggestions_are_near() {
        assert_eq!(SAMPLES.unknown("latancy"), "unknown sample `latancy`; did you mean `latency`?");
        assert_eq!(SAMPLES.unknown("zebra"), "unknown sample `zebra`; there are `latency`");
        let long = SAMPLES.unknown(&"latency".repeat(100_000));
        assert!(long.len() < 200 && long.ends_with("...`; there are `latency`"), "{long}");
    }
}
