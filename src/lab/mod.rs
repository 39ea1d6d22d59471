//! The system under fault: nodes, a proxy in front of each, and whoever breaks them.
//!
//! ```text
//! client ──► proxy n1 ──► node n1      nemesis ──► injector ──► toxics of the proxies
//!       └──► proxy n2 ──► node n2              └─► backend  ──► the nodes' processes
//! ```
//! It knows neither the client nor the load. Whatever the client heals from, it noticed itself.

pub mod backend;
pub mod error;
pub mod fault;
mod ground;
pub mod injector;
pub mod nemesis;
#[cfg(target_os = "linux")]
pub mod network;
pub mod statistics;
pub mod timeline;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use self::backend::embedded::EmbeddedNode;
use self::backend::external::{self, ExternalNode};
use self::backend::process::{ProcessConfig, ProcessNode, Supervisor};
use self::backend::{Backend, NodeInfo};
use self::error::LabError;
use self::fault::{FAULTS, NodeAction};
use self::ground::Ground;
use self::injector::Injector;
use self::nemesis::failed;
use self::timeline::FaultSpec;
use crate::base::name::NodeIndex;
use crate::base::scope::{Closed, Scope};
use crate::base::seed::Seed;
use crate::event::Events;
pub use crate::protocol::memcached::server::lie::{LIES, LieSpec, LieSpecError};
use crate::proxy::{Dial, ProxyConfig, ProxyError, ProxySet};

/// How long the tasks of a lab may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// Where the nodes run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Child processes of this `memcached`.
    Memcached {
        /// The program.
        program: PathBuf,
        /// The harness binary, which leashes the children.
        harness: PathBuf,
    },
    /// Tasks of this process.
    Embedded,
    /// Servers that already run, one for each node.
    External(Vec<String>),
}

/// An address for a proxy to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Whether somebody asked for it: then a taken address is an error, not a reason to look for
    /// another.
    pub explicit: bool,
}

impl Listen {
    /// Any free port of the loopback interface.
    pub const ANY: Self =
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0), explicit: false };
}

/// How to build a lab.
#[derive(Clone, Debug)]
pub struct LabConfig {
    /// Where the nodes run.
    pub nodes: Nodes,
    /// How many; for external nodes, as many as there are addresses.
    pub count: u16,
    /// Memory for items of each node, in MiB.
    pub memory_mib: u32,
    /// What embedded nodes lie about; usually nothing.
    pub lies: Vec<LieSpec>,
    /// Where the proxies listen, one for each node.
    pub listen: Vec<Listen>,
    /// The control address of an external Toxiproxy, whose proxies stand in for ours.
    pub toxiproxy: Option<String>,
    /// Who loses, refuses and swallows packets.
    pub network: Network,
}

/// Who does the faults of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Our proxies.
    #[default]
    User,
    /// The kernel, with these programs, where it can; our proxies where it cannot.
    Kernel {
        /// `ip`, of iproute2.
        ip: PathBuf,
        /// `nft`, of nftables.
        nft: PathBuf,
    },
}

impl LabConfig {
    /// Whether a lab like this can come up here and do `faults` on one timeline, as far as that is
    /// known before anything is started.
    ///
    /// # Errors
    /// The first thing that it cannot do, and why.
    pub fn can(&self, faults: &[FaultSpec]) -> Result<(), LabError> {
        ground::can(self)?;
        faults.iter().try_for_each(|fault| self.can_do(fault).map_err(|what| failed(fault, what)))
    }

    fn can_do(&self, fault: &FaultSpec) -> Result<(), String> {
        let Some(kind) = FAULTS.find(&fault.fault.kind) else {
            return injector::can(self.toxiproxy.is_some(), fault);
        };
        let action = kind.make(&fault.fault.settings).map_err(|error| error.what)?;
        let Nodes::External(addresses) = &self.nodes else { return Ok(()) };
        let mut servers = fault.nodes.iter().filter_map(|node| addresses.get(node.position()));
        servers.try_for_each(|address| external::can(address, *action))
    }
}

/// What is called when a node loses its data, before it does.
pub type DataLost = Arc<dyn Fn(NodeIndex) + Send + Sync>;

