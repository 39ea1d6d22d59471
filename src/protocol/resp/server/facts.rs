//! What a node knows about itself apart from its items.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// What a node knows about itself apart from its items.
#[derive(Debug, Default)]
pub struct Facts {
    /// The port it listens on.
    pub port: u16,
    /// How many connections it takes.
    pub max_connections: u64,
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections taken since the start.
    pub connections_total: AtomicU64,
    /// Connections refused since the start.
    pub connections_rejected: AtomicU64,
    /// Commands.
    pub commands: AtomicU64,
    /// Bytes read.
    pub read_bytes: AtomicU64,
    /// Bytes written.
    pub written_bytes: AtomicU64,
}

impl Facts {
    pub(super) fn count_command(&self) {
        self.commands.fetch_add(1, Relaxed);
    }
}
