//! What a run was: every count by phase and node, every event that mattered. Facts, no grades.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::connects::Connects;
use super::counts::Counts;
use super::fleet::Fleet;
use super::inputs::{Config, Inputs, WireCounts};
use super::recorder::node_at;
use super::series::{Bin, Series};
use super::tally::Tally;
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, Wall};
use crate::event::{
    BreakerState, CommandFacts, Event, FaultRecord, Outcome, Phase, SERVICE, SubjectFacts,
};

/// The facts of one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// What was known before.
    pub config: Config,
    /// The one reading of the wall clock.
    pub started_at: Wall,
    /// Every phase that began, in order.
    pub phases: Vec<PhaseSummary>,
    /// Operations that were due before the first phase began, in a run without a warm-up.
    pub before: Tally,
    /// The first events.
    pub events: Vec<Event>,
    /// What the breakers did.
    pub transitions: Vec<Transition>,
    /// Events that found no room.
    pub dropped_events: u64,
    /// How fast connections were opened.
    pub connects: Connects,
    /// What the composition root knows.
    pub inputs: Inputs,
    /// Whose runs these are the facts of, when they are those of several.
    #[serde(skip)]
    pub fleet: Option<Fleet>,
}

/// One phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// Which.
    pub phase: Phase,
    /// Its first moment.
    pub start: Offset,
    /// Its end.
    pub end: Offset,
    /// Each node, by the home of the keys.
    pub nodes: Vec<NodePhase>,
    /// Operations that asked several nodes; each of those has its part.
    pub whole: Tally,
}

/// One node in one phase.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct NodePhase {
    /// Operations on its keys alone.
    pub tally: Tally,
    /// Its parts of operations that asked several nodes: judged here, and no operations by themselves.
    pub parts: Tally,
    /// Both over time.
    pub series: Series,
}

impl NodePhase {
    /// Everything that this node had to do with.
    #[must_use]
    pub fn figures(&self) -> Tally {
        let mut all = self.tally.clone();
        all.merge(&self.parts);
        all
    }

    /// Keeps the same in a fraction of the memory, for when nothing more is expected.
    pub(super) fn pack(&mut self) {
        self.tally.pack();
        self.parts.pack();
        self.series.pack();
    }
}

/// A breaker changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The member of the fleet whose client it is; 0 where there is one client.
    #[serde(default)]
    pub member: u32,
    /// Whose.
    pub node: NodeIndex,
    /// When.
    pub at: Offset,
    /// From this state.
    pub from: BreakerState,
    /// To this one.
    pub to: BreakerState,
    /// Why.
    pub cause: String,
}

/// Which nodes a figure is about, by the home of the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum NodeGroup {
    /// Every node.
    #[default]
    All,
    /// Nodes that no fault targets.
    Healthy,
    /// Nodes that some fault targets.
    Faulty,
}

impl NodeGroup {
    /// Every group.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl PhaseSummary {
    /// How long it took.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}

impl Summary {
    /// Whether it is known which node each operation needed. Of a service it is not: all of its
    /// operations are counted at the first one, and belong to no group of nodes.
    #[must_use]
    pub fn tells_nodes(&self) -> bool {
        self.inputs.subject.as_ref().is_none_or(|subject| subject.kind != SERVICE)
    }

    /// Whether its client may send a request before it has the reply to the last.
    #[must_use]
    pub fn may_pipeline(&self) -> bool {
        self.inputs.subject.as_ref().is_some_and(SubjectFacts::may_pipeline)
    }

    /// The nodes at which operations are counted that some fault may have touched.
    #[must_use]
    pub fn faulty_nodes(&self) -> BTreeSet<NodeIndex> {
        if !self.tells_nodes() {
            return self.inputs.faults.first().map(|_| NodeIndex(0)).into_iter().collect();
        }
        self.inputs.faults.iter().flat_map(|fault| fault.nodes.iter().copied()).collect()
    }

    /// Whether the node belongs to the group.
    #[must_use]
    pub fn is_in(&self, node: NodeIndex, group: NodeGroup) -> bool {
        let faulty = || self.inputs.faults.iter().any(|fault| fault.nodes.contains(&node));
        if !self.tells_nodes() {
            return group == NodeGroup::All;
        }
        match group {
            NodeGroup::All => true,
            NodeGroup::Healthy => !faulty(),
            NodeGroup::Faulty => faulty(),
        }
    }

    /// How the command went that made the calls itself; `None`: our load made them.
    #[must_use]
    pub fn command(&self) -> Option<&CommandFacts> {
        self.inputs.subject.as_ref()?.command.as_ref()
    }

    /// The phase, when it began.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<&PhaseSummary> {
        self.phases.iter().find(|known| known.phase == phase)
    }

    /// When the steady phase began: the warm-up before it is not judged.
    #[must_use]
    pub fn settled(&self) -> Offset {
        self.phase(Phase::Steady).map_or(Offset(0), |phase| phase.start)
    }

    /// The figures of a group of nodes in one phase, or in every phase after the warm-up. Of all nodes
    /// each operation counts once; of some, each node's part of an operation that asked several.
    #[must_use]
    pub fn tally(&self, phase: Option<Phase>, group: NodeGroup) -> Tally {
        let mut all = Tally::default();
        for summary in &self.phases {
            let wanted = match phase {
                Some(phase) => summary.phase == phase,
                None => summary.phase != Phase::Warmup,
            };
            if !wanted {
                continue;
            }
            if group == NodeGroup::All {
                all.merge(&summary.whole);
            }
            for (position, node) in summary.nodes.iter().enumerate() {
                if self.is_in(node_at(position), group) {
                    all.merge(&node.tally);
                    if group != NodeGroup::All {
                        all.merge(&node.parts);
                    }
                }
            }
        }
        all
    }

