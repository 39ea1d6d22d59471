//! `harness up`: nodes, proxies and the control API for an application of your own, until Ctrl-C; with a
//! scenario, its faults and a report, too.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::exit::Exit;
use super::interruptible::interruptible;
use super::metrics::MetricsFlags;
use super::run::NodeFlags;
use super::session::{Session, exit_of};
use super::telling::Telling;
use super::{output, values};
use crate::base::scope::Closed;
use crate::base::seed::Seed;
use crate::lab::Network;
use crate::lab::Nodes;
use crate::plan::{
    Addresses, CommandPlan, Library, Options, Plan, PlanError, chosen_nodes, read_listen,
    scenario_of,
};
use crate::protocol::Protocol;
use crate::protocol::resp::program::URL_VARIABLE;
use crate::run::{Environment, Up, Wanted};

/// Start nodes, a proxy in front of each and the control API, for an application of your own; ends at
/// Ctrl-C.
///
/// With -scenario its faults begin as soon as traffic has come for a second, and a report ends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "  harness up\n  harness up -scenario flapping-node -loop\n  \
                        harness up -scenario packet-loss -duration 1m -listen 127.0.0.1:21211")]
pub(super) struct Arguments {
    /// Break things as this scenario does, a name or a TOML file, and judge what the wire shows
    #[arg(long, value_name = "NAME|FILE")]
    scenario: Option<String>,
    /// Begin the scenario again and again until Ctrl-C
    #[arg(long = "loop", requires = "scenario")]
    again: bool,
    /// How long one round of the scenario lasts [default: as the scenario has it]
    #[arg(long, value_name = "TIME", value_parser = values::duration, requires = "scenario")]
    duration: Option<Duration>,
    /// How long traffic is waited for [default: until it comes]
    #[arg(long, value_name = "TIME", value_parser = values::time, requires = "scenario")]
    settle: Option<Duration>,
    /// Who loses, refuses and swallows packets: our proxies, or (as root on Linux) the kernel
    /// [default: user]
    #[arg(long, value_name = "MODE", value_parser = values::word(&Network::WORDS), requires = "scenario")]
    network: Option<Network>,
    /// How often live figures are printed, 100ms at least [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = values::metrics_interval, requires = "scenario")]
    metrics_interval: Option<Duration>,
    #[command(flatten)]
    metrics: MetricsFlags,
    /// Newline-delimited JSON on stdout, and nothing else there
    #[arg(long, requires = "scenario")]
    json: bool,
    /// Where journals and reports go [default: runs]
    #[arg(long, value_name = "DIR", requires = "scenario")]
    out: Option<PathBuf>,
    /// Give the nodes names, which a resolver of ours answers; says how to start an application that asks
    /// it (Linux; docs/names.md)
    #[arg(long, conflicts_with = "listen")]
    names: bool,
    #[command(flatten)]
    nodes: NodeFlags,
    /// The first proxy's address; the others follow it [default: 127.0.0.1:21211, or free ports]
    #[arg(long, value_name = "ADDRESS", value_parser = read_listen)]
    listen: Option<SocketAddr>,
    /// The control API's address [default: 127.0.0.1:8474, or a free port]
    #[arg(long, value_name = "ADDRESS", value_parser = read_listen)]
    api: Option<SocketAddr>,
    /// Same seed, same draws of the toxics [default: random, printed]
    #[arg(long, value_name = "NUMBER", value_parser = values::seed)]
    seed: Option<u64>,
}

impl Arguments {
    fn resolved(&self) -> Result<(Nodes, Addresses), PlanError> {
        let nodes = chosen_nodes(&self.nodes.options())?;
        let addresses = Addresses::default().settled(self.listen, self.api, &nodes)?;
        Ok((nodes, addresses))
    }

    /// The run of a scenario in which somebody else makes the calls.
    fn plan(&self, scenario: &str) -> Result<Plan, PlanError> {
        let options = Options {
            duration: self.duration,
            metrics_interval: self.metrics_interval,
            out: self.out.clone(),
            listen: self.listen,
            api: self.api,
            network: self.network,
            names: self.names,
            seed: self.seed,
            ..self.nodes.options()
        };
        let plan = scenario_of(&Library::new("."), scenario, &options)?;
        let command = CommandPlan {
            program: None,
            arguments: Vec::new(),
            variables: Vec::new(),
            settle: self.settle,
            repeats: self.again,
        };
        Ok(Plan { command: Some(command), ..plan })
    }
}

/// Serves until a signal, or until the scenario is over.
pub(super) fn main(arguments: &Arguments) -> Exit {
    arguments.nodes.tell();
    if let Some(scenario) = &arguments.scenario {
        return match arguments.plan(scenario) {
            Ok(plan) => {
                let (json, metrics) = (arguments.json, arguments.metrics.clone());
                let telling = Telling { json, metrics, ..Telling::default() };
                Session::of_one(plan, telling).play()
            }
            Err(error) => {
                output::complain(&error);
                Exit::Usage
            }
        };
    }
    if arguments.metrics.is_given() {
        output::complain(
            &"-metrics-addr serves the figures of a run; name one with -scenario, or scrape /metrics of the \
              control API",
        );
        return Exit::Usage;
    }
    let (nodes, addresses) = match arguments.resolved() {
        Ok(resolved) => resolved,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    let seed = arguments.seed.map_or_else(Seed::from_system, Seed::new);
    let wanted = Wanted { nodes, addresses, names: arguments.names, seed };
    interruptible(0, |environment| until_interrupted(wanted, environment))
}

async fn until_interrupted(wanted: Wanted, environment: Environment) -> Exit {
    let (seed, protocol) = (wanted.seed, wanted.nodes.protocol);
    let up = match Up::start(wanted, &environment).await {
        Ok(up) => up,
        Err(error) => {
            output::complain(&error);
            return exit_of(&error);
        }
    };
    let printed = announce(&up, protocol, seed);
    if printed == Exit::Pass {
        environment.interrupt.cancelled().await;
        output::remark("closing");
    }
    match up.close().await {
        Closed::Clean => printed,
        Closed::Leaked { tasks } => {
            output::complain(&format_args!("{tasks} tasks of the lab did not end"));
            Exit::Internal
        }
        Closed::Panicked { task } => {
            output::complain(&format_args!("{task} panicked"));
            Exit::Internal
        }
    }
}

/// Tells people on stderr what is where, and programs on stdout, in the form of an environment.
fn announce(up: &Up, protocol: Protocol, seed: Seed) -> Exit {
    for notice in up.notices() {
        output::remark(notice);
    }
    let mut servers = Vec::new();
    for info in up.nodes() {
        output::remark(&format!(
            "{}: {} {} on {}, proxy on {}",
            info.node, info.backend, info.version, info.address, info.proxy_address
        ));
        servers.push(info.server.clone());
    }
    output::remark(&format!("seed {seed}; `harness ctl` breaks things; Ctrl-C ends it"));
    let mut text = format!("{}={}\n", protocol.servers_variable(), servers.join(","));
    if let (Protocol::Resp, Some(first)) = (protocol, servers.first()) {
        let _ = writeln!(text, "{URL_VARIABLE}=redis://{first}");
    }
    for (name, value) in up.told_of_access() {
        let _ = writeln!(text, "{name}={value}");
    }
    // Writing into a String cannot fail. The name is the one that `ctl` and toxiproxy-cli read.
    let _ = writeln!(text, "TOXIPROXY_URL=http://{}", up.api());
    output::result(text)
}
