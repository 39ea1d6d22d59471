//! From a plan to the settings of each part.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;

use super::phase_file::PhaseFile;
use super::{Environment, RunError, facts, fleet};
use crate::base::carried::Carried;
use crate::base::name::NodeIndex;
use crate::base::share::Share;
use crate::base::time::RunClock;
use crate::client::{ClientConfig, Server};
use crate::event::{SERVICE, SubjectFacts};
use crate::fleet::Seat;
use crate::judge::{Bound, Objective, answers, witness};
use crate::lab::backend::NodeInfo;
use crate::lab::backend::process::find_program;
use crate::lab::error::LabError;
use crate::lab::error::failed;
use crate::lab::members::Joins;
use crate::lab::timeline::FaultSpec;
use crate::lab::{Lab, LabConfig, UNREADABLE};
use crate::load::{self, LoadConfig};
use crate::metrics::{About, Asked};
use crate::plan::{CommandPlan, Places, Plan, Variable, Who};
use crate::protocol::Protocol;
use crate::report::{Header, Start, StartNode};
use crate::secure::access::Access;

/// What stands where the load or the client is the subject's own.
const ITS_OWN: &str = "its own";

/// What is said first.
pub(super) fn greeting(plan: &Plan) -> String {
    format!("{}: {} (seed {})", plan.scenario, plan.summary, plan.seed)
}

/// What every report begins with, but for the machine: the plan does not know it.
pub(super) fn header(plan: &Plan) -> Header {
    Header {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: plan.seed.value(),
        workload: match plan.who() {
            Who::Command => ITS_OWN,
            Who::Own | Who::Driver | Who::Service => &plan.workload.name,
        }
        .to_owned(),
        client_profile: match plan.who() {
            Who::Command | Who::Service => ITS_OWN,
            Who::Own | Who::Driver => &plan.client_profile,
        }
        .to_owned(),
        plan_hash: plan.hash(),
        network: plan.network.name().to_owned(),
        machine: None,
        planned_s: Some(plan.phases.total().as_secs_f64()),
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
        elsewhere: plan.elsewhere.clone(),
        direct: plan.direct,
        network: plan.network,
        names: plan.names,
        groups: plan.groups.iter().map(|group| group.list.clone()).collect(),
        joins: Joins::of(&faults(plan)),
        programs: environment.programs.clone(),
    };
    if let Some(why) = has_no_groups(plan) {
        return Err(LabError::Groups(why.to_owned()));
    }
    if let Some(why) = needs_no_names(plan) {
        return Err(LabError::Names(why.to_owned()));
    }
    if let Some(guest) = environment.fleet.as_ref().and_then(Seat::guest) {
        return Ok(fleet::lab_elsewhere(lab, guest));
    }
    if let Some(why) = cannot_enter(plan) {
        return Err(LabError::Access(why));
    }
    lab.can(&faults(plan))?;
    plan.can_wait().map_err(|(fault, what)| failed(&fault.spec, what))?;
    Ok(lab)
}

/// Why there are no groups of who makes the calls: each has a client of its own, which is told its list.
fn has_no_groups(plan: &Plan) -> Option<&'static str> {
    let is_web = plan.driver.as_ref().is_some_and(|driver| driver.url.is_some());
    match plan.who() {
        _ if plan.groups.is_empty() => None,
        Who::Own => None,
        Who::Driver if !is_web => None,
        Who::Driver => Some("the driver runs already, and all calls go to it"),
        Who::Service | Who::Command => {
            Some("who makes its calls itself has a client of its own; there is one list for it")
        }
    }
}

