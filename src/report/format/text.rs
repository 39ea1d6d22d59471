//! One screen for people: the verdict first, then why, then the figures behind it.

mod objectives;
mod sentences;

use super::{Format, largest_first, names, subject, witness};
use crate::base::terminal::Text;
use crate::event::{CommandFacts, Phase, SERVICE, SubjectFacts};
use crate::judge::{Grade, Verdict};
use crate::report::columns::hanging;
use crate::report::model::{Figures, PhaseReport, Report};
use crate::report::{GLOSSARY, keys, members, show};

pub(super) const FORMAT: Format = Format {
    name: "text",
    summary: "one screen for people",
    file: None,
    render: |run| render(&run.report, false).to_string(),
};

/// Lines of a list that a screen has room for.
const LIST_MAX: usize = 8;
/// Messages on the wire before a violation that a line has room for.
const MESSAGES_MAX: usize = 6;
/// Changes of one breaker that a line has room for.
const CHANGES_MAX: usize = 5;

/// The report as text; with colour only when the caller knows that a terminal shows it.
#[must_use]
pub fn render(report: &Report, colour: bool) -> Text {
    let mut page = Page { text: Text::default(), colour };
    page.head(report);
    page.fleet(report);
    if let Some(command) = witness::command(report) {
        page.wire(report);
        page.faults(report);
        page.block("on the wire", &witness::told_lines(report));
        page.command(report, command);
        page.objectives(report);
        page.limits(report);
    } else {
        page.phases(report);
        page.faults(report);
        page.block("keys", &keys::lines(report));
        page.recovery(report);
        page.block("on the wire", &witness::told_lines(report));
        page.refills(report);
        page.data(report);
        page.breakers(report);
        page.foot(report);
        page.objectives(report);
    }
    page.about("figures", &format!("{GLOSSARY} says what each means and when there is none"));
    page.text
}

/// Only what the run came to, and why.
#[must_use]
pub fn verdict(report: &Report, colour: bool) -> Text {
    let mut page = Page { text: Text::default(), colour };
    page.head(report);
    page.text
}

