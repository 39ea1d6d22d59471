//! What a run came to, in counts: said by whoever counted, kept by the recorder, shown by the report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::name::NodeIndex;
use crate::base::time::Offset;

/// How late something was, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "IssueDelay", description = "How late the generator was.")]
pub struct DelayUs {
    /// The median.
    pub p50: Option<u64>,
    /// 99 % were at most this late.
    pub p99: Option<u64>,
    /// The latest.
    pub max: Option<u64>,
}

/// What [`SubjectFacts::kind`] says of an application that was asked for answers.
pub const SERVICE: &str = "service";

/// Who made the calls that were judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectFacts {
    /// `builtin`, `driver`, `service`, `command` or `application`.
    pub kind: String,
    /// The client's name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// What runs it.
    pub runtime: Option<String>,
    /// Whether its client sends a request before it has the reply to the last, by its own file; `null`:
    /// not known.
    #[serde(default)]
    pub pipelines: Option<bool>,
    /// The operations that it says it can do; empty: all.
    pub operations: Vec<String>,
    /// Operations of the workload that it cannot do: they were left out.
    pub left_out: Vec<String>,
    /// What a message to it and back takes, in microseconds; `null`: it is in this process.
    pub floor_us: Option<DelayUs>,
    /// How often its process died; `null`: it has none of its own.
    pub crashes: Option<u64>,
    /// Misses that no node has answered: errors that the client told as misses; `null`: nobody looked.
    pub misses_unanswered: Option<u64>,
    /// Calls that had not ended when the run did, after three times the timeout and 3 s at least; `null`:
    /// nobody could see.
    #[serde(default)]
    pub calls_open: Option<u64>,
    /// How long the first of them had been under way, in seconds; `null`: there is none.
    #[serde(default)]
    pub longest_open_s: Option<f64>,
    /// Some of them, the longest first: operation, key, for how long.
    #[serde(default)]
    pub open_examples: Vec<String>,
    /// Of all keys, the largest share that a change of the list of nodes has moved to another one: by the
    /// client's own word, else of those asked for before and since; `null`: no list changed, or nobody knows.
    #[serde(default)]
    pub list_keys_moved_ratio: Option<f64>,
    /// Objectives of the scenario that are not judged: those that only a client which tells its inside can be
    /// judged by, and those that only the wire answers where nobody counts on it.
    pub not_judged: Vec<String>,
    /// Its own words for its errors, a sample of each.
    pub errors: Vec<SubjectError>,
    /// How a command went; `null`: it is none.
    #[serde(default)]
    pub command: Option<CommandFacts>,
}

impl SubjectFacts {
    /// The kind of what somebody else starts and ends.
    pub const APPLICATION: &str = "application";

    /// The kind of the client in this process, which waits for each reply.
    pub const BUILTIN: &str = "builtin";

    /// Whether it may send a request before it has the reply to the last.
    #[must_use]
    pub fn may_pipeline(&self) -> bool {
        self.kind != Self::BUILTIN && self.pipelines != Some(false)
    }

    /// Whether it is nothing of ours to start or end.
    #[must_use]
    pub fn is_of_others(&self) -> bool {
        self.kind == Self::APPLICATION
    }
}

/// How a command went that made its calls itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommandFacts {
    /// How it ended, in words; `null`: nobody knows.
    pub ended: Option<String>,
    /// Its exit code; `null`: a signal ended it.
    pub exit_code: Option<i32>,
    /// The number of the signal that ended it; `null`: it exited.
    pub signal: Option<i32>,
    /// Whether it was ended because the run was over, which is no failure.
    pub ended_by_harness: bool,
    /// How often the timeline of the faults was begun.
    pub rounds: u64,
    /// The last lines of its output; `command.log` has more.
    pub last_lines: Vec<String>,
}

impl CommandFacts {
    /// Whether it failed: it ended by itself, and not with exit code 0.
    #[must_use]
    pub fn failed(&self) -> bool {
        !self.ended_by_harness && self.exit_code != Some(0)
    }
}

/// An error in a client's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubjectError {
    /// The class that it was put into.
    pub class: String,
    /// What the client said.
    pub message: String,
}

