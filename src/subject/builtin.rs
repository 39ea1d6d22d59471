//! The client in this process.

use super::called::Called;
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::client::{Client, ClientConfig, ConfigError, Server, Way};
use crate::event::Events;
use crate::load::{LoadConfig, LoadError};
use crate::record::Recorder;

/// What it is started with.
pub(crate) struct Settings<'a> {
    pub(crate) servers: &'a [Server],
    /// The nodes in the list of each group, and its share of the workers: at least one.
    pub(crate) lists: Vec<(Vec<NodeIndex>, f64)>,
    /// How the client reaches the servers.
    pub(crate) way: Way,
    pub(crate) client: ClientConfig,
    pub(crate) client_seed: Seed,
    pub(crate) load: LoadConfig,
    /// Where samples go.
    pub(crate) recorder: &'a Recorder,
    pub(crate) events: &'a Events,
}

/// Why it cannot be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Client(#[from] ConfigError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Connects the client and prepares the load; nothing is called yet.
///
/// # Errors
/// When the client refuses its settings, or the load its own.
pub(crate) fn start(given: Settings<'_>, scope: &Scope) -> Result<Called, StartError> {
    let Settings { servers, lists, way, client: config, client_seed, .. } = given;
    let Settings { load, recorder, events, .. } = given;
    let scope_of_client = scope.child("client");
    let mut clients = Vec::with_capacity(lists.len());
    for (group, (list, share)) in (0..).zip(lists) {
        // The first has the seed that it has where there is no other.
        let seed = if group == 0 { client_seed } else { client_seed.index(group) };
        let (config, events, scope) = (config.clone(), events.clone(), &scope_of_client);
        let client = Client::start_on(way.clone(), servers, config, seed, events, scope)?;
        if list.len() < servers.len() || !list.is_sorted() {
            client.set_list(&list);
        }
        clients.push((client.into(), share));
    }
    Ok(Called::start(clients, load, Vec::new(), recorder, events, scope)?)
}
