//! memcached: its bytes, a node that speaks it, and a question to one that may be there.
//!
//! | module | what is in it |
//! |---|---|
//! | [`frame`] | requests and replies as they stream by, without I/O |
//! | `speech` | what a fault means and says: which requests, which answer, which change of one |
//! | [`server`] | the embedded node |
//! | [`program`] | what it is called and told outside its protocol |
//! | [`entry`] | being let in: TLS, and then the login |
//! | [`login`] | what is said first to one that asks for a password in text |
//! | `sasl` | what is said first to one that asks by SASL |
//! | `packet` | a question in the binary protocol |
//! | [`probe`] | whether a node answers, and as which version |
//! | [`statistics`] | what a node says of the data it was to keep |
//! | `words` | what its commands and replies are called |

pub mod entry;
pub mod frame;
pub mod login;
mod packet;
pub mod probe;
pub mod program;
mod sasl;
pub mod server;
pub(crate) mod speech;
pub mod statistics;
pub(crate) mod words;