/// What the load generator counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadCounts {
    /// Keys stored before anything was measured.
    pub preloaded: u64,
    /// Keys that could not be stored then.
    pub not_preloaded: u64,
    /// How the last attempts to store them ended, by class of error or outcome, and how many.
    #[serde(default)]
    pub preload_failures: BTreeMap<String, u64>,
    /// Tickets issued: every intended operation.
    pub tickets_issued: u64,
    /// Tickets closed.
    pub tickets_closed: u64,
    /// Tickets that found no worker in time.
    pub shed_tickets: u64,
    /// How late the generator issued tickets. Waiting for a worker is not in it.
    pub issue_delay: Option<DelayUs>,
    /// Values written back after a read that found nothing; `None`: the workload writes none back, or
    /// nobody counted.
    pub refills: Option<RefillCounts>,
}

/// Refills of a run: a read found nothing, and its worker brings the value and writes it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefillCounts {
    /// Refills that were begun, whether they came to anything or not.
    pub refills: u64,
    /// Those of them that were begun while another refill of the same key was under way: what a lease, or
    /// one caller that refills for all, saves.
    pub duplicates: u64,
    /// The most refills of one key that were under way at a time.
    pub at_once_max: u64,
}

impl RefillCounts {
    /// The share of duplicates; `None`: nothing was refilled.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn duplicate_ratio(&self) -> Option<f64> {
        (self.refills > 0).then(|| self.duplicates as f64 / self.refills as f64)
    }
}

/// What the oracle counted, settled with what the nodes did with their data. `None`: nobody looked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataTotals {
    /// Values of another key, or never written. `null`, here and below: nobody looked.
    pub wrong: Option<u64>,
    /// Values whose length or checksum is not their own.
    pub corrupt: Option<u64>,
    /// Reads older than the last acknowledged write.
    pub stale: Option<u64>,
    /// Those of them that a write whose reply was lost put there: it was executed after a later one.
    pub stale_by_late_write: Option<u64>,
    /// Reads older than the last attempted write, which was not acknowledged.
    pub stale_unacknowledged: Option<u64>,
    /// Misses although the key's own node must have held the value; `null`: not judged.
    pub false_misses: Option<u64>,
    /// Acknowledged writes whose effect is gone or was never there.
    pub acknowledged_but_lost: Option<u64>,
    /// Records that are there more often than they were asked for.
    pub double_applied: Option<u64>,
    /// Counters below what was acknowledged: an increment was lost, or a decrement applied twice.
    #[serde(default)]
    pub counter_behind: Option<u64>,
    /// Counters above what was asked for: a decrement was lost, or an increment applied twice.
    #[serde(default)]
    pub counter_ahead: Option<u64>,
    /// Answers that cannot be, by what the same node has answered before.
    #[serde(default)]
    pub contradictions: Option<u64>,
    /// Keys that memcached does not take and that a client accepted, or that reached a node.
    #[serde(default)]
    pub illegal_keys: Option<u64>,
    /// Values that another run left behind.
    #[serde(default)]
    pub foreign: Option<u64>,
    /// The late writes behind stale reads, as far as they are told apart. For the judge only.
    #[serde(skip)]
    pub late_writes: Vec<LateWrite>,
    /// Why a figure above is `None`. The report has it behind its own figures.
    #[serde(skip)]
    pub not_judged: Vec<NotJudged>,
}

/// A write whose reply was lost, that was executed after a later one, and whose value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateWrite {
    /// The key's own node.
    pub node: NodeIndex,
    /// When the write began.
    pub begun: Offset,
    /// How often its value was read.
    pub reads: u64,
}

/// Something that was not judged, which is not the same as none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotJudged {
    /// The measure.
    pub measure: String,
    /// Why not.
    pub reason: String,
}

/// One thing whose answer the harness knew beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationCheck {
    /// What was measured.
    pub name: String,
    /// The answer.
    pub expected: String,
    /// What came out.
    pub measured: String,
    /// Whether that is the answer.
    pub pass: bool,
}

/// One fault as it really was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its name in the plan.
    pub name: String,
    /// What kind of fault.
    pub kind: String,
    /// The nodes it targets.
    pub nodes: Vec<NodeIndex>,
    /// Its parameters in their text form.
    pub parameters: BTreeMap<String, String>,
    /// When everything that it targets had acknowledged it; `None`: never applied.
    pub applied: Option<Offset>,
    /// When taking it back was acknowledged; `None`: never healed.
    pub healed: Option<Offset>,
    /// Operations that it delayed, altered or refused on the wire, as it counted itself; `None`: it
    /// cannot count, because a process was stopped, say, or because nothing came in to be counted.
    pub operations_touched: Option<u64>,
}