/// The running system.
pub struct Lab {
    nodes: Vec<Mutex<Backend>>,
    info: Vec<NodeInfo>,
    injector: Injector,
    proxies: ProxySet,
    data_lost: DataLost,
    notices: Vec<String>,
    lies: Vec<LieSpec>,
    network: Scope,
    scope: Scope,
}

impl Lab {
    /// Starts every node, waits until each answers, and puts a proxy in front of it.
    ///
    /// # Errors
    /// When a node does not come up or a proxy cannot listen. Nothing is left running.
    pub async fn start(
        config: &LabConfig,
        seed: Seed,
        events: Events,
        data_lost: DataLost,
        scope: &Scope,
    ) -> Result<Self, LabError> {
        let scope = scope.child("lab");
        let started = Self::assemble(config, seed, events, data_lost, &scope).await;
        if started.is_err() {
            scope.close(CLOSE_GRACE).await;
        }
        started
    }

    async fn assemble(
        config: &LabConfig,
        seed: Seed,
        events: Events,
        data_lost: DataLost,
        scope: &Scope,
    ) -> Result<Self, LabError> {
        let nodes = start_nodes(config, seed, scope).await?;
        let network = scope.child("network");
        let ground = Ground::prepare(config, nodes.len(), &network).await?;
        let sockets = ground.sockets();
        let proxies = ProxySet::listening_on(sockets, seed.fork("proxy"), events, &network);
        let mut notices = Vec::new();
        let (injector, addresses) = match &config.toxiproxy {
            Some(address) => {
                notices.push(format!(
                    "Toxiproxy at {address} stands in for our proxies: nothing counts what passes \
                     on the wire"
                ));
                let upstreams = (0..).map(NodeIndex).zip(nodes.iter().map(Backend::address));
                let upstreams: Vec<_> = upstreams.collect();
                Injector::toxiproxy(address, &upstreams, &network)
                    .await
                    .map_err(|what| LabError::Toxiproxy { address: address.clone(), what })?
            }
            None => {
                let listen = ground.listen(config, nodes.len());
                let addresses = put_proxies(&proxies, &listen, &nodes, &mut notices).await?;
                (ground.injector(proxies.clone()), addresses)
            }
        };
        let info = (0..).map(NodeIndex).zip(&nodes).zip(addresses);
        let info = info.map(|((node, backend), proxy_address)| NodeInfo {
            node,
            backend: backend.name(),
            address: backend.address(),
            proxy_address,
            version: backend.version().to_owned(),
        });
        let info = info.collect();
        Ok(Self {
            nodes: nodes.into_iter().map(Mutex::new).collect(),
            info,
            injector,
            proxies,
            data_lost,
            notices,
            lies: config.lies.clone(),
            network,
            scope: scope.clone(),
        })
    }

    /// What a report says of each node.
    #[must_use]
    pub fn info(&self) -> &[NodeInfo] {
        &self.info
    }

    /// What a person should know about how the lab came up: a port that was taken, say.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What the nodes were told to lie about, in a sentence; `None`: they are honest.
    #[must_use]
    pub fn lies(&self) -> Option<String> {
        let lies: Vec<String> = self.lies.iter().map(LieSpec::to_string).collect();
        (!lies.is_empty())
            .then(|| format!("the nodes lie, as they were told to: {}", lies.join(", ")))
    }

    /// The proxies, for the control API and the taps.
    #[must_use]
    pub const fn proxies(&self) -> &ProxySet {
        &self.proxies
    }

    /// Who breaks the network.
    #[must_use]
    pub(crate) const fn injector(&self) -> &Injector {
        &self.injector
    }

    /// Whether what passes the proxies is counted: not by an external Toxiproxy.
    #[must_use]
    pub const fn has_taps(&self) -> bool {
        self.injector.has_taps()
    }

    /// The nodes whose process ended although nothing told it to. A node to which something is
    /// being done right now is left out.
    #[must_use]
    pub fn died(&self) -> Vec<NodeIndex> {
        let died = |node: &Mutex<Backend>| node.try_lock().is_ok_and(|mut node| node.died());
        let nodes = self.nodes.iter().zip(&self.info);
        nodes.filter(|(node, _)| died(node)).map(|(_, info)| info.node).collect()
    }

