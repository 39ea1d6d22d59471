//! The report, version 1: the names here are the names in the JSON.
//!
//! A field may be added. Renaming one, or giving it another meaning, raises [`SCHEMA_VERSION`].
//! A number's unit is in its name; what could not be measured is `null`, never 0.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fleet::{FleetReport, MemberReport};
use super::wire::WireReport;
use crate::base::name::NodeIndex;
use crate::event::{
    BreakerState, CalibrationCheck, ClosedConnections, DataTotals, DelayUs, KeyCounts, Member,
    NotJudged, Outcome, Phase, RefillCounts, SubjectFacts, ViolationKind, WireTrace,
};
use crate::judge::{Grade, Strain, Verdict};
use crate::record::{LatencyUs, Partial, ratio};

/// The version of the output contract.
pub const SCHEMA_VERSION: u32 = 1;

/// What did the faults of runs that were stored before there was a choice.
pub(super) fn user_network() -> String {
    "user".to_owned()
}

/// One run of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this contract.
    pub schema_version: u32,
    /// The version of the harness.
    pub version: String,
    /// The seed: the same one makes the same decisions.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: String,
    /// The workload's name.
    pub workload: String,
    /// The client profile's name.
    pub client_profile: String,
    /// Who made the calls; `null`: the run was stored without it.
    #[serde(default)]
    pub subject: Option<SubjectFacts>,
    /// Which part of a fleet it was; `null`: it was a run of its own, or is that of all members together.
    #[serde(default)]
    pub member: Option<Member>,
    /// The fleet whose runs are this one; `null`: it is that of one machine.
    #[serde(default)]
    pub fleet: Option<FleetReport>,
    /// Its members, in order; empty: there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberReport>,
    /// A hash over the resolved plan: two runs with the same one asked for the same.
    pub plan_hash: String,
    /// Who did the faults of the network: `user`, our proxies; `kernel`, the kernel where it can.
    #[serde(default = "user_network")]
    pub network: String,
    /// What it ran on: system, processors, memory; `null`: the run was stored without it.
    #[serde(default)]
    pub machine: Option<String>,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// How long it was to take, in seconds, as `-duration` says; `null`: the run was stored without it.
    #[serde(default)]
    pub planned_s: Option<f64>,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// Why it ended early; `null`: it did not.
    pub partial: Option<Partial>,
    /// One word.
    pub verdict: Verdict,
    /// Why, the most important first.
    pub reasons: Vec<String>,
    /// What a process that ran only this exits with.
    pub exit_code: u8,
    /// Every phase that began, in order.
    pub phases: Vec<PhaseReport>,
    /// Every node, in order.
    pub nodes: Vec<NodeReport>,
    /// Every fault of the plan.
    pub faults: Vec<FaultReport>,
    /// How long until all was well.
    pub recovery: RecoveryReport,
    /// How soon the client noticed.
    pub detection: DetectionReport,
    /// What the fault did to the load.
    pub load: Strain,
    /// Values written back after reads that found nothing, and how many of one key at once; `null`: the
    /// workload writes none back, or nobody counted.
    #[serde(default)]
    pub refills: Option<RefillCounts>,
    /// Whether the data was right.
    pub data: DataReport,
    /// What the proxies saw; `null`: no proxy counted.
    #[serde(default)]
    pub wire: Option<WireReport>,
    /// How the harness itself fared.
    pub harness: HarnessReport,
    /// Every objective with its grade.
    pub objectives: Vec<ObjectiveReport>,
    /// The run in pieces of 100 ms, longer ones in a long run: what charts are drawn from.
    #[serde(default)]
    pub pieces: Vec<PieceReport>,
    /// `phase.class` to an HDR V2 deflate histogram in base64; the unit is microseconds.
    pub histograms: BTreeMap<String, String>,
}

/// What the operations of one phase came to, over a group of nodes by the home of the keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Every intended operation.
    pub offered: u64,
    /// Those that were issued.
    pub operations: u64,
    /// Those that were never issued, because no worker was free.
    pub lost_slots: u64,
    /// Operations a second.
    pub throughput_per_s: Option<f64>,
    /// Failed, shed, indeterminate, hung and lost operations over offered ones.
    pub error_ratio: Option<f64>,
    /// Good operations over offered ones.
    pub availability_ratio: Option<f64>,
    /// How many came to which outcome; absent means none.
    pub outcomes: BTreeMap<String, u64>,
    /// From the intended start to the end, without shed operations; `null` in a closed loop.
    pub response_time_us: Option<LatencyUs>,
    /// From writing the request to the end.
    pub service_time_us: LatencyUs,
    /// Waiting for a connection of the pool.
    pub wait_for_connection_us: LatencyUs,
    /// Hits over reads that said hit or miss.
    pub hit_ratio: Option<f64>,
    /// Every key of a multi-get by itself; `null`: none was asked for, or nobody counted them.
    #[serde(default)]
    pub keys: Option<KeyFigures>,
}

