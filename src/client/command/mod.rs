//! The requests: what each sends, and which replies it can have.
//!
//! Classic text where the answer names its key or can be told from a stray one by the next answer
//! (get, set, add, delete), meta commands for the rest. Each of the former has a meta form too, for a
//! connection on which it could take another request's answer for its own (see `standing`).
//!
//! What cannot be told apart by a client: an error line in front of the answer to a read, which is
//! taken for it (after a write it is checked: see `attempt`); and, in the classic forms, an `END` or
//! `NOT_FOUND` in front of the answer to a get, `STORED` in front of the answer to a set, `DELETED` or
//! `NOT_FOUND` in front of the answer to a delete. Each costs one wrong outcome (never a value) and is
//! found out by the next request on the connection, because the true answer is left over.

mod counter;
mod exchange;
mod many;
mod read;
mod server;
mod store;

pub(super) use counter::{Counter, Delete};
pub(super) use exchange::{Answer, Asked, Command, Effect};
pub(super) use many::{BATCH_KEYS_MAX, GetMany};
pub(super) use read::{Check, Exists, Get, MetaGet, Touch};
pub(super) use server::{FlushAll, Ping, Stats, Version};
pub(super) use store::{MetaStore, Mode, PlainStore};
