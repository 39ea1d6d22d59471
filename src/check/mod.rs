//! Whether a driver speaks the driver protocol, before anybody trusts a run with it.
//!
//! ```text
//!  cases: operations ─► accepted answers ─┐
//!                                         ├─► session: lines ◄─► driver ◄─► proxies ◄─► nodes
//!  stories: silence, refusal, the end ────┘
//! ```
//! A check that fails is a fault of the driver, or of the client behind it that changes data. What the
//! protocol allows and a reader of a report should know is told as a difference.

mod cases;
mod lists;
mod placement;
mod runner;
mod session;
mod stage;
mod step;
mod stories;
mod web;

use serde::Serialize;

pub use self::placement::{Placement, placement};
use self::runner::check_process;
use self::web::check_service;
use crate::driver::{DriverConfig, StartError, Web};
use crate::lab::error::LabError;
use crate::lab::{Backend, Programs};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As the protocol wants it.
    Ok,
    /// Allowed, and worth knowing.
    Differs,
    /// The driver says that it cannot, or it cannot be asked.
    Skipped,
    /// Not as the protocol wants it.
    Failed,
}

/// A check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// What is worth knowing, or why it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Of a failed one: what should have come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Of a failed one: what came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub came: Option<String>,
    /// The line that shows it, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
}

/// All of it, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The client's name, as the driver tells it.
    pub client: String,
    /// Its version.
    pub version: String,
    /// What runs it.
    pub runtime: String,
    /// What it was checked with.
    pub nodes: String,
    /// Checks that came out as the protocol wants.
    pub ok: u32,
    /// Checks that came out otherwise, as is allowed.
    pub differs: u32,
    /// Checks that the driver says it cannot pass.
    pub skipped: u32,
    /// Checks that failed.
    pub failed: u32,
}

impl Summary {
    const fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Differs => self.differs += 1,
            Outcome::Skipped => self.skipped += 1,
            Outcome::Failed => self.failed += 1,
        }
    }
}

/// Why there was nothing to check.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The driver cannot be started.
    #[error(transparent)]
    Driver(#[from] StartError),
    /// A key could not be stored on healthy nodes.
    #[error("a key could not be stored on healthy nodes: {0}")]
    NotStored(String),
    /// The nodes do not come up.
    #[error(transparent)]
    Lab(#[from] LabError),
}

/// Checks a driver, or a service by the same operations, and tells of each check as it ends. The first
/// finding is told when it has said that it is ready.
///
/// # Errors
/// When it cannot be started or does not answer, or the nodes do not come up.
pub async fn check(
    config: &DriverConfig,
    backend: Backend,
    programs: &Programs,
    told: &mut (dyn FnMut(&Finding) + Send),
) -> Result<Summary, CheckError> {
    match &config.url {
        None => check_process(config, backend, programs, told).await,
        Some(url) => {
            let web = Web::start(url, config).await.map_err(StartError::from)?;
            Ok(check_service(web, config, told).await)
        }
    }
}
