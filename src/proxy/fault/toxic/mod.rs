//! Byte faults, one file each: pure state machines over one direction of one connection.
//!
//! A file is a kind: its spec is what was asked for, its [`Toxic`] the state on one direction of one
//! connection. No toxic sleeps, touches a socket, reads a clock or draws from
//! anything but the stream it is given.

pub(super) mod bandwidth;
pub(super) mod blackhole;
mod bucket;
pub(super) mod corrupt;
pub(super) mod idle_timeout;
pub(super) mod latency;
pub(super) mod latency_distribution;
pub(super) mod limit_data;
pub(super) mod limit_time;
pub(super) mod mute;
pub(super) mod noop;
pub(super) mod packet_loss;
pub(super) mod refuse;
pub(super) mod reset_peer;
pub(super) mod say;
pub(super) mod slicer;
pub(super) mod slow_close;
pub(super) mod slow_connect;
pub(super) mod slow_reader;
mod spec;
#[cfg(test)]
pub(crate) mod testing;
pub(super) mod timeout;
pub(super) mod turn_away;

use noop::pass_through;
pub use spec::{Age, Clear, Entrance, Farewell, Toxic, ToxicSpec};
