//! The protocols of caches. What is a protocol's own stands in its folder and nowhere else.

pub(crate) mod exchange;
pub mod memcached;
