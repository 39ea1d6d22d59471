//! Planted lies: a node that answers wrongly in one known way, so that a run can show that it
//! notices.
//!
//! The liar stands between a connection and an honest conversation: it takes whole requests, has
//! them executed as they are, otherwise, twice or not at all, and hands on the reply as it is or
//! changed. The commands and the store know nothing of it, and a node that was told no lie never
//! comes here.
//!
//! A lie is a file and a row of [`LIES`]. It decides on one request at a time, from a seeded stream,
//! with the moment handed in; one request is lied about once at most.

mod cas;
mod conversation;
mod denied;
mod doubled;
mod dropped;
mod early_stored;
mod expiry;
mod ground;
mod liar;
mod loss;
mod other_value;
mod overwrite;
mod refused_reads;
mod reply;
mod request;
mod spec;
mod swapped;
#[cfg(test)]
mod tests;
mod value;

use std::fmt::Debug;

pub(super) use conversation::Conversation;
pub use ground::Ground;
pub(super) use liar::Liar;
pub use request::Request;
pub use spec::{LieSpec, LieSpecError};

use crate::base::family::{Family, Setting, Unit};

/// One way in which a server may be wrong.
pub trait Lie: Debug + Send {
    /// Looks at every request before anything is executed: what must be remembered, or is due.
    fn before(&mut self, _request: &Request, _ground: &mut Ground<'_>) {}

    /// Whether this request is an occasion.
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool;

    /// Executes an occasion, and answers it, as a liar does.
    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8>;

    /// Looks at every reply, honest or not, on its way out; it may change it.
    fn after(&mut self, _request: &Request, _reply: &mut Vec<u8>, _ground: &Ground<'_>) {}
}

/// Every lie, those about reads first.
pub static LIES: Family<dyn Lie> = Family {
    noun: "lie",
    kinds: &[
        other_value::WRONG_KEY,
        other_value::STALE,
        value::BIT_FLIP,
        value::CUT_VALUE,
        value::WRONG_FLAGS,
        dropped::SET,
        dropped::APPEND,
        dropped::DELETE,
        dropped::INCR,
        dropped::DECR,
        doubled::INCR,
        doubled::DECR,
        doubled::APPEND,
        early_stored::KIND,
        denied::STORED,
        denied::DELETED,
        denied::CAS,
        overwrite::ADD,
        overwrite::CAS,
        cas::KIND,
        expiry::LATE,
        expiry::NEVER,
        expiry::EARLY,
        swapped::PIPELINE,
        swapped::CONNECTIONS,
        loss::RESTART,
        loss::EVICTION,
        loss::SILENT_EVICTION,
        loss::FLUSH,
        loss::SILENT_FLUSH,
        refused_reads::KIND,
    ],
};

/// How often a lie is told: one in this many occasions. It is the only setting, and so common that a
/// command line writes it as `NAME:1/200`.
const EVERY: &str = "every";

/// The setting [`EVERY`] with a default of its own.
const fn every(default: &'static str) -> [Setting; 1] {
    [Setting {
        name: EVERY,
        unit: Unit::Count,
        default: Some(default),
        summary: "it is told in one of this many requests that are an occasion for it",
    }]
}

/// One occasion in 200: seen within seconds, and rare enough to be overlooked by who does not look.
const USUAL: [Setting; 1] = every("200");

/// What loses a whole node is told more rarely, or nothing is ever held.
const RARE: [Setting; 1] = every("5000");
