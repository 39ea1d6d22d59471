//! `harness`: what does a memcached client really do when a node or the network misbehaves, and is
//! the data that it returns still right?
//!
//! ```text
//!            scenarios/ workloads/ metrics/                            runs/<name>/<time>/
//!                       │                                                      ▲
//!  argv ──► cli ──► ▌ plan ▐ ──► lab: nodes + proxies                          │
//!                       │          ▲      │ bytes  ▌ frame ▐                   │
//!                       │   nemesis│      ▼                                    │
//!                       └────────► load ──► client ──► ▌ event ▐ ──► record ──► judge ──► report
//! ```
//! Read [`run`] to see a run put together, [`event`] for the words of every result, [`plan`] for what
//! can be asked, and `ARCHITECTURE.md` for who may name whom. Three invariants hold everywhere:
//! decisions are pure and take their time and randomness as arguments, only [`base::scope::Scope`]
//! spawns, and a connection in doubt is closed, never reused.

#![deny(unsafe_code)]

pub mod base;
pub mod check;
pub mod cli;
pub mod client;
pub mod control;
pub mod driver;
pub mod event;
pub mod fleet;
pub mod http;
pub mod judge;
pub mod lab;
pub mod load;
pub mod metrics;
pub mod plan;
pub mod protocol;
pub mod proxy;
pub mod record;
pub mod report;
pub mod run;
pub mod secure;
mod subject;
pub mod testing;
pub mod view;
