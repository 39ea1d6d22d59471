//! The client in this process, under our own load.

use std::sync::Arc;
use std::time::Duration;

use super::{DataLoss, LossListener, Subject};
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::client::{Client, ClientConfig, ConfigError, NodeSnapshot, Server};
use crate::event::{Events, Sample};
use crate::load::{self, Load, LoadConfig, LoadError, LoadTotals, Preloaded, Progress};
use crate::record::Recorder;

/// What operations under way may take to end, beyond the longest that the client's deadlines allow.
const DRAIN_SLACK: Duration = Duration::from_secs(1);

/// The client and the load on it.
#[derive(Debug)]
pub(crate) struct Builtin {
    client: Client,
    /// `None`: it was drained.
    load: Option<Arc<Load>>,
    drain_grace: Duration,
}

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

impl Builtin {
    /// Connects the client and prepares the load; nothing is called yet.
    ///
    /// # Errors
    /// When the client refuses its settings, or the load its own.
    pub(crate) fn start(given: Settings<'_>, scope: &Scope) -> Result<Self, StartError> {
        let Settings { servers, client, client_seed, load, recorder, events } = given;
        let drain_grace = load.deadline * 3 + DRAIN_SLACK;
        let scope_of_client = scope.child("client");
        let client = Client::start(servers, client, client_seed, events.clone(), &scope_of_client)?;
        let sampler = || {
            let shard = recorder.shard();
            Box::new(move |sample: &Sample| shard.record(sample)) as load::Sampler
        };
        let load = Load::start(load, client.clone(), sampler, events.clone(), scope)?;
        Ok(Self { client, load: Some(Arc::new(load)), drain_grace })
    }
}

impl Subject for Builtin {
    fn planted(&self) -> Option<String> {
        let broken = self.client.config().broken?;
        let (name, summary) = (broken.name(), broken.summary());
        Some(format!("the client is broken, as it was told to be: {name} ({summary})"))
    }

    fn loss_listener(&self) -> LossListener {
        let load = self.load.as_ref().map(Arc::downgrade).unwrap_or_default();
        Arc::new(move |loss| match (load.upgrade(), loss) {
            (Some(load), DataLoss::Emptied(node)) => load.forget(node),
            (Some(load), DataLoss::Evicts(node)) => load.drops_items(node),
            (None, _) => {}
        })
    }

    async fn preload(&self) -> Preloaded {
        match &self.load {
            Some(load) => load.preload().await,
            None => Preloaded::default(),
        }
    }

    fn begin(&self) {
        self.load.iter().for_each(|load| load.begin());
    }

    fn progress(&self) -> Progress {
        self.load.as_ref().map(|load| load.progress()).unwrap_or_default()
    }

    fn snapshot(&self) -> Vec<NodeSnapshot> {
        self.client.snapshot()
    }

    fn stop(&self) {
        self.load.iter().for_each(|load| load.stop());
    }

    async fn drain(&mut self) -> Option<LoadTotals> {
        let load = Arc::into_inner(self.load.take()?)?;
        Some(load.drain(self.drain_grace).await)
    }

    async fn close(self) {
        self.client.close().await;
    }
}
