//! A report for a run that left none: the plan in its folder, and what its lines still say.

use std::path::Path;
use std::time::Duration;

use super::setup;
use crate::base::seed::Seed;
use crate::lab::Backend;
use crate::lab::nemesis::planned;
use crate::plan::{Library, Options, Plan, PlanError, plans};
use crate::record::Config;
use crate::record::journal::PLAN;
use crate::report::{ReadError, Stored, Unfinished};

/// Why there is no report to be had from a folder.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The plan cannot be read.
    #[error("{0}")]
    Plan(#[from] PlanError),
    /// There is no line of the run.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Makes a report of the run in `folder` from its plan and its lines.
///
/// # Errors
/// When there is no plan, and when there is not one line.
pub fn rebuild(folder: &Path) -> Result<Stored, RebuildError> {
    let path = folder.join(PLAN).to_string_lossy().into_owned();
    let mut plans = plans(&Library::new("."), &[path], &Options::default(), Seed::new(0))?;
    let plan = plans.remove(0);
    Ok(Stored::rebuild(folder, unfinished(plan))?)
}

fn unfinished(plan: Plan) -> Unfinished {
    Unfinished {
        header: setup::header(&plan),
        config: config(&plan),
        faults: setup::faults(&plan).iter().map(|fault| planned(fault, None)).collect(),
        backend: match &plan.nodes.backend {
            Backend::Auto => "not stored",
            chosen => chosen.name(),
        }
        .to_owned(),
        objectives: plan.objectives,
    }
}

/// What the recorder knows of a run beforehand.
pub(super) fn config(plan: &Plan) -> Config {
    Config {
        scenario: plan.scenario.clone(),
        nodes: usize::from(plan.nodes.count),
        open_loop: plan.is_open_loop(),
        operation_timeout: operation_timeout(plan),
    }
}

/// How long whatever makes the calls waits for one, by its own settings.
fn operation_timeout(plan: &Plan) -> Duration {
    match (&plan.workload.http, &plan.driver) {
        (Some(http), _) => http.timeout,
        (None, Some(driver)) => driver.timeout,
        (None, None) => plan.client.operation_timeout,
    }
}
