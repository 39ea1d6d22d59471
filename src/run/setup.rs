//! From a plan to the settings of each part.

use super::{Environment, facts};
use crate::base::carried::Carried;
use crate::base::time::RunClock;
use crate::client::{ClientConfig, Server};
use crate::judge::Objective;
use crate::lab::LabConfig;
use crate::lab::backend::NodeInfo;
use crate::lab::error::LabError;
use crate::lab::timeline::FaultSpec;
use crate::load::{self, LoadConfig};
use crate::plan::Plan;
use crate::report::{Header, Start, StartNode};

/// What is said first.
pub(super) fn greeting(plan: &Plan) -> String {
    format!("{}: {} (seed {})", plan.scenario, plan.summary, plan.seed)
}

/// What every report begins with.
pub(super) fn header(plan: &Plan) -> Header {
    Header {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: plan.seed.value(),
        workload: plan.workload.name.clone(),
        client_profile: plan.client_profile.clone(),
        plan_hash: plan.hash(),
        network: plan.network.name().to_owned(),
    }
}

/// The first line of a run.
pub(super) fn start(
    plan: &Plan,
    header: &Header,
    nodes: &[NodeInfo],
    api_address: Option<String>,
) -> Start {
    let node = |info: &NodeInfo| StartNode {
        name: info.node,
        backend: facts::backend(info),
        address: info.address.to_string(),
        proxy_address: info.proxy_address.to_string(),
        version: Some(info.version.clone()),
    };
    Start {
        nodes: nodes.iter().map(node).collect(),
        api_address,
        ..Start::new(header, &plan.scenario, plan.phases.total())
    }
}

/// How to build the lab of a run, which can do what the plan wants.
///
/// # Errors
/// What cannot be done here, and why. Nothing was started.
pub(super) fn able_lab(plan: &Plan, environment: &Environment) -> Result<LabConfig, LabError> {
    let lab = LabConfig {
        nodes: plan.nodes.clone(),
        listen: plan.addresses.proxies,
        toxiproxy: plan.toxiproxy.clone(),
        network: plan.network,
        programs: environment.programs.clone(),
    };
    lab.can(&faults(plan))?;
    Ok(lab)
}

/// What the client is given: the proxies, as if they were the nodes.
pub(super) fn servers(nodes: &[NodeInfo]) -> Vec<Server> {
    nodes.iter().map(|info| Server { address: info.proxy_address.to_string(), weight: 1 }).collect()
}

/// The number of this run, and the client with keys that carry it: what another run left on a server
/// has other names. The prefix has no say in where a key lives.
pub(super) fn of_this_run(plan: &Plan, clock: &RunClock) -> (u32, ClientConfig) {
    let run = load::run_number(plan.seed.fork("load"), clock);
    let key_prefix = format!("{}{run:08x}:", plan.client.key_prefix);
    (run, ClientConfig { key_prefix, ..plan.client.clone() })
}

/// How the load on the client is made.
pub(super) fn load(plan: &Plan, clock: RunClock, run: u32) -> LoadConfig {
    LoadConfig {
        workload: plan.workload.clone(),
        concurrency: plan.concurrency,
        rate: plan.rate,
        seed: plan.seed.fork("load"),
        clock,
        run,
        nodes: usize::from(plan.nodes.count),
        deadline: plan
            .driver
            .as_ref()
            .map_or_else(|| load::longest_call(&plan.client), |driver| driver.timeout),
        checks: true,
    }
}

/// Where it is learned where a driver's client puts the keys of the run.
pub(super) fn carried(plan: &Plan) -> Carried {
    let counts = plan.workload.parts(plan.rate, plan.concurrency);
    let counts = counts.map(|parts| parts.counts(plan.concurrency)).unwrap_or_default();
    Carried::of(usize::try_from(counts.iter().sum::<u64>()).unwrap_or(usize::MAX))
}

/// What the run is judged by, and the names of the objectives that are left out because its client tells
/// nothing of its inside.
pub(super) fn objectives(plan: &Plan) -> (Vec<Objective>, Vec<String>) {
    let is_left_out =
        |objective: &&Objective| plan.driver.is_some() && objective.measure.is_inside();
    let (left_out, judged): (Vec<_>, Vec<_>) = plan.objectives.iter().partition(is_left_out);
    let names = left_out.into_iter().map(|objective| objective.name.clone());
    (judged.into_iter().cloned().collect(), names.collect())
}

/// The timeline.
pub(super) fn faults(plan: &Plan) -> Vec<FaultSpec> {
    plan.faults.iter().map(|fault| fault.spec.clone()).collect()
}
