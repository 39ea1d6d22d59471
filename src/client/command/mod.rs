//! The requests: what each sends, and which replies it can have.
//!
//! Classic text where the crate speaks it (get, set, add, delete, incr, decr), meta commands for
//! the rest. Every reply that carries a key is compared with the key asked for.
//!
//! What cannot be told apart through the crate: a stray `NOT_FOUND` to a `get`, and a bare `HD` to
//! a meta get, read as a miss. Both leave the true reply behind, and the next request on that
//! connection finds it by its key or its kind, so they can cost a false miss, never a wrong value.

mod counter;
mod exchange;
mod many;
mod read;
mod server;
mod store;

pub(super) use counter::{Counter, Delete, Direction};
pub(super) use exchange::{Command, Effect};
pub(super) use many::{BATCH_KEYS_MAX, GetMany};
pub(super) use read::{Exists, Get, MetaGet, Touch};
pub(super) use server::{FlushAll, Ping, Stats, Version};
pub(super) use store::{MetaStore, Mode, PlainStore};
