//! memcached: its bytes, a node that speaks it, and a question to one that may be there.
//!
//! | module | what is in it |
//! |---|---|
//! | [`frame`] | requests and replies as they stream by, without I/O |
//! | `speech` | what a fault means and says: which requests, which answer, which change of one |
//! | [`server`] | the embedded node |
//! | [`probe`] | whether a node answers, and as which version |

pub mod frame;
pub mod probe;
pub mod server;
pub(crate) mod speech;
