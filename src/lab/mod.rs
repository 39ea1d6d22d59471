//! The system under fault: nodes, a proxy in front of each, and whoever breaks them.
//!
//! ```text
//! client ──► proxy n1 ──► node n1      nemesis ──► injector ──► toxics of the proxies
//!       └──► proxy n2 ──► node n2              └─► backend  ──► the nodes' processes
//! ```
//! It knows neither the client nor the load. Whatever the client heals from, it noticed itself.

mod act;
mod arguments;
pub mod backend;
mod config;
mod discovery;
mod door;
mod elsewhere;
mod entrance;
pub mod error;
pub mod fault;
mod ground;
pub mod injector;
pub mod members;
pub mod names;
pub mod nemesis;
#[cfg(target_os = "linux")]
pub mod network;
mod own_keys;
mod saslauthd;
pub mod statistics;
pub mod timeline;
mod together;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Mutex;

pub use self::arguments::{check_arguments, embedded as embedded_arguments};
use self::backend::embedded::EmbeddedNode;
use self::backend::external::ExternalNode;
use self::backend::process::{CONNECTIONS_MAX, ProcessConfig, ProcessNode, Supervisor};
use self::backend::{NodeInfo, RunningNode};
use self::config::RealServer;
pub use self::config::{
    Backend, LabConfig, Listen, Network, NodeProgram, Nodes, OtherNode, Programs,
};
use self::discovery::Discovery;
use self::door::{Door, Keyring};
pub use self::door::{UNREADABLE, refusal};
pub use self::elsewhere::{Elsewhere, Whose};
use self::entrance::put_proxies;
use self::error::LabError;
use self::ground::Ground;
use self::injector::Injector;
use self::members::{Listed, Members};
use self::names::Names;
use self::own_keys::OwnKeys;
use crate::base::name::NodeIndex;
use crate::base::scope::{Closed, Scope};
use crate::base::seed::Seed;
use crate::event::Events;
use crate::protocol::Protocol;
use crate::protocol::memcached::entry::Entry;
pub use crate::protocol::memcached::server::lie::{LIES, LieSpec, LieSpecError};
use crate::protocol::probe::At;
use crate::proxy::ProxySet;
use crate::secure::access::Invitation;

/// Memory for items of a node that the harness starts, in MiB.
const MEMORY_MIB: u32 = 64;

/// How long the tasks of a lab may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// What is called when a node loses its data, before it does.
pub type DataLost = Arc<dyn Fn(NodeIndex) + Send + Sync>;

/// Who is told that a list of nodes is another one now; returns whether its client took it, where that is known.
pub type Relisted = Box<dyn Fn(&Listed) -> Option<bool> + Send + Sync>;

