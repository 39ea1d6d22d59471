//! `[nodes]`: how many there are, and what they are.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::access;
use super::error::{FileError, PlanError};
use super::model::Addresses;
use super::options::Options;
use super::protocol::{check_others, spoken, written};
use super::source::{TomlTable, TomlValue};
use crate::base::name::NodeIndex;
use crate::lab::{
    Backend, LieSpec, LieSpecError, Listen, NodeProgram, Nodes, OtherNode, check_arguments,
    embedded_arguments,
};
use crate::protocol::Protocol;
use crate::secure::access::Access;

const KEYS: [&str; 12] = [
    "protocol",
    "backend",
    "count",
    "servers",
    "lies",
    "args",
    "binary",
    "node",
    "discovery",
    Access::KEYS[0],
    Access::KEYS[1],
    Access::KEYS[2],
];

const DEFAULT_COUNT: u16 = 3;

/// The most nodes: each has a proxy, and perhaps a process.
const COUNT_MAX: u16 = 100;

/// Reads the nodes of a file; what the command line says goes before it.
pub(super) fn read(written: Option<&TomlValue<'_>>, options: &Options) -> Result<Nodes, PlanError> {
    let given = options.backend.as_ref();
    let (nodes, said) = written.map(read_table).transpose()?.unzip();
    let mut nodes = nodes.unwrap_or(Nodes::alike(Backend::Auto, DEFAULT_COUNT));
    nodes.access = nodes.access.or(options.access);
    check_given(&nodes, given)?;
    nodes.protocol = spoken(&nodes, said.flatten(), given, options.protocol)?;
    if let (Some(backend), false) =
        (given, nodes.lies.is_empty() || given == Some(&Backend::Embedded))
    {
        let option = if matches!(backend, Backend::Servers(_)) { "-servers" } else { "-nodes" };
        return Err(PlanError::Option(format!(
            "{option} asks for other nodes than embedded ones, and only those tell the `lies` of this \
             scenario; leave it out, or write `-nodes embedded`"
        )));
    }
    match given {
        Some(Backend::Servers(servers)) => {
            let given = of_servers(servers.clone())
                .map_err(|what| PlanError::Option(format!("-servers {what}")))?;
            let Nodes { discovery, protocol, access, .. } = nodes;
            nodes = Nodes { discovery, protocol, access, ..given };
        }
        Some(backend) => {
            nodes.backend = backend.clone();
            nodes.others.values_mut().for_each(|other| other.backend = backend.clone());
        }
        None => {}
    }
    check_others(&nodes)?;
    Ok(nodes)
}

/// Whether the nodes of a file can be what the command line says instead.
fn check_given(nodes: &Nodes, given: Option<&Backend>) -> Result<(), PlanError> {
    let usual = NodeProgram::default();
    let is_usual = |node: &OtherNode| node.program == usual;
    let is_plain = nodes.program == usual && nodes.others.values().all(is_usual);
    let refused = match given {
        Some(Backend::Servers(_)) if !is_plain || !nodes.others.is_empty() => {
            "-servers names nodes that run already, and this scenario starts its own in a way of its own; \
             leave it out"
                .to_owned()
        }
        Some(Backend::Embedded) if !is_plain => {
            let of = |node| nodes.of(node).1;
            let binary = nodes.indices().find(|node| of(*node).binary.is_some());
            let words = nodes.indices().find_map(|node| embedded_arguments(&of(node).args).err());
            match (binary, words) {
                (Some(node), _) => format!(
                    "-nodes embedded: {node} is a program of this scenario's own (`binary`); leave it out"
                ),
                (None, Some(what)) => format!("-nodes embedded: {what}"),
                (None, None) => return Ok(()),
            }
        }
        _ => return Ok(()),
    };
    Err(PlanError::Option(refused))
}

/// The nodes that a command line asks for, where there is no file.
///
/// # Errors
/// When servers are listed twice, or are too many.
pub fn chosen_nodes(options: &Options) -> Result<Nodes, PlanError> {
    read(None, options)
}

/// Whether the nodes have names; the proxies then get addresses of their own.
pub(super) fn read_names(
    file: &TomlTable<'_>,
    given: bool,
    addresses: &Addresses,
) -> Result<bool, PlanError> {
    let written = file.optional("names", TomlValue::flag)?.unwrap_or_default();
    if (given || written) && addresses.proxies.required {
        let what = "-names: the proxies get addresses of their own; leave out -listen";
        return Err(PlanError::Option(what.to_owned()));
    }
    Ok(given || written)
}

impl Addresses {
    /// These addresses, but where the command line says otherwise.
    ///
    /// # Errors
    /// When `nodes` are more than there are ports above the first proxy's.
    pub fn settled(
        mut self,
        listen: Option<SocketAddr>,
        api: Option<SocketAddr>,
        nodes: &Nodes,
    ) -> Result<Self, PlanError> {
        self.proxies = listen.map_or(self.proxies, Listen::on);
        self.api = api.map_or(self.api, Listen::on);
        let first = self.proxies.address.port();
        if first.checked_add(nodes.count - 1).is_none() {
            return Err(PlanError::Option(format!(
                "{} proxies from port {first} on would need ports above 65535; choose a lower one \
                 with -listen",
                nodes.count
            )));
        }
        Ok(self)
    }
}