#[derive(Debug)]
struct Page {
    text: Text,
    colour: bool,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.add_cut(&format!("{}\n", line.trim_end()));
    }

    /// Text that goes on under where it began.
    fn hanging(&mut self, first: &str, text: &str) {
        hanging(first, text).lines().for_each(|line| self.line(line));
    }

    /// Text with its subject in a column of its own.
    fn about(&mut self, what: &str, text: &str) {
        if !text.is_empty() {
            self.hanging(&subject(what), text);
        }
    }

    /// Adds the beginning of a line in colour, where there are colours.
    fn paint(&mut self, colour: &'static str, text: &str) {
        if self.colour {
            self.text.own(colour).add(text).own(PLAIN);
        } else {
            self.text.add(text);
        }
    }

    fn head(&mut self, report: &Report) {
        let word = report.verdict.name().to_uppercase();
        self.paint(colour_of(report.verdict), &word);
        self.line(&format!("  {}, {:.1} s", report.scenario, report.duration_s));
        self.line(&format!(
            "  {} workload, {} client, seed {}",
            report.workload, report.client_profile, report.seed
        ));
        if report.network != "user" {
            self.line(&format!("  the faults of the network are the {}'s own", report.network));
        }
        let told = |it: &&SubjectFacts| it.kind == "driver" || it.kind == SERVICE;
        if let Some(subject) = report.subject.as_ref().filter(told) {
            subject::lines(subject).iter().for_each(|line| self.hanging("  ", line.trim_start()));
        }
        if let Some(partial) = report.partial {
            let why = match partial {
                crate::record::Partial::Interrupted => "it was interrupted",
                crate::record::Partial::Error => "the harness failed",
                crate::record::Partial::Driver => "the driver does not keep to its protocol",
                crate::record::Partial::NotPreloaded => "not every key could be stored beforehand",
                crate::record::Partial::Killed => "it was killed; rebuilt from what was stored",
            };
            self.line(&format!("  cut short: {why}"));
        }
        self.list("  - ", &report.reasons);
        if let Some(subject) = report.subject.as_ref().filter(told) {
            self.list("  it says ", &subject::words(subject));
        }
    }

    /// Whose runs these are, when there are several.
    fn fleet(&mut self, report: &Report) {
        let lines = members::lines(report, LIST_MAX);
        if !lines.is_empty() {
            self.line("");
        }
        lines.iter().for_each(|line| self.hanging("", line));
    }

    fn list(&mut self, bullet: &str, lines: &[String]) {
        for line in lines.iter().take(LIST_MAX) {
            self.hanging(bullet, line);
        }
        if lines.len() > LIST_MAX {
            self.line(&format!("{bullet}and {} more", lines.len() - LIST_MAX));
        }
    }

    fn phases(&mut self, report: &Report) {
        self.line("");
        let heads = ["offered", "ops/s", "errors", "p50", "p95", "p99", "longest", "hits"];
        self.line(&row("phase", heads));
        for phase in &report.phases {
            if phase.all.figures.offered == 0 {
                continue;
            }
            self.row(phase.all.name.name(), &phase.all.figures);
            if let (Some(healthy), Some(faulty)) = apart(phase) {
                self.row("  healthy", healthy);
                self.row("  faulty", faulty);
            }
        }
        if report.phases.iter().any(|phase| phase.all.figures.response_time_us.is_none()) {
            self.hanging(
                "",
                "A closed loop has no intended starts, hence no response times: the times are \
                 service times.",
            );
        }
    }

    fn row(&mut self, name: &str, figures: &Figures) {
        let [offered, rate, errors, _, p50, p95, p99, max, hits] = show::cells(figures);
        let cells = [&offered, &rate, &errors, &p50, &p95, &p99, &max, &hits];
        self.line(&row(name, cells.map(String::as_str)));
    }

    fn faults(&mut self, report: &Report) {
        self.line("");
        for (index, fault) in report.faults.iter().take(LIST_MAX).enumerate() {
            self.about(if index == 0 { "fault" } else { "" }, &sentences::fault(fault));
        }
    }

    fn recovery(&mut self, report: &Report) {
        if !report.faults.is_empty() {
            self.about("noticed", &sentences::detection(&report.detection));
            self.about("recovery", &sentences::recovery(&report.recovery));
            self.about("load", &sentences::load(&report.load));
        }
    }

    fn refills(&mut self, report: &Report) {
        if let Some(refills) = report.refills {
            self.about("refills", &sentences::refills(refills));
        }
    }

    fn data(&mut self, report: &Report) {
        let data = &report.data;
        let (gates, lesser, unseen) = sentences::data(data);
        if data.totals.wrong > Some(0) || data.totals.corrupt > Some(0) {
            self.text.add(&subject("data"));
            self.paint(RED, &gates);
            self.line("");
            self.about("", &lesser);
        } else {
            self.about("data", &format!("{gates}, {lesser}"));
        }
        self.about("", &unseen);
        let telling = data.examples.iter().filter(|example| example.kind.is_shown_at_once());
        for example in telling.take(3) {
            let at = show::moment(Some(example.at_s));
            self.about("", &format!("{at} {} {}", example.node, example.detail));
            if let Some(wire) = &example.wire {
                self.about("", &format!("on the wire: {}", wire.last(MESSAGES_MAX)));
            }
        }
    }

    fn breakers(&mut self, report: &Report) {
        let mut subject = "breaker";
        for node in &report.nodes {
            let Some(breaker) = node.breaker.as_ref().filter(|it| !it.transitions.is_empty())
            else {
                continue;
            };
            let changes: Vec<String> = breaker
                .transitions
                .iter()
                .take(CHANGES_MAX)
                .map(|change| format!("{:.2} s {}", change.at_s, change.to.name()))
                .collect();
            let more = breaker.transitions.len().saturating_sub(CHANGES_MAX);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            self.about(subject, &format!("{}: {}{more}", node.name, changes.join(", ")));
            subject = "";
        }
    }

    fn objectives(&mut self, report: &Report) {
        if report.objectives.is_empty() {
            return;
        }
        self.about("objectives", &objectives::counted(report));
        for (grade, line) in objectives::lines(report) {
            self.text.add(&subject(""));
            match grade {
                Grade::Fail => self.paint(RED, objectives::word(grade)),
                _ => self.paint("", objectives::word(grade)),
            }
            self.line(&line);
        }
    }

    fn foot(&mut self, report: &Report) {
        let harness = &report.harness;
        let issued = harness
            .issue_delay_us
            .p99
            .map(|late| format!("operations were issued {} late at p99; ", show::us(Some(late))));
        self.about(
            "harness",
            &format!(
                "{}timers woke {} late at p99, {} at worst",
                issued.unwrap_or_default(),
                show::us(harness.timer_delay_us.p99),
                show::us(harness.timer_delay_us.max),
            ),
        );
        if let Some(count) = harness.stalls.count.filter(|count| *count > 0) {
            self.about(
                "",
                &format!(
                    "the machine stalled {} times for 10ms or longer, {} at worst",
                    count,
                    show::us(harness.stalls.longest_us),
                ),
            );
        }
        self.limits(report);
        let (offered, counted) = report.conservation();
        self.about(
            "operations",
            &format!("{} offered = {counted} outcomes: {}", show::count(offered), outcomes(report)),
        );
    }

    fn limits(&mut self, report: &Report) {
        for limit in report.harness.limits.iter().take(3) {
            self.about("", limit);
        }
    }

    /// What the proxies saw of a command.
    fn wire(&mut self, report: &Report) {
        self.line("");
        let cells = |[phase, node, cells @ ..]: [&str; witness::HEADS.len()]| {
            let cells = cells.map(|cell| format!(" {cell:>7}")).concat();
            format!("{phase:<9} {node:<4}{cells}")
        };
        self.line(&cells(witness::HEADS));
        for row in witness::rows(report) {
            self.line(&cells(row.each_ref().map(String::as_str)));
        }
    }

    /// Lines with their subject before the first.
    fn block(&mut self, what: &str, lines: &[String]) {
        for (place, line) in lines.iter().enumerate() {
            self.about(if place == 0 { what } else { "" }, line);
        }
    }

    fn command(&mut self, report: &Report, command: &CommandFacts) {
        self.about("calls by", &witness::told(report, command));
        for line in witness::last_words(command) {
            // As it was written: a table or a trace has its own columns.
            self.line(&format!("{}| {line}", subject("")));
        }
    }
}

