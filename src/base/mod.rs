//! What knows nothing about caches or faults: time, units, seeds, names, task ownership, files that others
//! name, text for terminals.
//!
//! Every other module may name this one; this one names none of them.

pub mod carried;
pub mod deadline;
pub mod descriptors;
pub mod family;
pub mod file;
pub mod folder;
pub(crate) mod glob;
pub mod group;
pub mod heap;
pub mod lane;
pub(crate) mod lines;
pub mod misspelt;
pub mod name;
pub mod port;
pub mod processor;
pub mod scope;
pub mod seed;
pub mod share;
pub mod terminal;
pub mod time;
pub mod timer;
pub mod units;
