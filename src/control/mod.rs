//! The control API: everything that a Toxiproxy client knows, to the byte, and a little more.
//!
//! ```text
//! accept ─► path ─► input (json) ─► handle ─► ProxySet ─► output (json) ─► reply
//! ```
//! Owns HTTP, JSON and the words in which changes are asked for and answered. It never touches a
//! connection of the data path and never waits for one: whatever clients and servers do, a request
//! is answered in bounded time. What differs from Toxiproxy is listed in `docs/toxiproxy.md`.

mod attributes;
mod client;
mod feed;
mod handle;
#[doc(hidden)]
pub mod hostile;
mod hosts;
mod input;
mod json;
mod metrics;
mod output;
mod path;
mod populate;
mod process;
mod reply;
mod request_id;
mod room;
mod server;
mod taps;
mod told;

pub use axum::http::Method;
pub use client::{Remote, RemoteError};
pub use feed::Feed;
pub use handle::TOXIPROXY_VERSION;
pub use output::shown_toxic;
pub use populate::populate;
pub use server::{ApiOptions, bind, serve};
pub use told::Told;
