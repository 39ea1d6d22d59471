//! The attributes of toxics: Toxiproxy's numbers on the wire, the settings of the family inside.
//!
//! Toxiproxy's own toxics take numbers of one Go type and nothing else, of any size. Ours take what
//! the unit of the setting allows, texts with a unit included, and are strict: no client of
//! Toxiproxy's knows them. A client may read every attribute of ours as a 32-bit number, so what is
//! none stands in `settings`, an object beside `attributes`; a setting stands in one of the two, and
//! what was read can be written back with a change in either.

use std::fmt::Write;

use super::json::{Decoder, Float64, Place, Quoted, Value, key_is};
use super::reply::Refusal;
use crate::base::family::{self, Kind, Setting, Settings, Unit};
use crate::proxy::fault::{Fault, TOXICS, asks_for_more, is_added};

/// Toxiproxy's toxics with the names of their Go types and of their numbers' type.
const PLAIN: [(&str, &str, &str); 9] = [
    ("latency", "LatencyToxic", "int64"),
    ("bandwidth", "BandwidthToxic", "int64"),
    ("slow_close", "SlowCloseToxic", "int64"),
    ("timeout", "TimeoutToxic", "int64"),
    ("reset_peer", "ResetToxic", "int64"),
    ("slicer", "SlicerToxic", "int"),
    ("limit_data", "LimitDataToxic", "int64"),
    ("noop", "NoopToxic", "int64"),
    ("packet_loss", "PacketLossToxic", FLOAT),
];

/// The Go type of numbers that need not be whole.
const FLOAT: &str = "float64";

/// The Go type of this setting's numbers, when Toxiproxy has the setting.
fn go_type(kind: &str, setting: &str) -> Option<&'static str> {
    let plain = PLAIN.iter().find(|(name, ..)| *name == kind && !is_added(kind, setting));
    plain.map(|(.., number)| *number)
}

/// Which of the two objects of a toxic is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// `attributes`, which Toxiproxy has too.
    Attributes,
    /// `settings`, which only we have.
    Settings,
}

/// Attributes as a body gives them.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    /// What was given, in the units of the settings.
    pub(super) given: Settings,
    /// What `settings` gave, until both are read.
    beside: Settings,
    /// What was accepted only because Toxiproxy accepts it.
    pub(super) warnings: Vec<String>,
}

impl Attributes {
    /// Reads one `attributes` or `settings` object; what it does not name stays as it is.
    pub(super) fn read(
        &mut self,
        decoder: &mut Decoder,
        value: Value<'_>,
        kind: &'static Kind<Fault>,
        source: Member,
    ) {
        let plain = PLAIN.iter().find(|(name, ..)| *name == kind.name);
        let structure = plain.map_or(kind.name, |(_, structure, _)| structure);
        let whole_type = format!("toxics.{structure}");
        for (key, value) in decoder.members(value, Place::Field("", "attributes"), &whole_type) {
            let Some(setting) = kind.settings.iter().find(|each| key_is(&key, each.name)) else {
                let names: Vec<&str> = kind.settings.iter().map(|each| each.name).collect();
                let unknown = family::unknown("attribute", &key, &names);
                if plain.is_some() && source == Member::Attributes {
                    self.warnings.push(unknown);
                } else {
                    decoder.mistake(unknown);
                }
                continue;
            };
            let path = format!("attributes.{}", setting.name);
            let place = Place::Field(structure, &path);
            let read = match (go_type(kind.name, setting.name), source) {
                (Some(number), Member::Attributes) => {
                    self.plain(decoder, value, place, setting, number)
                }
                _ => own(decoder, value, place, setting),
            };
            if let Some(read) = read {
                match source {
                    Member::Attributes => self.given.insert(setting.name, read),
                    Member::Settings => self.beside.insert(setting.name, read),
                }
            }
        }
    }

    /// Makes one of both objects. What `attributes` shows in whole numbers only stands in both: the
    /// exact value counts, unless a client has changed the other one.
    pub(super) fn settle(&mut self, kind: &str) {
        for (name, exact) in std::mem::take(&mut self.beside).iter() {
            let given = self.given.get(name);
            if given.is_none_or(|given| is_shown_as(kind, name, exact, given)) {
                self.given.insert(name, exact.clone());
            }
        }
    }

