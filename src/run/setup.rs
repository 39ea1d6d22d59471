//! From a plan to the settings of each part.

use std::net::SocketAddr;

use super::{Environment, RunError, facts};
use crate::base::carried::Carried;
use crate::base::time::RunClock;
use crate::client::{ClientConfig, Server};
use crate::lab::backend::NodeInfo;
use crate::lab::backend::process::find_program;
use crate::lab::error::LabError;
use crate::lab::timeline::FaultSpec;
use crate::lab::{LabConfig, Listen, Network, Nodes};
use crate::load::{self, LoadConfig};
use crate::plan::{Addresses, Backend, NetworkMode, Nodes as PlannedNodes, Plan};
use crate::report::{Header, Start, StartNode};

/// Memory for items of a node that the harness starts, in MiB.
const MEMORY_MIB: u32 = 64;

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

/// How to build the lab.
///
/// # Errors
/// When a real memcached was asked for and there is none.
pub(super) fn lab(
    planned: &PlannedNodes,
    addresses: &Addresses,
    environment: &Environment,
) -> Result<LabConfig, RunError> {
    let real = || Nodes::memcached(&environment.path, &environment.harness);
    let nodes = match &planned.backend {
        Backend::Auto => real().unwrap_or(Nodes::Embedded),
        Backend::Memcached => real().ok_or(LabError::NoMemcached)?,
        Backend::Embedded => Nodes::Embedded,
        Backend::Servers(servers) => {
            Nodes::External(servers.iter().map(SocketAddr::to_string).collect())
        }
    };
    let proxies = addresses.proxies;
    let listen = |position: u16| {
        let mut address = proxies.address;
        if address.port() != 0 {
            address.set_port(address.port().saturating_add(position));
        }
        Listen { address, explicit: proxies.required }
    };
    Ok(LabConfig {
        nodes,
        count: planned.count,
        memory_mib: MEMORY_MIB,
        lies: planned.lies.clone(),
        listen: (0..planned.count).map(listen).collect(),
        toxiproxy: None,
        network: Network::User,
    })
}

/// How to build the lab of a run, which can do what the plan wants.
///
/// # Errors
/// What cannot be done here, and why. Nothing was started.
pub(super) fn able_lab(plan: &Plan, environment: &Environment) -> Result<LabConfig, RunError> {
    let lab = LabConfig {
        toxiproxy: plan.toxiproxy.clone(),
        network: network(plan.network, environment)?,
        ..lab(&plan.nodes, &plan.addresses, environment)?
    };
    lab.can(&faults(plan))?;
    Ok(lab)
}

/// Who does the faults of the network.
///
/// # Errors
/// When a program is missing that the kernel's needs.
fn network(mode: NetworkMode, environment: &Environment) -> Result<Network, LabError> {
    let find = |program: &str, package: &str| {
        find_program(program, &environment.path).ok_or_else(|| {
            LabError::Network(format!("there is no `{program}` on PATH; install {package}"))
        })
    };
    match mode {
        NetworkMode::User => Ok(Network::User),
        NetworkMode::Kernel => {
            Ok(Network::Kernel { ip: find("ip", "iproute2")?, nft: find("nft", "nftables")? })
        }
    }
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

/// The timeline.
pub(super) fn faults(plan: &Plan) -> Vec<FaultSpec> {
    plan.faults.iter().map(|fault| fault.spec.clone()).collect()
}
