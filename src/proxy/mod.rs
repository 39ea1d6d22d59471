//! The fault-injecting proxy: named proxies, live toxics, and the tap that tells the truth about
//! what passed.
//!
//! ```text
//! client ══► listener ─► connection = one task ◄══► node
//!                           │ up:   read ─ observe ─ toxic 1 ─ .. ─ toxic n ─ write
//!                           │ down: write ─ toxic n ─ .. ─ toxic 1 ─ observe ─ read
//! ```
//! Toxics decide and the link acts: a [`fault::toxic::Toxic`] is a pure state machine that is told the
//! time; the link is the only reader, waiter and writer, so order, cancellation and bounds are
//! right once. With no toxic active the stream is byte for byte the direct stream.
//!
//! | room | what is in it |
//! |---|---|
//! | `path` | sockets and the bytes between them: listener, connection, link |
//! | [`fault`] | what happens to them: [`fault::toxic`] to bytes, [`fault::message`] to requests and replies |
//! | `tap` | what passed, counted and timed |
//! | the rest | a proxy, the set of them, and how they are asked for |
//!
//! Owns every socket between clients and nodes. Must never re-encode what it forwards, wait for a
//! data-path peer in an API call, or let one connection's trouble reach another.

mod close;
mod config;
mod error;
pub mod fault;
mod instance;
mod kept;
mod lanes;
mod path;
mod set;
mod tap;

/// What a proxy may be told that its connections speak.
pub use crate::protocol::Protocol;
pub use close::{CloseManner, Closer};
pub use config::{
    Dial, FaultCounts, PROXIES_MAX, ProxyConfig, ProxyUpdate, ProxyView, Said, Stream, TOXICS_MAX,
    ToxicConfig, ToxicUpdate, ToxicView,
};
pub use error::ProxyError;
pub use fault::outbox::{Due, Outbox, Waiting};
pub(crate) use path::listener::resolve;
pub use path::sockets::Sockets;
pub use set::{ProxySet, WeakProxySet};
pub use tap::asked::{Asked, AskedCounts};
pub use tap::latency::{LatencyView, LatencyWindow};
pub use tap::reuse::{Pipelining, Reuse};
pub use tap::sought::SoughtRequests;
pub use tap::timeline::{PieceCounts, TimelineView};
pub use tap::view::{ConnectionView, Foreign, TapSnapshot};