/// The nodes, and what they speak where that is said by name.
fn read_table(node: &TomlValue<'_>) -> Result<(Nodes, Option<Protocol>), FileError> {
    let table = node.table()?;
    table.only("key", &KEYS)?;
    let access = access::read(&table)?;
    let discovery = table.optional("discovery", TomlValue::flag)?.unwrap_or_default();
    let count = table.optional("count", |node| node.count(1..=COUNT_MAX.into()))?;
    let backend = table.optional("backend", |node| node.word("backend", &Backend::WORDS))?;
    let (protocol, said) = written(&table, backend.as_ref())?;
    let lies = table.get("lies");
    let Some(servers) = table.get("servers") else {
        let count = count.and_then(|count| u16::try_from(count).ok());
        let lies = match (lies, &backend) {
            (None, _) => Vec::new(),
            (Some(lies), Some(Backend::Embedded)) => read_lies(&lies)?,
            (Some(lies), _) => {
                return Err(lies.error_at_key(
                    "`lies` are told by embedded nodes only; write `backend = \"embedded\"` beside them",
                ));
            }
        };
        let backend = backend.unwrap_or(Backend::Auto);
        let program = read_program(&table, &backend, &NodeProgram::default())?;
        let count = count.unwrap_or(DEFAULT_COUNT);
        let nodes =
            Nodes { protocol, lies, discovery, access, program, ..Nodes::alike(backend, count) };
        let others = read_others(&table, &nodes)?;
        return Ok((Nodes { others, ..nodes }, said));
    };
    let beside = ["backend", "count", "args", "binary", "node"];
    if let Some(other) = beside.iter().find_map(|key| table.get(key)).or(lies) {
        let what = format!("`{}` and `servers` exclude each other", other.key());
        return Err(other.error_at_key(what));
    }
    let addresses: Result<_, _> = servers.list()?.iter().map(TomlValue::address).collect();
    let nodes = of_servers(addresses?);
    let nodes = nodes.map_err(|what| servers.error(format!("`servers` {what}")))?;
    Ok((Nodes { protocol, discovery, access, ..nodes }, said))
}

/// How a node is started: as `usual`, but where the table says otherwise.
fn read_program(
    table: &TomlTable<'_>,
    backend: &Backend,
    usual: &NodeProgram,
) -> Result<NodeProgram, FileError> {
    let binary = table.optional("binary", |node| {
        if node.text()?.contains('\0') || node.text()?.is_empty() {
            return Err(node.error("`binary` is the path of a program"));
        }
        match backend {
            Backend::Embedded => {
                Err(node.error("an embedded node is no program; leave `binary` out"))
            }
            _ => Ok(node.path()),
        }
    })?;
    let args = table.optional("args", |node| {
        let words = node.list()?;
        let args: Vec<String> =
            words.iter().map(|word| word.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        let at = |place: usize, what: String| words.get(place).unwrap_or(node).error(what);
        check_arguments(&args).map_err(|(place, what)| at(place, what))?;
        if *backend == Backend::Embedded {
            embedded_arguments(&args).map_err(|what| node.error(what))?;
        }
        Ok(args)
    })?;
    Ok(NodeProgram {
        binary: binary.or_else(|| usual.binary.clone()),
        args: args.unwrap_or_else(|| usual.args.clone()),
    })
}

/// `[[nodes.node]]`: those that differ from the rest.
fn read_others(
    table: &TomlTable<'_>,
    nodes: &Nodes,
) -> Result<BTreeMap<NodeIndex, OtherNode>, FileError> {
    let mut others = BTreeMap::new();
    for element in table.list("node")? {
        let table = element.table()?;
        table.only("key", &["name", "backend", "binary", "args"])?;
        let name = table.need("name", "which node it is, such as \"n1\"")?;
        let index = NodeIndex::try_from(name.text()?.to_owned()).ok();
        let index = index.filter(|index| index.0 < nodes.count).ok_or_else(|| {
            let last = NodeIndex(nodes.count - 1);
            name.error(format!(
                "there is no node `{}`; nodes are n1 to {last}",
                name.text().unwrap_or("")
            ))
        })?;
        let backend = table.optional("backend", |node| node.word("backend", &Backend::WORDS))?;
        let backend = backend.unwrap_or_else(|| nodes.backend.clone());
        if let Some(other) = backend.protocol().filter(|spoken| *spoken != nodes.protocol) {
            let (other, protocol) = (other.name(), nodes.protocol.name());
            let place = table.get("backend");
            return Err(place.as_ref().unwrap_or(&name).error(format!(
                "a node that is {} speaks {other}, and the others {protocol}: a run has nodes of one protocol; \
                 leave `backend` out, or write `protocol = \"{other}\"` in [nodes]",
                backend.name()
            )));
        }
        if !nodes.lies.is_empty() && backend != Backend::Embedded {
            return Err(name.error("the nodes here tell `lies`, and only embedded ones do"));
        }
        // A program of the others is none of an embedded one.
        let usual = match (&backend, &nodes.backend) {
            (Backend::Embedded, Backend::Embedded) => nodes.program.clone(),
            (Backend::Embedded, _) => NodeProgram::default(),
            _ => nodes.program.clone(),
        };
        let program = read_program(&table, &backend, &usual)?;
        if others.insert(index, OtherNode { backend, program }).is_some() {
            return Err(name.error(format!("{index} is described twice")));
        }
    }
    Ok(others)
}

fn read_lies(node: &TomlValue<'_>) -> Result<Vec<LieSpec>, FileError> {
    let read = |lie: &TomlValue<'_>| {
        lie.text()?.parse().map_err(|error: LieSpecError| lie.error(error.to_string()))
    };
    node.list()?.iter().map(read).collect()
}

fn of_servers(servers: Vec<SocketAddr>) -> Result<Nodes, String> {
    let twice = servers.iter().enumerate().find(|(at, one)| servers[..*at].contains(one));
    if let Some((_, server)) = twice {
        return Err(format!("lists {server} twice"));
    }
    match u16::try_from(servers.len()) {
        Ok(count @ 1..=COUNT_MAX) => Ok(Nodes::alike(Backend::Servers(servers), count)),
        _ => Err(format!("needs 1 to {COUNT_MAX} addresses")),
    }
}
