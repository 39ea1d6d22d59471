//! What kind of client a subject is: short runs, each of which answers a few questions.

mod show;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use self::show::{card_html, card_markdown, card_text};
use super::Report;
use super::compare::wrong_by_kind;
use super::model::Figures;
use super::wire::ToldOfNode;
use crate::event::{Outcome, Phase};

/// A run of the battery: a scenario, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The scenario.
    pub scenario: &'static str,
    /// How long, its phases scaled.
    pub duration: Duration,
}

const fn trial(scenario: &'static str, seconds: u64) -> Trial {
    Trial { scenario, duration: Duration::from_secs(seconds) }
}

/// The battery, in the order in which it is run. The two that measure waits are long enough for waits of
/// several seconds.
pub const TRIALS: [Trial; 10] = [
    trial("baseline-steady", 6),
    trial("mute", 20),
    trial("single-node-failure", 20),
    trial("total-packet-drop", 14),
    trial("server-busy", 8),
    trial("truncated-value", 8),
    trial("wrong-key-reply", 8),
    trial("latency-jitter", 8),
    trial("reset-peer", 8),
    trial("abandoned-calls", 10),
];

/// What a client is like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Card {
    /// The client, its version, and its profile.
    pub client: String,
    /// What runs it.
    pub runtime: Option<String>,
    /// The version of the harness.
    pub harness: String,
    /// The seed of the runs.
    pub seed: u64,
    /// The answers.
    pub lines: Vec<CardLine>,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CardLine {
    /// What was asked.
    pub question: &'static str,
    /// The answer, in words.
    pub answer: String,
    /// The figures behind it, the unit in each name; one that is not there could not be measured.
    pub figures: BTreeMap<&'static str, f64>,
    /// The scenario that shows it; `null`: it was found out without a run.
    pub scenario: Option<&'static str>,
    /// The folder of its run.
    pub run: Option<PathBuf>,
}

impl CardLine {
    /// What was found out without a run.
    #[must_use]
    pub const fn without_a_run(question: &'static str, answer: String) -> Self {
        Self { question, answer, figures: BTreeMap::new(), scenario: None, run: None }
    }
}

/// A run of the battery and where it is.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What it came to.
    pub report: Report,
    /// Its folder; `None`: there was no room for it.
    pub folder: Option<PathBuf>,
}

/// An answer before it has its place.
#[derive(Debug, Default)]
struct Answer {
    words: String,
    figures: BTreeMap<&'static str, f64>,
}

