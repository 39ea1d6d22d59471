//! Whole stories over real sockets and the real clock, one module a subject. One binary, so that it
//! is linked once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod cli;
mod client;
mod control;
mod deploy;
mod drivers;
mod examine;
mod fleet;
mod live;
mod load;
mod measures;
mod memcached;
mod metrics;
mod node;
mod plan;
mod proxy;
#[cfg(unix)]
mod redis;
mod redis_clients;
#[cfg(unix)]
mod redis_node;
mod report;
#[cfg(unix)]
mod resp;
mod rules;
mod run;
mod selftest;
mod services;
mod testing;
mod toxiproxy;
mod transparency;
mod wire;
mod wire_reply;
