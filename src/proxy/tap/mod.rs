//! What passed: counted, timed, and the last of it remembered.

pub(super) mod asked;
pub(super) mod flight;
pub(super) mod keys;
pub(super) mod latency;
pub(super) mod meter;
pub(super) mod reuse;
pub(super) mod shared;
pub(super) mod sought;
pub(super) mod timeline;
pub(super) mod view;
