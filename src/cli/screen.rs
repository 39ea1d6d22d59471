//! What a session says while it goes: live lines and the report for people, or JSON for programs.

use std::io::{ErrorKind, IsTerminal};

use super::output;
use super::telling::Telling;
use crate::base::terminal::Text;
use crate::report::live::Live;
use crate::report::{Line, REPORT_PAGE, Report, format};
use crate::run::{Finished, Observer};

/// Where a session is shown. In JSON mode stdout carries nothing but objects, and notes for people
/// go to stderr.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    /// Of a run nothing is shown but what it came to.
    quiet: bool,
    /// The output of a command is shown whatever it came to.
    verbose: bool,
    colour: bool,
    /// Nobody reads stdout any more (`harness | head`): the run goes on, silently.
    deaf: bool,
    live: Live,
}

impl Screen {
    pub(super) fn new(telling: &Telling) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let colour = !plain && std::io::stdout().is_terminal();
        let &Telling { json, quiet, verbose, .. } = telling;
        Self { json, quiet, verbose, colour, deaf: false, live: Live::default() }
    }

    /// Says where the files of a run are, and what to do with them. The report was shown before there were
    /// any.
    pub(super) fn finished(&mut self, finished: &Finished) {
        let Some(folder) = &finished.folder else { return };
        let scenario = &finished.report.scenario;
        let folder = folder.display();
        self.note(&format!(
            "page        {folder}/{REPORT_PAGE}\nagain       harness -scenario {folder}/plan.toml\n\
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
            output::remark(text);
        } else {
            self.say(&Text::message(text));
        }
    }

    fn say(&mut self, text: &Text) {
        if self.deaf {
            return;
        }
        let mut line = text.clone();
        if let Err(error) = output::show(line.own("\n")) {
            self.deaf = true;
            // Who closes a pipe has seen enough; who has a full disk wants to know.
            if error.kind() != ErrorKind::BrokenPipe {
                output::remark(&format!("the run goes on, but cannot write to stdout: {error}"));
            }
        }
    }

    /// Shows the report; when stdout takes nothing, its verdict at least.
    fn report(&mut self, report: &Report) {
        if !self.json {
            let show = if self.quiet { format::text::verdict } else { format::text::render };
            if !self.quiet {
                self.say(&Text::default());
            }
            self.say(&show(report, self.colour));
        }
        if self.deaf {
            let (scenario, verdict) = (&report.scenario, report.verdict.name());
            let why = report.reasons.first().map(String::as_str).unwrap_or_default();
            output::remark(&format!("{scenario}: {verdict}: {why}"));
        }
    }
}

impl Observer for Screen {
    fn output(&mut self, lines: &[String]) {
        if self.verbose {
            lines.iter().for_each(|line| self.put(line));
        }
    }

    fn line(&mut self, line: &Line) {
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
        output::remark(text);
    }

    fn note(&mut self, text: &str) {
        if !self.quiet {
            self.put(text);
        }
    }
}
