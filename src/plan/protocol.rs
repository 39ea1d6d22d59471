//! What nodes, client and workload of a plan speak: all the same.

use super::error::{FileError, PlanError};
use super::model::FaultPlan;
use super::source::TomlTable;
use crate::client::ClientConfig;
use crate::driver::DriverConfig;
use crate::lab::{Backend, Nodes};
use crate::load::Workload;
use crate::protocol::Protocol;

/// What the table of the nodes says, by itself or by what they are; and what it says by name.
pub(super) fn written(
    table: &TomlTable<'_>,
    backend: Option<&Backend>,
) -> Result<(Protocol, Option<Protocol>), FileError> {
    let said = said(table)?;
    let spoken = backend.and_then(Backend::protocol);
    match (said, spoken, table.get("protocol")) {
        (Some(said), Some(spoken), Some(node)) if said != spoken => {
            Err(node.error(format!("nodes with this `backend` speak {}", spoken.name())))
        }
        _ => Ok((said.or(spoken).unwrap_or_default(), said)),
    }
}

/// What the table of the nodes says by name.
pub(super) fn said(table: &TomlTable<'_>) -> Result<Option<Protocol>, FileError> {
    table.optional("protocol", |node| node.word("protocol", &Protocol::WORDS))
}

/// What the nodes speak: what the command line asks for, what nodes that it names speak, what the file says. What
/// a file says by name (`said`) stays: its faults are in the words of that.
pub(super) fn spoken(
    nodes: &Nodes,
    said: Option<Protocol>,
    given: Option<&Backend>,
    protocol: Option<Protocol>,
) -> Result<Protocol, PlanError> {
    let backend = given.unwrap_or(&nodes.backend);
    let refused = match (protocol, backend.protocol(), said) {
        (Some(asked), Some(spoken), _) if asked != spoken => {
            let (asked, backend, spoken) = (asked.name(), backend.name(), spoken.name());
            format!(
                "-protocol {asked}: nodes that are {backend} speak {spoken}; leave one of the two out"
            )
        }
        (Some(other), _, Some(said)) | (None, Some(other), Some(said)) if other != said => {
            let option = if protocol.is_some() { "-protocol" } else { "-nodes" };
            let said = said.name();
            format!("{option}: this scenario is of {said} (`protocol` in [nodes]); leave it out")
        }
        // One list of servers for many scenarios: they speak what the rest of those do.
        (None, None, Some(said @ Protocol::Resp)) if matches!(given, Some(Backend::Servers(_))) => {
            let said = said.name();
            format!(
                "-servers: this scenario is of {said}; write -protocol {said} if these speak it"
            )
        }
        (asked, spoken, _) => return Ok(asked.or(spoken).unwrap_or(nodes.protocol)),
    };
    Err(PlanError::Option(refused))
}

/// Whether each node that differs from the rest (`[[nodes.node]]`) speaks what they do.
pub(super) fn check_others(nodes: &Nodes) -> Result<(), PlanError> {
    let protocol = nodes.protocol;
    let strange = nodes.others.iter().find_map(|(node, other)| {
        let spoken = other.backend.protocol().filter(|spoken| *spoken != protocol)?;
        Some((node, other.backend.name(), spoken.name()))
    });
    strange.map_or(Ok(()), |(node, backend, spoken)| {
        let protocol = protocol.name();
        Err(PlanError::Option(format!(
            "-protocol {protocol}: {node} is {backend} ([[nodes.node]]) and speaks {spoken}; leave -protocol out"
        )))
    })
}

/// Whether all that is broken is of what the nodes speak.
pub(super) fn check_faults(nodes: &Nodes, faults: &[FaultPlan]) -> Result<(), PlanError> {
    faults.iter().map(|planned| &planned.spec).try_for_each(|fault| {
        nodes.hear(fault).map_err(|why| {
            let (name, kind) = (&fault.name, &fault.fault.kind);
            PlanError::Option(format!("the fault `{name}` is a {kind}: {why}"))
        })
    })
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
        let (theirs, spoken) = (driver.protocol.name(), nodes.name());
        let cure = match nodes {
            Protocol::Memcached => format!("write -protocol {theirs}"),
            Protocol::Resp => format!("name a client that speaks {spoken}, such as redis-py"),
        };
        return Err(PlanError::Option(format!(
            "the client {profile} speaks {theirs}, and the nodes {spoken}; {cure}"
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
        Err(PlanError::Option(format!(
            "the workload {name}: the nodes speak {protocol}, and it {what}"
        )))
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
