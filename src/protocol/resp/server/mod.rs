//! An embedded Redis: the commands of a cache, in this process, in both versions of the protocol.
//!
//! It answers as Redis 7.0 does, byte for byte, and says so in its `INFO`.
//!
//! | module | owns |
//! |---|---|
//! | [`serve`] | a node as [`crate::protocol::node`] serves it |
//! | [`session`] | one conversation: which version, which name, what is answered at all |
//! | `command` | what the commands do and answer, a table of them |
//! | [`state`] | what a command finds: the node, and what its connection was told about itself |
//! | `answer`, `refusal` | how an answer is written, and why there is none |
//! | [`store`] | the items, their bound and their order of use |
//! | [`clock`] | milliseconds and expiry rules |
//! | [`config`], [`facts`] | what a node is started with, and what it counts of its connections |
//!
//! # Where it differs from Redis 7.0
//!
//! | what | Redis | the node | why |
//! |---|---|---|---|
//! | commands that it lacks (`MULTI`, `EVAL`, `SUBSCRIBE`, lists, ...) | carried out | refused as by a Redis that does not know them | a cache is asked for none of them |
//! | databases | 16 | one: `SELECT 0` | the same |
//! | `COMMAND` | a description of every command | an empty list | clients ask for it and use it for commands of other kinds |
//! | `INFO` | all | what it counts | numbers of persistence, replication, CPU mean nothing here |
//! | `CLIENT` | all | `ID`, `GETNAME`, `SETNAME`, `REPLY` | the same |
//! | eviction | a sample, when `maxmemory` is set | the least recently used item of all, above `-m` | one bound in bytes, exact |
//! | a value above that bound | the error of a full server | the same, when it has come whole | everything is bounded |
//! | one reply | unbounded | 64 MiB of small values, then closed | the same |
//! | expired items | looked for all the time | removed when asked for or evicted | `DBSIZE` counts them until then |

mod answer;
pub mod clock;
mod command;
pub mod config;
pub mod facts;
mod refusal;
pub mod serve;
pub mod session;
pub mod state;
pub mod store;

/// What the node says it is.
const VERSION: &str = "7.0.15";
