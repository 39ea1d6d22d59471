//! The memcached protocol without I/O: shared by the proxy, the embedded node and the client.
//!
//! It names `base` and the words of `exchange` only. It never sleeps, reads no clock, draws no random number, and never panics
//! on what it is shown.
//!
//! | Layer | Modules |
//! |---|---|
//! | words | [`key`], [`command`], [`number`], [`version`] |
//! | one head: where does the request end, how is it answered | [`text`], [`meta`], [`binary`], all in terms of [`request`] and [`response`] |
//! | one connection: both directions as they stream by, each reply with its request | [`observe`] |
//! | a reply of our own | [`reply`] |
//!
//! memcached has two parsers, before and from 1.6.40, that end some malformed requests in different
//! places. Everything that reads a text line takes the server's [`version`], and says so where an
//! unknown version makes the end unknowable.

pub mod binary;
pub mod command;
pub mod key;
pub mod meta;
pub mod number;
pub mod observe;
mod owners;
mod pipeline;
mod replies;
pub mod reply;
pub mod request;
mod requests;
pub mod response;
pub mod text;
pub mod version;