    /// A number of one of Toxiproxy's toxics.
    fn plain(
        &mut self,
        decoder: &mut Decoder,
        value: Value<'_>,
        place: Place<'_>,
        setting: &Setting,
        go_type: &str,
    ) -> Option<family::Value> {
        let number = if go_type == FLOAT {
            fraction(decoder, value, place, setting)?
        } else {
            family::Value::Integer(decoder.integer(value, place, go_type)?)
        };
        if let Some(wrong) = setting.unit.out_of_range(&number) {
            let instead = if setting.unit == Unit::Ratio { "is clamped" } else { "counts as 0" };
            let name = setting.name;
            self.warnings.push(format!("attribute `{name}` is {wrong} and {instead}"));
        }
        Some(number)
    }

    pub(super) fn warn_of_toxicity(&mut self, toxicity: f32) {
        if !(0.0..=1.0).contains(&toxicity) {
            self.warnings.push(format!("toxicity {toxicity} is outside 0 to 1 and is clamped"));
        }
    }
}

/// A setting that only we have: a number in its unit, or a text with a unit.
fn own(
    decoder: &mut Decoder,
    value: Value<'_>,
    place: Place<'_>,
    setting: &Setting,
) -> Option<family::Value> {
    let read = match setting.unit {
        Unit::Flag if !value.is_text() => decoder.flag(value, place).map(family::Value::Flag),
        Unit::Count => decoder.integer(value, place, "int64").map(family::Value::Integer),
        Unit::Text | Unit::Choice(_) => {
            decoder.text(value, place).and_then(|text| with_unit(decoder, setting, &text))
        }
        _ => fraction(decoder, value, place, setting),
    }?;
    if let Some(wrong) = setting.unit.out_of_range(&read) {
        let (name, example) = (setting.name, setting.unit.example());
        decoder.mistake(format!("attribute `{name}` is {wrong}; write {example}"));
    }
    Some(read)
}

/// A number that need not be whole, or a text with a unit.
fn fraction(
    decoder: &mut Decoder,
    value: Value<'_>,
    place: Place<'_>,
    setting: &Setting,
) -> Option<family::Value> {
    if value.is_text() {
        let text = decoder.text(value, place)?;
        return with_unit(decoder, setting, &text);
    }
    let number = decoder.float64(value, place)?;
    Some(value.whole().map_or(family::Value::Float(number), family::Value::Integer))
}

fn with_unit(decoder: &mut Decoder, setting: &Setting, text: &str) -> Option<family::Value> {
    let read = setting.unit.parse(setting.name, text);
    read.map_err(|error| decoder.mistake(error.what)).ok()
}

/// Refuses settings that the toxic itself would refuse.
pub(super) fn check(kind: &'static Kind<Fault>, given: &Settings) -> Result<(), Refusal> {
    kind.make(given).map(drop).map_err(|error| Refusal::bad_attribute(&error))
}

/// What `given` means for a toxic that has the settings `before`, whose client may know nothing but
/// `attributes`: what those cannot show stays, unless it is given; and a whole number that was shown
/// for a fraction means the fraction.
pub(super) fn written_back(kind: &str, given: &Settings, before: &Settings) -> Settings {
    let mut settings = given.clone();
    for (name, value) in before.iter() {
        let is_kept = match given.get(name) {
            Some(given) => is_shown_as(kind, name, value, given),
            None => shown(kind, name, value).is_none(),
        };
        if is_kept {
            settings.insert(name, value.clone());
        }
    }
    settings
}

/// The object `attributes`, and `settings` with what it cannot say.
pub(super) fn encode(kind: &str, settings: &Settings) -> (String, Option<String>) {
    let is_more = asks_for_more(kind, settings).is_some();
    let (mut attributes, mut beside) = (Vec::new(), Vec::new());
    for (name, value) in order(kind, settings) {
        let exact = literal(value);
        let shown = shown(kind, name, value);
        if shown.as_ref() != Some(&exact) && (is_more || !is_added(kind, name)) {
            beside.push((name, exact));
        }
        attributes.extend(shown.map(|shown| (name, shown)));
    }
    let beside = (!beside.is_empty()).then(|| object(beside.into_iter()));
    (object(attributes.into_iter()), beside)
}

