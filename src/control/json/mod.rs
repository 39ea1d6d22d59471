//! JSON exactly as Toxiproxy's clients meet it: read by the rules of Go's decoder, written by those
//! of its encoder.
//!
//! Syntax, strings and escapes are `serde_json`'s; ours are Go's error texts, key matching and
//! leniency, which clients meet. It never knows what a proxy is. Reading is two passes without
//! recursion: [`scan`] finds the end of the first value and proves that it is well formed, then
//! [`Value`] walks slices of that proven text. Memory is bounded by the body.

mod decode;
mod scan;
mod value;
mod write;

pub(super) use decode::{Decoder, Place, key_is};
pub(super) use scan::first_value;
pub(super) use value::Value;
pub(super) use write::{Float32, Float64, Quoted};
