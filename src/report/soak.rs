//! What a session without an end came to so far: by scenario and by day, however many runs there were.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Serialize;

use super::format::page;
use crate::judge::Verdict;

/// The version of `soak.json`.
pub const SOAK_VERSION: u32 = 1;

/// What a soak came to: `soak.json`, and the page beside it.
#[derive(Clone, Debug, Serialize)]
pub struct SoakReport {
    /// [`SOAK_VERSION`].
    pub schema_version: u32,
    /// When it began, UTC (RFC 3339).
    pub started_at: String,
    /// When the last run ended, UTC (RFC 3339).
    pub updated_at: String,
    /// Runs that came to a verdict.
    pub runs: u64,
    /// The exit code if it ended now.
    pub exit_code: u8,
    /// Each day on which a run ended, in order.
    pub days: Vec<SoakDay>,
    /// Each scenario, by name.
    pub scenarios: Vec<SoakScenario>,
}

/// A day of a soak.
#[derive(Clone, Debug, Serialize)]
pub struct SoakDay {
    /// The date, UTC.
    pub date: String,
    /// How many runs came to which verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
}

/// A scenario of a soak.
#[derive(Clone, Debug, Serialize)]
pub struct SoakScenario {
    /// Its name.
    pub scenario: String,
    /// How many runs came to which verdict.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// How long its runs took together.
    pub duration_s: f64,
    /// The worst verdict.
    pub worst_verdict: Option<Verdict>,
    /// Why, of the first run that came to it.
    pub worst_reason: Option<String>,
    /// Where that run is, as far as it is still there.
    pub worst_run: Option<String>,
    /// The same from the folder of all runs, for links.
    #[serde(skip)]
    pub link: Option<String>,
}

impl SoakReport {
    /// As JSON, in lines.
    #[must_use]
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("it has a JSON form");
        text + "\n"
    }

    /// As a page: each scenario, what failed first, then the days, the last first.
    #[must_use]
    pub fn to_html(&self) -> String {
        let mut scenarios: Vec<&SoakScenario> = self.scenarios.iter().collect();
        scenarios.sort_by_key(|line| line.worst_verdict.map_or(usize::MAX, Verdict::urgency));
        let body = html! {
            h1 { "Soak" }
            p {
                (self.runs) " runs from " (self.started_at) " to " (self.updated_at) ": " (told(&self.sum())) "."
            }
            h2 { "By scenario" }
            div.wide role="region" tabindex="0" aria-label="By scenario" {
                table {
                    thead {
                        tr {
                            th scope="col" { "worst" }
                            th scope="col" { "scenario" }
                            th scope="col" { "runs" }
                            th scope="col" { "why, of the first that was so" }
                        }
                    }
                    tbody { @for line in scenarios { (row(line)) } }
                }
            }
            h2 { "By day" }
            table {
                thead { tr { th scope="col" { "day (UTC)" } th scope="col" { "runs" } } }
                tbody {
                    @for day in self.days.iter().rev() {
                        tr { th scope="row" { (day.date) } td { (told(&day.verdicts)) } }
                    }
                }
            }
        };
        page("Soak", &body)
    }

    fn sum(&self) -> BTreeMap<Verdict, u64> {
        let mut sum = BTreeMap::new();
        for (verdict, count) in self.scenarios.iter().flat_map(|line| &line.verdicts) {
            *sum.entry(*verdict).or_default() += count;
        }
        sum
    }
}

fn row(line: &SoakScenario) -> Markup {
    html! {
        tr {
            td {
                @if let Some(worst) = line.worst_verdict {
                    span class={ "verdict " (worst.name()) } { (worst.name()) }
                }
            }
            th scope="row" { (line.scenario) }
            td { (told(&line.verdicts)) }
            td {
                (line.worst_reason.as_deref().unwrap_or_default())
                @if let Some(link) = &line.link { " (" a href=(link) { "its page" } ")" }
            }
        }
    }
}

fn told(verdicts: &BTreeMap<Verdict, u64>) -> String {
    let counted = verdicts.iter().map(|(verdict, count)| format!("{count} {}", verdict.name()));
    counted.collect::<Vec<_>>().join(", ")
}
