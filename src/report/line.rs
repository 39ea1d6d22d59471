//! One object of the `-json` stream, which is also what the journal keeps.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{Report, SCHEMA_VERSION};
use crate::base::name::NodeIndex;
use crate::event::Event;
use crate::record::Interval;

/// A line of the stream; `type` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// First, once for each scenario run.
    Start(Start),
    /// Every `-metrics-interval`.
    Interval(Interval),
    /// As it happens.
    Event(Event),
    /// Last, once for each scenario run.
    Report(Box<Report>),
    /// Before the first start, once for each scenario that was asked for and is not run.
    Skipped(Skipped),
}

/// A scenario that was asked for and cannot be had here: nothing was judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// The scenario's name.
    pub scenario: String,
    /// What it wants and cannot have.
    pub reason: String,
}

/// What is about to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Start {
    /// The version of this contract.
    pub schema_version: u32,
    /// The version of the harness.
    pub version: String,
    /// The seed.
    pub seed: u64,
    /// The scenario's name.
    pub scenario: String,
    /// The workload's name.
    pub workload: String,
    /// How long the run is planned to take, in seconds.
    pub duration_s: f64,
    /// A hash over the resolved plan.
    pub plan_hash: String,
    /// Who does the faults of the network: `user` or `kernel`.
    #[serde(default = "super::model::user_network")]
    pub network: String,
    /// The nodes.
    pub nodes: Vec<StartNode>,
    /// Where the control API listens; `null`: nowhere.
    pub api_address: Option<String>,
}

/// A node that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartNode {
    /// Its name.
    pub name: NodeIndex,
    /// What runs it.
    pub backend: String,
    /// Where it listens.
    pub address: String,
    /// Where the proxy in front of it listens.
    pub proxy_address: String,
    /// What it says its version is.
    pub version: Option<String>,
}

impl Start {
    /// The first line of a run, without nodes.
    #[must_use]
    pub fn new(header: &super::Header, scenario: &str, duration: Duration) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            version: header.version.clone(),
            seed: header.seed,
            scenario: scenario.to_owned(),
            workload: header.workload.clone(),
            duration_s: duration.as_secs_f64(),
            plan_hash: header.plan_hash.clone(),
            network: header.network.clone(),
            nodes: Vec::new(),
            api_address: None,
        }
    }
}

impl Line {
    /// One line of JSON, without the line end.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every field has a JSON form")
    }
}
