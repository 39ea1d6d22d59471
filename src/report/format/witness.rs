//! What there is to say of a run whose calls a command made itself: how it ended, and what the proxies
//! saw of it.

use crate::event::CommandFacts;
use crate::report::model::Report;
use crate::report::{ToldOfNode, WirePhase, show};

/// Nodes that a screen has room for.
const NODES_MAX: usize = 3;

/// What the table of [`rows`] has in its columns.
pub(super) const HEADS: [&str; 10] =
    ["phase", "node", "asked", "answers", "p50", "p95", "p99", "longest", "late", "never"];

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

/// What the wire tells of the client, by the nodes that were broken: what it does to one, and how it comes
/// back.
pub(super) fn told_lines(report: &Report) -> Vec<String> {
    let nodes =
        report.wire.iter().filter_map(|wire| wire.told.as_ref()).flat_map(|told| &told.nodes);
    let lines = nodes.take(NODES_MAX).flat_map(of_node);
    lines.filter(|line| !line.is_empty()).collect()
}

fn of_node(node: &ToldOfNode) -> [String; 3] {
    let elapsed = |value| show::known(value, show::elapsed);
    let rate = |value| show::known(value, show::per_second);
    let share = |value| show::known(value, show::percent);
    let moment = |name: &str, value: Option<f64>| match value {
        None if node.never.iter().any(|never| never == name) => Some("never".to_owned()),
        value => elapsed(value),
    };
    let by_chance = share(node.resend_by_chance_ratio);
    let by_chance = by_chance.map(|share| format!(" ({share} by chance)")).unwrap_or_default();
    let broken = [
        ("given up after", elapsed(node.give_up_s)),
        ("left alone for", elapsed(node.dead_time_s)),
        ("tried again at", rate(node.probe_rate_per_s)),
    ];
    let meanwhile = [
        ("asked again", share(node.resend_ratio).map(|share| share + &by_chance)),
        ("asked elsewhere", share(node.keys_moved_ratio)),
        ("connects up to", rate(node.connect_peak_per_s)),
    ];
    let after = [
        ("asked after", moment("first_request_s", node.first_request_s)),
        ("answered after", moment("first_reply_s", node.first_reply_s)),
        ("as before after", moment("sustained_s", node.sustained_s)),
    ];
    let name = node.name;
    [
        clauses(&format!("{name}, broken: "), broken),
        clauses(&format!("{name}, its requests: "), meanwhile),
        clauses(&format!("{name}, healed: "), after),
    ]
}

/// What is known of these, with its heading; nothing, where nothing is.
fn clauses(heading: &str, of: [(&str, Option<String>); 3]) -> String {
    let known = of.into_iter().filter_map(|(what, value)| Some(format!("{what} {}", value?)));
    let known: Vec<String> = known.collect();
    if known.is_empty() { String::new() } else { format!("{heading}{}", known.join(", ")) }
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
