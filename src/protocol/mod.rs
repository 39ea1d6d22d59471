//! The protocols of caches. What is a protocol's own stands in its folder and nowhere else.
//!
//! Who watches connections names what stands here. There is one protocol yet, so each is that one's; a
//! second makes it one of two, told apart by the first bytes, and nobody who watches has to know.

pub(crate) mod exchange;
pub mod memcached;
pub mod resp;

/// Both directions of one connection, in the words of [`exchange`].
pub(crate) use memcached::conversation::Conversation;
/// For who changes what passes: which request it is, which reply is whose.
pub(crate) use memcached::frame::observe;
/// What is known of a server before a connection to it begins.
pub(crate) use memcached::frame::version::ServerVersion as Known;
/// For who changes what passes: which requests a fault means, and its answers and changes.
pub(crate) use memcached::speech;
