//! Names for the nodes, which resolve through a resolver of the lab's own: `-names`.
//!
//! ```text
//! subject ── n1.harness.test? ──► server ──► table ◄── faults: a node moves, leaves, ...
//!       └──► the address that it was told ──► proxy of n1 ──► n1
//! ```
//! Every proxy has an address of its own, so that a node can move and keep its port, and an address more
//! to move to. Clients see the names as in production, through the resolver of their system, because they
//! are started with another `/etc/resolv.conf`.

mod answer;
mod launcher;
mod server;
mod table;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;

use self::launcher::Launcher;
use self::server::{PORT, Server, SharedTable, neighbour};
use self::table::{Answer, Asked, Record, Table, name_of};
use super::error::LabError;
use super::fault::{NameAction, Old};
use super::{LabConfig, Listen, Network};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::proxy::{ProxySet, ProxyUpdate};

/// The first proxy's place in the network of a lab.
const FIRST: u8 = 1;
/// The place to which the first node moves; there are at most so many nodes.
const FIRST_SPARE: u8 = 101;

/// Why a fault of names cannot be done.
const NEEDS_NAMES: &str =
    "it changes what a name stands for, and nodes have names with -names only";

/// Whether a lab with names can come up, as far as that is known beforehand.
pub(super) fn can(config: &LabConfig) -> Result<(), LabError> {
    if !config.names {
        return Ok(());
    }
    let refused = |what: String| Err(LabError::Names(what));
    if config.toxiproxy.is_some() {
        return refused("a Toxiproxy has addresses of its own; leave -toxiproxy out".to_owned());
    }
    if config.direct {
        return refused("the names are those of the proxies; leave -direct out".to_owned());
    }
    if !cfg!(target_os = "linux") {
        return refused(
            "only Linux starts a program with another resolver; leave it out".to_owned(),
        );
    }
    Server::may_listen().map_err(cannot_listen)?;
    Launcher::way(&config.programs.path).map(drop).map_err(LabError::Names)
}

/// Whether a lab like this can do `action` to `nodes`.
pub(super) fn can_do(
    config: &LabConfig,
    action: NameAction,
    nodes: &[NodeIndex],
) -> Result<(), String> {
    if !config.names {
        return Err(NEEDS_NAMES.to_owned());
    }
    if config.network == Network::Kernel {
        return Err("with -network kernel a node has one address; leave it out".to_owned());
    }
    let other = NameAction::Move(Old::Other);
    if action == other && (config.nodes.count < 2 || nodes.len() > 1) {
        return Err("the other node that answers at the old address is the next one, and must \
                    not move itself; name one node of several"
            .to_owned());
    }
    Ok(())
}

fn cannot_listen(error: std::io::Error) -> LabError {
    LabError::Names(format!(
        "its resolver cannot listen on port {PORT} ({error}), and resolv.conf knows no other; run as root, \
         or allow it: sysctl net.ipv4.ip_unprivileged_port_start={PORT}"
    ))
}

/// The names of a lab.
#[derive(Debug)]
pub struct Names {
    table: SharedTable,
    server: SocketAddr,
    launcher: Launcher,
    /// Of nodes that are moving: the requests that do not count as touched by it.
    before: Mutex<BTreeMap<NodeIndex, u64>>,
}

impl Names {
    /// Takes a network for the proxies, and answers questions in it.
    pub(super) async fn start(config: &LabConfig, scope: &Scope) -> Result<Self, LabError> {
        let way = Launcher::way(&config.programs.path).map_err(LabError::Names)?;
        let listening = Server::in_free_network().await.map_err(cannot_listen)?;
        let system = |source| LabError::System { what: "no files for names", source };
        let server = listening.address().map_err(system)?;
        let launcher = Launcher::new(way, server.ip()).map_err(system)?;
        let table: SharedTable = Arc::default();
        listening.serve(&table, scope);
        Ok(Self { table, server, launcher, before: Mutex::default() })
    }

    /// Where the proxies listen, each at an address of its own.
    pub(super) fn listen(&self, config: &LabConfig) -> Vec<Listen> {
        let port = config.listen.address.port();
        let listen = |position| Listen {
            address: SocketAddr::new(neighbour(self.server.ip(), FIRST + position), port),
            required: false,
        };
        (0..u8::try_from(config.nodes.count).unwrap_or(u8::MAX - FIRST)).map(listen).collect()
    }

    /// The proxies listen there: from now on their names are known.
    pub(super) fn know(&self, addresses: &[SocketAddr], network: Network) {
        let spare = |(position, address): (u8, &SocketAddr)| {
            let spare = neighbour(self.server.ip(), FIRST_SPARE + position);
            let spare = SocketAddr::new(spare, address.port());
            (*address, (network == Network::User).then_some(spare))
        };
        *self.table.lock() = Table::new((0..).zip(addresses).map(spare));
    }

