//! `clock`.

use super::NodeAction;
use crate::base::family::{Kind, Setting, SettingError, Unit};

/// The furthest that a clock is set ahead: what lives longer than this is no matter for a run.
const AHEAD_MAX: u64 = 366 * 24 * 3600;
/// The furthest that it is set back: a node counts its seconds from a minute before its start, as memcached does,
/// and none below that.
pub(super) const BEHIND_MAX: u64 = 60;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "clock",
    summary: "set the clock of an embedded node at the start of the fault, for good: ahead, and what has a time to \
              live is gone early; behind, and it is still there when its time is over",
    settings: &[
        Setting {
            name: "ahead",
            unit: Unit::Seconds,
            default: Some("0s"),
            summary: "how far ahead, in whole seconds",
        },
        Setting {
            name: "behind",
            unit: Unit::Seconds,
            default: Some("0s"),
            summary: "how far back, in whole seconds, as after a machine that slept; up to a minute",
        },
    ],
    build: |settings| {
        let seconds = |name: &str| Ok(settings.duration(name, Unit::Seconds)?.as_secs());
        let (ahead, behind) = (seconds("ahead")?, seconds("behind")?);
        let by = match (ahead, behind) {
            (1..=AHEAD_MAX, 0) => ahead.cast_signed(),
            (0, 1..=BEHIND_MAX) => -behind.cast_signed(),
            (0, 0) => {
                let what = "the clock stays as it is; write ahead = \"1h\", or behind = \"10s\"";
                return Err(SettingError::at("ahead", what));
            }
            (_, 0) => {
                let what = "`ahead` lies between a second and a year; write \"1h\"";
                return Err(SettingError::at("ahead", what));
            }
            (0, _) => {
                let what = "`behind` lies between a second and a minute; write \"10s\"";
                return Err(SettingError::at("behind", what));
            }
            _ => {
                let what = "a clock is either ahead or behind; leave one of them out";
                return Err(SettingError::at("behind", what));
            }
        };
        Ok(Box::new(NodeAction::Clock { ahead: by }))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::{Settings, Value};

    /// Catches a clock that goes the other way, and one that is set to where a node has no seconds.
    #[test]
    fn a_clock_goes_one_way() {
        let made = |ahead: i64, behind: i64| {
            let mut settings = Settings::default();
            settings.insert("ahead", Value::Integer(ahead));
            settings.insert("behind", Value::Integer(behind));
            KIND.make(&settings).map(|action| *action).map_err(|error| error.what)
        };
        assert_eq!(made(600, 0), Ok(NodeAction::Clock { ahead: 600 }));
        assert_eq!(made(0, 60), Ok(NodeAction::Clock { ahead: -60 }));
        for (ahead, behind, why) in [
            (0, 0, "stays as it is"),
            (1 << 40, 0, "a second and a year"),
            (0, 61, "a second and a minute"),
            (1, 1, "either ahead or behind"),
        ] {
            let refused = made(ahead, behind).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
    }

    /// Catches data that counts as lost although it lives longer than before.
    #[test]
    fn only_a_clock_that_is_ahead_loses_data() {
        assert!(NodeAction::Clock { ahead: 1 }.loses_data());
        assert!(!NodeAction::Clock { ahead: -1 }.loses_data());
    }
}
