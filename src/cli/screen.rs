//! What a session says while it goes: live lines and the report for people, or JSON for programs.

use std::io::{ErrorKind, IsTerminal};

use super::output;
use crate::base::terminal::Text;
use crate::report::{Line, Report, format, live};
use crate::run::{Finished, Observer};

/// Where a session is shown. In JSON mode stdout carries nothing but objects, and notes for people
/// go to stderr.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    /// The output of a command is shown whatever it came to.
    verbose: bool,
    colour: bool,
    /// Nobody reads stdout any more (`harness | head`): the run goes on, silently.
    deaf: bool,
}

impl Screen {
    pub(super) fn new(json: bool, verbose: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = !plain && std::io::stdout().is_terminal();
        Self { json, verbose, colour, deaf: false }
    }

    /// Says where the files of a run are. The report was shown before there were any.
    pub(super) fn finished(&mut self, finished: &Finished) {
        if let Some(folder) = &finished.folder {
            self.note(&format!("files: {}\n", folder.display()));
        }
    }

    /// Shows one line for each scenario of a session that had several runs.
    pub(super) fn overview(&mut self, lines: &[(&str, String)]) {
        let width = lines.iter().map(|(scenario, _)| scenario.len()).max().unwrap_or(0);
        for (scenario, verdict) in lines {
            self.note(&format!("{scenario:width$}  {verdict}"));
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
    fn report(&mut self, line: &Line, report: &Report) {
        if self.json {
            self.say(&line.to_json().into());
        } else {
            self.say(&Text::default());
            self.say(&format::text::render(report, self.colour));
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
            lines.iter().for_each(|line| self.note(line));
        }
    }

    fn line(&mut self, line: &Line) {
        if let Line::Report(report) = line {
            self.report(line, report);
        } else if self.json {
            self.say(&line.to_json().into());
        } else if let Some(text) = live::show(line) {
            self.say(&Text::message(&text));
        }
    }

    fn warn(&mut self, text: &str) {
        output::remark(text);
    }

    fn note(&mut self, text: &str) {
        if self.json {
            output::remark(text);
        } else {
            self.say(&Text::message(text));
        }
    }
}
