//! What a session says while it goes: live lines and the report for people, or JSON for programs.

use std::io::IsTerminal;

use super::output;
use crate::base::terminal::Text;
use crate::report::{Line, format, live};
use crate::run::{Finished, Observer};

/// Where a session is shown. In JSON mode stdout carries nothing but objects, and notes for people
/// go to stderr.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    colour: bool,
    /// Nobody reads stdout any more (`harness | head`): the run goes on, silently.
    deaf: bool,
}

impl Screen {
    pub(super) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, colour: !plain && std::io::stdout().is_terminal(), deaf: false }
    }

    /// Shows the report and says where its files are.
    pub(super) fn finished(&mut self, finished: &Finished) {
        if !self.json {
            self.say(&Text::default());
            self.say(&format::text::render(&finished.report, self.colour));
        }
        self.note(&format!("files: {}\n", finished.folder.display()));
    }

    /// Shows one line for each scenario of a session that had several runs.
    pub(super) fn overview(&mut self, lines: &[(&str, String)]) {
        let width = lines.iter().map(|(scenario, _)| scenario.len()).max().unwrap_or(0);
        for (scenario, verdict) in lines {
            self.note(&format!("{scenario:width$}  {verdict}"));
        }
    }

    fn say(&mut self, text: &Text) {
        if !self.deaf {
            let mut line = text.clone();
            self.deaf = output::show(line.own("\n")).is_err();
        }
    }
}

impl Observer for Screen {
    fn line(&mut self, line: &Line) {
        if self.json {
            self.say(&line.to_json().into());
            return;
        }
        if let Some(text) = live::show(line) {
            self.say(&Text::message(&text));
        }
    }

    fn note(&mut self, text: &str) {
        if self.json {
            output::remark(text);
        } else {
            self.say(&Text::message(text));
        }
    }
}
