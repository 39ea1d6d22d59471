//! What a run is, and whom to ask while it goes on.

use std::fmt;
use std::time::Duration;

use super::seen::Seen;
use crate::base::name::NodeIndex;
use crate::base::time::RunClock;
use crate::proxy::{TapSnapshot, WeakProxySet};
use crate::record::{HarnessTotals, Recorder};

/// What is known of a run before it begins.
#[derive(Clone, Debug)]
pub struct About {
    /// The scenario's name.
    pub scenario: String,
    /// Who makes the calls.
    pub subject: String,
    /// The workload's name.
    pub workload: String,
    /// The name of the client's settings.
    pub client_profile: String,
    /// Who does the faults of the network.
    pub network: String,
    /// The seed.
    pub seed: u64,
    /// How long it is to take.
    pub planned: Duration,
    /// Whether it is known which node each operation needs.
    pub tells_nodes: bool,
    /// Whether somebody knows what every value must be.
    pub checks_data: bool,
}

/// Whom to ask while a run goes on.
pub struct Sources {
    /// Its clock.
    pub clock: RunClock,
    /// Who counts its operations.
    pub recorder: Recorder,
    /// Who listens to its events.
    pub seen: Seen,
    /// Its proxies and how many nodes they are for; `None`: they do not count.
    pub proxies: Option<(WeakProxySet, u16)>,
    /// What the machine has done to it.
    pub machine: Box<dyn Fn() -> HarnessTotals + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources")
    }
}

impl Sources {
    /// What the proxies have seen until now, node by node; empty: they do not count.
    pub(super) fn taps(&self) -> Vec<TapSnapshot> {
        let Some((proxies, nodes)) = &self.proxies else { return Vec::new() };
        let Some(proxies) = proxies.upgrade() else { return Vec::new() };
        let tap = |node| proxies.tap(&NodeIndex(node).to_string()).unwrap_or_default();
        (0..*nodes).map(tap).collect()
    }
}
