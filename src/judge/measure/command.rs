//! What a command that made its calls itself came to.

use super::{Measure, Reading};
use crate::base::family::Unit;

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: i32 = 128;

pub(crate) const EXIT_CODE: Measure = Measure {
    name: "exit_code",
    summary: "the exit code of a command; 128 and its number for a signal that ended it",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let Some(command) = facts.summary.command() else {
            return Reading::Unknown("no command made the calls".into());
        };
        if command.ended_by_harness {
            return Reading::Unknown("the command was ended with the run".into());
        }
        let signal = command.signal.map(|signal| SIGNALLED + signal);
        match command.exit_code.or(signal) {
            Some(code) => Reading::Value { value: f64::from(code), samples: 1 },
            None => Reading::Unknown("nobody knows how the command ended".into()),
        }
    },
};
