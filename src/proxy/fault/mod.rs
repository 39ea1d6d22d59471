//! What happens to what passes: [`toxic`]s to bytes, rules of [`message`]s to requests and replies. Both
//! decide, and the link acts.

pub(super) mod chain;
pub mod message;
pub mod outbox;
pub mod table;
pub mod toxic;
