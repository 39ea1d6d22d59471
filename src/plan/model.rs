//! The plan: everything decided before the first socket. Plain data, no options left to interpret.

use std::path::PathBuf;
use std::time::Duration;

use super::command::CommandPlan;
use crate::base::seed::Seed;
use crate::base::units::Ratio;
use crate::client::ClientConfig;
use crate::driver::DriverConfig;
use crate::event::Phase;
use crate::judge::Objective;
use crate::lab::timeline::FaultSpec;
use crate::lab::{Elsewhere, Listen, Network, Nodes, members};
use crate::load::{RateWish, Workload};

/// One run of one scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows, in one line.
    pub summary: String,
    /// The root of every draw.
    pub seed: Seed,
    /// Which attempt this is, from 1: those before it proved nothing.
    pub attempt: u32,
    /// How long each phase lasts.
    pub phases: Phases,
    /// The nodes.
    pub nodes: Nodes,
    /// Groups of clients that are told of other nodes; empty: all are told of every one.
    pub groups: Vec<Group>,
    /// The load.
    pub workload: Workload,
    /// How fast operations are offered, where that is not the workload's own choice.
    pub rate: Option<RateWish>,
    /// Concurrent workers.
    pub concurrency: u32,
    /// The name of the client's settings.
    pub client_profile: String,
    /// The client's settings.
    pub client: ClientConfig,
    /// A published client in a process of its own that takes its place.
    pub driver: Option<DriverConfig>,
    /// A command that makes its calls itself, in the place of client and load. Only the command line
    /// names one: it is in no file.
    pub command: Option<CommandPlan>,
    /// What is broken, and when.
    pub faults: Vec<FaultPlan>,
    /// What those faults were drawn from, where they were.
    pub chaos: Option<Chaos>,
    /// What the run is judged by.
    pub objectives: Vec<Objective>,
    /// How often live figures are taken.
    pub metrics_interval: Duration,
    /// Where journals and reports go.
    pub out: PathBuf,
    /// Where our proxies and the control API listen.
    pub addresses: Addresses,
    /// Proxies elsewhere that stand in for ours.
    pub elsewhere: Option<Elsewhere>,
    /// Whether the client reaches the nodes without a proxy in between.
    pub direct: bool,
    /// Who does the faults of the network.
    pub network: Network,
    /// Whether the nodes have names, which a resolver of ours answers.
    pub names: bool,
}

/// A group of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Its name, and the nodes that it is told of at first.
    pub list: members::Group,
    /// The share of the workers that are in it.
    pub share: Ratio,
}

/// Who makes the calls of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The client in this process.
    Own,
    /// A published client in its own.
    Driver,
    /// An application that is asked for answers.
    Service,
    /// A command with a load of its own.
    Command,
}

/// Both ends of a connection of the client, and both of the proxy's to the node: what one costs at most.
const DESCRIPTORS_PER_CONNECTION: u64 = 4;

/// What a run has open besides: listeners, files, timers, its threads' own.
const DESCRIPTORS_BESIDES: u64 = 64;

impl Plan {
    /// How many descriptors a run may need: as many connections to each node as its pool
    /// and the workers allow. With fewer the client is refused by
    /// this machine, and the run would say that of the client.
    #[must_use]
    pub fn descriptors(&self) -> u64 {
        let each = (self.client.pool_size as u64).min(self.concurrency.into());
        let clients = self.groups.len().max(1) as u64;
        let connections = u64::from(self.nodes.count) * each * clients;
        DESCRIPTORS_BESIDES + connections * DESCRIPTORS_PER_CONNECTION
    }

    /// Who makes the calls.
    #[must_use]
    pub const fn who(&self) -> Who {
        match (&self.workload.http, &self.command, &self.driver) {
            // A command is the service then.
            (Some(_), _, _) => Who::Service,
            (None, Some(_), _) => Who::Command,
            (None, None, Some(_)) => Who::Driver,
            (None, None, None) => Who::Own,
        }
    }

    /// Whether operations have intended starts. Without them there are no response times.
    #[must_use]
    pub fn is_open_loop(&self) -> bool {
        let parts = self.workload.parts(self.rate, self.concurrency);
        parts.is_ok_and(|parts| parts.arrival.rate().is_some())
    }
}

/// How long each phase of a run lasts. A phase of no length is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Preload and settle; discarded.
    pub warmup: Duration,
    /// The baseline.
    pub steady: Duration,
    /// Faults are active.
    pub fault: Duration,
    /// Faults were healed when it began.
    pub recovery: Duration,
}

impl Phases {
    /// The phases that a file gives a length, in their order.
    pub const PLANNED: [Phase; 4] = [Phase::Warmup, Phase::Steady, Phase::Fault, Phase::Recovery];

    /// The length of one phase; draining has none, it ends when everything has.
    #[must_use]
    pub const fn length(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Warmup => self.warmup,
            Phase::Steady => self.steady,
            Phase::Fault => self.fault,
            Phase::Recovery => self.recovery,
            Phase::Drain => Duration::ZERO,
        }
    }

    /// The length of all.
    #[must_use]
    pub fn total(&self) -> Duration {
        Self::PLANNED.into_iter().map(|phase| self.length(phase)).sum()
    }
}

/// A fault on the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultPlan {
    /// What is broken, where and when: the lab's own form.
    pub spec: FaultSpec,
    /// Whether its length means the same however long the run is, so that it is never scaled.
    pub fixed_length: bool,
}

/// Faults that are drawn: which, and between which bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// The kinds that are drawn from, by their names.
    pub(super) kinds: Vec<&'static str>,
    /// From the end of one fault to the beginning of the next.
    pub(super) gap: Span,
    /// How long a fault lasts.
    pub(super) length: Span,
    /// How many nodes are broken at once, at most; each has one fault at a time.
    pub(super) nodes_at_most: u16,
}

/// A least and a most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) min: Duration,
    pub(super) max: Duration,
}

/// Where our proxies and the control API listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The first proxy's address; the others have the ports that follow.
    pub proxies: Listen,
    /// The control API's address.
    pub api: Listen,
}

impl Default for Addresses {
    fn default() -> Self {
        Self { proxies: Listen::usual(21211), api: Listen::usual(8474) }
    }
}
