//! A published client, in a process that speaks the driver protocol.

use std::path::PathBuf;
use std::sync::Arc;

use super::called::Called;
use crate::base::carried::Carried;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::driver::{Driver, DriverConfig, Servers, StartError as NotStarted, Wire};
use crate::event::{Events, Operation};
use crate::load::{LoadConfig, LoadError, Mix};
use crate::record::Recorder;
use crate::secure::access::Invitation;

/// What it is started with.
pub(crate) struct Settings<'a> {
    pub(crate) config: DriverConfig,
    pub(crate) servers: Vec<String>,
    /// What they ask of who connects.
    pub(crate) invitation: Invitation,
    /// The nodes in the list of each group, and its share of the workers: at least one.
    pub(crate) lists: Vec<(Vec<NodeIndex>, f64)>,
    pub(crate) carried: Arc<Carried>,
    pub(crate) key_prefix: String,
    /// This binary.
    pub(crate) harness: PathBuf,
    pub(crate) load: LoadConfig,
    /// Where samples go.
    pub(crate) recorder: &'a Recorder,
    pub(crate) events: &'a Events,
}

/// Why it cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Driver(#[from] NotStarted),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(
        "the driver of {client} cannot do {missing}, or its file leaves that out, and workload `{workload}` is nothing else"
    )]
    Lacks { client: String, missing: String, workload: String },
    #[error("the driver of {client} lists no `get` or no `set`; nothing can be stored or read")]
    Bare { client: String },
}

/// Starts the driver and prepares the load; nothing is called yet. What the driver cannot do is taken out
/// of the mix.
///
/// # Errors
/// When the driver cannot be started, or has nothing that the workload asks for.
pub(crate) async fn start(given: Settings<'_>, scope: &Scope) -> Result<Called, StartError> {
    let Settings { config, servers, invitation, lists, carried, .. } = given;
    let is_blind = invitation.authority.is_some();
    let Settings { key_prefix, harness, mut load, recorder, events, .. } = given;
    let mut drivers = Vec::with_capacity(lists.len());
    for (list, share) in lists {
        let first = list.iter().filter_map(|node| servers.get(node.position()).cloned()).collect();
        let servers = Servers { all: servers.clone(), first, invitation: invitation.clone() };
        let carried = Arc::clone(&carried);
        let wire = Wire { carried, is_blind, key_prefix: key_prefix.clone() };
        let harness = harness.clone();
        let driver =
            Driver::start(config.clone(), servers, wire, harness, events.clone(), scope).await?;
        drivers.push((driver, share));
    }
    let driver = &drivers[0].0;
    let client = driver.ready().client;
    if ![Operation::Get, Operation::Set].into_iter().all(|operation| driver.can(operation)) {
        return Err(StartError::Bare { client });
    }
    let missing = load.workload.mix.iter().map(|(operation, _)| *operation);
    let missing: Vec<String> = missing
        .filter(|operation| !driver.can(*operation))
        .map(|operation| operation.name().to_owned())
        .collect();
    load.workload.only(|operation| driver.can(operation));
    if Mix::new(&load.workload.mix).is_err() {
        let workload = load.workload.name;
        return Err(StartError::Lacks { client, missing: missing.join(", "), workload });
    }
    let caches = drivers.into_iter().map(|(driver, share)| (driver.into(), share)).collect();
    Ok(Called::start(caches, load, missing, recorder, events, scope)?)
}
