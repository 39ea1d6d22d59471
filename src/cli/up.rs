//! `harness up`: nodes, proxies and the control API for a client of your own, until Ctrl-C.

use std::fmt::Write;
use std::net::SocketAddr;

use super::exit::Exit;
use super::interruptible::interruptible;
use super::run::NodeFlags;
use super::session::exit_of;
use super::{output, values};
use crate::base::scope::Closed;
use crate::base::seed::Seed;
use crate::lab::Nodes;
use crate::plan::{Addresses, PlanError, chosen_nodes, read_listen};
use crate::protocol::memcached::program::SERVERS_VARIABLE;
use crate::run::{Environment, Up};

/// Start nodes, a proxy in front of each and the control API, for a client of your own; ends at
/// Ctrl-C.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
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
        let nodes = chosen_nodes(self.nodes.backend().as_ref())?;
        let addresses = Addresses::default().settled(self.listen, self.api, &nodes)?;
        Ok((nodes, addresses))
    }
}

/// Serves until a signal.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let (nodes, addresses) = match arguments.resolved() {
        Ok(resolved) => resolved,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    let seed = arguments.seed.map_or_else(Seed::from_system, Seed::new);
    interruptible(0, |environment| until_interrupted(&nodes, &addresses, seed, environment))
}

async fn until_interrupted(
    nodes: &Nodes,
    addresses: &Addresses,
    seed: Seed,
    environment: Environment,
) -> Exit {
    let up = match Up::start(nodes, addresses, seed, &environment).await {
        Ok(up) => up,
        Err(error) => {
            output::complain(&error);
            return exit_of(&error);
        }
    };
    let printed = announce(&up, seed);
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
fn announce(up: &Up, seed: Seed) -> Exit {
    for notice in up.notices() {
        output::remark(notice);
    }
    let mut servers = Vec::new();
    for info in up.nodes() {
        output::remark(&format!(
            "{}: {} {} on {}, proxy on {}",
            info.node, info.backend, info.version, info.address, info.proxy_address
        ));
        servers.push(info.proxy_address.to_string());
    }
    output::remark(&format!("seed {seed}; `harness ctl` breaks things; Ctrl-C ends it"));
    let mut text = format!("{SERVERS_VARIABLE}={}\n", servers.join(","));
    // Writing into a String cannot fail. The name is the one that `ctl` and toxiproxy-cli read.
    let _ = writeln!(text, "TOXIPROXY_URL=http://{}", up.api());
    output::result(text)
}
