//! The client in this process.

use super::called::Called;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::client::{Client, ClientConfig, ConfigError, Server};
use crate::event::Events;
use crate::load::{LoadConfig, LoadError};
use crate::record::Recorder;

/// What it is started with.
pub(crate) struct Settings<'a> {
    pub(crate) servers: &'a [Server],
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
    let Settings { servers, client, client_seed, load, recorder, events } = given;
    let scope_of_client = scope.child("client");
    let client = Client::start(servers, client, client_seed, events.clone(), &scope_of_client)?;
    Ok(Called::start(client.into(), load, Vec::new(), recorder, events, scope)?)
}
