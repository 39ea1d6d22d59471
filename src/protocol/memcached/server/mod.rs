//! An embedded memcached: text and meta commands, in this process.
//!
//! It answers as memcached 1.6.18 does, byte for byte, and says so in its `VERSION`: clients choose
//! their dialect by it, and our own proxy reads it to know where malformed requests end.
//!
//! | module | owns |
//! |---|---|
//! | [`serve`] | a node as [`crate::protocol::node`] serves it |
//! | [`session`] | one conversation: where requests end, what waits for its block |
//! | `classic`, `meta`, `meta_count`, `retrieval`, `storage`, `admin`, [`stats`] | what the commands do and answer |
//! | [`store`], [`entry`], [`item`] | the items, their bound and their order of use |
//! | [`clock`] | seconds and expiry rules |
//! | [`lie`] | planted lies, for a node that is to be found out |
//! | [`config`] | what a node is started with, and memcached's own flags |
//!
//! # Where it differs from memcached 1.6.18
//!
//! | what | memcached | the node | why |
//! |---|---|---|---|
//! | binary protocol (first byte 0x80) | spoken | the connection is closed | as a memcached without it; clients of this project speak text |
//! | replies that one read makes memcached lose (a too long key in `get`, a close after unsent replies) | depends on how TCP cut the requests | never lost | a reply that depends on segments cannot be tested against |
//! | `decr`, `incr` while an unwritten reply of `mg` or a queued LRU move refers to the item | the number is not padded | always padded | the same |
//! | `stats`: values, and names of what it lacks | all | the counters it has | numbers of slabs, threads, logs mean nothing here |
//! | `stats items`, `slabs`, `sizes`, `conns`, `cachedump`, `detail dump` | lists | empty, or the listener | no slabs, no prefix counters |
//! | `lru_crawler ...`, `slabs reassign`, `watch`, `extstore` | carried out | refused as by a memcached that has it switched off | none of it exists here |
//! | eviction | by slab class, three queues | the least recently used item of all | one bound in bytes, exact |
//! | expired items | a crawler removes them | removed when asked for or evicted | `curr_items` counts them until then |
//! | line of a `get` | unbounded | 16 MiB, then closed | everything is bounded |

mod admin;
mod base64_key;
mod classic;
pub mod clock;
pub mod config;
pub mod counts;
pub mod entry;
mod flags;
pub mod item;
pub mod lie;
mod login;
mod meta;
mod meta_count;
mod number;
mod reply;
mod retrieval;
pub mod serve;
pub mod session;
pub mod stats;
mod storage;
pub mod store;
#[cfg(test)]
mod tests;
mod words;
