//! The way of the bytes: where clients come in, the connection of each, and the link that reads, waits
//! and writes for both of its directions.

pub(super) mod connection;
pub(super) mod held;
pub(super) mod link;
pub(super) mod listener;
pub(super) mod serve;
pub(super) mod sockets;
pub(super) mod upstream;
