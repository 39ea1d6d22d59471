//! What a fault needs to say in memcached: which requests it means, a reply in the server's place, and a
//! reply that is changed.
//!
//! Decides only, and knows no proxy.

pub(crate) mod answer;
pub(crate) mod change;
pub(crate) mod matcher;
