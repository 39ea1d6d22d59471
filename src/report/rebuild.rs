//! A report from the lines of a run that was killed before it wrote one.
//!
//! What the lines hold is counted as in any report. What they do not is `null`, and
//! `harness.limits` says why.

use std::path::Path;

use super::build::{self, Header, counted};
use super::line::Line;
use super::model::{
    DetectionReport, ObjectiveReport, PhaseFigures, PhaseReport, RecoveryReport, Report,
    StallsReport,
};
use super::pieces;
use super::stored::{LINES_MAX, ReadError, Stored, each_line};
use crate::judge::{Grade, Graded, Objective, Strain, Verdict, judge};
use crate::record::journal::{EVENTS, INTERVALS};
use crate::record::{Config, FaultRecord, Interval, Retold};

/// What the plan says of a run without a report.
#[derive(Debug)]
pub struct Unfinished {
    /// What every report begins with.
    pub header: Header,
    /// What the recorder knew before the run.
    pub config: Config,
    /// The faults, without their times.
    pub faults: Vec<FaultRecord>,
    /// What ran the nodes, as far as the plan says.
    pub backend: String,
    /// What it was to be judged by.
    pub objectives: Vec<Objective>,
}

/// Why figures are missing.
const GONE: &str = "latencies of phases, figures of nodes and of node groups, recovery, detection, load, \
                    what faults touched, stalls and delays of the harness, histograms: null or empty, \
                    because only intervals and events were stored";

impl Stored {
    /// Makes a report from the events and intervals in a run's folder. Lines that cannot be read are
    /// left out and counted.
    ///
    /// # Errors
    /// When there is not one line.
    pub fn rebuild(folder: &Path, run: Unfinished) -> Result<Self, ReadError> {
        let mut retold = Retold::default();
        let (mut intervals, mut events) = (Vec::new(), Vec::new());
        let mut limits = vec![format!("rebuilt from the journal: {GONE}")];
        let mut missing = None;
        for name in [INTERVALS, EVENTS] {
            let mut unread = 0_u64;
            let read = each_line(&folder.join(name), u64::MAX, |line| {
                match line {
                    Ok(Line::Interval(interval)) => {
                        retold.interval(&interval);
                        keep(&mut intervals, interval);
                    }
                    Ok(Line::Event(event)) => {
                        keep(&mut events, event.clone());
                        retold.event(event);
                    }
                    Ok(_) | Err(_) => unread += 1,
                }
                Ok(())
            });
            if let Err(error) = read {
                limits.push(error.to_string());
                missing = Some(error);
            }
            if unread > 0 {
                limits
                    .push(format!("{name}: lines that cannot be read and were left out: {unread}"));
            }
        }
        if let Some(error) = missing.filter(|_| intervals.is_empty() && events.is_empty()) {
            return Err(error);
        }
        let mut report = report(retold, run, &intervals);
        report.harness.limits.splice(0..0, limits);
        Ok(Self { report, intervals, events })
    }
}

fn keep<T>(lines: &mut Vec<T>, line: T) {
    if (lines.len() as u64) < LINES_MAX {
        lines.push(line);
    }
}

fn report(retold: Retold, run: Unfinished, intervals: &[Interval]) -> Report {
    let phases: Vec<PhaseReport> = retold
        .phases()
        .map(|(name, told)| {
            let figures = counted(&told.counts, told.end.since(told.start));
            let (start_s, end_s) = (told.start.as_secs_f64(), told.end.as_secs_f64());
            let all = PhaseFigures { name, start_s, end_s, figures };
            PhaseReport { all, healthy_nodes: None, faulty_nodes: None }
        })
        .collect();
    let is_dated = retold.started_at().is_some();
    let summary = retold.summary(run.config, run.faults, &run.backend);
    // What the data proves is proven; nothing else is judged.
    let judgement = judge(&summary, &[]);
    let mut report = Report::new(run.header, &summary, &judgement);
    if report.verdict != Verdict::Fail {
        report.verdict = Verdict::Invalid;
        report.reasons.clear();
    }
    report.exit_code = report.verdict.exit_code();
    report.reasons.push(format!(
        "there is no report of the run's own: it was killed, or still goes on; its last line is from \
         {:.1} s",
        report.duration_s
    ));
    if !is_dated {
        report.started_at.clear();
    }
    report.phases = phases;
    report.pieces = pieces::of_intervals(intervals);
    report.objectives = run.objectives.iter().map(unjudged).collect();
    forget_what_was_not_looked_at(&mut report);
    report
}

/// What is zero in the summary only because no line has it.
fn forget_what_was_not_looked_at(report: &mut Report) {
    report.recovery = RecoveryReport { disturbed_windows: None, ..RecoveryReport::default() };
    report.detection = DetectionReport::default();
    report.load = Strain::default();
    report.harness.stalls = StallsReport::default();
    report.harness.shed_tickets = None;
    report.harness.tickets_issued = None;
    report.harness.tickets_closed = None;
    for fault in &mut report.faults {
        fault.operations_touched = None;
    }
}

fn unjudged(objective: &Objective) -> ObjectiveReport {
    let why = format!("{}: not judged, because the run came to no end of its own", objective.name);
    let (objective, grade) = (objective.clone(), Grade::Inconclusive);
    build::objective(&Graded { objective, measured: None, samples: 0, grade, why })
}