/// Who has to know, before a node loses its data, that it will.
pub type Losing = Box<dyn Fn(NodeIndex) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The running system.
pub struct Lab {
    nodes: Vec<Mutex<RunningNode>>,
    info: Vec<NodeInfo>,
    injector: Injector,
    proxies: ProxySet,
    names: Option<Names>,
    /// What nodes and clients need to know each other; `None`: everybody is let in.
    keyring: Option<Arc<Keyring>>,
    doors: Vec<Arc<Door>>,
    members: parking_lot::Mutex<Members>,
    /// What nodes answer who asks them for the list, where they do.
    discovery: Option<Mutex<Discovery>>,
    relisted: OnceLock<Relisted>,
    /// Requests to all nodes when faults changed a list.
    listed_at: parking_lot::Mutex<act::ListedAt>,
    data_lost: DataLost,
    losing: OnceLock<Losing>,
    own_keys: OwnKeys,
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
        let keyring = Keyring::make(config.nodes.access, seed.fork("account"))?;
        let doors = config.nodes.indices();
        let doors = doors.map(|node| Door::make(keyring.as_ref(), config, node).map(Arc::new));
        let doors = doors.collect::<Result<Vec<_>, LabError>>()?;
        doors.iter().try_for_each(|door| door.answer_sasl(scope))?;
        let nodes = start_nodes(config, &doors, seed, scope).await?;
        let network = scope.child("network");
        let ground = Ground::prepare(config, nodes.len(), &network).await?;
        let names = match config.names {
            true => Some(Names::start(config, &network).await?),
            false => None,
        };
        let sockets = ground.sockets();
        let proxies = ProxySet::listening_on(sockets, seed.fork("proxy"), events, &network);
        let mut notices = told_arguments(&config.nodes);
        notices.extend(door::notices(config.nodes.access));
        let (injector, addresses) = match &config.elsewhere {
            Some(elsewhere) => {
                notices.push(format!(
                    "{} at {} stands in for our proxies: nothing counts what passes on the wire",
                    elsewhere.whose.name(),
                    elsewhere.address
                ));
                let upstreams = (0..).map(NodeIndex).zip(nodes.iter().map(RunningNode::address));
                let upstreams: Vec<_> = upstreams.collect();
                Injector::elsewhere(elsewhere, config.nodes.protocol, &upstreams, &network)
                    .await
                    .map_err(|what| LabError::Elsewhere { elsewhere: elsewhere.clone(), what })?
            }
            None if config.direct => {
                notices.push(
                    "no proxy stands in between (-direct): nothing counts what passes on the wire"
                        .to_owned(),
                );
                let addresses = nodes.iter().map(RunningNode::address).collect();
                (Injector::Nobody, addresses)
            }
            None => {
                let listen = ground.listen(config, nodes.len(), names.as_ref());
                let addresses = put_proxies(&proxies, &listen, &nodes, &mut notices).await?;
                (ground.injector(proxies.clone()), addresses)
            }
        };
        if config.nodes.access.auth {
            proxies.know_login();
        }
        let members = Members::new(config.nodes.count, &config.groups, &config.joins);
        if let Some(names) = &names {
            names.know(&addresses, config.network);
            if let Some(listed) = members.all().next() {
                names.list(&listed.nodes);
            }
            notices.push(names.notice());
        }
        let info = (0..).map(NodeIndex).zip(&nodes).zip(addresses);
        let info = info.map(|((node, backend), proxy_address)| NodeInfo {
            node,
            backend: backend.name(),
            protocol: backend.protocol(),
            address: backend.address(),
            proxy_address,
            server: match names {
                Some(_) => Names::of(node, proxy_address),
                None => proxy_address.to_string(),
            },
            version: backend.version().to_owned(),
        });
        let info = info.collect();
        let lab = Self {
            nodes: nodes.into_iter().map(Mutex::new).collect(),
            info,
            injector,
            proxies,
            names,
            keyring,
            doors,
            members: parking_lot::Mutex::new(members),
            discovery: config.nodes.discovery.then(Mutex::default),
            relisted: OnceLock::new(),
            listed_at: parking_lot::Mutex::default(),
            data_lost,
            losing: OnceLock::new(),
            own_keys: OwnKeys::default(),
            notices,
            lies: config.nodes.lies.clone(),
            network,
            scope: scope.clone(),
        };
        lab.tell_discovery().await.map_err(LabError::Discovery)?;
        Ok(lab)
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

    /// The names of the nodes, where they have any.
    #[must_use]
    pub const fn names(&self) -> Option<&Names> {
        self.names.as_ref()
    }

    /// Who breaks the network.
    #[must_use]
    pub(crate) const fn injector(&self) -> &Injector {
        &self.injector
    }

    /// Whether what passes the proxies is understood and counted: not by proxies elsewhere, and not where it
    /// is in TLS.
    #[must_use]
    pub fn has_taps(&self) -> bool {
        self.injector.has_taps() && !self.speaks_tls()
    }

