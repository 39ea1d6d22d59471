//! What a session says while it goes: a live view or live lines, and the report, for people; or JSON for
//! programs.

use std::io::{ErrorKind, IsTerminal};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::outlet::Outlet;
use super::telling::Telling;
use super::watch::Watch;
use super::{output, watch};
use crate::base::scope::Scope;
use crate::base::terminal::Text;
use crate::plan::Plan;
use crate::report::live::Live;
use crate::report::{Line, REPORT_PAGE, Report, format};
use crate::run::{Finished, Observer};
use crate::view::Roster;

/// What is said while a view has the terminal is kept for after it, so many times; of more the number.
const HELD_MAX: usize = 500;

/// How long a reader may take nothing, at the end, before the rest is given up: somebody may read page
/// by page, but nobody holds up a pipeline for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a session is shown. In JSON mode stdout carries nothing but objects, and notes for people
/// go to stderr.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    /// Of a run nothing is shown but what it came to.
    quiet: bool,
    /// The output of a command is shown whatever it came to.
    verbose: bool,
    /// A run is a part of another one, which has the verdict.
    is_part: bool,
    colour: bool,
    /// Nobody reads stdout any more (`harness | head`): the run goes on, silently.
    deaf: bool,
    live: Live,
    stdout: Outlet,
    stderr: Outlet,
    /// What the last run came to, where nobody may have read it.
    last: Option<String>,
    /// The live view, where there is one: it has the terminal from the start of a run to its report.
    watch: Option<Watch>,
    held: Held,
}

/// What was said while a view had the terminal.
#[derive(Debug, Default)]
struct Held {
    /// Each with whether it is for stderr.
    said: Vec<(bool, String)>,
    more: u64,
}

impl Held {
    fn add(&mut self, is_warning: bool, text: &str) {
        if self.said.len() < HELD_MAX {
            self.said.push((is_warning, text.to_owned()));
        } else {
            self.more += 1;
        }
    }
}

