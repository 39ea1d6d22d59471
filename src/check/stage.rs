//! What a driver is checked with: three nodes behind our own proxies, so that it is known which
//! node was asked and a node can be silenced.

use std::sync::Arc;
use std::time::Duration;

use super::cases::PREFIX;
use crate::base::carried::{Carried, Mark};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::driver::DriverConfig;
use crate::event::Events;
use crate::lab::error::LabError;
use crate::lab::{Backend, Lab, LabConfig, Nodes, Programs};
use crate::proxy::{ProxyError, Stream, ToxicConfig};

const NODES: u16 = 3;

/// Keys that are followed: several times those of all checks.
const KEYS: usize = 1000;

/// What is done to the first node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It takes requests and never answers.
    Mute,
    /// It takes no connection.
    Refuse,
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Refuse => "refuse",
        }
    }
}

/// The node that is broken where one is.
pub(super) const BROKEN: NodeIndex = NodeIndex(0);

pub(super) struct Stage {
    lab: Lab,
    carried: Arc<Carried>,
}

impl Stage {
    /// Starts the nodes, which speak what the driver's client does.
    ///
    /// # Errors
    /// When one does not come up.
    pub(super) async fn start(
        driver: &DriverConfig,
        backend: Backend,
        programs: &Programs,
        scope: &Scope,
    ) -> Result<Self, LabError> {
        let protocol = backend.protocol().unwrap_or(driver.protocol);
        let config = LabConfig {
            nodes: Nodes { protocol, ..Nodes::alike(backend, NODES) },
            programs: programs.clone(),
            ..LabConfig::embedded(NODES)
        };
        // Nothing is drawn: the faults are all or nothing.
        let (seed, nobody) = (Seed::new(0), Arc::new(|_| ()));
        let lab = Lab::start(&config, seed, Events::ignore(), nobody, scope).await?;
        let carried = Arc::new(Carried::of(KEYS));
        lab.know_own_keys(PREFIX);
        lab.proxies().follow_keys(&carried);
        Ok(Self { lab, carried })
    }

    /// What a driver is told to connect to.
    pub(super) fn servers(&self) -> Vec<String> {
        self.lab.info().iter().map(|info| info.proxy_address.to_string()).collect()
    }

    /// The nodes that were ever asked for one of `keys`.
    pub(super) fn asked<'a>(&self, keys: impl Iterator<Item = &'a String>) -> Vec<NodeIndex> {
        let mut nodes: Vec<NodeIndex> = keys.filter_map(|key| self.home(key)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The node that was asked for `key` first.
    pub(super) fn home(&self, key: &str) -> Option<NodeIndex> {
        self.carried.look(Mark::of(&[key.as_bytes()])).first
    }

    /// How many nodes there are.
    pub(super) fn count(&self) -> usize {
        self.lab.info().len()
    }

    /// What they are, for people.
    pub(super) fn nodes(&self) -> String {
        let node = self.lab.info().first();
        node.map_or_else(String::new, |node| format!("{} {}", node.backend, node.version))
    }

    /// Breaks the first node.
    pub(super) async fn break_one(&self, fault: Fault) -> Result<(), ProxyError> {
        let config = ToxicConfig {
            name: Some(fault.name().to_owned()),
            kind: fault.name().to_owned(),
            stream: Stream::Both,
            toxicity: 1.0,
            attributes: crate::base::family::Settings::default(),
        };
        self.lab.proxies().add_toxic(&BROKEN.to_string(), config).await.map(drop)
    }

    /// Heals it.
    pub(super) async fn heal(&self, fault: Fault) -> Result<(), ProxyError> {
        self.lab.proxies().remove_toxic(&BROKEN.to_string(), fault.name()).await
    }

    /// Ends the nodes.
    pub(super) async fn close(self, scope: &Scope) {
        self.lab.close().await;
        scope.close(CLOSE_GRACE).await;
    }
}

/// How long what is left may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
