//! Samples and events in, facts out.
//!
//! Owns the counting: who measured what, in which phase, on which node. It decides nothing about
//! good or bad (that is `judge`) and draws nothing (that is `report`). It never names what it
//! measures: the composition root hands it plain data ([`Inputs`]).
//!
//! ```text
//! worker ── Shard ─┐ (a buffer of its own: nothing is shared on the hot path)
//! worker ── Shard ─┼─► Recorder ── tick ──► Interval            (what just happened)
//! client, lab ─────┘ events    └─ finish ─► Summary             (what the run was)
//! ```
//!
//! A shard is a buffer of samples and not a set of histograms. A histogram with three digits is
//! 136 KiB; one for each worker, node, phase and class would need hundreds of megabytes at 100
//! workers, and every swap would scan them. A sample is 96 bytes, is written once, and is folded
//! by the thread that ticks into one plain histogram per phase, node and class.

mod cells;
mod connects;
mod counts;
pub mod facts;
mod fleet;
mod histogram;
mod inputs;
mod interval;
pub mod journal;
mod packed;
mod phase;
mod piece;
mod recorder;
pub mod retention;
mod retold;
mod series;
mod shard;
mod stalls;
mod summary;
#[cfg(test)]
pub(crate) mod synthetic;
mod tally;
mod witness;

pub use crate::event::{
    CalibrationCheck, ClosedConnections, Connections, DataTotals, DelayUs, FaultRecord, LateWrite,
    LoadCounts, NotJudged, RefillCounts,
};
pub use connects::Connects;
pub use counts::Counts;
pub(crate) use counts::is_error;
pub(crate) use counts::{ratio, sum};
pub use fleet::{APART_MAX, Fleet, MemberSeen, Missing, Standing};
pub use histogram::{Latency, LatencyUs, is_told_of};
pub use inputs::{
    Config, Dials, ForeignTraffic, HarnessTotals, Inputs, NodeInput, NodeLive, Partial, WireCounts,
    WireTotals,
};
pub use interval::{Interval, IntervalNode, WireInterval};
pub use phase::{PhaseClock, Span};
pub use recorder::Recorder;
pub use retold::{Retold, RetoldPhase};
pub use series::{BIN, Bin, Response, Series};
pub use shard::Shard;
pub use stalls::{Stall, Stalls};
pub use summary::{NodeGroup, NodePhase, PhaseSummary, Summary, TimedBin, Transition};
pub use tally::Tally;
pub use witness::{WireAsked, WireNode, WirePiece, WirePieces, WireTimes};
