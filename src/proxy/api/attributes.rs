//! The attributes of toxics: Toxiproxy's whole numbers on the wire, the settings of the family
//! inside.
//!
//! Toxiproxy's own toxics take 64-bit integers and nothing else, of any size. Ours take what the
//! unit of the setting allows, texts with a unit included, and are checked by their builder. A
//! client may read every attribute as a 32-bit number, so what is none stands in `settings`, an
//! object beside `attributes`.

use std::fmt::Write;

use super::json::{Decoder, Place, Quoted, Value, key_is};
use super::reply::Refusal;
use crate::base::family::{self, Kind, Setting, Settings, Unit};
use crate::proxy::toxic::{ToxicSpec, asks_for_more, is_added};

/// Toxiproxy's toxics with the names of their Go types and of their numbers' type.
const PLAIN: [(&str, &str, &str); 8] = [
    ("latency", "LatencyToxic", "int64"),
    ("bandwidth", "BandwidthToxic", "int64"),
    ("slow_close", "SlowCloseToxic", "int64"),
    ("timeout", "TimeoutToxic", "int64"),
    ("reset_peer", "ResetToxic", "int64"),
    ("slicer", "SlicerToxic", "int"),
    ("limit_data", "LimitDataToxic", "int64"),
    ("noop", "NoopToxic", "int64"),
];

/// Attributes as a body gives them.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    /// What was given, in the units of the settings.
    pub(super) given: Settings,
    /// What was accepted only because Toxiproxy accepts it.
    pub(super) warnings: Vec<String>,
}

