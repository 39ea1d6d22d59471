//! `harness`: what does a memcached client really do when a node or the network misbehaves, and is
//! the data that it returns still right?

#![forbid(unsafe_code)]

pub mod base;
pub mod cli;
pub mod client;
pub mod event;
pub mod judge;
pub mod lab;
pub mod load;
pub mod node;
pub mod plan;
pub mod proxy;
pub mod record;
pub mod report;
pub mod run;
pub mod wire;
