//! What a service can be judged by: its answers, whatever its cache did.
//!
//! Nobody knows which nodes a request needed. All of them are judged together: what a faulty node's
//! keys are elsewhere, all answers are here.

use super::measure::{Measure, answers, command, load, recovery, response_time};
use super::objective::Objective;
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

/// Whether the answers of a service, of which nobody knows the nodes, tell what an objective is about.
#[must_use]
pub fn can_tell(objective: &Objective) -> bool {
    objective.nodes == NodeGroup::All && TOLD_BY_ANSWERS.contains(&objective.measure)
}
