//! What a lab is asked to be: which nodes, where its proxies listen, who does the faults of the network.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::backend::external;
use super::backend::process::{find_program, is_program};
use super::error::{LabError, failed};
use super::fault::{FAULTS, NodeAction};
use super::members::{self, Group, Joins, Members};
use super::timeline::{FaultSpec, Step, steps};
use super::{Elsewhere, LieSpec, discovery, door, ground, injector, names, together};
use crate::base::name::NodeIndex;
use crate::protocol::Protocol;
use crate::protocol::memcached::program;
use crate::protocol::resp::program::{REDIS, VALKEY};
use crate::secure::access::Access;

/// The program that a real memcached runs.
const MEMCACHED: &str = program::NAME;

/// What message faults begin with that are memcached's own.
const OF_MEMCACHED: &str = "memcached_";

/// Why a fault of the network cannot be done.
const DIRECT: &str = "with -direct there is no proxy in between that could do it; leave it out";

/// How to build a lab.
#[derive(Clone, Debug)]
pub struct LabConfig {
    /// The nodes.
    pub nodes: Nodes,
    /// The first proxy's address; the others have the ports that follow.
    pub listen: Listen,
    /// Proxies elsewhere that stand in for ours.
    pub elsewhere: Option<Elsewhere>,
    /// Whether clients reach the nodes without a proxy in between.
    pub direct: bool,
    /// Who loses, refuses and swallows packets.
    pub network: Network,
    /// Whether the nodes have names, which a resolver of our own answers.
    pub names: bool,
    /// Groups of clients with a list of nodes each; empty: all are told of every node.
    pub groups: Vec<Group>,
    /// Nodes that nobody is told of before they join.
    pub joins: Vec<Joins>,
    /// Where other programs are.
    pub programs: Programs,
}

/// How many nodes there are, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// What they speak.
    pub protocol: Protocol,
    /// What they are.
    pub backend: Backend,
    /// How many there are.
    pub count: u16,
    /// What they lie about; only embedded ones can be told to.
    pub lies: Vec<LieSpec>,
    /// Whether clients that ask them for the list of nodes are answered, as by those of Amazon ElastiCache.
    pub discovery: bool,
    /// What they ask of who connects.
    pub access: Access,
    /// How those are started that the harness starts.
    pub program: NodeProgram,
    /// Those that differ from the rest.
    pub others: BTreeMap<NodeIndex, OtherNode>,
}

impl Nodes {
    /// So many honest nodes of one sort.
    #[must_use]
    pub const fn alike(backend: Backend, count: u16) -> Self {
        let program = NodeProgram { binary: None, args: Vec::new() };
        let protocol = match backend.protocol() {
            Some(protocol) => protocol,
            None => Protocol::Memcached,
        };
        Self {
            protocol,
            backend,
            count,
            lies: Vec::new(),
            discovery: false,
            access: Access { tls: false, auth: false, sasl: false },
            program,
            others: BTreeMap::new(),
        }
    }

    /// Whether a fault of the network is one of what these nodes speak.
    ///
    /// # Errors
    /// Whose it is.
    pub fn hear(&self, fault: &FaultSpec) -> Result<(), String> {
        match self.protocol {
            Protocol::Resp if fault.fault.kind.starts_with(OF_MEMCACHED) => Err(format!(
                "it acts on what memcached says, and the nodes speak {}",
                self.protocol.name()
            )),
            _ => Ok(()),
        }
    }

    /// Whether they run already.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        matches!(self.backend, Backend::Servers(_))
    }
}

/// How a node is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeProgram {
    /// The program, instead of the memcached on PATH.
    pub binary: Option<PathBuf>,
    /// Its arguments, which were checked, behind those of the lab.
    pub args: Vec<String>,
}

/// A node that differs from the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherNode {
    /// What it is.
    pub backend: Backend,
    /// How it is started.
    pub program: NodeProgram,
}

/// What the nodes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A real server from PATH when there is one that speaks as it should, else the embedded node.
    Auto,
    /// A real `memcached` from PATH; without one there is no run.
    Memcached,
    /// A real `redis-server`, in the same way.
    Redis,
    /// A real `valkey-server`, in the same way.
    Valkey,
    /// The node in this process.
    Embedded,
    /// Nodes that already run, one at each address.
    Servers(Vec<SocketAddr>),
}

