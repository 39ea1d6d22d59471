//! RESP: what Redis, Valkey and their relatives speak.
//!
//! | module | what is in it |
//! |---|---|
//! | [`frame`] | commands and replies as they stream by, without I/O |
//! | `commands`, `keys` | what each command asks for, and where it has its keys |
//! | `observe` | which reply is whose |
//! | `status` | what a reply says |
//! | `speech` | what a fault means and says: which requests, which answer, which change of one |
//! | [`server`] | the embedded node |
//! | [`program`] | what it is called and told outside its protocol |
//! | `probe`, `statistics` | what a node is asked, and what it says of the data it was to keep |

pub(crate) mod commands;
pub mod frame;
pub(crate) mod keys;
pub(crate) mod observe;
pub(super) mod probe;
pub mod program;
pub mod server;
pub(crate) mod speech;
mod statistics;
pub(crate) mod status;
