//! Named quantities that objectives may bound, one noun a file.
//!
//! A row says what is measured and in which unit; the unit decides how a limit is written. What
//! could not be measured is [`Reading::Unknown`] and makes an objective inconclusive; what was
//! looked for and never came is [`Reading::Never`], later than any limit that does not lie beyond the
//! end of the run.

pub(crate) mod answers;
pub(crate) mod breaker;
pub(crate) mod command;
pub(crate) mod data;
pub(crate) mod load;
pub(crate) mod recovery;
pub(crate) mod response_time;
pub(crate) mod told;
pub(crate) mod wire;

use super::Analysis;
use crate::base::family::Unit;
use crate::event::Phase;
use crate::record::{NodeGroup, Summary, Tally};

/// One row of [`MEASURES`].
#[derive(Debug)]
pub struct Measure {
    /// The name in objectives.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Its unit; a limit is written in the text form of the unit.
    pub unit: Unit,
    /// Whether it counts what must not happen at all: one breach is then proof enough.
    pub counts_breaches: bool,
    /// Looks it up.
    pub(crate) read: fn(&Facts<'_>) -> Reading,
}

/// A measure is its name: no two rows share one.
impl PartialEq for Measure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A value, and how many samples stand behind it.
    Value {
        /// In the unit of the measure.
        value: f64,
        /// How many samples.
        samples: u64,
    },
    /// It lies somewhere between two values.
    Between {
        /// Without what somebody else may have done: a stall of the machine, a load that is too small.
        least: f64,
        /// With all of it.
        most: f64,
        /// How many samples.
        samples: u64,
        /// Why nobody knows which.
        doubt: String,
    },
    /// It was looked for and never came: later than any limit up to how long it was looked for.
    Never {
        /// What never came.
        what: String,
        /// How long it was looked for, in the unit of the measure.
        looked: f64,
        /// How many samples.
        samples: u64,
    },
    /// It could not be measured; why.
    Unknown(String),
}

/// What a measure may look at.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) analysis: &'a Analysis,
    pub(crate) phase: Option<Phase>,
    pub(crate) nodes: NodeGroup,
}

/// What only a client knows of itself. One that does not tell is not judged by it.
static INSIDE: &[&Measure] = &[
    &breaker::OPEN_AFTER_FAULT,
    &breaker::DETECT,
    &breaker::FALSE_OPENS,
    &breaker::OPENS,
    &response_time::FAST_FAIL_P99,
    &answers::ATTEMPTS_PER_OPERATION,
    &wire::WIRE_COUNT_DIFFERENCE,
];

/// What only proxies of ours know, which count what passes.
static ON_THE_WIRE: &[&Measure] = &[
    &wire::REQUEST_AMPLIFICATION,
    &wire::WIRE_COUNT_DIFFERENCE,
    &wire::DIRTY_REUSE,
    &wire::MALFORMED_REQUESTS,
];

impl Measure {
    /// Whether only what passes on the wire tells it.
    #[must_use]
    pub fn needs_wire(&self) -> bool {
        ON_THE_WIRE.contains(&self) || told::ALL.contains(&self)
    }

    /// Whether only the client itself knows it.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        INSIDE.contains(&self)
    }

    /// Whether nobody knows it of a client that may send a request before it has the reply to the last.
    #[must_use]
    pub fn needs_no_pipelining(&self) -> bool {
        self == &wire::DIRTY_REUSE
    }
}

/// Every measure, in the order in which people should read them.
pub static MEASURES: &[Measure] = &[
    answers::ERROR_RATIO,
    answers::AVAILABILITY,
    answers::SHED_RATIO,
    answers::HIT_RATIO,
    answers::KEYS_SERVED_RATIO,
    answers::LOST_SLOTS,
    answers::HUNG,
    answers::ATTEMPTS_PER_OPERATION,
    response_time::P50,
    response_time::P95,
    response_time::P99,
    response_time::MAX,
    response_time::OPERATION_MAX,
    response_time::FAST_FAIL_P99,
    recovery::TIME_TO_RECOVER,
    recovery::FIRST_SUCCESS,
    recovery::HIT_RECOVERY,
    recovery::STALE_TAIL,
    recovery::RELAPSES,
    breaker::OPEN_AFTER_FAULT,
    breaker::DETECT,
    breaker::FALSE_OPENS,
    breaker::OPENS,
    data::WRONG,
    data::CORRUPT,
    data::STALE,
    data::STALE_UNEXPLAINED,
    data::FALSE_MISSES,
    data::ACKNOWLEDGED_BUT_LOST,
    data::DOUBLE_APPLIED,
    data::COUNTER_BEHIND,
    data::COUNTER_AHEAD,
    data::CONTRADICTIONS,
    data::ILLEGAL_KEYS,
    data::FOREIGN,
    wire::REQUEST_AMPLIFICATION,
    wire::CONNECTS_PER_OPERATION,
    wire::CONNECT_PEAK,
    wire::STORM_FACTOR,
    wire::WIRE_COUNT_DIFFERENCE,
    wire::DIRTY_REUSE,
    wire::MALFORMED_REQUESTS,
    wire::MISSES_UNANSWERED,
    wire::LIST_KEYS_MOVED,
    told::GIVE_UP,
    told::CONNECT_GIVE_UP,
    told::DEAD_TIME,
    told::PROBE_RATE,
    told::RESENDS,
    told::KEYS_MOVED,
    told::FIRST_REQUEST,
    told::FIRST_REPLY,
    told::SUSTAINED,
    told::CONNECT_PEAK,
    told::RECONNECTS,
    load::THROUGHPUT,
    load::COLLATERAL_INDEX,
    load::HEALTHY_THROUGHPUT,
    load::KEY_MOVE_RATIO,
    load::IMBALANCE,
    load::DUPLICATE_REFILLS,
    load::REFILLS_AT_ONCE,
    load::ISSUE_DELAY_P99,
    command::EXIT_CODE,
];