/// The keys that were asked for together with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KeyFigures {
    /// Every key of every multi-get; the sum of the next six.
    pub asked: u64,
    /// Those whose value was there and is one that the read may return.
    pub hit: u64,
    /// Those that are absent, and a node has said so.
    pub miss: u64,
    /// Those told as absent although their own node surely held the value.
    pub false_miss: u64,
    /// Those that failed, were shed, or hung with their operation.
    pub failed: u64,
    /// Those with a value that must not be: wrong, corrupt, stale, foreign or contradicting.
    pub wrong: u64,
    /// Those told as absent of which nobody saw a node say so: missing or failed, the client does not tell.
    pub unknown: u64,
    /// Hits and misses over those asked; those of which it is unknown count as not served.
    pub served_ratio: f64,
}

impl KeyFigures {
    /// The figures of these keys; `None`: there are none.
    pub(super) fn of(keys: &KeyCounts) -> Option<Self> {
        let served_ratio = ratio(keys.served(), keys.asked())?;
        let KeyCounts { hit, miss, false_miss, failed, wrong, unknown } = *keys;
        let asked = keys.asked();
        Some(Self { asked, hit, miss, false_miss, failed, wrong, unknown, served_ratio })
    }
}

/// What was due within one piece of time, over all nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PieceReport {
    /// When it began, in seconds since the run's start.
    pub at_s: f64,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// The phase that it lies in.
    pub phase: Phase,
    /// How many operations came to which outcome; absent means none. One that asked several
    /// nodes counts at each.
    pub outcomes: BTreeMap<String, u64>,
    /// From the intended start to the end, without shed operations, within 6 %; `null` in a closed
    /// loop.
    pub response_time_us: Option<PieceTimes>,
}

impl PieceReport {
    /// How many operations came to `outcome`.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(outcome.name()).copied().unwrap_or(0)
    }
}

/// Response times of one piece, in microseconds; `null`: nothing ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PieceTimes {
    /// The median.
    pub p50: Option<u64>,
    /// 95 % took at most this long.
    pub p95: Option<u64>,
    /// 99 % took at most this long.
    pub p99: Option<u64>,
    /// The longest.
    pub max: Option<u64>,
}

/// A phase with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseFigures {
    /// The phase.
    pub name: Phase,
    /// When it began, in seconds since the run's start.
    pub start_s: f64,
    /// When it ended.
    pub end_s: f64,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A phase over all nodes, and apart for those with and without a fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseReport {
    /// All nodes.
    #[serde(flatten)]
    pub all: PhaseFigures,
    /// Nodes that no fault targets; `null`: there are none.
    pub healthy_nodes: Option<Figures>,
    /// Nodes that some fault targets; `null`: there are none.
    pub faulty_nodes: Option<Figures>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeReport {
    /// Its name.
    pub name: NodeIndex,
    /// What ran it.
    pub backend: String,
    /// Every phase, over its keys.
    pub phases: Vec<PhaseFigures>,
    /// The client's connections to it; `null`: no client said.
    pub connections: Option<ClosedConnections>,
    /// Its circuit breaker; `null`: no client said what it did.
    pub breaker: Option<BreakerReport>,
}

/// What a node's breaker did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BreakerReport {
    /// How often it opened.
    pub opens: u64,
    /// How often of these no fault was active on the node.
    pub false_opens: u64,
    /// How long it was open, in seconds.
    pub open_s: f64,
    /// Every change of state.
    pub transitions: Vec<TransitionReport>,
}

/// One change of a breaker's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransitionReport {
    /// When, in seconds since the run's start.
    pub at_s: f64,
    /// The member of the fleet whose client it is; absent where there is one client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<u32>,
    /// From this state.
    pub from: BreakerState,
    /// To this one.
    pub to: BreakerState,
    /// Why.
    pub cause: String,
}

/// One fault as it really was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultReport {
    /// Its name in the plan.
    pub name: String,
    /// What kind.
    pub kind: String,
    /// The nodes it targets.
    pub nodes: Vec<NodeIndex>,
    /// Its parameters in their text form.
    pub parameters: BTreeMap<String, String>,
    /// When all targets had acknowledged it; `null`: never.
    pub applied_at_s: Option<f64>,
    /// When taking it back was acknowledged; `null`: never.
    pub healed_at_s: Option<f64>,
    /// Operations that it delayed, altered or refused: what it counted itself, with what failed for it;
    /// 0 when it counted nothing. Where it cannot count, what failed, was slow or was missing beyond
    /// the steady phase. `null`: neither can be said.
    pub operations_touched: Option<u64>,
}

