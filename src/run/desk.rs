//! Where everything that is said arrives: the journal and the screen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::Observer;
use super::sink::Sink;
use super::stage::Stage;
use crate::event::{Event, EventKind, ProcessChange};
use crate::metrics::Seen;
use crate::plan::Plan;
use crate::record::Interval;
use crate::record::journal::{Journal, JournalError};
use crate::report::{LINES_MAX, Line, Report, Stored, write_all};
use crate::subject::{Output, Subject};

/// How often the preload says how far it is.
const PROGRESS_PERIOD: Duration = Duration::from_secs(1);

/// A run that came to a report.
#[derive(Debug)]
pub struct Finished {
    /// The report. The observer has shown it already.
    pub report: Report,
    /// Where its files are; `None`: there is no room for them.
    pub folder: Option<PathBuf>,
    /// What became of the runs of a fleet; `None`: it was by itself.
    pub left: Option<Left>,
}

/// What became of the runs of a fleet, as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// Member 0.
    All {
        /// The folder of its own part.
        own: Option<PathBuf>,
        /// One sentence for each who, or whose run, is not there.
        missing: Vec<String>,
        /// Why the runs are not merged; `None`: they are, and the report is of all.
        trouble: Option<String>,
    },
    /// Another one: whether member 0 has its run.
    Part(Result<(), String>),
}

/// What ended a run early, in a sentence.
pub(super) enum Broken {
    /// Something of ours.
    Harness(String),
    /// Whoever makes the calls cannot be used.
    Subject(String),
}

/// How the phases ended.
pub(super) enum End {
    Complete,
    Interrupted,
    /// Not every key could be stored.
    Short,
    Broken(Broken),
}

/// Where everything that is said arrives: the journal and the screen. It keeps nothing, so that a long
/// run takes no more memory than a short one; the charts are drawn from the journal. A journal that
/// cannot be written ends nothing: its loss is told, at once and in the report.
pub(super) struct Desk<'run> {
    pub(super) observer: &'run mut dyn Observer,
    /// Or why there is none.
    journal: Result<Journal, JournalError>,
    /// How many losses of the journal were told.
    told: usize,
    sink: Sink,
    seen: Seen,
}

impl<'run> Desk<'run> {
    pub(super) fn open(
        plan: &Plan,
        stage: &Stage,
        sink: Sink,
        observer: &'run mut dyn Observer,
    ) -> Self {
        let started = stage.clock.started_at();
        let journal =
            Journal::create(&plan.out, &plan.scenario, started, &plan.seed, &plan.to_toml());
        let seen = stage.seen.clone();
        let mut desk = Self { observer, journal, told: 0, sink, seen };
        desk.tell_losses();
        desk
    }

    /// Where the run is stored, if anywhere.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.journal.as_ref().ok().map(Journal::folder)
    }

    pub(super) fn show(&mut self, line: Line) {
        self.observer.line(&line);
    }

    /// Delivers events and takes intervals until something is wrong; says what.
    pub(super) async fn follow(&mut self, stage: &Stage, period: Duration) -> Broken {
        let mut ticks = interval(period);
        let mut progress = interval(PROGRESS_PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        progress.tick().await;
        loop {
            tokio::select! {
                Some(event) = self.sink.next() => self.deliver(event),
                _ = ticks.tick() => self.tick(stage),
                _ = progress.tick(), if stage.is_preloading() => {
                    let stored = stage.subject.progress().preloaded;
                    self.observer.note(&format!("preloading: {stored} keys stored"));
                }
            }
            if let Some(node) = stage.lab.died().first() {
                let change = ProcessChange::Died;
                stage.events.emit(EventKind::Process { node: *node, change });
                return Broken::Harness(format!(
                    "the process of {node} ended although nothing told it to"
                ));
            }
            if let Some(trouble) = stage.subject.trouble() {
                return Broken::Subject(trouble);
            }
        }
    }

    fn tick(&mut self, stage: &Stage) {
        let live = stage.live();
        self.add_intervals(stage.recorder.intervals(stage.clock.now(), &live));
        self.tell_losses();
    }

    pub(super) fn add_intervals(&mut self, intervals: Vec<Interval>) {
        intervals.iter().for_each(|interval| self.seen.interval(&interval.nodes));
        for line in intervals.into_iter().map(Line::Interval) {
            if let Ok(journal) = &mut self.journal {
                journal.interval(&line);
            }
            self.observer.line(&line);
        }
    }

    fn deliver(&mut self, event: Event) {
        let line = Line::Event(event);
        if let Ok(journal) = &mut self.journal {
            journal.event(&line);
        }
        self.observer.line(&line);
    }

    pub(super) fn deliver_waiting(&mut self) {
        while let Some(event) = self.sink.try_next() {
            self.deliver(event);
        }
    }

    /// What is not on the disk although it should be.
    fn losses(&self) -> Vec<String> {
        match &self.journal {
            Ok(journal) => journal.losses(),
            Err(error) => vec![format!("nothing of the run is stored: {error}")],
        }
    }

    /// Tells whoever looks on when there are more losses than before: while the run goes on somebody
    /// may still make room.
    fn tell_losses(&mut self) {
        let losses = self.losses();
        if losses.len() > self.told {
            self.observer.warn(&format!("the run goes on, but {}", losses.join("; ")));
        }
        self.told = losses.len();
    }

    /// The bounds that were reached, one sentence each.
    pub(super) fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                limits.push(format!("{count} {what}"));
            }
        };
        say(self.sink.dropped(), "events came faster than they could be written and were dropped");
        if let Ok(journal) = &self.journal {
            say(journal.refused(), "lines found no room in a full file of the journal");
            let beyond = journal.beyond(LINES_MAX);
            say(beyond, "events and intervals are in the journal but not in the charts");
        }
        limits
    }

    /// What the subject wrote is stored with the run.
    pub(super) fn keep_output(&mut self, output: Option<Output>) {
        let Some(Output { file, lines, dropped }) = output.filter(|it| !it.lines.is_empty()) else {
            return;
        };
        let before = (dropped > 0).then(|| format!("({dropped} lines before these were not kept)"));
        let text: Vec<String> = before.into_iter().chain(lines).collect();
        self.observer.output(&text);
        if let Ok(journal) = &self.journal
            && let Err(error) = journal.write(file, (text.join("\n") + "\n").as_bytes())
        {
            self.observer.warn(&format!("lost: {error}"));
        }
    }

    /// Shows the report before anything is written: no disk can take the verdict away. One that is a part of
    /// another, which comes, is not `shown`.
    pub(super) fn finish(mut self, mut report: Report, shown: bool) -> Finished {
        if let Ok(journal) = &mut self.journal {
            journal.flush();
        }
        let losses = self.losses();
        losses.iter().for_each(|loss| self.observer.warn(&format!("lost: {loss}")));
        report.harness.limits.splice(0..0, losses);
        let line = Line::Report(Box::new(report));
        if shown {
            self.observer.line(&line);
        }
        let Line::Report(report) = line else { unreachable!("made of a report two lines above") };
        let Ok(journal) = &self.journal else {
            return Finished { report: *report, folder: None, left: None };
        };
        let mut stored = Stored::of(*report);
        if let Err(error) = stored.read_lines(journal.folder()) {
            self.observer.warn(&format!("the charts are not complete: {error}"));
        }
        for loss in write_all(journal, &mut stored) {
            self.observer.warn(&format!("lost: {loss}"));
        }
        let folder = Some(journal.folder().to_owned());
        Finished { report: stored.report, folder, left: None }
    }
}
