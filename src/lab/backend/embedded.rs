//! A node in this process: what runs where there is no real server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::base::port::{HeldPort, bind_again};
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::lab::door::Door;
use crate::lab::error::LabError;
use crate::protocol::Protocol;
use crate::protocol::memcached::server as memcached;
use crate::protocol::memcached::server::lie::LieSpec;
use crate::protocol::resp::server as resp;

/// How long a fresh node may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// What a node is started with, by what it speaks.
#[derive(Clone, Debug)]
pub enum NodeConfig {
    /// A memcached.
    Memcached(memcached::config::NodeConfig),
    /// A Redis.
    Resp(resp::config::NodeConfig),
}

impl NodeConfig {
    fn listen(&mut self) -> &mut String {
        match self {
            Self::Memcached(config) => &mut config.listen,
            Self::Resp(config) => &mut config.listen,
        }
    }
}

/// A node, by what it speaks.
#[derive(Debug)]
enum Node {
    Memcached(memcached::serve::Node),
    Resp(resp::serve::Node),
}

/// The same of either.
macro_rules! of_either {
    ($either:expr, $node:ident => $what:expr) => {
        match $either {
            Node::Memcached($node) => $what,
            Node::Resp($node) => $what,
        }
    };
}

/// An embedded node that can be killed and started again on its port.
#[derive(Debug)]
pub struct EmbeddedNode {
    config: NodeConfig,
    version: String,
    node: Option<Node>,
    /// Its port: no other node may answer in its place while it is down.
    port: HeldPort,
    door: Arc<Door>,
    scope: Scope,
}

impl EmbeddedNode {
    /// Starts a node like `config` on a free port of the loopback interface.
    ///
    /// # Errors
    /// When there is no free port.
    pub(in crate::lab) async fn start(
        mut config: NodeConfig,
        lies: &[LieSpec],
        seed: Seed,
        door: Arc<Door>,
        scope: &Scope,
    ) -> Result<Self, LabError> {
        let port = HeldPort::free(Ipv4Addr::LOCALHOST.into()).map_err(cannot_start)?;
        let address = port.address();
        *config.listen() = address.to_string();
        if let NodeConfig::Memcached(config) = &mut config {
            (config.lies, config.seed) = (lies.to_vec(), seed);
        }
        let node = launch(&config, &port, &door, scope).await?;
        let version = protocol_of(&config)
            .answers(&door.at(address), START_TIMEOUT, || true)
            .await
            .map_err(|what| LabError::Process { program: "embedded node".into(), what })?;
        let scope = scope.clone();
        Ok(Self { config, version, node: Some(node), port, door, scope })
    }

    pub(in crate::lab) fn door(&self) -> &Door {
        &self.door
    }

    /// Where it listens, also while it is down.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// What it speaks.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        protocol_of(&self.config)
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Closes every connection and drops all data.
    pub async fn kill(&mut self) {
        if let Some(node) = &self.node {
            of_either!(node, node => node.stop().await);
            // Only now: who is cut short above must wait for its port again.
            self.node = None;
        }
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Errors
    /// When somebody has its port all the same.
    pub async fn restart(&mut self) -> Result<(), LabError> {
        self.kill().await;
        self.node = Some(launch(&self.config, &self.port, &self.door, &self.scope).await?);
        Ok(())
    }

    /// Sets its clock ahead, or back.
    pub fn set_ahead(&self, seconds: i64) {
        if let Some(node) = &self.node {
            of_either!(node, node => node.set_ahead(seconds));
        }
    }

    /// Answers nothing any more; the kernel still accepts connections and data.
    pub fn pause(&self) {
        if let Some(node) = &self.node {
            of_either!(node, node => node.pause());
        }
    }

    /// Goes on.
    pub fn resume(&self) {
        if let Some(node) = &self.node {
            of_either!(node, node => node.resume());
        }
    }
}

const fn protocol_of(config: &NodeConfig) -> Protocol {
    match config {
        NodeConfig::Memcached(_) => Protocol::Memcached,
        NodeConfig::Resp(_) => Protocol::Resp,
    }
}

async fn launch(
    config: &NodeConfig,
    port: &HeldPort,
    door: &Door,
    scope: &Scope,
) -> Result<Node, LabError> {
    port.lend().map_err(cannot_start)?;
    let started = bind_again(|| async move {
        match config {
            NodeConfig::Memcached(config) => {
                let gate = door.gate();
                let started = memcached::serve::Node::start_behind(config, gate, scope).await;
                started.map(Node::Memcached)
            }
            NodeConfig::Resp(config) => {
                resp::serve::Node::start(config, scope).await.map(Node::Resp)
            }
        }
    });
    let started = started.await;
    let kept = port.keep();
    started.and_then(|node| kept.map(|()| node)).map_err(cannot_start)
}

const fn cannot_start(source: io::Error) -> LabError {
    LabError::System { what: "cannot start an embedded node", source }
}
