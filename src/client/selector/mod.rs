//! Which node owns a key: strategies as a table, each a file.
//!
//! A selector is built from an immutable set of nodes and is pure: no I/O, no clock, no draw. The
//! same servers, weights and hash give the same placement in every process, this year and next.

mod hash;
mod jump;
mod ketama;
mod modulo;
mod rendezvous;
mod strategy;

pub use hash::KeyHash;
pub use strategy::{Candidates, Member, Selector, Strategy};

use crate::base::family::Family;

/// The strategies.
pub static SELECTORS: Family<dyn Strategy> =
    Family { noun: "selector", kinds: &[ketama::KIND, rendezvous::KIND, jump::KIND, modulo::KIND] };
