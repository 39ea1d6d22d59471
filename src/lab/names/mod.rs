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
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::sleep;

use self::launcher::Launcher;
use self::server::{PORT, Server, SharedTable, neighbour};
pub(super) use self::table::name_of;
use self::table::{Answer, Asked, Record, Said, Table};
use super::error::LabError;
use super::fault::{NameAction, Old};
use super::{LabConfig, Listen, Network};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::protocol::memcached::program;
use crate::proxy::{ProxySet, ProxyUpdate};

/// The first proxy's place in the network of a lab.
const FIRST: u8 = 1;
/// The place to which the first node moves; there are at most so many nodes.
const FIRST_SPARE: u8 = 101;

/// Why a fault of names cannot be done.
const NEEDS_NAMES: &str =
    "it changes what a name stands for, and nodes have names with -names only";

/// What a client in this process waits for when it asks.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Whether a lab with names can come up, as far as that is known beforehand.
pub(super) fn can(config: &LabConfig) -> Result<(), LabError> {
    if !config.names {
        return Ok(());
    }
    let refused = |what: String| Err(LabError::Names(what));
    if let Some(elsewhere) = &config.elsewhere {
        let flag = elsewhere.whose.flag();
        return refused(format!("proxies elsewhere have addresses of their own; leave {flag} out"));
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
    // That is between the client and its resolver.
    if matches!(action, NameAction::Fail(_)) {
        return Ok(());
    }
    if config.network == Network::Kernel {
        return Err("with -network kernel a node has one address; leave it out".to_owned());
    }
    let needs_next = matches!(action, NameAction::Move(Old::Other) | NameAction::TwoOwners);
    if needs_next && (config.nodes.count < 2 || nodes.len() > 1) {
        return Err("the other node that answers is the next one, which must keep its own name; name one node of \
                    several"
            .to_owned());
    }
    Ok(())
}

/// The nodes whose address `action` on `node` changes, or needs to stay what it is.
pub(super) fn concerned(action: NameAction, node: NodeIndex, count: u16) -> Vec<NodeIndex> {
    let next = NodeIndex((node.0 + 1) % count.max(1));
    match action {
        NameAction::Flap | NameAction::Fail(_) => Vec::new(),
        NameAction::Move(Old::Refuses | Old::Stays) => vec![node],
        NameAction::Move(Old::Other) | NameAction::TwoOwners => vec![node, next],
    }
}

fn cannot_listen(error: io::Error) -> LabError {
    let what = match error.kind() {
        ErrorKind::PermissionDenied => format!(
            ", and resolv.conf knows no other; run as root, or allow it: sysctl \
             net.ipv4.ip_unprivileged_port_start={PORT}"
        ),
        _ => String::new(),
    };
    LabError::Names(format!("its resolver cannot listen on port {PORT} ({error}){what}"))
}

/// The names of a lab.
#[derive(Debug)]
pub struct Names {
    table: SharedTable,
    server: SocketAddr,
    launcher: Launcher,
    /// Of nodes that are moving: the requests that do not count as touched by it.
    before: Mutex<BTreeMap<NodeIndex, u64>>,
    /// What changes addresses now, by the node that it was asked for.
    begun: Mutex<BTreeMap<NodeIndex, NameAction>>,
}

impl Names {
    /// Takes a network for the proxies, and answers questions in it.
    pub(super) async fn start(config: &LabConfig, scope: &Scope) -> Result<Self, LabError> {
        let way = Launcher::way(&config.programs.path).map_err(LabError::Names)?;
        let listening = Server::in_free_network(PORT).await.map_err(cannot_listen)?;
        let system = |source| LabError::System { what: "no files for names", source };
        let server = listening.address().map_err(system)?;
        let launcher = Launcher::new(way, server.ip()).map_err(system)?;
        let table: SharedTable = Arc::default();
        listening.serve(&table, scope);
        Ok(Self { table, server, launcher, before: Mutex::default(), begun: Mutex::default() })
    }

    /// Where the proxies listen, each at an address of its own. The port is the usual one, so that a name is
    /// enough for who adds that.
    pub(super) fn listen(&self, config: &LabConfig) -> Vec<Listen> {
        let address = |position| neighbour(self.server.ip(), FIRST + position);
        let listen = |position| Listen {
            address: SocketAddr::new(address(position), program::PORT),
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

    /// What a name stands for now, for a client in this process: the answer takes as long, and fails, as on the
    /// wire.
    pub fn resolver(&self) -> impl Fn(&str) -> Looking + Send + Sync + use<> {
        let table = Arc::clone(&self.table);
        move |name: &str| {
            let Said { answer, after, .. } = table.lock().answer(name, Asked::V4);
            Box::pin(async move {
                match after {
                    Some(time) => sleep(time).await,
                    None => std::future::pending().await,
                }
                addresses(answer)
            })
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
        self.begin_alone(node, action)?;
        match action {
            NameAction::Move(old) => self.go(node, old, proxies).await?,
            NameAction::Flap => self.table.lock().alternate(node),
            NameAction::TwoOwners => self.share(node, proxies).await?,
            NameAction::Fail(failure) => self.table.lock().fail(node, failure),
        }
        Ok(())
    }

    /// Takes `action` back, as far as it is: a node that moved stays where it is. Returns how many operations
    /// it touched, where that is counted: answers that were wrong, failed or named two owners; of a node that moved,
    /// or shares its name, the connections that were closed, and the requests that found it since.
    pub(super) async fn end(
        &self,
        node: NodeIndex,
        action: NameAction,
        proxies: &ProxySet,
    ) -> Result<Option<u64>, String> {
        let count = self.table.lock().count();
        let is_begun = self.begun.lock().get(&node) == Some(&action);
        // What was refused has nothing to be taken back.
        if !concerned(action, node, count).is_empty() && !is_begun {
            return Ok(None);
        }
        let touched = self.take_back(node, action, proxies).await;
        self.begun.lock().retain(|it, what| (it, &*what) != (&node, &action));
        touched
    }

    async fn take_back(
        &self,
        node: NodeIndex,
        action: NameAction,
        proxies: &ProxySet,
    ) -> Result<Option<u64>, String> {
        match action {
            NameAction::Move(Old::Stays) => {
                let open = proxies.tap(&node.to_string()).map_err(text)?.open;
                self.give_up_old(node, proxies).await?;
                Ok(Some(self.table.lock().told(node) + open))
            }
            NameAction::Move(Old::Refuses | Old::Other) => {
                self.found_again(node, proxies).map(Some)
            }
            NameAction::Flap => Ok(Some(self.table.lock().settle(node))),
            NameAction::TwoOwners => self.unshare(node, proxies).await.map(Some),
            NameAction::Fail(failure) => Ok(Some(self.table.lock().fail_no_more(node, failure))),
        }
    }

    /// Refuses what would be undone by something that goes on, or would undo it: faults that wait for something meet
    /// at times that nobody knew before.
    fn begin_alone(&self, node: NodeIndex, action: NameAction) -> Result<(), String> {
        let count = self.table.lock().count();
        let mine = concerned(action, node, count);
        if mine.is_empty() {
            return Ok(());
        }
        let mut begun = self.begun.lock();
        let others = begun.iter().flat_map(|(node, action)| concerned(*action, *node, count));
        if let Some(other) = others.into_iter().find(|it| mine.contains(it)) {
            return Err(format!("the address of {other} is changed by another fault at this time"));
        }
        begun.insert(node, action);
        Ok(())
    }

    /// The nodes in the list of all, in their order.
    pub(super) fn list(&self, nodes: &[NodeIndex]) {
        self.table.lock().list_these(nodes);
    }

    async fn go(&self, node: NodeIndex, old: Old, proxies: &ProxySet) -> Result<(), String> {
        let (from, to) = self.places(node)?;
        let (name, next) = (node.to_string(), self.next(node).to_string());
        // The next one answers there still where the node left it to that one.
        proxies.leave(&next, to).await.map_err(text)?;
        match old {
            Old::Stays => proxies.listen_also(&name, to).await.map_err(text)?,
            Old::Refuses | Old::Other => {
                self.is_lost(node, proxies)?;
                listen_at(node, to, proxies).await?;
            }
        }
        if old == Old::Other {
            proxies.listen_also(&next, from).await.map_err(text)?;
        }
        self.table.lock().moved(node);
        Ok(())
    }

    /// The next node answers to the name as well. Connections are closed, so that whoever was there asks for the
    /// name again.
    async fn share(&self, node: NodeIndex, proxies: &ProxySet) -> Result<(), String> {
        let (at, second) = self.places(node)?;
        proxies.listen_also(&self.next(node).to_string(), second).await.map_err(text)?;
        self.table.lock().share(node);
        self.is_lost(node, proxies)?;
        proxies.leave(&node.to_string(), at).await.map_err(text)
    }

    /// The node has its name for itself again. Returns how many operations its second owner touched.
    async fn unshare(&self, node: NodeIndex, proxies: &ProxySet) -> Result<u64, String> {
        let (at, second) = self.places(node)?;
        let told = self.table.lock().unshare(node);
        proxies.leave(&self.next(node).to_string(), second).await.map_err(text)?;
        proxies.leave(&node.to_string(), at).await.map_err(text)?;
        Ok(told + self.found_again(node, proxies)?)
    }

    /// Who is connected to the node will not be any more, and has to find it again.
    fn is_lost(&self, node: NodeIndex, proxies: &ProxySet) -> Result<(), String> {
        let tap = proxies.tap(&node.to_string()).map_err(text)?;
        // What was open and is closed counts as well.
        let before = tap.requests().saturating_sub(tap.open);
        self.before.lock().insert(node, before);
        Ok(())
    }

    /// How many connections were lost, and requests came since.
    fn found_again(&self, node: NodeIndex, proxies: &ProxySet) -> Result<u64, String> {
        let before = self.before.lock().remove(&node).unwrap_or_default();
        let requests = proxies.requests(&node.to_string()).map_err(text)?;
        Ok(requests.saturating_sub(before))
    }

    /// The node answers at its new address only.
    async fn give_up_old(&self, node: NodeIndex, proxies: &ProxySet) -> Result<(), String> {
        let (at, _) = self.places(node)?;
        proxies.leave(&node.to_string(), at).await.map_err(text)?;
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

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// What an answer comes to for a client in this process.
fn addresses(answer: Answer) -> io::Result<Vec<IpAddr>> {
    let address = |record| match record {
        Record::Address(address) => Some(address),
        Record::Service { .. } => None,
    };
    match answer {
        Answer::Records(records) => Ok(records.into_iter().filter_map(address).collect()),
        Answer::Unknown | Answer::Refused => Err(ErrorKind::NotFound.into()),
        Answer::Failed => Err(ErrorKind::Other.into()),
    }
}
