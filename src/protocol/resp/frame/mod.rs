//! RESP2 and RESP3 without I/O: shared by the proxy, the embedded node and the client.
//!
//! It never sleeps, reads no clock, draws no random number, allocates by no length that a peer claims, and
//! never panics on what it is shown.
//!
//! | module | what is in it |
//! |---|---|
//! | [`command`] | where the next request ends, and what its arguments are |
//! | `inline` | a request that is a line of words |
//! | `malformed` | what a server closes the connection for |
//! | [`scan`] | where the next reply ends, however it is nested and however long it is |
//! | [`value`] | one whole reply: read, and said in either version |
//! | [`number`] | decimal numbers as Redis reads them |

pub mod command;
mod inline;
mod malformed;
pub mod number;
pub mod scan;
pub mod value;
pub mod version;
