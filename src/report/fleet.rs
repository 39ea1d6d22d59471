//! Many machines' runs as one: which of them count, and how well their clocks agree.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::Verdict;
use crate::record::{Fleet, MemberSeen, Missing};

/// The runs of which a report is the sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FleetReport {
    /// What all members called the run.
    pub run_id: String,
    /// What becomes of the run when a member is missing.
    pub missing: Missing,
    /// By how much a moment that another member than 0 saw may be wrong, the worst of them, in microseconds:
    /// its clock, and when it took its phases to begin. Times since the fault or its healing are as exact.
    pub moments_within_us: u64,
    /// How many there are to be.
    pub of: u64,
    /// How many of them left their facts and have their load in the figures.
    pub counted: u64,
}

/// One of its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MemberReport {
    /// Which, from 0, who owned the nodes.
    pub index: u32,
    /// Its machine; `null`, as all below: it left nothing.
    pub host: Option<String>,
    /// Why its load is in no figure; `null`: it is in all of them.
    pub left_out: Option<String>,
    /// What was added to its clock to read member 0's; `null`: it was not measured.
    pub clock_offset_us: Option<i64>,
    /// By how much that may be wrong.
    pub clock_uncertainty_us: Option<u64>,
    /// How far its phases began from member 0's; `null`: they were not compared.
    pub phases_apart_us: Option<u64>,
    /// Operations that it intended.
    pub offered: Option<u64>,
    /// What was late on its machine.
    pub noise: Vec<String>,
    /// What its own run came to, which knew the faults of no other member.
    pub verdict: Option<Verdict>,
}

impl FleetReport {
    pub(super) fn of(fleet: &Fleet) -> Self {
        Self {
            run_id: fleet.run_id.clone(),
            missing: fleet.missing,
            moments_within_us: us(fleet.moments_within()),
            of: fleet.members.len() as u64,
            counted: fleet.counted().count() as u64,
        }
    }
}

impl MemberReport {
    pub(super) fn all(fleet: &Fleet) -> Vec<Self> {
        fleet.members.iter().map(Self::of).collect()
    }

    fn of(member: &MemberSeen) -> Self {
        let told = member.told.as_ref();
        let verdict = member.verdict.as_ref();
        Self {
            index: member.index,
            host: told.map(|told| told.host.clone()),
            left_out: member.standing.why(),
            clock_offset_us: told.and_then(|told| told.clock_offset_us),
            clock_uncertainty_us: told.and_then(|told| told.clock_uncertainty_us),
            phases_apart_us: member.phases_apart.map(us),
            offered: member.offered,
            noise: member.noise.clone(),
            verdict: verdict.and_then(|word| serde_json::from_value(word.as_str().into()).ok()),
        }
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
