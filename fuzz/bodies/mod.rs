//! What is done with hostile bytes, once for the fuzzer and for the tests.
//!
//! Every body takes any bytes, hands them to one parser and checks its laws; a broken law is a panic.
//! `fuzz_targets/` runs a body for as long as somebody likes, `tests/fuzz_bodies.rs` a hundred
//! times in every run of the tests.

pub mod control_body;
pub mod control_path;
mod cut;
mod memory;
pub mod observe;
pub mod plan;
pub mod replies;
pub mod requests;
pub mod resp;
pub mod session;
pub mod stored;
pub mod trace;

/// A body, and the name of its target and of the folder of its seeds.
pub type Body = (&'static str, fn(&[u8]));

/// All of them.
pub const BODIES: [Body; 10] = [
    ("control_body", control_body::run),
    ("control_path", control_path::run),
    ("observe", observe::run),
    ("plan", plan::run),
    ("replies", replies::run),
    ("requests", requests::run),
    ("resp", resp::run),
    ("session", session::run),
    ("stored", stored::run),
    ("trace", trace::run),
];
