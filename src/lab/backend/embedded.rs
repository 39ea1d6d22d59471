//! A node in this process: what runs where there is no memcached.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::port::HeldPort;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::lab::error::LabError;
use crate::protocol::memcached::probe;
use crate::protocol::memcached::server::config::NodeConfig;
use crate::protocol::memcached::server::lie::LieSpec;
use crate::protocol::memcached::server::serve::Node;

/// How long a fresh node may take until it answers `version`.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// An embedded node that can be killed and started again on its port.
#[derive(Debug)]
pub struct EmbeddedNode {
    config: NodeConfig,
    address: SocketAddr,
    version: String,
    node: Option<Node>,
    /// Its port, while it is down: no other node may answer in its place.
    port: Option<HeldPort>,
    scope: Scope,
}

impl EmbeddedNode {
    /// Starts a node like `config` on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(
        config: NodeConfig,
        lies: &[LieSpec],
        seed: Seed,
        scope: &Scope,
    ) -> Result<Self, LabError> {
        let listen = NodeConfig::default().listen;
        let config = NodeConfig { listen, lies: lies.to_vec(), seed, ..config };
        let node = launch(&config, scope).await?;
        let address = node.address();
        let config = NodeConfig { listen: address.to_string(), ..config };
        let version = probe::answers(address, START_TIMEOUT, || true)
            .await
            .map_err(|what| LabError::Process { program: "embedded node".into(), what })?;
        Ok(Self { config, address, version, node: Some(node), port: None, scope: scope.clone() })
    }

    /// Where it listens, also while it is down.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it says to `version`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Closes every connection and drops all data.
    pub async fn kill(&mut self) {
        if let Some(node) = &self.node {
            node.stop().await;
            // Only now: who is cut short above must wait for its port again.
            self.node = None;
            // Somebody who was quicker will be found by the restart.
            self.port = HeldPort::hold(self.address).ok();
        }
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Errors
    /// When the port was taken meanwhile.
    pub async fn restart(&mut self) -> Result<(), LabError> {
        self.kill().await;
        self.port = None;
        self.node = Some(launch(&self.config, &self.scope).await?);
        Ok(())
    }

    /// Sets its clock ahead, or back.
    pub fn set_ahead(&self, seconds: i64) {
        if let Some(node) = &self.node {
            node.set_ahead(seconds);
        }
    }

    /// Answers nothing any more; the kernel still accepts connections and data.
    pub fn pause(&self) {
        if let Some(node) = &self.node {
            node.pause();
        }
    }

    /// Goes on.
    pub fn resume(&self) {
        if let Some(node) = &self.node {
            node.resume();
        }
    }
}

async fn launch(config: &NodeConfig, scope: &Scope) -> Result<Node, LabError> {
    Node::start(config, scope)
        .await
        .map_err(|source| LabError::System { what: "cannot start an embedded node", source })
}
