//! What a service can be judged by: its answers, whatever its cache did.
//!
//! Nobody knows which nodes a request needed. All of them are judged together: what a faulty node's
//! keys are elsewhere, all answers are here.

use super::measure::{Measure, answers, command, load, recovery, response_time};
use super::objective::{Bound, Objective};
use crate::event::Phase;
use crate::record::NodeGroup;

/// Measures of answers.
const TOLD_BY_ANSWERS: [&Measure; 15] = [
    &answers::ERROR_RATIO,
    &answers::AVAILABILITY,
    &answers::LOST_SLOTS,
    &answers::HUNG,
    &response_time::P50,
    &response_time::P95,
    &response_time::P99,
    &response_time::MAX,
    &response_time::OPERATION_MAX,
    &recovery::TIME_TO_RECOVER,
    &recovery::FIRST_SUCCESS,
    &recovery::RELAPSES,
    &load::THROUGHPUT,
    &load::ISSUE_DELAY_P99,
    &command::EXIT_CODE,
];

/// Fewer answers than this say nothing of a share.
const ANSWERS_MIN: u64 = 30;

/// What every service is judged by: that its users get what they expect while its cache is broken, but for this
/// share of them; in a run without a fault phase, all the while.
#[must_use]
pub fn as_expected(unexpected_at_most: f64, is_broken: bool) -> Objective {
    Objective {
        name: "answers-as-expected".to_owned(),
        summary: "answers are what the workload expects of them".to_owned(),
        measure: &answers::AVAILABILITY,
        phase: is_broken.then_some(Phase::Fault),
        nodes: NodeGroup::All,
        bound: Bound::AtLeast(1.0 - unexpected_at_most),
        min_samples: ANSWERS_MIN,
    }
}

/// Whether the answers of a service, of which nobody knows the nodes, tell what an objective is about.
#[must_use]
pub fn can_tell(objective: &Objective) -> bool {
    objective.nodes == NodeGroup::All && TOLD_BY_ANSWERS.contains(&objective.measure)
}