impl Backend {
    /// The words in files and on the command line; servers have addresses instead.
    pub const WORDS: [(&str, Self); 5] = [
        ("auto", Self::Auto),
        (MEMCACHED, Self::Memcached),
        (REDIS.0, Self::Redis),
        (VALKEY.0, Self::Valkey),
        ("embedded", Self::Embedded),
    ];

    /// The word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Memcached => MEMCACHED,
            Self::Redis => REDIS.0,
            Self::Valkey => VALKEY.0,
            Self::Embedded => "embedded",
            Self::Servers(_) => "external",
        }
    }

    /// What such nodes speak, where that is not asked for.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Memcached => Some(Protocol::Memcached),
            Self::Redis | Self::Valkey => Some(Protocol::Resp),
            Self::Auto | Self::Embedded | Self::Servers(_) => None,
        }
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Whether it was asked for: then it is an error when it is taken. Else a free port serves.
    pub required: bool,
}

impl Listen {
    /// An address that was asked for.
    #[must_use]
    pub const fn on(address: SocketAddr) -> Self {
        Self { address, required: true }
    }

    /// A port of the loopback interface that gives way when it is taken; 0 is any.
    #[must_use]
    pub const fn usual(port: u16) -> Self {
        Self { address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), required: false }
    }

    /// Where the proxy at `position` listens when this is where the first one does.
    pub(super) const fn follower(mut self, position: u16) -> Self {
        if self.address.port() != 0 {
            self.address.set_port(self.address.port().saturating_add(position));
        }
        self
    }
}

/// Who does the faults of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Our proxies, on any machine.
    #[default]
    User,
    /// The kernel, where it can (as root on Linux); our proxies do what it cannot.
    Kernel,
}

impl Network {
    /// The words in files and on the command line.
    pub const WORDS: [(&str, Self); 2] = [("user", Self::User), ("kernel", Self::Kernel)];

    /// The word for it, also in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::WORDS[self as usize].0
    }
}

/// Where other programs are.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    /// The value of PATH, in which `memcached` and the tools of the network are looked for.
    pub path: OsString,
    /// The harness binary, which leashes child processes.
    pub harness: PathBuf,
}

impl LabConfig {
    /// `count` honest nodes in this process, behind our own proxies on free ports.
    #[must_use]
    pub fn embedded(count: u16) -> Self {
        Self {
            nodes: Nodes::alike(Backend::Embedded, count),
            listen: Listen::usual(0),
            elsewhere: None,
            direct: false,
            network: Network::User,
            names: false,
            groups: Vec::new(),
            joins: Vec::new(),
            programs: Programs::default(),
        }
    }

    /// Whether a lab like this can come up here and do `faults` on one timeline, as far as that is
    /// known before anything is started.
    ///
    /// # Errors
    /// The first thing that it cannot do, and why.
    pub fn can(&self, faults: &[FaultSpec]) -> Result<(), LabError> {
        names::can(self)?;
        ground::can(self)?;
        discovery::can(self)?;
        door::can(self)?;
        self.can_speak()?;
        self.can_start()?;
        self.can_list(faults)?;
        together::can(self.nodes.count, faults)?;
        faults.iter().try_for_each(|fault| self.can_do(fault).map_err(|what| failed(fault, what)))
    }

    /// Whether what the nodes are told to be is there in what they speak.
    fn can_speak(&self) -> Result<(), LabError> {
        let Nodes { protocol, lies, discovery, .. } = &self.nodes;
        let refused = match protocol {
            Protocol::Memcached => return Ok(()),
            Protocol::Resp if !lies.is_empty() => "only a memcached tells the `lies` of [nodes]",
            Protocol::Resp if *discovery => "`discovery` in [nodes] is memcached's",
            Protocol::Resp => return Ok(()),
        };
        Err(LabError::Protocol { protocol: protocol.name(), what: refused.to_owned() })
    }

