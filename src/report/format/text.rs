//! One screen for people: the verdict first, then why, then the figures behind it.

use super::{Format, largest_first, names, subject, witness};
use crate::base::terminal::Text;
use crate::event::{CommandFacts, Phase, SERVICE, SubjectFacts};
use crate::judge::{Grade, Verdict};
use crate::report::model::{DataReport, Figures, PhaseReport, Report};
use crate::report::{GLOSSARY, keys, show};

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
        page.data(report);
        page.breakers(report);
        page.objectives(report);
        page.foot(report);
    }
    page.about("figures", &format!("{GLOSSARY} says what each means and when there is none"));
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

    /// A line with its subject in a column of its own.
    fn about(&mut self, what: &str, line: &str) {
        self.line(&format!("{}{line}", subject(what)));
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
        self.line(&format!(
            "  {}, {} workload, {} client, {:.1} s, seed {}",
            report.scenario, report.workload, report.client_profile, report.duration_s, report.seed
        ));
        if report.network != "user" {
            self.line(&format!("  the faults of the network are the {}'s own", report.network));
        }
        let told = |it: &&SubjectFacts| it.kind == "driver" || it.kind == SERVICE;
        if let Some(subject) = report.subject.as_ref().filter(told) {
            subject::lines(subject).iter().for_each(|line| self.line(line));
            self.list("  it says ", &subject::words(subject));
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
    }

    fn list(&mut self, bullet: &str, lines: &[String]) {
        for line in lines.iter().take(LIST_MAX) {
            self.line(&format!("{bullet}{line}"));
        }
        if lines.len() > LIST_MAX {
            self.line(&format!("{bullet}and {} more", lines.len() - LIST_MAX));
        }
    }

    fn phases(&mut self, report: &Report) {
        self.line("");
        self.line(
            "phase         offered     ops/s   errors    avail      p50      p95      p99      max \
             \x20   hits",
        );
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
            self.line(
                "A closed loop has no intended starts, hence no response times: the times are \
                 service times.",
            );
        }
    }

    fn row(&mut self, name: &str, figures: &Figures) {
        let [offered, rate, cells @ ..] = show::cells(figures);
        let cells = cells.map(|cell| format!(" {cell:>8}")).concat();
        self.line(&format!("{name:<11} {offered:>9} {rate:>9}{cells}"));
    }

    fn faults(&mut self, report: &Report) {
        self.line("");
        for (index, fault) in report.faults.iter().take(LIST_MAX).enumerate() {
            let subject = if index == 0 { "fault" } else { "" };
            self.about(
                subject,
                &format!(
                    "{} ({}) on {}: {} to {}, touched {} operations",
                    fault.name,
                    fault.kind,
                    names(&fault.nodes),
                    show::moment(fault.applied_at_s),
                    show::moment(fault.healed_at_s),
                    show::count(fault.operations_touched)
                ),
            );
        }
    }

    fn recovery(&mut self, report: &Report) {
        if report.faults.is_empty() {
            return;
        }
        let seen = &report.detection;
        self.about(
            "detection",
            &format!(
                "first impact {}, breaker open {} after the fault, rejections p99 {}, {} \
                 waited for the timeout",
                show::elapsed(seen.first_impact_s),
                show::elapsed(seen.breaker_open_after_fault_s),
                show::us(seen.fast_fail_us.p99),
                show::count(seen.exposure_operations),
            ),
        );
        let recovery = &report.recovery;
        let headline = match (recovery.recovered, recovery.sustained_s) {
            (Some(true), time) => format!("sustained {} after the heal", show::elapsed(time)),
            (Some(false), _) => "NOT recovered".to_owned(),
            (None, _) => "not judged".to_owned(),
        };
        self.about(
            "recovery",
            &format!(
                "{headline} (own {}, breaker {}), first success {}, hits back {}, relapses {}",
                show::elapsed(recovery.own_s),
                show::elapsed(recovery.probe_floor_s),
                show::elapsed(recovery.first_success_s),
                show::elapsed(recovery.hit_ratio_s),
                show::count(recovery.relapses),
            ),
        );
        let load = &report.load;
        self.about(
            "load",
            &format!(
                "amplification {}, connects/operation {}, storm {}, collateral {}, keys moved {}",
                show::number(load.request_amplification),
                show::number(load.connects_per_operation),
                show::number(load.storm_factor),
                show::percent(load.collateral_index),
                show::percent(load.key_move_ratio),
            ),
        );
    }

    fn data(&mut self, report: &Report) {
        let data = &report.data;
        let (wrong, corrupt) = (show::count(data.totals.wrong), show::count(data.totals.corrupt));
        let gates = format!("{wrong} wrong, {corrupt} corrupt");
        if data.totals.wrong > Some(0) || data.totals.corrupt > Some(0) {
            self.text.add(&subject("data"));
            self.paint(RED, &gates);
            self.line(&lesser(data));
        } else {
            self.about("data", &format!("{gates}{}", lesser(data)));
        }
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
        let of = |grade| report.objectives.iter().filter(move |graded| graded.grade == grade);
        if report.objectives.is_empty() {
            return;
        }
        self.about(
            "objectives",
            &format!(
                "{} held, {} failed, {} inconclusive",
                of(Grade::Pass).count(),
                of(Grade::Fail).count(),
                of(Grade::Inconclusive).count()
            ),
        );
    }

    fn foot(&mut self, report: &Report) {
        let harness = &report.harness;
        self.about(
            "harness",
            &format!(
                "issued {} late at p99, timers {} late at p99 and {} at worst",
                show::us(harness.issue_delay_us.p99),
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
            let cells = cells.map(|cell| format!(" {cell:>9}")).concat();
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
            self.about("", &format!("| {line}"));
        }
    }
}

fn subject(what: &str) -> String {
    format!("{what:<11} ")
}

/// Violations that are worth a word only when there are any.
const RARE: [&str; 5] =
    ["counters behind", "counters ahead", "contradictions", "illegal keys", "of another run"];

/// The lesser violations; those that nobody looked for are said to be so.
fn lesser(data: &DataReport) -> String {
    let late = data.totals.stale_by_late_write.filter(|count| *count > 0);
    let rest = [
        (data.totals.stale_unacknowledged, "stale after a lost write"),
        (data.totals.false_misses, "false misses"),
        (data.totals.acknowledged_but_lost, "writes lost"),
        (data.totals.double_applied, "applied twice"),
        (data.totals.counter_behind, "counters behind"),
        (data.totals.counter_ahead, "counters ahead"),
        (data.totals.contradictions, "contradictions"),
        (data.totals.illegal_keys, "illegal keys"),
        (data.totals.foreign, "of another run"),
        (data.dirty_reuse, "dirty reuse"),
    ];
    let late = late.map(|count| (Some(count), "of them by late writes"));
    let mut text = String::new();
    let mut unseen = Vec::new();
    for (count, what) in [(data.totals.stale, "stale")].into_iter().chain(late).chain(rest) {
        match count {
            Some(0) if RARE.contains(&what) => {}
            Some(count) => text.push_str(&format!(", {count} {what}")),
            None => unseen.push(what),
        }
    }
    if !unseen.is_empty() {
        text.push_str(&format!("; not checked: {}", unseen.join(", ")));
    }
    text
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
