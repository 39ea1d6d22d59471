//! Message faults: what a server answers when it is in trouble, and what a broken one would.
//!
//! A rule acts on requests and their replies, never on bytes. It is asked once for each request that it matches; the
//! first rule of a proxy that fires decides. Its `Action` stands in place of the
//! request, of its reply, or ends the connection. The `exchange` of a connection carries it out:
//! it tells where messages begin and end, keeps replies in the order of their requests, and passes
//! on untouched what nobody can be certain about.
//!
//! Decides only: it neither reads a clock nor touches a socket. A connection of a proxy without
//! rules has no exchange.

mod action;
mod batch;
mod down;
mod exchange;
mod judge;
pub(super) mod kinds;
mod meeting;
mod plan;
mod report;
mod seen;
mod spec;
mod state;
mod up;
mod words;

pub(in crate::proxy) use exchange::{Active, Exchange, Origin};
pub(in crate::proxy) use report::Reporter;
pub use spec::RuleSpec;
