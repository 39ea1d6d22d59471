//! The kinds of faults that a proxy has, of bytes and of messages, in one table: the API and the files
//! call them all toxics.

use std::sync::Arc;

use super::message::{self, RuleSpec};
use super::toxic::{self, Entrance, ToxicSpec};
use crate::base::family::{Family, Kind, SettingError, Settings};
use crate::proxy::config::Stream;

/// A fault as it was asked for.
#[derive(Debug)]
pub enum Fault {
    /// It acts on the bytes of one direction.
    Bytes(Box<dyn ToxicSpec>),
    /// It acts on requests and their replies. What it counts is counted for all connections of a proxy.
    Message(Arc<RuleSpec>),
}

impl Fault {
    /// What it does to connections that are not open yet.
    #[must_use]
    pub fn entrance(&self) -> Entrance {
        match self {
            Self::Bytes(toxic) => toxic.entrance(),
            Self::Message(_) => Entrance::Open,
        }
    }

    /// Why it changes nothing with these settings, at the setting to change; `None`: it does something.
    /// The control API takes it all the same, as Toxiproxy does; a plan refuses it.
    #[must_use]
    pub fn idle(&self) -> Option<SettingError> {
        match self {
            Self::Bytes(toxic) => toxic.idle(),
            Self::Message(rule) => rule.idle(),
        }
    }

    /// What it does with these settings, where its summary does not say it.
    #[must_use]
    pub fn words(&self, stream: Stream) -> Option<String> {
        match self {
            Self::Bytes(toxic) => toxic.words(),
            Self::Message(rule) => Some(rule.words(stream)),
        }
    }

    /// Whether it acts on each direction by itself, so that it matters which is meant.
    #[must_use]
    pub fn has_directions(&self) -> bool {
        match self {
            Self::Bytes(toxic) => toxic.has_directions(),
            // The words say it where it matters.
            Self::Message(_) => false,
        }
    }

    /// The byte fault that it is, if it is one.
    pub(super) fn toxic(&self) -> Option<&dyn ToxicSpec> {
        match self {
            Self::Bytes(toxic) => Some(&**toxic),
            Self::Message(_) => None,
        }
    }

    /// The message fault that it is, if it is one.
    pub(super) const fn rule(&self) -> Option<&Arc<RuleSpec>> {
        match self {
            Self::Bytes(_) => None,
            Self::Message(rule) => Some(rule),
        }
    }
}

/// The row of a kind of bytes.
macro_rules! bytes {
    ($kind:ident) => {
        row!(toxic::$kind::KIND, |toxic| Fault::Bytes(toxic))
    };
}

/// The row of a kind of messages.
macro_rules! message {
    ($($kind:ident)::+) => {
        row!(message::kinds::$($kind)::+, |rule| Fault::Message(Arc::from(rule)))
    };
}

macro_rules! row {
    ($kind:expr, $fault:expr) => {
        Kind {
            name: $kind.name,
            summary: $kind.summary,
            settings: $kind.settings,
            build: |settings| ($kind.build)(settings).map($fault).map(Box::new),
        }
    };
}

