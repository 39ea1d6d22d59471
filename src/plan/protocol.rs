//! What nodes, client and workload of a plan speak: all the same.

use super::error::{FileError, PlanError};
use super::source::TomlTable;
use crate::client::ClientConfig;
use crate::driver::DriverConfig;
use crate::lab::{Backend, Nodes};
use crate::load::Workload;
use crate::protocol::Protocol;

/// What the table of the nodes says, by itself or by what they are.
pub(super) fn written(
    table: &TomlTable<'_>,
    backend: Option<&Backend>,
) -> Result<Protocol, FileError> {
    let said = table.optional("protocol", |node| node.word("protocol", &Protocol::WORDS))?;
    let spoken = backend.and_then(Backend::protocol);
    match (said, spoken, table.get("protocol")) {
        (Some(said), Some(spoken), Some(node)) if said != spoken => {
            Err(node.error(format!("nodes with this `backend` speak {}", spoken.name())))
        }
        _ => Ok(said.or(spoken).unwrap_or_default()),
    }
}

/// What the nodes speak: what the command line asks for, what nodes that it names speak, what the file says.
pub(super) fn spoken(
    nodes: &Nodes,
    given: Option<&Backend>,
    protocol: Option<Protocol>,
) -> Result<Protocol, PlanError> {
    let backend = given.unwrap_or(&nodes.backend);
    match (protocol, backend.protocol()) {
        (Some(asked), Some(spoken)) if asked != spoken => Err(PlanError::Option(format!(
            "-protocol {}: nodes that are {} speak {}; leave one of the two out",
            asked.name(),
            backend.name(),
            spoken.name()
        ))),
        (asked, spoken) => Ok(asked.or(spoken).unwrap_or(nodes.protocol)),
    }
}

/// The client's settings for these nodes, if it and the workload are theirs.
pub(super) fn settled(
    nodes: &Nodes,
    workload: &Workload,
    (profile, driver): (&str, &Option<DriverConfig>),
    client: ClientConfig,
) -> Result<ClientConfig, PlanError> {
    let nodes = nodes.protocol;
    if let Some(driver) = driver.as_ref().filter(|driver| driver.protocol != nodes) {
        let (theirs, nodes) = (driver.protocol.name(), nodes.name());
        return Err(PlanError::Option(format!(
            "the client {profile} speaks {theirs}, and the nodes {nodes}; write -protocol {theirs}"
        )));
    }
    if workload.http.is_none() {
        check(workload, nodes)?;
    }
    Ok(ClientConfig { protocol: nodes, ..client })
}

/// Whether a workload can be asked of nodes that speak this.
fn check(workload: &Workload, protocol: Protocol) -> Result<(), PlanError> {
    let refused = |what: String| {
        let (name, protocol) = (&workload.name, protocol.name());
        Err(PlanError::Option(format!("-protocol {protocol}: the workload {name} {what}")))
    };
    for (operation, _) in &workload.mix {
        if let Err(why) = protocol.can(*operation) {
            return refused(format!("needs `{}`, and {why}", operation.name()));
        }
    }
    match (protocol, workload.border_keys) {
        (Protocol::Resp, Some(_)) => refused("asks for keys at memcached's limits".to_owned()),
        _ => Ok(()),
    }
}
