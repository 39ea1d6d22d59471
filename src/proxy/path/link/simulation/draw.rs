//! Random toxics, from the table of toxics: a new one takes part without a word here.

use rand::RngExt;

use crate::base::family::{Setting, Settings, Unit, Value};
use crate::base::seed::Stream as Draws;
use crate::proxy::config::{Stream, ToxicConfig, ToxicUpdate};
use crate::proxy::fault::TOXICS;

/// One of these.
pub(super) fn one_of<T: Copy>(draws: &mut Draws, from: &[T]) -> T {
    from[draws.random_range(0..from.len())]
}

/// A toxic of any kind, with settings at and beyond their usual range.
pub(super) fn toxic(draws: &mut Draws, name: String) -> ToxicConfig {
    let kind = &TOXICS.kinds[draws.random_range(0..TOXICS.kinds.len())];
    let streams = [Stream::Upstream, Stream::Downstream, Stream::Downstream, Stream::Both];
    ToxicConfig {
        name: Some(name),
        kind: kind.name.to_owned(),
        stream: one_of(draws, &streams),
        toxicity: one_of(draws, &[1.0, 1.0, 0.5]),
        attributes: settings(draws, kind.settings),
    }
}

/// Other settings for a toxic of this kind.
pub(super) fn update(draws: &mut Draws, kind: &str) -> ToxicUpdate {
    let kind = TOXICS.find(kind).expect("a toxic that is there has a kind");
    ToxicUpdate { toxicity: None, attributes: settings(draws, kind.settings) }
}

fn settings(draws: &mut Draws, of: &[Setting]) -> Settings {
    let mut settings = Settings::default();
    for setting in of {
        if let Some(value) = value(draws, setting) {
            settings.insert(setting.name, value);
        }
    }
    settings
}

/// A value of a setting's unit; `None`: its default.
fn value(draws: &mut Draws, setting: &Setting) -> Option<Value> {
    if setting.default.is_some() && draws.random_bool(0.4) {
        return None;
    }
    let integer = |draws: &mut Draws, from: &[i64]| Some(Value::Integer(one_of(draws, from)));
    match setting.unit {
        Unit::Milliseconds => integer(draws, &[0, 1, 10, 50, 300, 3_600_000]),
        Unit::Microseconds => integer(draws, &[0, 100, 5_000, 50_000]),
        Unit::Seconds => integer(draws, &[0, 1]),
        Unit::Bytes => integer(draws, &[0, 1, 7, 100, 5_000, 100_000, 2_000_000]),
        Unit::KilobytesPerSecond => integer(draws, &[0, 1, 100, 10_000]),
        Unit::PerSecond | Unit::Count | Unit::Number => integer(draws, &[0, 1, 2, 10]),
        Unit::Ratio => Some(Value::Float(one_of(draws, &[0.0, 0.05, 0.5, 1.0]))),
        Unit::Flag => Some(Value::Flag(draws.random_bool(0.5))),
        Unit::Choice(words) => Some(Value::Text(one_of(draws, words).to_owned())),
        // A message fault means every command and key, or the keys of one size.
        Unit::Text => (setting.name == "key").then(|| Value::Text("k*-100".into())),
    }
}