/// How long until all was well, from the moment every heal was acknowledged. Slowest node each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecoveryReport {
    /// Whether it recovered within the run; `null`: not asked, or it cannot be said.
    pub recovered: Option<bool>,
    /// The first good operation that the faulty node served.
    pub first_success_s: Option<f64>,
    /// From then on every second was as good as before the fault.
    pub sustained_s: Option<f64>,
    /// The hit ratio of its keys was back.
    pub hit_ratio_s: Option<f64>,
    /// The last stale read; 0: there was none.
    pub fresh_s: Option<f64>,
    /// How often it got bad again.
    pub relapses: Option<u64>,
    /// Windows of a second, 100 ms apart, that were bad only while the machine stalled: they count
    /// neither as good nor as bad; `null`: none was looked at.
    #[serde(default)]
    pub disturbed_windows: Option<u64>,
    /// Sustained recovery without the probe floor.
    pub own_s: Option<f64>,
    /// How long the breaker stayed open after the heal, by its own choice.
    pub probe_floor_s: Option<f64>,
}

/// How soon the client noticed, from the moment the fault was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectionReport {
    /// The first operation that failed or was slow.
    pub first_impact_s: Option<f64>,
    /// The client's first change of mind about every faulty node.
    pub detect_s: Option<f64>,
    /// The breaker of every faulty node was open.
    pub breaker_open_after_fault_s: Option<f64>,
    /// The same, from the first failed operation.
    pub breaker_open_after_first_failure_s: Option<f64>,
    /// Operations that took nine tenths of the timeout or longer until then.
    pub exposure_operations: Option<u64>,
    /// How long rejections took during the fault.
    pub fast_fail_us: FastFail,
}

/// How long rejections took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FastFail {
    /// The median.
    pub p50: Option<u64>,
    /// 99 % took at most this long.
    pub p99: Option<u64>,
}

/// Whether the data was right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataReport {
    /// What was counted.
    #[serde(flatten)]
    pub totals: DataTotals,
    /// Requests on a connection that still owed an earlier reply.
    pub dirty_reuse: Option<u64>,
    /// Why a figure above is `null`.
    #[serde(default)]
    pub not_judged: Vec<NotJudged>,
    /// The first violations.
    pub examples: Vec<Example>,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Example {
    /// When, in seconds since the run's start.
    pub at_s: f64,
    /// In which phase.
    pub phase: Phase,
    /// Which kind.
    pub kind: ViolationKind,
    /// The node that answered.
    pub node: NodeIndex,
    /// The evidence.
    pub detail: String,
    /// What passed last on the connection that last carried the key, where a proxy of ours saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireTrace>,
}

/// How the harness itself fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HarnessReport {
    /// How late the generator issued operations.
    pub issue_delay_us: DelayUs,
    /// How late a 10 ms timer woke.
    pub timer_delay_us: TimerDelay,
    /// The share of time in which some task waited for a processor.
    pub cpu_pressure: Option<f64>,
    /// When the machine stood still.
    #[serde(default)]
    pub stalls: StallsReport,
    /// Operations that found no worker in time; `null`, as the next two: the run was killed.
    pub shed_tickets: Option<u64>,
    /// Operations that were intended.
    pub tickets_issued: Option<u64>,
    /// Operations that came to an end.
    pub tickets_closed: Option<u64>,
    /// What was measured before the run of which the answer was known; one that is wrong makes the
    /// run invalid.
    #[serde(default)]
    pub calibration: Vec<CalibrationCheck>,
    /// Bounds that were reached, one sentence each.
    pub limits: Vec<String>,
}

/// Times after the warm-up in which a processor, or a thread of the harness, stood still for 10 ms
/// or longer. What is bad only then is left out where recovery is judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StallsReport {
    /// How many there were; `null`: nobody watched.
    pub count: Option<u64>,
    /// How long the longest was, in microseconds; `null`: there was none.
    pub longest_us: Option<u64>,
    /// The first of them, in order.
    pub first: Vec<StallReport>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StallReport {
    /// When it began, in seconds since the run's start.
    pub at_s: f64,
    /// How long it was.
    pub length_us: u64,
}

/// How late a timer was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimerDelay {
    /// 99 % were at most this late.
    pub p99: Option<u64>,
    /// The latest.
    pub max: Option<u64>,
}

/// An objective with its grade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectiveReport {
    /// Its name.
    pub name: String,
    /// What it measures.
    pub measure: String,
    /// Where; `null`: everything after the warm-up.
    pub phase: Option<Phase>,
    /// On which nodes: all, healthy or faulty.
    pub nodes: String,
    /// What was asked, with its unit.
    pub bound: String,
    /// What was measured, in the measure's unit; `null`: nothing, or it never happened.
    pub measured: Option<f64>,
    /// How many samples stand behind it.
    pub samples: u64,
    /// The grade.
    pub grade: Grade,
    /// One sentence with both.
    pub why: String,
}

impl Report {
    /// The phase called so, when it began.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<&PhaseReport> {
        self.phases.iter().find(|known| known.all.name == phase)
    }

    /// Intended operations, where that is known, and outcomes, over the whole run: equal, or the run
    /// failed.
    #[must_use]
    pub fn conservation(&self) -> (Option<u64>, u64) {
        let outcomes = self.phases.iter().flat_map(|phase| phase.all.figures.outcomes.values());
        (self.harness.tickets_issued, crate::record::sum(outcomes.copied()))
    }
}
