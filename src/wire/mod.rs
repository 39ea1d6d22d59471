//! The memcached protocol without I/O: shared by the proxy, the embedded node and the client.
//!
//! It names `base` only. It never sleeps, reads no clock, draws no random number.

pub mod binary;
pub mod command;
pub mod key;
pub mod meta;
pub mod number;
pub mod observe;
mod pipeline;
mod replies;
pub mod reply;
pub mod request;
mod requests;
pub mod response;
pub mod text;
pub mod version;