    /// The name of a node, and where it is now.
    pub(super) fn current(&self, node: NodeIndex) -> Option<(String, SocketAddr)> {
        self.table.lock().current(node).map(|address| (name_of(node), address))
    }

    /// What a client is told to connect to: the name of a node, and its port.
    pub(super) fn of(node: NodeIndex, address: SocketAddr) -> String {
        format!("{}:{}", name_of(node), address.port())
    }

    /// What a name stands for now, for a client in this process.
    pub fn resolver(&self) -> impl Fn(&str) -> Option<IpAddr> + Send + Sync + use<> {
        let table = Arc::clone(&self.table);
        move |name: &str| match table.lock().answer(name, Asked::V4) {
            Answer::Records(records) => records.into_iter().find_map(|record| match record {
                Record::Address(address) => Some(address),
                Record::Service { .. } => None,
            }),
            Answer::Unknown | Answer::Refused => None,
        }
    }

    /// The words that start a program so that it resolves these names.
    #[must_use]
    pub fn launcher(&self) -> [OsString; 2] {
        self.launcher.words()
    }

    /// What whoever looks on should know.
    pub(super) fn notice(&self) -> String {
        let [shell, script] = self.launcher();
        format!(
            "{} answers for harness.test; `{} {} COMMAND` starts a command that asks there",
            self.server,
            shell.display(),
            script.display()
        )
    }

    /// Begins `action`; returns when connections and answers are as it wants.
    pub(super) async fn begin(
        &self,
        node: NodeIndex,
        action: NameAction,
        proxies: &ProxySet,
    ) -> Result<(), String> {
        match action {
            NameAction::Move(old) => self.go(node, old, proxies).await?,
            NameAction::Flap => self.table.lock().alternate(node),
        }
        Ok(())
    }

    /// Takes `action` back, as far as it is: a node that moved stays where it is. Returns how many operations
    /// it touched, where that is counted: wrong answers of a name that alternates; of a node that moved the
    /// connections that it closed, and the requests that found the new address.
    pub(super) async fn end(
        &self,
        node: NodeIndex,
        action: NameAction,
        proxies: &ProxySet,
    ) -> Result<Option<u64>, String> {
        match action {
            NameAction::Move(Old::Stays) => {
                self.give_up_old(node, proxies).await?;
                Ok(Some(self.table.lock().told(node)))
            }
            NameAction::Move(Old::Refuses | Old::Other) => {
                let before = self.before.lock().remove(&node).unwrap_or_default();
                Ok(Some(requests(node, proxies)?.saturating_sub(before)))
            }
            NameAction::Flap => Ok(Some(self.table.lock().settle(node))),
        }
    }

    /// The nodes in the list of all, in their order.
    pub(super) fn list(&self, nodes: &[NodeIndex]) {
        self.table.lock().list_these(nodes);
    }

    async fn go(&self, node: NodeIndex, old: Old, proxies: &ProxySet) -> Result<(), String> {
        let (from, to) = self.places(node)?;
        let (name, next) = (node.to_string(), self.next(node).to_string());
        // The next one answers there still where the node left it to that one.
        proxies.listen_no_more(&next, to).await.map_err(text)?;
        match old {
            Old::Stays => proxies.listen_also(&name, to).await.map_err(text)?,
            Old::Refuses | Old::Other => {
                let tap = proxies.tap(&name).map_err(text)?;
                listen_at(node, to, proxies).await?;
                // What was open and is closed counts as well.
                let before = tap.requests().saturating_sub(tap.open);
                self.before.lock().insert(node, before);
            }
        }
        if old == Old::Other {
            proxies.listen_also(&next, from).await.map_err(text)?;
        }
        self.table.lock().moved(node);
        Ok(())
    }

    /// The node answers at its new address only.
    async fn give_up_old(&self, node: NodeIndex, proxies: &ProxySet) -> Result<(), String> {
        let (at, _) = self.places(node)?;
        proxies.listen_no_more(&node.to_string(), at).await.map_err(text)?;
        listen_at(node, at, proxies).await
    }

    fn places(&self, node: NodeIndex) -> Result<(SocketAddr, SocketAddr), String> {
        self.table.lock().places(node).ok_or_else(|| "the node has no other address".to_owned())
    }

    fn next(&self, node: NodeIndex) -> NodeIndex {
        let count = self.table.lock().count().max(1);
        NodeIndex((node.0 + 1) % count)
    }
}

/// The proxy of a node listens there instead.
async fn listen_at(node: NodeIndex, at: SocketAddr, proxies: &ProxySet) -> Result<(), String> {
    let update = ProxyUpdate { listen: Some(at.to_string()), ..ProxyUpdate::default() };
    proxies.update(&node.to_string(), update).await.map(drop).map_err(text)
}

/// How many requests a node was asked so far.
fn requests(node: NodeIndex, proxies: &ProxySet) -> Result<u64, String> {
    proxies.requests(&node.to_string()).map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