    /// Whether the nodes speak TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.invitation().authority.is_some()
    }

    /// What clients are told, so that they are let in.
    #[must_use]
    pub fn invitation(&self) -> Invitation {
        self.keyring.as_ref().map(|keyring| keyring.invitation()).unwrap_or_default()
    }

    /// How a client in this process is let in.
    #[must_use]
    pub fn entry(&self) -> Entry {
        self.keyring.as_ref().map(|keyring| keyring.entry()).unwrap_or_default()
    }

    /// How whoever started the nodes asks one of them something, now and later.
    pub fn asking(&self, info: &NodeInfo) -> impl Fn() -> At + Clone + Send + Sync + use<> {
        let (door, address) = (self.doors.get(info.node.position()).cloned(), info.address);
        move || door.as_ref().map_or_else(|| address.into(), |door| door.at(address))
    }

    /// The nodes whose process ended although nothing told it to. A node to which something is
    /// being done right now is left out.
    #[must_use]
    pub fn died(&self) -> Vec<NodeIndex> {
        let died = |node: &Mutex<RunningNode>| node.try_lock().is_ok_and(|mut node| node.died());
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

    /// From now on whoever this tells has to know before a node loses its data. The first to ask does.
    pub fn on_losing(&self, losing: Losing) {
        let _ = self.losing.set(losing);
    }

    /// A node is about to lose its data: waits until all know who have to.
    pub(crate) async fn losing(&self, node: NodeIndex) {
        if let Some(losing) = self.losing.get() {
            losing(node).await;
        }
    }

    pub(crate) fn data_lost(&self, node: NodeIndex) {
        (self.data_lost)(node);
    }
}

impl std::fmt::Debug for Lab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lab").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What whoever looks on should know of nodes that are not started as usual.
fn told_arguments(nodes: &Nodes) -> Vec<String> {
    let told = nodes.indices().filter_map(|node| {
        let args = &nodes.of(node).1.args;
        (!args.is_empty()).then(|| format!("{node} is started with {}", args.join(" ")))
    });
    told.collect()
}

async fn start_nodes(
    config: &LabConfig,
    doors: &[Arc<Door>],
    seed: Seed,
    scope: &Scope,
) -> Result<Vec<RunningNode>, LabError> {
    let mut nodes = Vec::new();
    if let Backend::Servers(addresses) = &config.nodes.backend {
        for address in addresses {
            nodes.push(RunningNode::External(
                ExternalNode::reach(*address, config.nodes.protocol).await?,
            ));
        }
        return Ok(nodes);
    }
    let mut supervisor = None;
    for node in config.nodes.indices() {
        let NodeProgram { args, .. } = config.nodes.of(node).1;
        let refused = |what| LabError::Arguments { node, what };
        let protocol = config.nodes.protocol;
        let door = Arc::clone(&doors[node.position()]);
        let usual = ["-c".to_owned(), CONNECTIONS_MAX.to_string()];
        let usual = usual.into_iter().chain(["-m".to_owned(), MEMORY_MIB.to_string()]);
        let words: Vec<String> = usual.chain(args.iter().cloned()).collect();
        let Some(RealServer { name, program }) = config.real_server(node)? else {
            let to_be = arguments::to_be(protocol, &words).map_err(refused)?;
            let seed = seed.fork("node").index(node.0.into());
            let lies = &config.nodes.lies;
            let started = EmbeddedNode::start(to_be, lies, seed, door, scope).await?;
            nodes.push(RunningNode::Embedded(started));
            continue;
        };
        let supervisor = match &supervisor {
            Some(supervisor) => supervisor,
            None => supervisor.insert(
                Supervisor::start(scope)
                    .map_err(|source| LabError::System { what: "cannot start a thread", source })?,
            ),
        };
        let (settings, args) = match protocol {
            Protocol::Memcached => ((MEMORY_MIB, CONNECTIONS_MAX), args.clone()),
            Protocol::Resp => (arguments::of_resp(&words).map_err(refused)?, Vec::new()),
        };
        let (memory_mib, connections) = settings;
        let harness = config.programs.harness.clone();
        let process =
            ProcessConfig { name, protocol, program, harness, memory_mib, connections, args, door };
        nodes.push(RunningNode::Process(ProcessNode::start(process, supervisor.clone()).await?));
    }
    Ok(nodes)
}
