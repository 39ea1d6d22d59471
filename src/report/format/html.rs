//! One page that needs nothing else: what was found, what happened when, and what it was made with.
//!
//! The drawings are in the page as they are; its script (`page.js`) adds a cursor over all of them and
//! a way to look closer, and reads its figures from the same pieces (`data`).

mod about;
mod curve;
mod data;
mod examples;
mod head;
mod objectives;
mod rows;
mod strips;
mod tables;

use std::borrow::Cow;

use maud::{Markup, html};

use super::Format;
use super::page::{Script, page_with};
use crate::report::model::{PieceReport, Report};
use crate::report::pieces;
use crate::report::stored::{REPORT_PAGE, Stored};

pub(super) const FORMAT: Format = Format {
    name: "html",
    summary: "one page with charts, without anything from elsewhere",
    file: Some(REPORT_PAGE),
    render,
};

/// What the page is made of.
struct Shown<'run> {
    stored: &'run Stored,
    report: &'run Report,
    /// Those of the report; those of a run that was stored without them are made of its intervals.
    pieces: Cow<'run, [PieceReport]>,
}

impl<'run> Shown<'run> {
    fn of(stored: &'run Stored) -> Self {
        let report = &stored.report;
        let pieces = if report.pieces.is_empty() {
            Cow::Owned(pieces::of_intervals(&stored.intervals))
        } else {
            Cow::Borrowed(report.pieces.as_slice())
        };
        Self { stored, report, pieces }
    }
}

/// The parts of the page: their anchors and their names.
const PARTS: [(&str, &str); 7] = [
    ("found", "Found"),
    ("objectives", "Objectives"),
    ("time", "What happened when"),
    ("data", "Was the data right?"),
    ("latency", "Response times"),
    ("figures", "Figures"),
    ("about", "About this run"),
];

fn render(stored: &Stored) -> String {
    let shown = Shown::of(stored);
    let report = shown.report;
    let title = format!("{}: {}", report.scenario, report.verdict.name());
    page_with(
        &title,
        &html! {
            header { (head::head(report)) }
            nav aria-label="Parts of this page" {
                ul { @for (anchor, name) in PARTS { li { a href={ "#" (anchor) } { (name) } } } }
            }
            main {
                (part(0, &head::found(report)))
                (part(1, &objectives::objectives(report)))
                (part(2, &rows::rows(&shown)))
                (part(3, &examples::data(report)))
                (part(4, &curve::curve(report)))
                (part(5, &tables::figures(report)))
                (part(6, &about::about(report)))
            }
        },
        &Script::Charts(data::of(&shown).to_string()),
    )
}

fn part(place: usize, body: &Markup) -> Markup {
    let (anchor, name) = PARTS[place];
    let heading = format!("{anchor}-heading");
    html! {
        section id=(anchor) aria-labelledby=(heading) { h2 id=(heading) { (name) } (body) }
    }
}

/// A table that scrolls by itself where there is no room; `about` says what is in it.
fn table(about: &str, heads: &[&str], rows: &Markup) -> Markup {
    html! {
        div.wide role="region" tabindex="0" aria-label=(about) {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// What stands where something would be that nobody looked at.
fn not_looked_at(why: &str) -> Markup {
    html! { p.unlooked { "Not looked at: " (why) } }
}

#[cfg(test)]
mod tests;