/// The settings in the order of the table, then what the table does not know.
fn order<'a>(kind: &str, settings: &'a Settings) -> Vec<(&'a str, &'a family::Value)> {
    let table = TOXICS.find(kind).map_or(&[][..], |kind| kind.settings);
    let place = |name: &str| table.iter().position(|setting| setting.name == name);
    let mut order: Vec<(&str, &family::Value)> = settings.iter().collect();
    order.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    order
}

/// The setting as `attributes` shows it: with the type that Toxiproxy's clients expect, or, where
/// Toxiproxy has no such setting, as a whole number that every client can read.
fn shown(kind: &str, name: &str, value: &family::Value) -> Option<String> {
    match (value, go_type(kind, name)) {
        (family::Value::Integer(number), Some(_)) => Some(number.to_string()),
        (family::Value::Float(number), Some(FLOAT)) => Some(Float64(*number).to_string()),
        (family::Value::Float(number), Some(_)) => Some(format!("{:.0}", number.round())),
        (family::Value::Integer(number), None) if !is_added(kind, name) => {
            u32::try_from(*number).is_ok().then(|| number.to_string())
        }
        _ => None,
    }
}

fn is_shown_as(kind: &str, name: &str, value: &family::Value, given: &family::Value) -> bool {
    shown(kind, name, value) == Some(literal(given))
}

fn literal(value: &family::Value) -> String {
    match value {
        family::Value::Integer(number) => number.to_string(),
        family::Value::Float(number) => Float64(*number).to_string(),
        family::Value::Text(text) => Quoted(text).to_string(),
        family::Value::Flag(flag) => flag.to_string(),
    }
}

