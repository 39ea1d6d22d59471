//! What there is to say of a run whose calls a command made itself: how it ended, and what the proxies
//! saw of it.

use crate::event::CommandFacts;
use crate::report::model::{Report, WirePhase};
use crate::report::show;

/// What the table of [`rows`] has in its columns.
pub(super) const HEADS: [&str; 10] =
    ["phase", "node", "requests", "answers", "p50", "p95", "p99", "max", "too late", "never"];

/// The command, if one made the calls.
pub(super) fn command(report: &Report) -> Option<&CommandFacts> {
    report.subject.as_ref()?.command.as_ref()
}

/// How it went, in a line.
pub(super) fn told(report: &Report, command: &CommandFacts) -> String {
    let Some(subject) = &report.subject else { return String::new() };
    let how = match &command.ended {
        _ if command.ended_by_harness => "ended with the run",
        Some(how) => how,
        None => "nobody knows how it ended",
    };
    let again = match command.rounds {
        0 | 1 => String::new(),
        rounds => format!(", the faults began {rounds} times"),
    };
    if subject.is_of_others() {
        return format!("{}{again}", subject.name);
    }
    format!("`{}`: {how}{again}", subject.name)
}

/// The last lines that it wrote, where somebody has to know why it failed.
pub(super) fn last_words(command: &CommandFacts) -> &[String] {
    if command.failed() { &command.last_lines } else { &[] }
}

/// Each node in each phase in which there was traffic.
pub(super) fn rows(report: &Report) -> impl Iterator<Item = [String; HEADS.len()]> {
    let phases = report.wire.iter().flat_map(|wire| &wire.phases);
    phases.filter(|row| row.requests > 0 || row.delivered_us.count > 0).map(row)
}

fn row(wire: &WirePhase) -> [String; HEADS.len()] {
    let answers = &wire.delivered_us;
    [
        wire.phase.name().to_owned(),
        wire.node.to_string(),
        wire.requests.to_string(),
        answers.count.to_string(),
        show::us(answers.p50),
        show::us(answers.p95),
        show::us(answers.p99),
        show::us(answers.max),
        wire.answered_late_us.count.to_string(),
        wire.never_answered_us.count.to_string(),
    ]
}