impl Attributes {
    /// Reads one `attributes` object; what it does not name stays as it is.
    pub(super) fn read(
        &mut self,
        decoder: &mut Decoder,
        value: Value<'_>,
        kind: &'static Kind<dyn ToxicSpec>,
    ) {
        let plain = PLAIN.iter().find(|(name, ..)| *name == kind.name);
        let structure = plain.map_or(kind.name, |(_, structure, _)| structure);
        let go_type = format!("toxics.{structure}");
        for (key, value) in decoder.members(value, Place::Field("", "attributes"), &go_type) {
            let Some(setting) = kind.settings.iter().find(|each| key_is(&key, each.name)) else {
                let names: Vec<&str> = kind.settings.iter().map(|each| each.name).collect();
                self.warnings.push(family::unknown("attribute", &key, &names));
                continue;
            };
            let path = format!("attributes.{}", setting.name);
            let place = Place::Field(structure, &path);
            let read = match plain {
                Some((.., integer)) if !is_added(kind.name, setting.name) => {
                    self.plain(decoder, value, place, setting, integer)
                }
                _ => own(decoder, value, place, setting),
            };
            if let Some(read) = read {
                self.given.insert(setting.name, read);
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
        let number = decoder.integer(value, place, go_type)?;
        if number < 0 {
            self.warnings.push(format!("attribute `{}` is below 0 and counts as 0", setting.name));
        }
        Some(family::Value::Integer(number))
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
    let text_with_unit = |decoder: &mut Decoder, text: String| {
        let read = setting.unit.parse(setting.name, &text);
        read.map_err(|error| decoder.mistake(error.what)).ok()
    };
    match setting.unit {
        Unit::Flag if !value.is_text() => decoder.flag(value, place).map(family::Value::Flag),
        Unit::Count => decoder.integer(value, place, "int64").map(family::Value::Integer),
        Unit::Text | Unit::Choice(_) => {
            decoder.text(value, place).and_then(|text| text_with_unit(decoder, text))
        }
        _ if value.is_text() => {
            decoder.text(value, place).and_then(|text| text_with_unit(decoder, text))
        }
        _ => {
            let number = decoder.float64(value, place)?;
            Some(value.whole().map_or(family::Value::Float(number), family::Value::Integer))
        }
    }
}

/// Refuses settings that the toxic itself would refuse.
pub(super) fn check(kind: &'static Kind<dyn ToxicSpec>, given: &Settings) -> Result<(), Refusal> {
    kind.make(given).map(drop).map_err(|error| Refusal::bad_attribute(&error))
}

/// The object `attributes`, and `settings` when that cannot say everything.
pub(super) fn encode(kind: &str, settings: &Settings) -> (String, Option<String>) {
    let order = order(kind, settings);
    let is_plain = PLAIN.iter().any(|(name, ..)| *name == kind);
    let known: Vec<_> = order.iter().filter(|(name, _)| !is_added(kind, name)).collect();
    let whole: Vec<(&str, String)> = known
        .iter()
        .filter_map(|(name, value)| Some((*name, whole_number(is_plain, value)?)))
        .collect();
    let is_complete = is_plain
        && known.iter().all(|(_, value)| is_integer(value))
        && asks_for_more(kind, settings).is_none();
    let all = order.iter().map(|(name, value)| (*name, literal(value)));
    let beside = (!is_complete).then(|| object(all));
    (object(whole.into_iter()), beside)
}

/// The settings in the order of the table, then what the table does not know.
fn order<'a>(kind: &str, settings: &'a Settings) -> Vec<(&'a str, &'a family::Value)> {
    let table = crate::proxy::toxic::TOXICS.find(kind).map_or(&[][..], |kind| kind.settings);
    let place = |name: &str| table.iter().position(|setting| setting.name == name);
    let mut order: Vec<(&str, &family::Value)> = settings.iter().collect();
    order.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
    order
}

const fn is_integer(value: &family::Value) -> bool {
    matches!(value, family::Value::Integer(_))
}

/// The value as every client can read it; for a toxic of ours only when it is one already.
fn whole_number(is_plain: bool, value: &family::Value) -> Option<String> {
    match value {
        family::Value::Integer(number) if is_plain || u32::try_from(*number).is_ok() => {
            Some(number.to_string())
        }
        family::Value::Float(number) if is_plain => Some(format!("{:.0}", number.round())),
        _ => None,
    }
}

fn literal(value: &family::Value) -> String {
    match value {
        family::Value::Integer(number) => number.to_string(),
        family::Value::Float(number) => number.to_string(),
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
    use crate::proxy::toxic::TOXICS;

    fn read(kind: &str, body: &str) -> (Attributes, Result<(), String>) {
        let (mut attributes, mut decoder) = (Attributes::default(), Decoder::default());
        let value = Value::proven(first_value(body.as_bytes()).unwrap());
        attributes.read(&mut decoder, value, TOXICS.find(kind).unwrap());
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
                assert_eq!(*value, family::Value::Integer(0), "{name} {setting}");
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
            let beside = r#"{"rate":100,"shared":true,"burst":0}"#.to_owned();
            assert_eq!(echo("bandwidth", asked), (plain.clone(), Some(beside)));
        }
        let beside = r#"{"rate":100,"shared":false,"burst":1024}"#.to_owned();
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

    /// Catches a float among the attributes, on which clients of toxiproxy_rust fail as a whole.
    #[test]
    fn what_is_no_whole_number_stands_beside() {
        let (attributes, settings) = echo("packet_loss", r#"{"loss_rate":0.05,"rto":300}"#);
        assert_eq!(attributes, r#"{"rto":300}"#);
        let settings = settings.unwrap();
        assert!(settings.starts_with(r#"{"loss_rate":0.05,"#), "{settings}");
        let (_, result) = read("packet_loss", r#"{"loss_rate":"5%"}"#);
        assert_eq!(result, Ok(()));
        let mut measured = Settings::default();
        measured.insert("latency", family::Value::Float(0.25));
        let (attributes, settings) = encode("latency", &measured);
        assert_eq!(
            (attributes.as_str(), settings.as_deref()),
            (r#"{"latency":0}"#, Some(r#"{"latency":0.25}"#))
        );
    }
}