fn object<'a>(members: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        let comma = if text.len() > 1 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{}:{value}", Quoted(name));
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::super::json::first_value;
    use super::*;
    use crate::proxy::fault::TOXICS;

    fn read(kind: &str, body: &str) -> (Attributes, Result<(), String>) {
        let (mut attributes, mut decoder) = (Attributes::default(), Decoder::default());
        let value = Value::proven(first_value(body.as_bytes()).unwrap());
        attributes.read(&mut decoder, value, TOXICS.find(kind).unwrap(), Member::Attributes);
        (attributes, decoder.finish())
    }

    fn echo(kind: &str, body: &str) -> (String, Option<String>) {
        let (attributes, result) = read(kind, body);
        result.unwrap();
        let complete = TOXICS.find(kind).unwrap().complete(&attributes.given).unwrap();
        encode(kind, &complete)
    }

    /// Catches a row that names no toxic, and one of Toxiproxy's toxics whose numbers do not start
    /// at zero.
    #[test]
    fn toxiproxys_toxics_default_to_zero() {
        for (name, ..) in PLAIN {
            let complete = TOXICS.find(name).unwrap().complete(&Settings::default()).unwrap();
            for (setting, value) in complete.iter().filter(|(setting, _)| !is_added(name, setting))
            {
                assert_eq!(literal(value), "0", "{name} {setting}");
            }
        }
    }

    /// Catches an echo that is not complete, not in the order of the fields, or not what was given.
    #[test]
    fn attributes_are_echoed_complete() {
        let expected = r#"{"latency":-5,"jitter":0}"#.to_owned();
        assert_eq!(echo("latency", r#"{"LATENCY":-5,"x":1}"#), (expected, None));
        let expected = r#"{"average_size":0,"size_variation":0,"delay":7}"#.to_owned();
        assert_eq!(echo("slicer", r#"{"delay":7,"delay":null}"#), (expected, None));
        assert_eq!(echo("noop", "{}"), ("{}".to_owned(), None));
    }

    /// Catches an answer to a plain request that shows what Toxiproxy does not have, and an addition
    /// that is not echoed or that a command line cannot ask for.
    #[test]
    fn additions_are_shown_to_those_who_ask_for_them() {
        let plain = r#"{"rate":100}"#.to_owned();
        assert_eq!(echo("bandwidth", r#"{"rate":100}"#), (plain.clone(), None));
        for asked in [r#"{"rate":100,"shared":true}"#, r#"{"rate":100,"shared":"true"}"#] {
            let beside = r#"{"shared":true,"burst":0}"#.to_owned();
            assert_eq!(echo("bandwidth", asked), (plain.clone(), Some(beside)));
        }
        let beside = r#"{"shared":false,"burst":1024}"#.to_owned();
        assert_eq!(echo("bandwidth", r#"{"rate":100,"burst":"1KiB"}"#), (plain, Some(beside)));
    }

    /// Catches an error text that differs from Go's, and a typo that is swallowed in silence.
    #[test]
    fn mistakes_are_named() {
        let prefix = "json: cannot unmarshal";
        let (_, result) = read("latency", r#"{"latency":1.5}"#);
        let text = "Go struct field LatencyToxic.attributes.latency of type int64";
        assert_eq!(result, Err(format!("{prefix} number 1.5 into {text}")));
        let (_, result) = read("slicer", r#"{"delay":"1"}"#);
        let text = "Go struct field SlicerToxic.attributes.delay of type int";
        assert_eq!(result, Err(format!("{prefix} string into {text}")));
        let (attributes, _) = read("latency", r#"{"latncy":1,"jitter":-1}"#);
        assert_eq!(
            attributes.warnings,
            [
                "unknown attribute `latncy`; did you mean `latency`?",
                "attribute `jitter` is below 0 and counts as 0",
            ]
        );
    }

    /// Catches a number of Toxiproxy's `packet_loss` that is not where its clients look for it, and
    /// one of ours among the attributes on which a client fails that reads 32-bit numbers.
    #[test]
    fn each_setting_stands_in_one_place() {
        let plain = r#"{"loss_rate":0.05,"correlation":0}"#.to_owned();
        assert_eq!(echo("packet_loss", r#"{"loss_rate":0.05}"#), (plain.clone(), None));
        assert_eq!(echo("packet_loss", r#"{"loss_rate":"5%"}"#), (plain.clone(), None));
        let more = echo("packet_loss", r#"{"loss_rate":0.05,"rto":300}"#);
        assert_eq!(more, (plain, Some(r#"{"rto":300}"#.to_owned())));
        let (attributes, settings) = echo("corrupt", r#"{"probability":0.5,"bytes":3}"#);
        assert!(attributes.contains(r#""bytes":3"#) && !attributes.contains("probability"));
        assert!(settings.unwrap().starts_with(r#"{"probability":0.5"#));
        let mut measured = Settings::default();
        measured.insert("latency", family::Value::Float(0.25));
        let (attributes, settings) = encode("latency", &measured);
        assert_eq!(
            (attributes.as_str(), settings.as_deref()),
            (r#"{"latency":0}"#, Some(r#"{"latency":0.25}"#))
        );
    }

    /// Catches a number out of range that is accepted in silence, and a misspelt attribute of a toxic
    /// that no client of Toxiproxy's knows and that does something else than was asked for.
    #[test]
    fn what_is_out_of_range_or_misspelt_is_said() {
        let (attributes, result) = read("packet_loss", r#"{"loss_rate":5,"correlation":-1}"#);
        assert_eq!(result, Ok(()));
        let warnings = ["loss_rate", "correlation"]
            .map(|n| format!("attribute `{n}` is outside 0 to 1 and is clamped"));
        assert_eq!(attributes.warnings, warnings);
        for (kind, body, wrong) in [
            ("corrupt", r#"{"probability":5}"#, "attribute `probability` is outside 0 to 1"),
            ("limit_time", r#"{"time":-1}"#, "attribute `time` is below 0"),
            ("bandwidth", r#"{"burst":-1}"#, "attribute `burst` is below 0"),
            ("limit_time", r#"{"tiem":5}"#, "unknown attribute `tiem`; did you mean `time`?"),
            ("memcached_error", r#"{"mesage":"a"}"#, "did you mean `message`?"),
        ] {
            let (attributes, result) = read(kind, body);
            assert!(result.as_ref().is_err_and(|text| text.contains(wrong)), "{kind}: {result:?}");
            assert!(attributes.warnings.is_empty(), "{kind}");
        }
    }

    /// Every toxic with each of its settings at a value that is not the default, as a body gives it.
    fn uncommon(kind: &Kind<Fault>) -> Vec<Settings> {
        let complete = kind.complete(&Settings::default());
        let Ok(plain) = complete else { return Vec::new() };
        let values = [
            family::Value::Integer(7),
            family::Value::Integer(5_000_000_000),
            family::Value::Float(0.25),
            family::Value::Flag(true),
            family::Value::Text("x".to_owned()),
            family::Value::Text("new".to_owned()),
        ];
        let is_of = |unit, value: &family::Value| match (unit, value) {
            (Unit::Choice(words), family::Value::Text(word)) => words.contains(&word.as_str()),
            (Unit::Text, family::Value::Text(_)) | (Unit::Flag, family::Value::Flag(_)) => true,
            (Unit::Choice(_) | Unit::Text | Unit::Flag, _) => false,
            (Unit::Count, family::Value::Float(_)) => false,
            (_, family::Value::Text(_) | family::Value::Flag(_)) => false,
            (unit, number) => unit.out_of_range(number).is_none(),
        };
        let mut all = vec![plain.clone()];
        for setting in kind.settings {
            for value in values.iter().filter(|value| is_of(setting.unit, value)) {
                let mut settings = plain.clone();
                settings.insert(setting.name, value.clone());
                if kind.make(&settings).is_ok() {
                    all.push(settings);
                }
            }
        }
        all
    }

    /// Catches a setting that is lost when a client reads a toxic and writes it back: with all that
    /// the answer holds, and with `attributes` alone, which is all that most clients keep.
    #[test]
    fn what_is_read_can_be_written_back() {
        let mut seen = 0;
        for kind in TOXICS.kinds {
            for before in uncommon(kind) {
                let (shown, beside) = encode(kind.name, &before);
                for beside in [beside.as_deref(), None] {
                    let (mut attributes, mut decoder) = (Attributes::default(), Decoder::default());
                    let shown = Value::proven(shown.as_bytes());
                    attributes.read(&mut decoder, shown, kind, Member::Attributes);
                    if let Some(beside) = beside {
                        let beside = Value::proven(beside.as_bytes());
                        attributes.read(&mut decoder, beside, kind, Member::Settings);
                    }
                    let read = decoder.finish();
                    assert_eq!(read, Ok(()), "{} {before:?}", kind.name);
                    attributes.settle(kind.name);
                    let after = written_back(kind.name, &attributes.given, &before);
                    let after = kind.complete(&after).unwrap();
                    let same = |a: &Settings, b: &Settings| {
                        a.iter()
                            .all(|(name, value)| b.get(name).map(literal) == Some(literal(value)))
                    };
                    assert!(same(&before, &after), "{}: {before:?} {after:?}", kind.name);
                    seen += 1;
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }

    /// Catches a change of an attribute that `settings` beside it undoes.
    #[test]
    fn a_changed_attribute_counts_and_an_unchanged_one_keeps_its_fraction() {
        for (given, expected) in [("0", "0.25"), ("9", "9")] {
            let (mut attributes, mut decoder) = (Attributes::default(), Decoder::default());
            let kind = TOXICS.find("latency").unwrap();
            attributes.given.insert("latency", family::Value::Integer(given.parse().unwrap()));
            let beside = Value::proven(br#"{"jitter":3}"#);
            attributes.read(&mut decoder, beside, kind, Member::Settings);
            attributes.beside.insert("latency", family::Value::Float(0.25));
            attributes.settle("latency");
            assert_eq!(attributes.given.get("latency").map(literal).as_deref(), Some(expected));
            assert_eq!(attributes.given.get("jitter").map(literal).as_deref(), Some("3"));
        }
    }
}
