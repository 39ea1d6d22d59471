//! The fault-injecting proxy: named proxies, live toxics, and the tap that tells the truth about
//! what passed.
//!
//! ```text
//! client ══► listener ─► connection = one task ◄══► node
//!                           │ up:   read ─ observe ─ toxic 1 ─ .. ─ toxic n ─ write
//!                           │ down: write ─ toxic n ─ .. ─ toxic 1 ─ observe ─ read
//! ```
//! Toxics decide and the link acts: a [`toxic::Toxic`] is a pure state machine that is told the
//! time; the link is the only reader, waiter and writer, so order, cancellation and bounds are
//! right once. With no toxic active the stream is byte for byte the direct stream.
//!
//! Owns every socket between clients and nodes. Must never re-encode what it forwards, wait for a
//! data-path peer in an API call, or let one connection's trouble reach another.

pub mod api;
mod chain;
mod config;
mod connection;
mod error;
mod flight;
mod held;
mod instance;
mod kept;
mod latency;
mod link;
mod listener;
mod matcher;
mod meter;
mod outbox;
mod reuse;
pub mod rule;
mod set;
mod sockets;
mod table;
mod tap;
pub mod toxic;
mod upstream;

pub use config::{
    Dial, FaultCounts, ProxyConfig, ProxyUpdate, ProxyView, Stream, ToxicConfig, ToxicUpdate,
    ToxicView,
};
pub use error::ProxyError;
pub use latency::{LatencyView, LatencyWindow};
pub use outbox::{Due, Outbox, Waiting};
pub use reuse::{Pipelining, Reuse};
pub use set::{PROXIES_MAX, ProxySet, WeakProxySet};
pub use sockets::Sockets;
pub use table::TOXICS_MAX;
pub use tap::{CloseManner, Closer, ConnectionView, Foreign, TapSnapshot};
