//! The system under fault: nodes, a proxy in front of each, and whoever breaks them.
//!
//! It knows neither the client nor the load. Whatever the client heals from, it noticed itself.

pub mod fault;
pub mod timeline;
