//! `harness doctor`: can this machine and this build be trusted to measure?

use std::fmt::Write;

use super::exit::Exit;
use super::{output, runtime};
use crate::event::CalibrationCheck;
use crate::run::{RunError, calibrate};

/// Measure what has a known answer - timers, an idle node, a planted stall, a planted loss - and say
/// whether it came out right; takes about fifteen seconds. Ends with 4 when it did not.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

/// Prints one line for each check.
pub(super) fn main(_: &Arguments) -> Exit {
    let runtime = match runtime::threads(0) {
        Ok(runtime) => runtime,
        Err(what) => {
            output::complain(&what);
            return Exit::LabDown;
        }
    };
    match runtime.block_on(calibrate()) {
        Ok(checks) => show(&checks),
        Err(error) => {
            output::complain(&error);
            match error {
                RunError::Lab(_) => Exit::LabDown,
                _ => Exit::Internal,
            }
        }
    }
}

fn show(checks: &[CalibrationCheck]) -> Exit {
    let printed = output::result(table(checks));
    if printed != Exit::Pass || checks.iter().all(|check| check.pass) {
        return printed;
    }
    output::remark(
        "what failed may be the machine: end what else runs on it, and use a release build",
    );
    Exit::Inconclusive
}

fn table(checks: &[CalibrationCheck]) -> String {
    let mut text = format!("{:40} {:>24} {:>12}\n", "check", "expected", "measured");
    for CalibrationCheck { name, expected, measured, pass } in checks {
        let verdict = if *pass { "pass" } else { "FAIL" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:40} {expected:>24} {measured:>12}  {verdict}");
    }
    text
}
