//! What a run came to, for programs and for people.
//!
//! [`Report`] is the output contract (`metrics/report.schema.json` is generated from it); every
//! format is a pure function of a [`Stored`] run, so JSON, text and HTML cannot disagree and any of
//! them can be rendered again later. Nothing here prints, and nothing here judges.

mod build;
mod card;
mod chart;
mod columns;
mod compare;
mod data;
mod fleet;
pub mod format;
mod keys;
mod line;
pub mod live;
mod members;
mod model;
mod pieces;
mod rebuild;
mod schema;
pub(crate) mod show;
mod soak;
#[cfg(test)]
mod sources;
mod stored;
mod wire;

/// Where it is written what each figure means, where it comes from and when there is none.
pub const GLOSSARY: &str = "docs/measures.md";

pub use build::Header;
pub use card::{Card, CardLine, TRIALS, Trial, Tried, card, card_html, card_markdown, card_text};
pub(crate) use columns::{COLUMNS, cut};
pub use compare::{
    ComparedRow, compare, html as compare_html, markdown as compare_markdown, text as compare_text,
};
pub use fleet::{FleetReport, MemberReport};
pub use format::{FORMATS, Format, Suites, run_markdown as markdown, write_all};
pub use line::{Line, Skipped, Start, StartNode};
pub use model::{
    BreakerReport, DataReport, DetectionReport, Example, FastFail, FaultReport, Figures,
    HarnessReport, KeyFigures, NodeReport, ObjectiveReport, PhaseFigures, PhaseReport, PieceReport,
    PieceTimes, RecoveryReport, Report, SCHEMA_VERSION, StallReport, StallsReport, TimerDelay,
    TransitionReport,
};
pub use rebuild::Unfinished;
pub use schema::schema_text;
pub use soak::{SOAK_VERSION, SoakDay, SoakReport, SoakScenario};
pub use stored::{LINES_MAX, REPORT, REPORT_PAGE, ReadError, Stored};
pub use wire::{Told, ToldOfNode, WirePhase, WireReport, WireSeries};