fn subject(what: &str) -> String {
    format!("{what:<11} ")
}

/// A row of the table of phases.
fn row(name: &str, cells: [&str; 8]) -> String {
    let cells = cells.map(|cell| format!(" {cell:>7}")).concat();
    format!("{name:<11} {cells}")
}

/// Healthy and faulty nodes, in the phases in which the difference says something.
pub(super) const fn apart(phase: &PhaseReport) -> (Option<&Figures>, Option<&Figures>) {
    match phase.all.name {
        Phase::Fault | Phase::Recovery => {
            (phase.healthy_nodes.as_ref(), phase.faulty_nodes.as_ref())
        }
        _ => (None, None),
    }
}

/// All outcomes of the run, the largest first.
fn outcomes(report: &Report) -> String {
    let mut all = std::collections::BTreeMap::new();
    for phase in &report.phases {
        for (name, count) in &phase.all.figures.outcomes {
            let sum = all.entry(name.clone()).or_insert(0_u64);
            *sum = sum.saturating_add(*count);
        }
    }
    largest_first(&all)
}

const PLAIN: &str = "\x1b[0m";
const RED: &str = "\x1b[1;31m";

const fn colour_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "\x1b[1;32m",
        Verdict::Degraded => "\x1b[1;33m",
        Verdict::Fail => RED,
        Verdict::Invalid | Verdict::Vacuous => "\x1b[1;35m",
    }
}