    /// Ends the proxies and the nodes, and waits for them.
    pub async fn close(self) -> Closed {
        self.injector.close().await;
        let network = self.network.close(CLOSE_GRACE).await;
        for node in self.nodes {
            node.into_inner().close().await;
        }
        let rest = self.scope.close(CLOSE_GRACE).await;
        if network == Closed::Clean { rest } else { network }
    }

    pub(crate) fn data_lost(&self, node: NodeIndex) {
        (self.data_lost)(node);
    }

    pub(crate) async fn begin(&self, node: NodeIndex, action: NodeAction) -> Result<(), String> {
        self.nodes[node.position()].lock().await.begin(action).await
    }

    pub(crate) async fn end(&self, node: NodeIndex, action: NodeAction) -> Result<(), String> {
        self.nodes[node.position()].lock().await.end(action).await
    }
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("info", &self.info).finish_non_exhaustive()
    }
}

async fn start_nodes(
    config: &LabConfig,
    seed: Seed,
    scope: &Scope,
) -> Result<Vec<Backend>, LabError> {
    let mut nodes = Vec::new();
    match &config.nodes {
        Nodes::Memcached { program, harness } => {
            let supervisor = Supervisor::start(scope)
                .map_err(|source| LabError::System { what: "cannot start a thread", source })?;
            for _ in 0..config.count {
                let process = ProcessConfig {
                    program: program.clone(),
                    harness: harness.clone(),
                    memory_mib: config.memory_mib,
                };
                nodes
                    .push(Backend::Process(ProcessNode::start(process, supervisor.clone()).await?));
            }
        }
        Nodes::Embedded => {
            for index in 0..config.count {
                let seed = seed.fork("node").index(index.into());
                let node = EmbeddedNode::start(config.memory_mib, &config.lies, seed, scope);
                nodes.push(Backend::Embedded(node.await?));
            }
        }
        Nodes::External(addresses) => {
            for address in addresses {
                nodes.push(Backend::External(ExternalNode::reach(address).await?));
            }
        }
    }
    Ok(nodes)
}

/// Puts a proxy in front of every node; returns where they listen.
async fn put_proxies(
    proxies: &ProxySet,
    listen: &[Listen],
    nodes: &[Backend],
    notices: &mut Vec<String>,
) -> Result<Vec<SocketAddr>, LabError> {
    let mut addresses = Vec::with_capacity(nodes.len());
    for (node, backend) in (0..).map(NodeIndex).zip(nodes) {
        let listen = listen.get(node.position()).copied().unwrap_or(Listen::ANY);
        addresses.push(put_proxy(proxies, node, listen, backend, notices).await?);
    }
    Ok(addresses)
}

/// Puts a proxy in front of a node; when the usual port is taken and nobody asked for it, on a free
/// one, with a notice.
async fn put_proxy(
    proxies: &ProxySet,
    node: NodeIndex,
    listen: Listen,
    backend: &Backend,
    notices: &mut Vec<String>,
) -> Result<SocketAddr, LabError> {
    let config = |address: SocketAddr| ProxyConfig {
        name: node.to_string(),
        listen: address.to_string(),
        upstream: backend.address().to_string(),
        enabled: true,
        dial: Dial::Eager,
        node: Some(node),
        toxics: Vec::new(),
    };
    let mut created = proxies.create(config(listen.address)).await;
    if created.is_err() && !listen.explicit {
        let free = SocketAddr::new(listen.address.ip(), 0);
        created = proxies.create(config(free)).await;
        if let Ok(view) = &created {
            notices.push(format!(
                "{} is taken: the proxy of {node} listens on {} instead",
                listen.address, view.listen
            ));
        }
    }
    let error = |problem: ProxyError| LabError::Listen {
        address: listen.address.to_string(),
        what: problem.to_string(),
        flag: "-listen",
    };
    let view = created.map_err(error)?;
    // Before the first client, so that the tap is certain of every request from the start.
    proxies.tell_version(&view.name, backend.version()).map_err(error)?;
    view.listen.parse().map_err(|_| LabError::Listen {
        address: view.listen.clone(),
        what: "the bound address cannot be read".into(),
        flag: "-listen",
    })
}
