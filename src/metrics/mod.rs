//! What a run is doing, as Prometheus asks for it.
//!
//! ```text
//! events ────────► Seen ─┐
//! recorder, proxies ─────┼─► Board ──► Page ──► OpenMetrics, text 0.0.4, protobuf
//! report ─────► ending ──┘    ▲  └──────────── serve: GET /metrics
//!                             └ history: what all runs of the process came to
//! ```
//! Owns names, labels and their bounds: [`FAMILIES`] is all there is, and `docs/metrics.md` says what each
//! means. Nothing is counted a second time: a page is made of what the recorder, the proxies and the report
//! have when somebody asks, so that its figures are theirs, and a run that nobody scrapes pays for nothing but
//! its events.

mod board;
mod ending;
mod exposition;
mod families;
mod family;
mod figures;
mod history;
mod label;
mod page;
mod seen;
mod server;
mod sources;
mod spread;

pub use board::Board;
pub use ending::Asked;
pub use exposition::Exposition;
pub use families::FAMILIES;
pub use family::{Family, Kind};
pub use page::Page;
pub use seen::Seen;
pub use server::Server;
pub use sources::{About, Sources};
