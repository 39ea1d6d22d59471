//! The facts of one member of a fleet, as a file that another machine reads.
//!
//! A verdict is made of a [`Summary`] and of nothing else, so that is what a member leaves: every histogram
//! bucket by bucket, every piece of time, every event that a judge or a report asks for. Whoever merges adds
//! summaries, and the judge and the report never know of how many.
//!
//! The first line says whose facts they are and what the second must be: its length and its checksum. A
//! file that is cut short, changed, or of another build of the harness is refused, not guessed at.

mod merge;
mod read;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use self::merge::Shift;
pub use self::read::{FactsError, read, read_head};
use super::Summary;
use super::journal::{JournalError, write_whole};
use crate::event::{DataTotals, LateWrite, Member, NotJudged, Outcome};

/// The file in a run's folder.
pub const FACTS: &str = "facts.ndjson";

/// The version of its form.
const VERSION: u32 = 1;

/// What all members must have in common, and what begins the report of them all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of the harness.
    pub version: String,
    /// The root of the seeds.
    pub seed: u64,
    /// The workload's name.
    pub workload: String,
    /// The client profile's name.
    pub client_profile: String,
    /// A hash over the plan that they share.
    pub plan_hash: String,
    /// Who did the faults of the network.
    pub network: String,
    /// What this member ran on.
    pub machine: Option<String>,
    /// How long it was to take, in seconds.
    pub planned_s: Option<f64>,
}

/// What the file begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    facts_version: u32,
    /// Whose facts they are.
    pub member: Member,
    /// Of which run.
    pub identity: Identity,
    /// What the member's own run came to, in one word.
    pub verdict: String,
    /// Every outcome in its order: pieces name them by their place.
    outcomes: Vec<String>,
    bytes: u64,
    crc32: u32,
}

/// The rest of the file. What of the data no report shows stands beside it.
#[derive(Debug, Serialize, Deserialize)]
struct Body<S> {
    summary: S,
    late_writes: Vec<LateWrite>,
    not_judged: Vec<NotJudged>,
}

fn outcomes() -> Vec<String> {
    Outcome::all().map(|outcome| outcome.name().to_owned()).collect()
}

/// Leaves the facts of a member in its run's folder: complete, or not at all.
///
/// # Errors
/// When they cannot be written.
pub fn write(
    folder: &Path,
    member: &Member,
    identity: &Identity,
    verdict: &str,
    summary: &Summary,
) -> Result<(), JournalError> {
    let DataTotals { late_writes, not_judged, .. } = summary.inputs.data.clone();
    let body = serde_json::to_vec(&Body { summary, late_writes, not_judged });
    let mut body = body.expect("every fact has a JSON form");
    body.push(b'\n');
    let head = Head {
        facts_version: VERSION,
        member: member.clone(),
        identity: identity.clone(),
        verdict: verdict.to_owned(),
        outcomes: outcomes(),
        bytes: body.len() as u64,
        crc32: crc32fast::hash(&body),
    };
    let mut file = serde_json::to_vec(&head).expect("every head has a JSON form");
    file.push(b'\n');
    file.append(&mut body);
    write_whole(&folder.join(FACTS), &file)
}

#[cfg(test)]
pub(crate) mod tests;
