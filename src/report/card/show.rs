//! A card as text, Markdown and a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use maud::html;

use super::Card;
use crate::report::REPORT_PAGE;
use crate::report::format::{markdown as escaped, page};

/// The card for a terminal.
#[must_use]
pub fn card_text(card: &Card) -> String {
    let runtime = card.runtime.as_deref().map(|it| format!(" on {it}")).unwrap_or_default();
    let mut text =
        format!("{}{runtime}, harness {}, seed {}\n\n", card.client, card.harness, card.seed);
    let width = card.lines.iter().map(|line| line.question.len()).max().unwrap_or_default();
    for line in &card.lines {
        for (number, part) in wrapped(&line.answer, WIDTH - width - 2).into_iter().enumerate() {
            let question = if number == 0 { line.question } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{question:width$}  {part}");
        }
    }
    let _ = writeln!(text, "\nruns:");
    let mut runs: BTreeMap<&str, &PathBuf> = BTreeMap::new();
    for line in &card.lines {
        runs.extend(line.scenario.zip(line.run.as_ref()));
    }
    for (scenario, run) in runs {
        let _ = writeln!(text, "  {scenario:20} {}", run.display());
    }
    text
}

/// How wide a card is.
pub(super) const WIDTH: usize = 80;

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The card in Markdown.
#[must_use]
pub fn card_markdown(card: &Card) -> String {
    let runtime = card.runtime.as_deref().map(|it| format!(" on {it}")).unwrap_or_default();
    let client = escaped(&format!("{}{runtime}", card.client));
    let mut text = format!("### {client}\n\n| | | shown by |\n|---|---|---|\n");
    for line in &card.lines {
        let scenario = line.scenario.unwrap_or("all of them");
        let _ = writeln!(text, "| {} | {} | {scenario} |", line.question, escaped(&line.answer));
    }
    text
}

/// The card as a page, each line linking to the run that shows it.
#[must_use]
pub fn card_html(card: &Card) -> String {
    page(
        &card.client,
        &html! {
            h1 { (card.client) }
            p {
                @if let Some(runtime) = &card.runtime { (runtime) ", " }
                "harness " (card.harness) ", seed " (card.seed)
            }
            div.wide {
                table {
                    thead { tr { th scope="col" { "asked" } th scope="col" { "found" } th scope="col" { "shown by" } } }
                    tbody {
                        @for line in &card.lines {
                            tr {
                                th scope="row" { (line.question) }
                                td { (line.answer) }
                                td {
                                    @let scenario = line.scenario.unwrap_or("all of them");
                                    @match &line.run {
                                        Some(run) => a href=(run.join(REPORT_PAGE).display()) { (scenario) },
                                        None => (scenario),
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
    )
}