impl Screen {
    /// Its texts are written by tasks of `scope`.
    pub(super) fn new(telling: &Telling, roster: Roster, scope: &Scope) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let colour = !plain && std::io::stdout().is_terminal();
        let &Telling { json, quiet, verbose, is_part, .. } = telling;
        let (stdout, stderr) = (Outlet::stdout(scope), Outlet::stderr(scope));
        let outlets = [stdout.clone(), stderr.clone()];
        let watch = telling.view.then(|| Watch::start(roster, outlets)).flatten();
        Self {
            json,
            quiet,
            verbose,
            is_part,
            colour,
            deaf: false,
            live: Live::default(),
            stdout,
            stderr,
            last: None,
            watch,
            held: Held::default(),
        }
    }

    /// Waits until all is read that was said, or its reader has stopped.
    pub(super) async fn close(&mut self) {
        let told = self.stdout.drain(PATIENCE).await;
        let was_deaf = self.deaf;
        self.listen();
        let is_lost = told.lost > 0 && told.broken.is_none();
        if is_lost {
            self.remark(&format!(
                "nobody read stdout: up to {} lines are lost; every report is in the folder of its run",
                told.lost
            ));
        }
        if (is_lost || self.deaf && !was_deaf)
            && let Some(last) = self.last.take()
        {
            self.remark(&last);
        }
        self.stderr.drain(PATIENCE).await;
    }

    /// Finds out whether anybody reads stdout still.
    fn listen(&mut self) {
        let Some(error) = self.stdout.told().broken.filter(|_| !self.deaf) else { return };
        self.deaf = true;
        // Who closes a pipe has seen enough; who has a full disk wants to know.
        if error != ErrorKind::BrokenPipe {
            self.remark(&format!("the run goes on, but cannot write to stdout: {error}"));
        }
    }

    fn remark(&self, text: &str) {
        self.stderr.say(output::remarked(text).as_str());
    }

    /// A run begins, which `end` ends and no other.
    pub(super) fn begin(&self, plan: &Plan, end: &CancellationToken) {
        if let Some(watch) = &self.watch {
            watch.begin(watch::outline(plan), end.clone());
        }
    }

    /// The run is over, with a report or without: the terminal is everybody's again.
    pub(super) fn end(&mut self) {
        if let Some(watch) = &self.watch {
            watch.close();
        }
        let Held { said, more } = std::mem::take(&mut self.held);
        for (is_warning, text) in said {
            if is_warning { self.remark(&text) } else { self.put(&text) }
        }
        if more > 0 {
            self.remark(&format!("{more} more messages were not kept"));
        }
    }

    /// The view, while it has the terminal.
    fn open(&self) -> Option<&Watch> {
        self.watch.as_ref().filter(|watch| watch.is_open())
    }

    /// Says where the files of a run are, and what to do with them. The report was shown before there were
    /// any.
    pub(super) fn finished(&mut self, finished: &Finished) {
        let Some(folder) = &finished.folder else { return };
        let scenario = &finished.report.scenario;
        let (has_page, folder) = (folder.join(REPORT_PAGE).is_file(), folder.display());
        // A disk that is full has taken what came first.
        let page =
            if has_page { format!("page        {folder}/{REPORT_PAGE}\n") } else { String::new() };
        self.note(&format!(
            "{page}again       harness -scenario {folder}/plan.toml\n\
             what it is  harness explain {scenario}\n"
        ));
    }

    /// Shows the table of a session that had several runs.
    pub(super) fn overview(&mut self, table: &[String]) {
        table.iter().for_each(|line| self.put(line));
    }

    /// Says something to people, whatever else is shown.
    pub(super) fn put(&mut self, text: &str) {
        if self.json {
            self.remark(text);
        } else {
            self.say(&Text::message(text));
        }
    }

    fn say(&mut self, text: &Text) {
        self.listen();
        if !self.deaf {
            let mut line = text.clone();
            self.stdout.say(line.own("\n").as_str());
        }
    }

    /// Shows the report; when stdout takes nothing, its verdict at least.
    fn report(&mut self, report: &Report) {
        if self.is_part {
            return;
        }
        if !self.json {
            let show = if self.quiet { format::text::verdict } else { format::text::render };
            if !self.quiet {
                self.say(&Text::default());
            }
            self.say(&show(report, self.colour));
        }
        let (scenario, verdict) = (&report.scenario, report.verdict.name());
        let why = report.reasons.first().map(String::as_str).unwrap_or_default();
        let last = format!("{scenario}: {verdict}: {why}");
        if self.deaf {
            self.remark(&last);
        } else {
            self.last = Some(last);
        }
    }
}

impl Observer for Screen {
    fn output(&mut self, lines: &[String]) {
        if !self.verbose {
            return;
        }
        for line in lines {
            // All of it: as much as was kept of a command is bounded.
            match self.open() {
                Some(_) => self.held.said.push((false, line.clone())),
                None => self.put(line),
            }
        }
    }

    fn line(&mut self, line: &Line) {
        if let Some(watch) = &self.watch {
            watch.fold(line);
            if let Line::Start(start) = line
                && watch.open(start.api_address.clone())
            {
                return;
            }
        }
        if matches!(line, Line::Report(_)) {
            self.end();
        }
        if self.open().is_some() {
            return;
        }
        if self.json {
            self.say(&line.to_json().into());
        } else if let Some(text) = self.live.show(line).filter(|_| !self.quiet) {
            self.say(&Text::message(&text));
        }
        if let Line::Report(report) = line {
            self.report(report);
        }
    }

    fn warn(&mut self, text: &str) {
        match self.open() {
            Some(watch) => {
                watch.warn(text);
                self.held.add(true, text);
            }
            None => self.remark(text),
        }
    }

    fn note(&mut self, text: &str) {
        match self.open() {
            Some(watch) => watch.note(text),
            None if !self.quiet => self.put(text),
            None => {}
        }
    }
}
