//! `clock`.

use super::NodeAction;
use crate::base::family::{Kind, Setting, SettingError, Unit};

/// The furthest that a clock is set: what lives longer than this is no matter for a run.
const AHEAD_MAX: u64 = 366 * 24 * 3600;

pub(super) const KIND: Kind<NodeAction> = Kind {
    name: "clock",
    summary: "set the clock of an embedded node ahead at the start of the fault, for good: what has a time to \
              live is gone early",
    settings: &[Setting {
        name: "ahead",
        unit: Unit::Seconds,
        default: None,
        summary: "how far, in whole seconds",
    }],
    build: |settings| {
        let ahead = settings.duration("ahead", Unit::Seconds)?.as_secs();
        match u32::try_from(ahead) {
            Ok(ahead) if (1..=AHEAD_MAX).contains(&u64::from(ahead)) => {
                Ok(Box::new(NodeAction::Clock { ahead }))
            }
            _ => Err(SettingError::at(
                "ahead",
                "`ahead` lies between a second and a year; write \"1h\"",
            )),
        }
    },
};
