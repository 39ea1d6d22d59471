//! When there is a view, what it can show, and what it is told of a plan.

use std::time::Duration;

use crate::plan::{CommandPlan, FaultPlan, Phases, Plan, Who};
use crate::view::{Look, Outline, PlannedFault};

/// Figures come so often at most.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
/// So many of them make a chart.
const INTERVALS: u32 = 600;

/// Whether nothing in the environment says that lines are wanted.
pub(super) fn is_wanted() -> bool {
    let is_set = |name: &str| variable(name).is_some();
    let is_dumb = variable("TERM").is_none_or(|term| term == "dumb");
    !is_dumb && !is_set("CI")
}

/// How often figures are taken for a view: more often than for lines, in a long run less so.
pub(in crate::cli) fn interval(plan: &Plan) -> Duration {
    let each = plan.phases.total() / INTERVALS;
    each.max(INTERVAL_MIN).min(plan.metrics_interval)
}

pub(super) fn look() -> Look {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let locale = locale.unwrap_or_default().to_lowercase();
    let unicode = locale.contains("utf-8") || locale.contains("utf8");
    Look { colour: variable("NO_COLOR").is_none(), unicode }
}

/// A variable that says something.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

/// What a view is told of a plan.
pub(in crate::cli) fn outline(plan: &Plan) -> Outline {
    let phases = Phases::PLANNED.into_iter().map(|it| (it, plan.phases.length(it).as_secs_f64()));
    Outline {
        scenario: plan.scenario.clone(),
        told: told(plan),
        phases: phases.filter(|(_, length)| *length > 0.0).collect(),
        faults: plan.faults.iter().map(fault).collect(),
        repeats: plan.command.as_ref().is_some_and(|command| command.repeats),
        unchecked: unchecked(plan).map(str::to_owned),
        touchable: plan.elsewhere.is_none() && !plan.direct,
    }
}

fn told(plan: &Plan) -> String {
    let (client, seed) = (&plan.client_profile, plan.seed);
    match plan.who() {
        Who::Command => format!("a command's own calls, seed {seed}"),
        Who::Service => format!("{} workload, a service, seed {seed}", plan.workload.name),
        Who::Own | Who::Driver => {
            format!("{} workload, {client} client, seed {seed}", plan.workload.name)
        }
    }
}

fn unchecked(plan: &Plan) -> Option<&'static str> {
    match plan.who() {
        Who::Command if plan.command.as_ref().is_some_and(CommandPlan::is_started) => {
            Some("the command makes its calls itself, only the wire is seen")
        }
        Who::Command => Some("the application makes its calls itself, only the wire is seen"),
        Who::Service => Some("the service makes its calls itself, its answers are judged"),
        Who::Own | Who::Driver => None,
    }
}

fn fault(fault: &FaultPlan) -> PlannedFault {
    let spec = &fault.spec;
    PlannedFault {
        name: spec.name.clone(),
        nodes: spec.nodes.clone(),
        at_s: spec.after.is_none().then_some(spec.at.as_secs_f64()),
        length_s: spec.length.as_secs_f64(),
    }
}