/// The measure called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|measure| measure.name == name)
}

impl Facts<'_> {
    /// The counts of the phase and nodes that were asked for.
    pub(super) fn tally(&self) -> Tally {
        self.summary.tally(self.phase, self.nodes)
    }

    /// Offered operations: the samples behind whatever is counted over all of them.
    fn offered(&self) -> u64 {
        self.tally().counts.offered()
    }
}

impl Reading {
    /// A share, or that there was nothing to share.
    fn share(value: Option<f64>, samples: u64) -> Self {
        value.map_or_else(
            || Self::Unknown("no operations to measure it on".to_owned()),
            |value| Self::Value { value, samples },
        )
    }

    /// A share, which was `calm` while the machine did not stall, if it did at all.
    fn share_between(calm: Option<f64>, value: Option<f64>, samples: u64) -> Self {
        match (calm, value) {
            (Some(calm), Some(value)) => Self::between(calm, value, samples),
            _ => Self::share(value, samples),
        }
    }

    /// A count among `samples`.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    const fn count(count: u64, samples: u64) -> Self {
        Self::Value { value: count as f64, samples }
    }

    /// A value that a stall of the machine may have raised from `least`; one value when it did not.
    fn between(least: f64, most: f64, samples: u64) -> Self {
        if least < most {
            let doubt = "the machine stalled meanwhile".to_owned();
            Self::Between { least, most, samples, doubt }
        } else {
            Self::Value { value: most, samples }
        }
    }

    /// A count, `least` of it without doubt.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn count_between(least: u64, most: u64, samples: u64) -> Self {
        Self::between(least as f64, most as f64, samples)
    }

    /// A value from outside the counts, or why there is none.
    pub(crate) fn known(value: Option<f64>, samples: u64, why_not: &str) -> Self {
        value.map_or_else(
            || Self::Unknown(why_not.to_owned()),
            |value| Self::Value { value, samples },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::synthetic::{Story, usual};

    /// Catches a row that shadows another, and one without a word about itself.
    #[test]
    fn rows_are_told_apart() {
        let mut names: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), MEASURES.len());
        assert!(MEASURES.iter().all(|measure| !measure.summary.is_empty()));
        assert!(find("error_ratio").is_some() && find("nonsense").is_none());
    }

    /// Catches a bound on every operation that cannot be judged where there are no intended starts,
    /// and response times that are made up there.
    #[test]
    fn a_closed_loop_has_longest_operations_and_no_response_times() {
        let summary = Story { open_loop: false, ..Story::default() }.tell(usual);
        let analysis = Analysis::of(&summary);
        let facts =
            Facts { summary: &summary, analysis: &analysis, phase: None, nodes: NodeGroup::All };
        let read = |name| (find(name).unwrap().read)(&facts);
        assert!(
            matches!(read("operation_time_max"), Reading::Value { value, .. } if value >= 200.0),
            "{:?}",
            read("operation_time_max")
        );
        for name in ["response_time_p99", "response_time_max"] {
            assert!(matches!(read(name), Reading::Unknown(_)), "{name}");
        }
    }

    /// Catches a measure that invents a value where nothing was measured.
    #[test]
    fn an_empty_run_measures_nothing_but_counts() {
        let mut summary = Story { every_ms: 1 << 40, ..Story::default() }.tell(usual);
        summary.inputs.faults.clear();
        summary.inputs.wire.clear();
        summary.transitions.clear();
        let analysis = Analysis::of(&summary);
        let facts =
            Facts { summary: &summary, analysis: &analysis, phase: None, nodes: NodeGroup::All };
        for measure in MEASURES {
            match (measure.read)(&facts) {
                Reading::Unknown(why) => assert!(!why.is_empty(), "{}", measure.name),
                Reading::Value { value, .. } => {
                    assert!(value.abs() < f64::EPSILON, "{}: {value}", measure.name);
                }
                other => panic!("{}: {other:?}", measure.name),
            }
        }
    }
}