impl Answer {
    fn words(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    fn with(mut self, name: &'static str, value: Option<f64>) -> Self {
        self.figures.extend(value.map(|value| (name, value)));
        self
    }
}

/// A question, the scenario that answers it, and how its report is read.
struct Question {
    question: &'static str,
    scenario: &'static str,
    read: fn(&Report) -> Answer,
}

/// What is asked, in the order of the card.
const QUESTIONS: [Question; 14] = [
    Question { question: "healthy nodes", scenario: "baseline-steady", read: healthy },
    Question { question: "operation timeout", scenario: "mute", read: operation_timeout },
    Question { question: "connect timeout", scenario: "total-packet-drop", read: connect_timeout },
    Question { question: "asks again", scenario: "mute", read: retries },
    Question { question: "a node is down", scenario: "single-node-failure", read: errors },
    Question { question: "leaves it alone", scenario: "mute", read: dead_time },
    Question { question: "keys go elsewhere", scenario: "single-node-failure", read: failover },
    Question { question: "the node is back", scenario: "single-node-failure", read: the_return },
    Question { question: "an error line", scenario: "server-busy", read: errors },
    Question { question: "half a value", scenario: "truncated-value", read: errors },
    Question { question: "another key's reply", scenario: "wrong-key-reply", read: errors },
    Question { question: "late replies", scenario: "latency-jitter", read: errors },
    Question { question: "a reset", scenario: "reset-peer", read: errors },
    Question { question: "an abandoned call", scenario: "abandoned-calls", read: errors },
];

/// The card of the runs; `placement`: where the client puts its keys, in words.
#[must_use]
pub fn card(tried: &[Tried], placement: Option<CardLine>) -> Option<Card> {
    let first = &tried.first()?.report;
    let subject = first.subject.as_ref();
    let version = subject.and_then(|subject| subject.version.as_deref()).unwrap_or_default();
    let asked = QUESTIONS.iter().filter_map(|question| answered(question, tried));
    let overall = [never_ended(tried), ever_wrong(tried)];
    Some(Card {
        client: subject.map_or_else(
            || first.client_profile.clone(),
            |it| format!("{} {version} ({})", it.name, first.client_profile).replace("  ", " "),
        ),
        runtime: subject.and_then(|subject| subject.runtime.clone()),
        harness: first.version.clone(),
        seed: first.seed,
        lines: placement.into_iter().chain(asked).chain(overall).collect(),
    })
}

/// What its run says; `None`: it was not made.
fn answered(question: &Question, tried: &[Tried]) -> Option<CardLine> {
    let run = tried.iter().find(|tried| tried.report.scenario == question.scenario)?;
    let mut answer = (question.read)(&run.report);
    if run.report.verdict.proves_nothing() {
        let why = run.report.reasons.first().map(String::as_str).unwrap_or_default();
        let _ = write!(answer.words, " (the run is {}: {why})", run.report.verdict.name());
    }
    Some(CardLine {
        question: question.question,
        answer: answer.words,
        figures: answer.figures,
        scenario: Some(question.scenario),
        run: run.folder.clone(),
    })
}

/// The first node that was broken, as the wire saw it.
fn broken(report: &Report) -> Option<&ToldOfNode> {
    report.wire.as_ref()?.told.as_ref()?.nodes.first()
}

/// What a figure of the broken node reads as: its value, or why there is none.
fn told(
    report: &Report,
    name: &'static str,
    value: fn(&ToldOfNode) -> Option<f64>,
    words: impl FnOnce(f64, &ToldOfNode) -> String,
) -> Answer {
    let Some(node) = broken(report) else { return Answer::words("nobody looked at the wire") };
    match value(node) {
        Some(value) => Answer::words(words(value, node)).with(name, Some(value)),
        None => {
            let why = node.reasons.get(name).cloned();
            Answer::words(why.unwrap_or_else(|| "could not be measured".to_owned()))
        }
    }
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", seconds * 1000.0) } else { format!("{seconds:.1} s") }
}

fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// The figures of a phase for the nodes with a fault; for all where that is not known.
fn figures(report: &Report, phase: Phase) -> Option<&Figures> {
    let phase = report.phases.iter().find(|it| it.all.name == phase)?;
    Some(phase.faulty_nodes.as_ref().unwrap_or(&phase.all.figures))
}

fn healthy(report: &Report) -> Answer {
    let Some(figures) = figures(report, Phase::Steady) else {
        return Answer::words("the steady phase did not begin");
    };
    let times = figures.service_time_us;
    let (p50, p99) = (micros(times.p50), micros(times.p99));
    let shown = |time: Option<f64>| {
        time.map_or_else(|| "?".to_owned(), |us| format!("{:.2} ms", us / 1000.0))
    };
    let errors = figures.error_ratio;
    let failed = errors.map_or_else(String::new, |ratio| format!(", {} failed", percent(ratio)));
    Answer::words(format!("p50 {}, p99 {}{failed}", shown(p50), shown(p99)))
        .with("service_time_p50_us", p50)
        .with("service_time_p99_us", p99)
        .with("error_ratio", errors)
}

#[expect(clippy::cast_precision_loss, reason = "times are far below 2^53 us")]
fn micros(us: Option<u64>) -> Option<f64> {
    us.map(|us| us as f64)
}

fn operation_timeout(report: &Report) -> Answer {
    told(
        report,
        "give_up_s",
        |node| node.give_up_s,
        |value, node| format!("{} ({} connections given up)", seconds(value), node.give_ups),
    )
}

fn connect_timeout(report: &Report) -> Answer {
    told(
        report,
        "connect_give_up_s",
        |node| node.connect_give_up_s,
        |value, node| format!("{} ({} connects given up)", seconds(value), node.connect_give_ups),
    )
}

fn retries(report: &Report) -> Answer {
    let chance = broken(report).and_then(|node| node.resend_by_chance_ratio).unwrap_or(0.0);
    told(
        report,
        "resend_ratio",
        |node| node.resend_ratio,
        |value, _| {
            format!("{} of what had no answer; {} by chance", percent(value), percent(chance))
        },
    )
    .with("resend_by_chance_ratio", Some(chance))
}

fn dead_time(report: &Report) -> Answer {
    let rate = broken(report).and_then(|node| node.probe_rate_per_s);
    told(
        report,
        "dead_time_s",
        |node| node.dead_time_s,
        |value, node| {
            let least = if node.dead_time_cut_by_heal == Some(true) { "at least " } else { "" };
            let rate =
                rate.map_or_else(String::new, |rate| format!("; {rate:.1} attempts a second"));
            match value {
                0.0 => format!("never{rate}"),
                value => format!("{least}{}{rate}", seconds(value)),
            }
        },
    )
    .with("probe_rate_per_s", rate)
}

fn failover(report: &Report) -> Answer {
    told(
        report,
        "keys_moved_ratio",
        |node| node.keys_moved_ratio,
        |value, _| {
            if value == 0.0 {
                "no".to_owned()
            } else {
                format!("{} of the requests", percent(value))
            }
        },
    )
}

fn the_return(report: &Report) -> Answer {
    let sustained = broken(report).and_then(|node| node.sustained_s);
    told(
        report,
        "first_request_s",
        |node| node.first_request_s,
        |value, _| {
            let back = sustained.map_or_else(|| "never within the run".to_owned(), seconds);
            format!("asked again after {}, as before after {back}", seconds(value))
        },
    )
    .with("sustained_s", sustained)
}

/// What the calls to the broken node came to while it was, the most frequent first.
fn errors(report: &Report) -> Answer {
    let Some(figures) = figures(report, Phase::Fault) else {
        return Answer::words("the fault phase did not begin");
    };
    let mut counts: Vec<(&String, u64)> = figures
        .outcomes
        .iter()
        .map(|(name, count)| (name, *count))
        .filter(|(_, count)| *count > 0)
        .collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), (*name).clone()));
    let shown: Vec<String> =
        counts.iter().take(OUTCOMES_SHOWN).map(|(name, count)| format!("{name} {count}")).collect();
    let mut words = shown.join(", ");
    let unanswered = report.subject.as_ref().and_then(|subject| subject.misses_unanswered);
    if let Some(misses) = unanswered.filter(|misses| *misses > 0) {
        let _ = write!(words, "; errors look like misses ({misses})");
    }
    let wrong = wrong(report);
    if wrong > 0 {
        let kinds = wrong_by_kind(report).into_iter();
        let kinds = kinds.filter_map(|(kind, count)| Some((kind, count.filter(|it| *it > 0)?)));
        let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{count} {kind}")).collect();
        let _ = write!(words, "; WRONG DATA: {}", kinds.join(", "));
    }
    Answer::words(words).with("error_ratio", figures.error_ratio).with("wrong_data", counted(wrong))
}

