//! `[nodes]`: how many there are, and what they are.

use std::net::SocketAddr;

use super::error::{FileError, PlanError};
use super::model::Addresses;
use super::source::TomlValue;
use crate::lab::{Backend, LieSpec, LieSpecError, Listen, Nodes};

const DEFAULT_COUNT: u16 = 3;

/// The most nodes: each has a proxy, and perhaps a process.
const COUNT_MAX: u16 = 100;

/// Reads the nodes of a file; what the command line says goes before it.
pub(super) fn read(
    written: Option<&TomlValue<'_>>,
    given: Option<&Backend>,
) -> Result<Nodes, PlanError> {
    let written = written.map(read_table).transpose()?;
    let mut nodes =
        written.unwrap_or(Nodes { backend: Backend::Auto, count: DEFAULT_COUNT, lies: Vec::new() });
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
            nodes = of_servers(servers.clone())
                .map_err(|what| PlanError::Option(format!("-servers {what}")))?;
        }
        Some(backend) => {
            nodes.backend = backend.clone();
        }
        None => {}
    }
    Ok(nodes)
}

/// The nodes that a command line asks for, where there is no file.
///
/// # Errors
/// When servers are listed twice, or are too many.
pub fn chosen_nodes(given: Option<&Backend>) -> Result<Nodes, PlanError> {
    read(None, given)
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

fn read_table(node: &TomlValue<'_>) -> Result<Nodes, FileError> {
    let table = node.table()?;
    table.only("key", &["backend", "count", "servers", "lies"])?;
    let count = table.optional("count", |node| node.count(1..=COUNT_MAX.into()))?;
    let backend = table.optional("backend", |node| node.word("backend", &Backend::WORDS))?;
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
        return Ok(Nodes {
            backend: backend.unwrap_or(Backend::Auto),
            count: count.unwrap_or(DEFAULT_COUNT),
            lies,
        });
    };
    if let Some(other) = table.get("backend").or_else(|| table.get("count")).or(lies) {
        let what = format!("`{}` and `servers` exclude each other", other.key());
        return Err(other.error_at_key(what));
    }
    let addresses: Result<_, _> = servers.list()?.iter().map(TomlValue::address).collect();
    of_servers(addresses?).map_err(|what| servers.error(format!("`servers` {what}")))
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
        Ok(count @ 1..=COUNT_MAX) => {
            Ok(Nodes { backend: Backend::Servers(servers), count, lies: Vec::new() })
        }
        _ => Err(format!("needs 1 to {COUNT_MAX} addresses")),
    }
}