/// Why who makes the calls would not be let in, or nobody could say anything of it.
fn cannot_enter(plan: &Plan) -> Option<String> {
    let Access { tls, sasl, .. } = plan.nodes.access;
    match plan.who() {
        Who::Command if tls => Some(format!(
            "-tls: of an application that makes its own calls only the wire is judged, and {UNREADABLE}; leave it out"
        )),
        Who::Own if sasl => Some(
            "-sasl: the nodes speak the binary protocol alone, and the client that is built in speaks text; name one \
             whose driver can, such as -client bmemcached"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Why names make no sense for who makes the calls: they are for a process that is started with our resolver, or
/// asks us.
fn needs_no_names(plan: &Plan) -> Option<&'static str> {
    let is_web = plan.driver.as_ref().is_some_and(|driver| driver.url.is_some());
    match plan.who() {
        _ if !plan.names => None,
        Who::Driver if is_web => Some("the driver runs already, with a resolver of its own"),
        Who::Service if plan.command.is_none() => Some(
            "the service runs already, with a resolver of its own; start it with `harness exec`",
        ),
        Who::Own | Who::Driver | Who::Service | Who::Command => None,
    }
}

/// Whether there is a program to start for the command of a plan.
///
/// # Errors
/// When there is none that can be run.
pub(super) fn able_command(plan: &Plan, environment: &Environment) -> Result<(), RunError> {
    let Some(CommandPlan { program: Some(program), .. }) = &plan.command else { return Ok(()) };
    // A name with a slash in it is looked for nowhere else; joined to a folder it would be.
    let (path, why) = if Path::new(program).components().count() > 1 {
        (OsStr::new("."), "there is no such program")
    } else {
        (environment.programs.path.as_os_str(), "there is no such program on PATH")
    };
    let program = program.to_string_lossy().into_owned();
    match find_program(&program, path) {
        Some(_) => Ok(()),
        None => Err(RunError::Command { program, why: why.to_owned() }),
    }
}

/// What a lab that is up has to tell a command.
pub(super) fn places(lab: &Lab, api: Option<SocketAddr>, files: Option<&PhaseFile>) -> Places {
    let path = |path: Option<&Path>| {
        path.map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    };
    Places {
        servers: lab.info().iter().map(|info| info.server.clone()).collect(),
        listed: lab.lists().first().map(|list| named(lab, &list.nodes)).unwrap_or_default(),
        toxiproxy_url: api.map(|api| format!("http://{api}")).unwrap_or_default(),
        phase_file: path(files.map(PhaseFile::path)),
        servers_file: path(files.map(PhaseFile::list_path).as_deref()),
        invitation: lab.invitation(),
    }
}

/// Nodes as clients are told them.
pub(super) fn named(lab: &Lab, nodes: &[NodeIndex]) -> Vec<String> {
    nodes.iter().map(|node| lab.info()[node.position()].server.clone()).collect()
}

/// The list of each group of clients, as they are told it, and its share of the workers: one where there are
/// no groups.
pub(super) fn lists(plan: &Plan, lab: &Lab) -> Vec<(Vec<NodeIndex>, f64)> {
    let shares = plan.groups.iter().map(|group| group.share.value()).chain(std::iter::repeat(1.0));
    lab.lists().into_iter().map(|list| list.nodes).zip(shares).collect()
}

/// What somebody has to know who starts an application for a lab that is up.
pub(super) fn invitation(protocol: Protocol, access: Access, places: &Places) -> String {
    let told = [Variable::servers(protocol), Variable::toxiproxy()];
    let told: Vec<String> = told
        .into_iter()
        .chain(Variable::of_access(access))
        .map(|variable| format!("{}={}", variable.name, variable.value(places)))
        .collect();
    format!(
        "{}\nstart your application; the phases begin when a second of its traffic has come through \
         every proxy it uses",
        told.join(" ")
    )
}

/// What the client is given: the proxies, as if they were the nodes.
pub(super) fn servers(nodes: &[NodeInfo]) -> Vec<Server> {
    nodes.iter().map(|info| Server { address: info.server.clone(), weight: 1 }).collect()
}

/// The number of this run, and the client with keys that carry it: what another run left on a server
/// has other names. The prefix has no say in where a key lives.
pub(super) fn of_this_run(plan: &Plan, run: u32, share: Share) -> (u32, ClientConfig) {
    let key_prefix = format!("{}{run:08x}:", plan.client.key_prefix);
    // What another member wrote is another run's.
    (run.wrapping_add(share.index()), ClientConfig { key_prefix, ..plan.client.clone() })
}

/// How the load on the client is made.
pub(super) fn load(plan: &Plan, clock: RunClock, run: u32, share: Share) -> LoadConfig {
    LoadConfig {
        workload: plan.workload.clone(),
        concurrency: plan.concurrency,
        share,
        rate: plan.rate,
        seed: plan.seed.fork("load"),
        clock,
        run,
        nodes: usize::from(plan.nodes.count),
        deadline: match (&plan.workload.http, &plan.driver) {
            (Some(spec), _) => spec.timeout,
            (None, Some(driver)) => driver.timeout,
            (None, None) => load::longest_call(&plan.client),
        },
        checks: true,
    }
}

/// Where it is learned where a driver's client puts the keys of the run.
pub(super) fn carried(plan: &Plan) -> Carried {
    let counts = plan.workload.parts(plan.rate, plan.concurrency);
    let counts = counts.map(|parts| parts.counts(plan.concurrency)).unwrap_or_default();
    Carried::of(usize::try_from(counts.iter().sum::<u64>()).unwrap_or(usize::MAX))
}

/// What the run is judged by, and the names of the objectives that are left out: those that only the
/// client knows by its inside where a driver makes the calls, those that answers do not tell where a
/// service does, those that the wire cannot answer where a command does, and those that only the wire can
/// where nobody counts what passes on it: unless there are no others, and nothing would be judged.
pub(super) fn objectives(plan: &Plan) -> (Vec<Objective>, Vec<String>) {
    let who = plan.who();
    let is_counted = is_counted(plan) || plan.objectives.iter().all(needs_wire);
    let is_judged = |objective: &&Objective| match who {
        Who::Command => witness::can_tell(objective.measure),
        Who::Service => answers::can_tell(objective),
        Who::Driver => {
            let waits = plan.driver.as_ref().is_some_and(|it| it.pipelines == Some(false));
            let is_told = is_counted || !needs_wire(objective);
            let is_sure = waits || !objective.measure.needs_no_pipelining();
            !objective.measure.is_inside() && is_sure && is_told
        }
        Who::Own => is_counted || !needs_wire(objective),
    };
    let (judged, left_out): (Vec<_>, Vec<_>) = plan.objectives.iter().partition(is_judged);
    let is_started = plan.command.as_ref().is_some_and(CommandPlan::is_started);
    let of_command = (who == Who::Command && is_started).then(witness::command_succeeds);
    let of_service = plan.workload.http.as_ref().map(|service| {
        answers::as_expected(service.unexpected_at_most, !plan.phases.fault.is_zero())
    });
    let names = left_out.into_iter().map(|objective| objective.name.clone());
    (
        of_command.into_iter().chain(of_service).chain(judged.into_iter().cloned()).collect(),
        names.collect(),
    )
}

/// Whether proxies of ours count what passes.
fn is_counted(plan: &Plan) -> bool {
    plan.elsewhere.is_none() && !plan.direct && !plan.nodes.access.tls
}

/// Whether only the wire can answer `objective`. One that asks for what must not be, to see that it is
/// noticed, is what its scenario is for, and is not left out.
fn needs_wire(objective: &Objective) -> bool {
    let is_asked_for = matches!(objective.bound, Bound::AtLeast(least) if least > 0.0);
    objective.measure.needs_wire() && !is_asked_for
}

/// What objectives ask, as numbers.
pub(super) fn asked(objectives: &[Objective]) -> Vec<Asked> {
    let asked = |objective: &Objective| {
        let (limit, at_most) = match objective.bound {
            Bound::AtMost(limit) => (limit, true),
            Bound::AtLeast(limit) => (limit, false),
        };
        let unit = objective.measure.unit;
        Asked { objective: objective.name.clone(), unit, limit, at_most }
    };
    objectives.iter().map(asked).collect()
}

/// What a scraper is told of a run before it begins.
pub(super) fn about(plan: &Plan, subject: SubjectFacts) -> About {
    let header = header(plan);
    About {
        scenario: plan.scenario.clone(),
        tells_nodes: subject.kind != SERVICE,
        checks_data: matches!(plan.who(), Who::Own | Who::Driver),
        subject: if subject.name.is_empty() { subject.kind } else { subject.name },
        workload: header.workload,
        client_profile: header.client_profile,
        network: header.network,
        seed: header.seed,
        planned: plan.phases.total(),
    }
}

/// What nobody can judge of a command or a service, in a sentence.
pub(super) fn unseen(plan: &Plan, left_out: &[String]) -> Option<String> {
    let seen = match plan.who() {
        Who::Command if !plan.command.as_ref().is_some_and(CommandPlan::is_started) => {
            "the application makes its calls itself: only the wire is judged, no value was checked"
        }
        Who::Command => {
            "the command makes its calls itself: only the wire and its exit code are judged, no value was \
             checked"
        }
        Who::Service => {
            "the service makes its calls itself: its answers are judged, no value was checked, and which \
             node a request needed is unknown, so that nothing is told of healthy and faulty nodes"
        }
        Who::Own | Who::Driver => return None,
    };
    let rest = match left_out {
        [] => String::new(),
        names => format!(", and these objectives are left out: {}", names.join(", ")),
    };
    Some(format!("{seen}{rest}"))
}

/// Why the wire tells nothing where nothing of ours stands in between.
const UNCOUNTED: &str = "no proxy of the harness's own counts what passes on the wire";

/// What nobody can judge because nobody counts on the wire, in a sentence.
pub(super) fn uncounted(plan: &Plan, left_out: &[String]) -> Option<String> {
    let of_wire = plan.objectives.iter().filter(|it| needs_wire(it) && left_out.contains(&it.name));
    let names: Vec<&str> = of_wire.map(|objective| objective.name.as_str()).collect();
    let is_called = matches!(plan.who(), Who::Own | Who::Driver);
    (is_called && !is_counted(plan) && !names.is_empty()).then(|| {
        format!(
            "{}, so these objectives are not judged: {}",
            if plan.nodes.access.tls { UNREADABLE } else { UNCOUNTED },
            names.join(", ")
        )
    })
}

/// The timeline.
pub(super) fn faults(plan: &Plan) -> Vec<FaultSpec> {
    plan.faults.iter().map(|fault| fault.spec.clone()).collect()
}