    /// Every operation of the run, the warm-up and what came before included.
    #[must_use]
    pub fn everything(&self) -> Counts {
        let mut all = self.before.counts;
        self.phases.iter().for_each(|phase| all.merge(&phase.whole.counts));
        for node in self.phases.iter().flat_map(|phase| &phase.nodes) {
            all.merge(&node.tally.counts);
        }
        all
    }

    /// The pieces of time of a group of nodes in one phase, merged: start, length, what was due.
    #[must_use]
    pub fn bins(&self, phase: Phase, wanted: impl Fn(NodeIndex) -> bool) -> Vec<TimedBin> {
        let Some(summary) = self.phase(phase) else { return Vec::new() };
        let mut all: Vec<TimedBin> = Vec::new();
        for (position, node) in summary.nodes.iter().enumerate() {
            if !wanted(node_at(position)) {
                continue;
            }
            for (since, length, bin) in node.series.bins() {
                merge_at(&mut all, summary.start.plus(since), length, bin);
            }
        }
        all
    }

    /// What the proxies saw in one phase, or in every phase after the warm-up.
    pub fn wire(&self, phase: Option<Phase>) -> impl Iterator<Item = &WireCounts> {
        self.inputs.wire.iter().filter(move |wire| match phase {
            Some(phase) => wire.phase == phase,
            None => wire.phase != Phase::Warmup,
        })
    }

    /// How often the client tried to connect in one phase, or in every phase after the warm-up; `None`:
    /// nobody counted, or not all.
    #[must_use]
    pub fn dials(&self, phase: Option<Phase>) -> Option<u64> {
        if self.misses_dials(phase) {
            return None;
        }
        let counted = self.inputs.dials.iter().filter(|dials| match phase {
            Some(phase) => dials.phase == phase,
            None => dials.phase != Phase::Warmup,
        });
        counted.map(|dials| dials.attempts).reduce(|all, more| all + more)
    }

    /// Whether there were attempts in `phase` that nobody saw: a proxy that a fault has shut leaves them to the system,
    /// which refuses them and counts none. A client that tells of its nodes counts its own.
    #[must_use]
    pub fn misses_dials(&self, phase: Option<Phase>) -> bool {
        let shut = self.inputs.wire_totals.as_ref().is_some_and(|wire| wire.refused.is_none());
        shut && self.inputs.nodes.is_empty() && phase.is_none_or(|phase| phase == Phase::Fault)
    }

    /// When the first fault was applied.
    #[must_use]
    pub fn fault_applied(&self) -> Option<Offset> {
        self.inputs.faults.iter().filter_map(|fault| fault.applied).min()
    }

    /// When the last fault was healed; `None` while one is not.
    #[must_use]
    pub fn healed(&self) -> Option<Offset> {
        let applied = || self.inputs.faults.iter().filter(|fault| fault.applied.is_some());
        if applied().any(|fault| fault.healed.is_none()) {
            return None;
        }
        applied().filter_map(|fault| fault.healed).max()
    }

    /// The faults that target `node`.
    pub fn faults_on(&self, node: NodeIndex) -> impl Iterator<Item = &FaultRecord> {
        self.inputs.faults.iter().filter(move |fault| fault.nodes.contains(&node))
    }

    /// Whether what the proxies saw is of the calls that are counted, and of no others.
    #[must_use]
    pub fn wire_is_of_these_calls(&self) -> bool {
        self.fleet.as_ref().is_none_or(|fleet| fleet.uncounted_load().next().is_none())
    }

    /// The members of a fleet whose clients made these calls; 0 where there is one client.
    #[must_use]
    pub fn clients(&self) -> Vec<u32> {
        let Some(fleet) = &self.fleet else { return vec![0] };
        fleet.counted().map(|member| member.index).collect()
    }

    /// How often breakers of `node` opened, and how long they were open, each client's by itself.
    #[must_use]
    pub fn opened(&self, node: NodeIndex) -> (u64, Duration) {
        let mut since: BTreeMap<u32, Offset> = BTreeMap::new();
        let (mut opens, mut open) = (0, Duration::ZERO);
        for change in self.transitions.iter().filter(|change| change.node == node) {
            if let Some(since) = since.remove(&change.member) {
                open = open.saturating_add(change.at.since(since));
            }
            if change.to == BreakerState::Open {
                since.insert(change.member, change.at);
                opens += 1;
            }
        }
        for since in since.into_values() {
            open = open.saturating_add(self.inputs.ended.since(since));
        }
        (opens, open)
    }

    /// How many operations were offered and how many outcomes were counted: they must be equal.
    #[must_use]
    pub fn conservation(&self) -> (u64, u64) {
        (self.inputs.load.tickets_issued, self.everything().offered())
    }

    /// Operations that came to `outcome`, in the whole run.
    #[must_use]
    pub fn total(&self, outcome: Outcome) -> u64 {
        self.everything().of(outcome)
    }
}

/// A piece of time with its place in the run.
#[derive(Clone, Debug)]
pub struct TimedBin {
    /// Its first moment.
    pub start: Offset,
    /// Its length.
    pub length: Duration,
    /// What was due in it.
    pub bin: Bin,
}

impl TimedBin {
    /// The first moment after it.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.start.plus(self.length)
    }
}

/// Nodes of one phase share their grid while neither has rolled up; after that a finer piece goes
/// into the coarser one that holds its start.
fn merge_at(all: &mut Vec<TimedBin>, start: Offset, length: Duration, bin: Bin) {
    let place = all.partition_point(|known| known.end() <= start);
    match all.get_mut(place) {
        Some(known) if known.start <= start && start < known.end() => known.bin.merge(&bin),
        _ => all.insert(place, TimedBin { start, length, bin }),
    }
}