    /// Whether the clock of a node is ours to set.
    fn has_clock(&self, node: NodeIndex) -> Result<(), String> {
        let is_embedded =
            !self.nodes.is_given() && self.real_server(node).is_ok_and(|it| it.is_none());
        is_embedded.then_some(()).ok_or_else(|| {
            format!(
                "{node} takes its time from its machine, and only embedded nodes have a clock of their \
                 own; write -nodes embedded"
            )
        })
    }

    /// Whether every list has somebody in it all the while, as far as times tell: what waits for something is
    /// seen when it comes.
    fn can_list(&self, faults: &[FaultSpec]) -> Result<(), LabError> {
        let mut members = Members::new(self.nodes.count, &self.groups, &self.joins);
        let of_lists: Vec<FaultSpec> =
            faults.iter().filter(|fault| members::relist(fault).is_some()).cloned().collect();
        if let (Some(fault), true) = (of_lists.first(), members.all().any(|it| it.nodes.is_empty()))
        {
            return Err(failed(
                fault,
                "nobody is in the list at first, as every node joins".to_owned(),
            ));
        }
        for (_, step) in steps(&of_lists) {
            let (Step::Apply(index) | Step::Heal(index)) = step;
            let fault = &of_lists[index];
            let (group, Some(what)) = (fault.group.as_deref(), members::relist(fault)) else {
                continue;
            };
            for node in &fault.nodes {
                match step {
                    Step::Apply(_) => {
                        members.begin(group, *node, what).map_err(|why| failed(fault, why))?;
                    }
                    Step::Heal(_) => drop(members.end(group, *node, what)),
                }
            }
        }
        Ok(())
    }

    fn can_do(&self, fault: &FaultSpec) -> Result<(), String> {
        let Some(kind) = FAULTS.find(&fault.fault.kind) else {
            if self.direct {
                return Err(DIRECT.to_owned());
            }
            self.nodes.hear(fault)?;
            return injector::can(self.elsewhere.as_ref().map(|it| it.whose), fault);
        };
        let action = kind.make(&fault.fault.settings).map_err(|error| error.what)?;
        door::can_do(self.nodes.access, *action)?;
        if let NodeAction::Clock { .. } = *action {
            return fault.nodes.iter().try_for_each(|node| self.has_clock(*node));
        }
        if let NodeAction::Name(action) = *action {
            return names::can_do(self, action, &fault.nodes);
        }
        if let NodeAction::List(_) = *action {
            return Ok(());
        }
        let Backend::Servers(addresses) = &self.nodes.backend else { return Ok(()) };
        let mut servers = fault.nodes.iter().filter_map(|node| addresses.get(node.position()));
        servers.try_for_each(|address| external::can(*address, *action))
    }

    /// The real server that a node runs, where it runs one.
    pub(super) fn real_server(&self, node: NodeIndex) -> Result<Option<RealServer>, LabError> {
        let (backend, NodeProgram { binary, .. }) = self.nodes.of(node);
        let wanted: &[(&'static str, &str)] = match (backend, self.nodes.protocol) {
            (Backend::Embedded | Backend::Servers(_), _) => return Ok(None),
            (Backend::Redis, _) => &[REDIS],
            (Backend::Valkey, _) => &[VALKEY],
            (Backend::Memcached, _) | (Backend::Auto, Protocol::Memcached) => {
                &[(MEMCACHED, MEMCACHED)]
            }
            (Backend::Auto, Protocol::Resp) => &[REDIS, VALKEY],
        };
        if let Some(binary) = binary {
            let is_named = |(_, program): &&(&str, &str)| binary.ends_with(program);
            let (name, _) = wanted.iter().find(is_named).unwrap_or(&wanted[0]);
            return match is_program(binary) {
                true => Ok(Some(RealServer { name, program: binary.clone() })),
                false => Err(LabError::Binary { node, path: binary.clone() }),
            };
        }
        let find = |(name, program): &(&'static str, &str)| {
            let program = find_program(program, &self.programs.path)?;
            Some(RealServer { name, program })
        };
        match wanted.iter().find_map(find) {
            None if *backend != Backend::Auto => Err(LabError::NoServer(wanted[0].1.to_owned())),
            found => Ok(found),
        }
    }
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RealServer {
    /// What it is called in reports.
    pub(super) name: &'static str,
    /// Its program.
    pub(super) program: PathBuf,
}
