//! What a node is started with.

use crate::base::units::ByteSize;

/// What a node is started with. The default is on a free port of the loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Where to listen: `host:port`; port 0 for a free one.
    pub listen: String,
    /// The most that all items may weigh together.
    pub memory: ByteSize,
    /// How many connections are taken; a further one is told so and closed.
    pub max_connections: u32,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            memory: ByteSize(64 << 20),
            max_connections: 10_000,
        }
    }
}
