//! Compared runs as text, Markdown and a page.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::ComparedRow;
use crate::judge::Verdict;
use crate::report::REPORT_PAGE;
use crate::report::format::{markdown as escaped, page};

/// What a row has in a column.
type Cell = fn(&ComparedRow) -> String;

/// The columns after scenario and client.
const COLUMNS: [(&str, Cell); 10] = [
    ("verdict", |row| {
        row.verdict.map_or_else(|| "not judged".to_owned(), |it| it.name().to_owned())
    }),
    ("runs", |row| match row.not_judged {
        0 => row.runs.to_string(),
        not => format!("{} ({not} not judged)", row.runs),
    }),
    ("wrong", |row| count(row.wrong)),
    ("stale", |row| count(row.stale)),
    ("false misses", |row| count(row.false_misses)),
    ("errors", |row| row.error_ratio.map_or_else(none, |it| format!("{:.2}%", it * 100.0))),
    ("longest", |row| row.longest_us.map_or_else(none, |us| format!("{:.0}ms", us / 1000.0))),
    ("first", |row| row.first_success_s.map_or_else(none, |s| format!("{s:.2}s"))),
    ("recovered", |row| row.sustained_s.map_or_else(none, |s| format!("{s:.2}s"))),
    ("connects/s", |row| row.connects_per_s.map_or_else(none, |it| format!("{it:.0}"))),
];

fn count(count: Option<f64>) -> String {
    count.map_or_else(none, |count| format!("{count:.0}"))
}

fn none() -> String {
    "-".to_owned()
}

fn cells(row: &ComparedRow) -> Vec<String> {
    let figures = COLUMNS.iter().map(|(_, show)| show(row));
    [row.scenario.clone(), row.client.clone()].into_iter().chain(figures).collect()
}

fn heads() -> Vec<&'static str> {
    ["scenario", "client"].into_iter().chain(COLUMNS.iter().map(|(name, _)| *name)).collect()
}

/// What a client came to over several scenarios.
fn overview(rows: &[ComparedRow]) -> Vec<[String; 6]> {
    clients(rows)
        .into_iter()
        .map(|client| {
            let own: Vec<&ComparedRow> = rows.iter().filter(|row| row.client == client).collect();
            let count = |wanted: &dyn Fn(&ComparedRow) -> bool| {
                own.iter().filter(|row| wanted(row)).count().to_string()
            };
            let came = |verdict| count(&|row| row.verdict == verdict);
            [
                client.to_owned(),
                came(Some(Verdict::Pass)),
                came(Some(Verdict::Degraded)),
                came(Some(Verdict::Fail)),
                count(&is_wrong),
                came(None),
            ]
        })
        .collect()
}

fn is_wrong(row: &ComparedRow) -> bool {
    row.wrong.is_some_and(|wrong| wrong > 0.0)
}

/// A line for each scenario with what it came to with each client.
fn words(rows: &[ComparedRow], clients: &[&str]) -> impl Iterator<Item = Vec<String>> {
    let blocks = rows.chunk_by(|one, other| one.scenario == other.scenario);
    blocks.map(|block| {
        let word = |client: &&str| match block.iter().find(|row| row.client == *client) {
            None => "not run".to_owned(),
            Some(row) => {
                let verdict = row.verdict.map_or("not judged", Verdict::name);
                format!("{verdict}{}", if is_wrong(row) { ", wrong data" } else { "" })
            }
        };
        std::iter::once(block[0].scenario.clone()).chain(clients.iter().map(word)).collect()
    })
}

/// The heads of the overview.
const OVERVIEW: [&str; 6] = ["client", "pass", "degraded", "fail", "wrong data", "not judged"];

/// The clients, each once.
fn clients(rows: &[ComparedRow]) -> Vec<&str> {
    let mut clients: Vec<&str> = rows.iter().map(|row| row.client.as_str()).collect();
    clients.sort_unstable();
    clients.dedup();
    clients
}

