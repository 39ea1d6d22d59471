//! What happens to what passes: [`toxic`]s to bytes, rules of [`message`]s to requests and replies. Both
//! decide, and the link acts.

pub(super) mod chain;
pub(super) mod identity;
mod kind;
pub mod message;
pub mod outbox;
mod setting;
pub(super) mod table;
pub mod toxic;

pub use kind::{Fault, TOXICS, asks_for_more, is_added, is_message};
pub(super) use setting::{SAID_BYTES_MAX, said};
pub use toxic::{Entrance, Farewell};