/// Outcomes that a line has room for.
const OUTCOMES_SHOWN: usize = 4;

#[expect(
    clippy::cast_precision_loss,
    clippy::unnecessary_wraps,
    reason = "counts are far below 2^53"
)]
fn counted(count: u64) -> Option<f64> {
    Some(count as f64)
}

/// Values that nobody stored, or stored elsewhere, or that were lost or doubled.
fn wrong(report: &Report) -> u64 {
    wrong_by_kind(report).into_iter().filter_map(|(_, count)| count).sum()
}

fn sum_over(
    tried: &[Tried],
    question: &'static str,
    none: &str,
    of: fn(&Report) -> u64,
) -> CardLine {
    let found: Vec<(&Tried, u64)> = tried
        .iter()
        .map(|tried| (tried, of(&tried.report)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let shown: Vec<String> = found
        .iter()
        .map(|(tried, count)| format!("{count} in {}", tried.report.scenario))
        .collect();
    let total: u64 = found.iter().map(|(_, count)| count).sum();
    CardLine {
        question,
        answer: if shown.is_empty() { none.to_owned() } else { shown.join(", ") },
        figures: counted(total).map(|total| ("count", total)).into_iter().collect(),
        scenario: None,
        run: found.first().and_then(|(tried, _)| tried.folder.clone()),
    }
}

fn never_ended(tried: &[Tried]) -> CardLine {
    sum_over(tried, "calls that hung", "none", |report| {
        let phases = report.phases.iter();
        phases.filter_map(|phase| phase.all.figures.outcomes.get(Outcome::Hung.name())).sum()
    })
}

fn ever_wrong(tried: &[Tried]) -> CardLine {
    sum_over(tried, "wrong data", "none was seen", wrong)
}

#[cfg(test)]
mod tests {
    use super::show::WIDTH;
    use super::*;
    use crate::event::SubjectFacts;
    use crate::judge::Verdict;
    use crate::judge::judge;
    use crate::record::synthetic::Story;
    use crate::report::Header;

    /// A run of this scenario, in which calls to the faulty node came to `outcome`.
    fn run(scenario: &str, outcome: Outcome, edit: fn(&mut Report)) -> Tried {
        let summary = Story::default().tell(|_, _| (outcome, 200));
        let header = Header { client_profile: "tuned".to_owned(), ..Header::synthetic() };
        let mut report = Report::new(header, &summary, &judge(&summary, &[]));
        report.scenario = scenario.to_owned();
        report.verdict = Verdict::Pass;
        report.subject = Some(SubjectFacts {
            name: "some-client".to_owned(),
            version: Some("1.2".to_owned()),
            ..SubjectFacts::default()
        });
        edit(&mut report);
        Tried { report, folder: Some(PathBuf::from("runs/x")) }
    }

    fn line<'a>(card: &'a Card, question: &str) -> &'a CardLine {
        card.lines.iter().find(|line| line.question == question).expect("it was asked")
    }

    /// Catches a question that is answered by another run, a run that was not made and is answered for,
    /// wrong data and misses for errors that a card does not tell, and a run that proves nothing and is
    /// believed.
    #[test]
    fn each_run_answers_its_questions() {
        let wrong = run("abandoned-calls", Outcome::Hit, |report| {
            report.data.totals.wrong = Some(3);
        });
        let hidden = run("single-node-failure", Outcome::Miss, |report| {
            report.verdict = Verdict::Invalid;
            report.reasons = vec!["the machine stalled".to_owned()];
            report.subject.iter_mut().for_each(|it| it.misses_unanswered = Some(7));
        });
        let card = card(&[wrong, hidden], None).unwrap();
        assert!(card.client.starts_with("some-client 1.2"), "{}", card.client);
        let abandoned = line(&card, "an abandoned call");
        assert!(abandoned.answer.ends_with("WRONG DATA: 3 wrong values"), "{}", abandoned.answer);
        assert_eq!(abandoned.figures["wrong_data"], 3.0);
        let down = &line(&card, "a node is down").answer;
        assert!(down.contains("errors look like misses (7)"), "{down}");
        assert!(down.ends_with("(the run is invalid: the machine stalled)"), "{down}");
        assert!(card.lines.iter().all(|line| line.question != "operation timeout"));
        assert_eq!(line(&card, "wrong data").answer, "3 in abandoned-calls");
        assert_eq!(line(&card, "calls that hung").answer, "none");
        let text = card_text(&card);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(
            text.contains("abandoned-calls") && card_markdown(&card).contains("| wrong data |")
        );
        assert!(card_html(&card).contains("<a href=\"runs/x/report.html\">abandoned-calls</a>"));
    }

    /// Catches a question whose run is not in the battery, and a run that answers none.
    #[test]
    fn questions_and_runs_belong_together() {
        let asked: Vec<&str> = QUESTIONS.iter().map(|question| question.scenario).collect();
        let tried: Vec<&str> = TRIALS.iter().map(|trial| trial.scenario).collect();
        assert!(asked.iter().all(|scenario| tried.contains(scenario)), "{asked:?}");
        assert!(tried.iter().all(|scenario| asked.contains(scenario)), "{tried:?}");
    }
}