/// A table in Markdown.
fn table<C: AsRef<str>>(
    heads: &[&str],
    lines: impl IntoIterator<Item = impl IntoIterator<Item = C>>,
) -> String {
    let mut text = format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for cells in lines {
        let cells: Vec<String> = cells.into_iter().map(|cell| escaped(cell.as_ref())).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// The table in Markdown; of several scenarios, what each client came to before it, in numbers and word by word.
#[must_use]
pub fn markdown(rows: &[ComparedRow]) -> String {
    let all = table(&heads(), rows.iter().map(cells));
    if rows.iter().all(|row| row.scenario == rows[0].scenario) {
        return all;
    }
    let clients = clients(rows);
    let heads: Vec<&str> = std::iter::once("scenario").chain(clients.iter().copied()).collect();
    let words = table(&heads, words(rows, &clients));
    format!("{}\n{words}\n{all}", table(&OVERVIEW, overview(rows)))
}

/// The table for a terminal: a block for each scenario, so that a line stays short.
#[must_use]
pub fn text(rows: &[ComparedRow]) -> String {
    let heads = &heads()[1..];
    let mut text = String::new();
    for block in rows.chunk_by(|one, other| one.scenario == other.scenario) {
        let lines: Vec<Vec<String>> = block.iter().map(|row| cells(row)[1..].to_vec()).collect();
        let width = |column: usize| {
            let longest = lines.iter().map(|line| line[column].chars().count()).max();
            longest.unwrap_or_default().max(heads[column].len())
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let _ = writeln!(text, "{}", block[0].scenario);
        let line = |cells: &[&str]| {
            let cells = cells.iter().zip(&widths).enumerate();
            let padded = cells.map(|(column, (cell, width))| match column {
                0 | 1 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            format!("  {}", padded.collect::<Vec<_>>().join("  ").trim_end())
        };
        let _ = writeln!(text, "{}", line(heads));
        for cells in &lines {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let _ = writeln!(text, "{}", line(&cells));
        }
    }
    text
}

/// A page: every scenario and client at a glance, each linking to its runs, and the figures below.
#[must_use]
pub fn html(rows: &[ComparedRow]) -> String {
    let clients = clients(rows);
    let title = match &clients[..] {
        [client] => format!("Every scenario with {client}"),
        _ => "Clients side by side".to_owned(),
    };
    let blocks: Vec<&[ComparedRow]> =
        rows.chunk_by(|one, other| one.scenario == other.scenario).collect();
    page(
        &title,
        &html! {
            h1 { (title) }
            p {
                "A verdict links to its run. Each figure is the median of the runs that could be judged, wrong values and the verdict "
                "are the worst of them: a run that was invalid or vacuous is in no figure."
            }
            (glance(&blocks, &clients))
            @for block in &blocks { (figures(block)) }
        },
    )
}

/// A row for each scenario, a column for each client.
fn glance(blocks: &[&[ComparedRow]], clients: &[&str]) -> Markup {
    html! {
        div.wide role="region" tabindex="0" aria-label="Verdicts" {
            table {
                thead {
                    tr {
                        th scope="col" { "scenario" }
                        @for client in clients { th scope="col" { (client) } }
                    }
                }
                tbody {
                    @for block in blocks {
                        tr {
                            th scope="row" { a href={ "#" (block[0].scenario) } { (block[0].scenario) } }
                            @for client in clients {
                                td {
                                    @if let Some(row) = block.iter().find(|row| row.client == *client) {
                                        (verdicts(row))
                                    } @else { "not run" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The figures of one scenario.
fn figures(block: &[ComparedRow]) -> Markup {
    html! {
        h2 id=(block[0].scenario) { (block[0].scenario) }
        div.wide role="region" tabindex="0" aria-label=(block[0].scenario) {
            table {
                thead { tr { @for head in &heads()[1..] { th scope="col" { (head) } } } }
                tbody {
                    @for row in block {
                        @let cells = cells(row);
                        tr {
                            th scope="row" { (cells[1]) }
                            td { (verdicts(row)) }
                            @for cell in &cells[3..] { td.number { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

/// The verdict of a row, and what of it must be seen at once; each of its runs is a link.
fn verdicts(row: &ComparedRow) -> Markup {
    let (class, word) = row.verdict.map_or(("invalid", "not judged"), |it| (it.name(), it.name()));
    let badge = html! { span class={ "verdict " (class) } { (word) } };
    let page = |folder: &std::path::Path| folder.join(REPORT_PAGE).display().to_string();
    html! {
        @match &row.folders[..] {
            [only] => a href=(page(only)) { (badge) },
            several => {
                (badge)
                @for (number, folder) in several.iter().enumerate() {
                    " " a href=(page(folder)) aria-label={ (word) ", run " (number + 1) } { (number + 1) }
                }
            }
        }
        @if is_wrong(row) { " " strong { "wrong data" } }
    }
}