/// Every toxic: Toxiproxy's under its names and settings first, then ours, then those of messages: in any
/// protocol, and in memcached's words.
pub static TOXICS: Family<Fault> = Family {
    noun: "toxic",
    kinds: &[
        bytes!(latency),
        bytes!(bandwidth),
        bytes!(slow_close),
        bytes!(timeout),
        bytes!(reset_peer),
        bytes!(slicer),
        bytes!(limit_data),
        bytes!(noop),
        bytes!(latency_distribution),
        bytes!(packet_loss),
        bytes!(blackhole),
        bytes!(refuse),
        bytes!(mute),
        bytes!(slow_connect),
        bytes!(limit_time),
        bytes!(corrupt),
        bytes!(turn_away),
        bytes!(idle_timeout),
        bytes!(slow_reader),
        bytes!(say),
        message!(any::ERROR),
        message!(any::RESPOND),
        message!(any::DELAY),
        message!(any::HOLD),
        message!(any::DROP),
        message!(any::TRUNCATE),
        message!(any::SHORT_LENGTH),
        message!(any::CORRUPT_VALUE),
        message!(any::WRONG_VALUE),
        message!(any::DUPLICATE),
        message!(any::UNSOLICITED),
        message!(any::LOSE),
        message!(any::INTERJECT),
        message!(any::SWAP),
        message!(ERROR),
        message!(RESPONSE),
        message!(DELAY),
        message!(HOLD),
        message!(DROP),
        message!(TRUNCATE),
        message!(SHORT_LENGTH),
        message!(CORRUPT),
        message!(WRONG_KEY),
        message!(WRONG_VALUE),
        message!(DUPLICATE),
        message!(UNSOLICITED),
        message!(SAY),
        message!(FIELD),
        message!(SWAP),
        message!(SERVER_ERROR),
        message!(CLIENT_ERROR),
        message!(NOT_STORED),
        message!(EXISTS),
        message!(ITEM_TOO_LARGE),
        message!(BUSY),
        message!(SLOW_COMMAND),
        message!(CONNECTION_DROP),
    ],
};

/// Whether a kind acts on messages; those stand behind the others.
pub fn is_message(kind: &str) -> bool {
    let place = |name: &str| TOXICS.kinds.iter().position(|known| known.name == name);
    place(kind) >= place(message::kinds::any::ERROR.name)
}

/// What toxics of Toxiproxy's can do here and not there, and is not asked for by default.
const ADDED: &[(&str, &str)] =
    &[("bandwidth", "shared"), ("bandwidth", "burst"), ("packet_loss", "rto")];

/// Whether a toxic of Toxiproxy's name has this setting only here.
pub fn is_added(kind: &str, setting: &str) -> bool {
    ADDED.contains(&(kind, setting))
}

/// The first setting that asks a toxic of Toxiproxy's for something that Toxiproxy does not do.
pub fn asks_for_more<'a>(kind: &str, settings: &'a Settings) -> Option<&'a str> {
    let known = TOXICS.find(kind)?;
    let is_asked = |name, value| known.setting(name).is_some_and(|it| !it.is_default(value));
    let mut added = settings.iter().filter(|(name, _)| is_added(kind, name));
    added.find(|(name, value)| is_asked(name, value)).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Value;
    use crate::proxy::fault::toxic::testing::Bench;

    /// Catches a kind whose settings cannot be used as the table says, whose default is no value of its
    /// unit, or that dies of the extremes that Toxiproxy's clients can send.
    #[test]
    fn every_kind_takes_its_settings_and_their_extremes() {
        for kind in TOXICS.kinds {
            let mut chosen = Settings::default();
            for setting in kind.settings {
                let text =
                    setting.default.unwrap_or_else(|| setting.unit.example().trim_matches('"'));
                chosen.insert(setting.name, setting.unit.parse(setting.name, text).unwrap());
            }
            let fault = kind.make(&chosen).unwrap();
            for extreme in [i64::MIN, -1, 0, 1, i64::MAX] {
                let mut extremes = chosen.clone();
                for setting in kind.settings {
                    if !matches!(chosen.get(setting.name), Some(Value::Text(_) | Value::Flag(_))) {
                        extremes.insert(setting.name, Value::Integer(extreme));
                    }
                }
                let extreme = kind.make(&extremes).unwrap();
                let (Some(toxic), Some(extreme)) = (fault.toxic(), extreme.toxic()) else {
                    continue;
                };
                let mut bench = Bench::of(extreme);
                bench.data_at(1, b"some bytes").data_at(2, b"more").run_to(3).end_at(4);
                bench.update(toxic).data_at(5, b"again");
            }
        }
    }
}
