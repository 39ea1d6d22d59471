//! Which part of a fleet a run was: many machines whose runs are one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most members of a fleet.
pub const MEMBERS_MAX: u32 = 1024;

/// How long the name of a fleet's run may be, in bytes.
pub const RUN_ID_BYTES_MAX: usize = 64;

/// One member, as it says itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Which, from 0. Member 0 owns the nodes and breaks them; its clock is everybody's.
    pub index: u32,
    /// How many there are to be.
    pub of: u32,
    /// What all of them call this run.
    pub run_id: String,
    /// The machine's name.
    pub host: String,
    /// What has to be added to this machine's wall clock to read member 0's, in microseconds; `null`: it was
    /// not measured.
    pub clock_offset_us: Option<i64>,
    /// By how much that may be wrong; `null`: it was not measured.
    pub clock_uncertainty_us: Option<u64>,
    /// How long after the agreed moment its load began, in seconds; `null`: it began in time.
    #[serde(default)]
    pub late_s: Option<f64>,
    /// As member 0 saw it: those that were not there when the load began, and so made none.
    #[serde(default)]
    pub without: Vec<u32>,
}

impl Member {
    /// What it says of itself that cannot be; `None`: all can.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let Self { index, of, run_id, .. } = self;
        if !(1..=MEMBERS_MAX).contains(of) {
            return Some(format!("a fleet of {of}; one has 1 to {MEMBERS_MAX} members"));
        }
        if index >= of {
            return Some(format!("member {index} of {of}; the last one is {}", of - 1));
        }
        if run_id.is_empty() || run_id.len() > RUN_ID_BYTES_MAX {
            let length = run_id.len();
            return Some(format!(
                "a run-id of {length} bytes; it has 1 to {RUN_ID_BYTES_MAX} of them"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a member beyond the last, a fleet of none or without a bound, and a run without a name.
    #[test]
    fn what_cannot_be_is_said() {
        let member = |index, of, run_id: &str| Member {
            index,
            of,
            run_id: run_id.to_owned(),
            host: "a".to_owned(),
            clock_offset_us: Some(0),
            clock_uncertainty_us: Some(0),
            late_s: None,
            without: Vec::new(),
        };
        for (index, of, run_id, expected) in [
            (0, 1, "r", None),
            (1023, 1024, "r", None),
            (4, 4, "r", Some("member 4 of 4; the last one is 3")),
            (0, 0, "r", Some("a fleet of 0; one has 1 to 1024 members")),
            (0, 1025, "r", Some("a fleet of 1025; one has 1 to 1024 members")),
            (0, 1, "", Some("a run-id of 0 bytes; it has 1 to 64 of them")),
        ] {
            assert_eq!(member(index, of, run_id).trouble().as_deref(), expected);
        }
    }
}
