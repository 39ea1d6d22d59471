//! A measure, a bound, and how many samples it takes to say whether the bound held.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::measure::answers::ERROR_RATIO;
use super::measure::{Facts, Measure, Reading};
use super::{Analysis, errors};
use crate::base::family::Unit;
use crate::event::Phase;
use crate::record::{NodeGroup, Summary};

/// What a run must show.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    /// Its name, as scenarios list it.
    pub name: String,
    /// What it is for, in one line.
    pub summary: String,
    /// What it measures: a row of [`super::MEASURES`].
    pub measure: &'static Measure,
    /// The phase it looks at; `None`: everything after the warm-up.
    pub phase: Option<Phase>,
    /// The nodes it looks at.
    pub nodes: NodeGroup,
    /// What the measure must keep to, in its unit.
    pub bound: Bound,
    /// Fewer samples than this prove nothing.
    pub min_samples: u64,
}

/// A limit in the unit of the measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The measure may be this high.
    AtMost(f64),
    /// The measure must be this high.
    AtLeast(f64),
}

/// What came of an objective.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The bound held.
    Pass,
    /// It did not.
    Fail,
    /// Nobody can say.
    Inconclusive,
}

/// An objective with its grade.
#[derive(Clone, Debug, PartialEq)]
pub struct Graded {
    /// The objective.
    pub objective: Objective,
    /// What was measured, in the unit of the measure; `None`: nothing, or it never happened.
    pub measured: Option<f64>,
    /// How many samples stand behind it.
    pub samples: u64,
    /// The grade.
    pub grade: Grade,
    /// One sentence with the measured value and the bound.
    pub why: String,
}

impl Bound {
    /// Whether `value` keeps to it.
    #[must_use]
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    /// The text form in the unit of `measure`: `at most 2s`.
    #[must_use]
    pub fn text(self, measure: &Measure) -> String {
        match self {
            Self::AtMost(limit) => format!("at most {}", measure.show(limit)),
            Self::AtLeast(limit) => format!("at least {}", measure.show(limit)),
        }
    }
}

impl Measure {
    /// A value in the unit of the measure, as people read it.
    #[must_use]
    pub fn show(&self, value: f64) -> String {
        match self.unit {
            Unit::Microseconds => show_us(value),
            Unit::Seconds if value < 1.0 && value > 0.0 => show_us(value * 1e6),
            Unit::Seconds => format!("{}s", short(value, 2)),
            Unit::Ratio => format!("{}%", short(value * 100.0, 3)),
            Unit::PerSecond if value < 10.0 => format!("{}/s", short(value, 2)),
            Unit::PerSecond => format!("{}/s", short(value, 0)),
            Unit::Count => short(value, 0),
            _ => short(value, 3),
        }
    }
}

/// Microseconds as people read them: `850us`, `12.3ms`, `1.2s`.
#[must_use]
pub(crate) fn show_us(us: f64) -> String {
    if us < 1000.0 {
        format!("{}us", short(us, 0))
    } else if us < 1e6 {
        format!("{}ms", short(us / 1e3, if us < 1e5 { 2 } else { 0 }))
    } else {
        format!("{}s", short(us / 1e6, 2))
    }
}

/// A number with at most so many decimals, without trailing zeros.
fn short(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

impl Objective {
    /// Measures and compares.
    #[must_use]
    pub fn grade(&self, summary: &Summary, analysis: &Analysis) -> Graded {
        let facts = Facts { summary, analysis, phase: self.phase, nodes: self.nodes };
        let bound = self.bound_text();
        match (self.measure.read)(&facts) {
            Reading::Unknown(why) => {
                self.graded(None, 0, Grade::Inconclusive, format!("{}: {why}", self.name))
            }
            Reading::Never { what, looked, samples } => {
                let (grade, end) = match self.bound {
                    Bound::AtMost(limit) | Bound::AtLeast(limit) if looked < limit => {
                        (Grade::Inconclusive, ", and there the run ended")
                    }
                    Bound::AtMost(_) => (Grade::Fail, ""),
                    Bound::AtLeast(_) => (Grade::Pass, ""),
                };
                let why = format!("{}: {what}{end} ({bound} asked)", self.name);
                self.graded(None, samples, grade, why)
            }
            Reading::Value { value, samples } => {
                let (grade, mut why) = self.compare(value, samples, &bound);
                if grade == Grade::Fail && self.measure == &ERROR_RATIO {
                    why += &errors::told(summary, &facts.tally().counts);
                }
                self.graded(Some(value), samples, grade, why)
            }
            Reading::Between { least, most, samples, doubt } => {
                let (grade, why) = self.compare(most, samples, &bound);
                if self.bound.holds(least) == self.bound.holds(most) {
                    return self.graded(Some(most), samples, grade, why);
                }
                let why = format!(
                    "{}: {} is {}, and may be {}: {doubt} ({bound} asked)",
                    self.name,
                    self.subject(),
                    self.measure.show(most),
                    self.measure.show(least),
                );
                self.graded(Some(most), samples, Grade::Inconclusive, why)
            }
        }
    }

    fn compare(&self, value: f64, samples: u64, bound: &str) -> (Grade, String) {
        let holds = self.bound.holds(value);
        let told = format!("{}: {} is {}", self.name, self.subject(), self.measure.show(value));
        // What must never happen once needs no large sample to have happened.
        if samples < self.min_samples && (holds || !self.measure.counts_breaches) {
            let needed = self.min_samples;
            let why = format!(
                "{told}, but from {samples} samples; {needed} needed: a longer -duration or a higher -rate"
            );
            return (Grade::Inconclusive, why);
        }
        let grade = if holds { Grade::Pass } else { Grade::Fail };
        (grade, format!("{told} ({bound} asked)"))
    }

    /// What is measured, where: `error_ratio of healthy nodes in fault`.
    fn subject(&self) -> String {
        let nodes = match self.nodes {
            NodeGroup::All => String::new(),
            group => format!(" of {} nodes", group.name()),
        };
        let phase = self.phase.map_or_else(String::new, |phase| format!(" in {phase}"));
        format!("{}{nodes}{phase}", self.measure.name)
    }

    fn graded(&self, measured: Option<f64>, samples: u64, grade: Grade, why: String) -> Graded {
        Graded { objective: self.clone(), measured, samples, grade, why }
    }

    /// The bound as reports show it.
    #[must_use]
    pub fn bound_text(&self) -> String {
        self.bound.text(self.measure)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
        })
    }
}
