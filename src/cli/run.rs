//! `harness run`: lab, load, faults, verdict. The default command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::exit::Exit;
use super::fleet::FleetFlags;
use super::metrics::MetricsFlags;
use super::session::Session;
use super::tally::FailOn;
use super::telling::Telling;
use super::values::Server;
use super::{dry_run, list, output, values, watch};
use crate::base::seed::Seed;
use crate::base::share::Share;
use crate::lab::{Backend, Elsewhere, Network, Whose};
use crate::load::WORKERS_MAX;
use crate::plan::{
    Choice, Library, Options, Plan, PlanError, RateWish, choose, read_control_address, read_listen,
    runnable,
};
use crate::protocol::Protocol;
use crate::record::retention::Retention;
use crate::report::Skipped;
use crate::secure::access::Access;

/// How often everything can be run at most: for ever is without an end.
const RUNS_MAX: u32 = 1_000_000;
/// Ten years.
const DAYS_MAX: u32 = 3_650;
const DAY: Duration = Duration::from_secs(86_400);
/// Runs of a soak whose files are kept, some 100 MB, where nobody says how many.
const KEPT_DEFAULT: u32 = 200;
/// What a soak came to so far, in the folder of its runs.
const SOAK: &str = "soak.json";
/// A machine that was too busy so often will be so again.
const RETRIES_MAX: u32 = 100;

/// Run scenarios: start nodes and proxies, drive the load, break things, judge.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to run: names, suites or TOML files, separated by commas; may be repeated [default: all]
    #[arg(long, value_name = "NAME|FILE|SUITE", value_delimiter = ',', visible_alias = "suite")]
    scenario: Vec<String>,
    /// How long one run of one scenario lasts, such as 1m; its phases are scaled to fit. Without it
    /// each has the length that it was written with
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    duration: Option<Duration>,
    /// Run every scenario so often, one after the other, and end [default: 1 with -duration; without it
    /// they rotate until Ctrl-C]
    #[arg(long, value_name = "COUNT", value_parser = values::count(1..=RUNS_MAX))]
    runs: Option<u32>,
    /// The same as -runs 1
    #[arg(long, conflicts_with = "runs")]
    once: bool,
    /// Concurrent workers [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = values::count(1..=WORKERS_MAX))]
    concurrency: Option<u32>,
    /// The workload [default: the scenario's, else mixed]
    #[arg(long, value_name = "NAME|FILE")]
    workload: Option<String>,
    /// Intended operations a second, such as 2000/s; max asks again as soon as a reply is there
    /// [default: the workload's]
    #[arg(long, value_name = "RATE|max", value_parser = values::rate)]
    rate: Option<RateWish>,
    /// The client's settings [default: the scenario's, else default]
    #[arg(long, value_name = "NAME|FILE")]
    client: Option<String>,
    #[command(flatten)]
    nodes: NodeFlags,
    /// Let this `harness proxy`, which runs elsewhere, stand in for our own proxies: its control address
    #[arg(long, value_name = "URL", value_parser = read_control_address, conflicts_with_all = ["listen", "toxiproxy"])]
    proxy: Option<String>,
    /// Drive this external Toxiproxy server instead of our own proxies
    #[arg(long, value_name = "URL", value_parser = read_control_address, conflicts_with = "listen")]
    toxiproxy: Option<String>,
    /// Let the client reach the nodes without our proxies: nothing is broken between them, and nothing
    /// that passes is counted
    #[arg(long, conflicts_with_all = ["listen", "proxy", "toxiproxy"])]
    direct: bool,
    #[command(flatten)]
    lab: LabFlags,
    #[command(flatten)]
    fleet: FleetFlags,
    /// Run what proved nothing (`invalid`, `vacuous`) again, so often at most [default: 0]
    #[arg(long, value_name = "COUNT", value_parser = values::count(0..=RETRIES_MAX))]
    retry_invalid: Option<u32>,
    /// Keep the files of so many runs of this session; those that passed go first [default: all, or
    /// 200 where they rotate until Ctrl-C]
    #[arg(long, value_name = "COUNT", value_parser = values::count(1..=RUNS_MAX))]
    keep: Option<u32>,
    /// Keep the files of no run of this session that is older than so many days
    #[arg(long, value_name = "DAYS", value_parser = values::count(1..=DAYS_MAX))]
    keep_days: Option<u32>,
    /// Write all runs into this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// List what can be named here, and stop
    #[arg(long)]
    list: bool,
    /// Print the resolved plan as a TOML file that can be run again, and stop
    #[arg(long)]
    dry_run: bool,
}

/// What the nodes are, here and for `up`.
#[derive(Debug, clap::Args)]
pub(super) struct NodeFlags {
    /// What the nodes speak [default: what the nodes do that -nodes names, else the scenario's, else
    /// memcached]
    #[arg(long, value_name = "PROTOCOL", value_parser = values::word(&Protocol::WORDS))]
    protocol: Option<Protocol>,
    /// What the nodes are; auto takes a real server from PATH when there is one [default: auto]
    #[arg(long, value_name = "KIND", value_parser = values::word(&Backend::WORDS))]
    nodes: Option<Backend>,
    /// Have the nodes speak TLS, with certificates of the run's own authority (memcached; docs/network.md)
    #[arg(long)]
    tls: bool,
    /// Have the nodes let in only who knows a password (memcached -Y; docs/network.md)
    #[arg(long)]
    auth: bool,
    /// Have the nodes ask for the password by SASL, in the binary protocol (memcached -S; docs/network.md)
    #[arg(long, conflicts_with = "auth")]
    sasl: bool,
    /// Use nodes that already run, behind our proxies: addresses or names, each with its port
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        value_parser = values::server,
        conflicts_with = "nodes"
    )]
    servers: Vec<Server>,
}

/// How a lab is made and told of, here and for `exec`.
#[derive(Debug, clap::Args)]
pub(super) struct LabFlags {
    /// Who loses, refuses and swallows packets: our proxies, or (as root on Linux) the kernel
    /// [default: user]
    #[arg(long, value_name = "MODE", value_parser = values::word(&Network::WORDS))]
    network: Option<Network>,
    /// Give the nodes names, n1.harness.test and so on, which the client or command resolves through a
    /// resolver of ours (Linux; docs/names.md)
    #[arg(long, conflicts_with = "listen")]
    names: bool,
    /// The first proxy's address; the others follow it. Port 0 is any free port [default:
    /// 127.0.0.1:21211, or free ports]
    #[arg(long, value_name = "ADDRESS", value_parser = read_listen)]
    listen: Option<SocketAddr>,
    /// The control API's address [default: 127.0.0.1:8474, or a free port]
    #[arg(long, value_name = "ADDRESS", value_parser = read_listen)]
    api: Option<SocketAddr>,
    /// How often live figures are taken, 100ms at least [default: 2s; 500ms and more in the view]
    #[arg(long, value_name = "TIME", value_parser = values::metrics_interval)]
    metrics_interval: Option<Duration>,
    #[command(flatten)]
    metrics: MetricsFlags,
    /// Newline-delimited JSON on stdout, and nothing else there
    #[arg(long)]
    json: bool,
    /// Show lines instead of the live view, as a pipe, -json, -quiet, TERM=dumb and CI have it
    /// (docs/live.md)
    #[arg(long)]
    no_tui: bool,
    /// Show nothing of a run but its verdict and the reasons
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// End with exit code 1 for this verdict too, and for those that are worse [default: fail]
    #[arg(long, value_name = "VERDICT", value_parser = values::word(&FailOn::WORDS))]
    fail_on: Option<FailOn>,
    /// Where journals and reports go [default: runs]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Same seed, same decisions [default: random, printed first]
    #[arg(long, value_name = "NUMBER", value_parser = values::seed)]
    seed: Option<u64>,
}

impl LabFlags {
    /// How the session is told of.
    pub(super) fn telling(&self) -> Telling {
        Telling {
            json: self.json,
            quiet: self.quiet,
            view: !(self.json || self.quiet || self.no_tui) && watch::is_fit(),
            fail_on: self.fail_on.unwrap_or_default(),
            metrics: self.metrics.clone(),
            ..Telling::default()
        }
    }

    /// Takes figures as often as a view shows them, where nobody said how often.
    pub(super) fn quicken(&self, telling: &Telling, plan: &mut Plan) {
        if telling.view && self.metrics_interval.is_none() {
            plan.metrics_interval = watch::interval(plan);
        }
    }

    /// A plan's options as far as they are about the lab.
    pub(super) fn options(&self, nodes: &NodeFlags) -> Options {
        Options {
            metrics_interval: self.metrics_interval,
            out: self.out.clone(),
            listen: self.listen,
            api: self.api,
            network: self.network,
            names: self.names,
            seed: self.seed,
            ..nodes.options()
        }
    }
}

impl NodeFlags {
    /// Says which addresses the names stand for.
    pub(super) fn tell(&self) {
        self.servers.iter().filter_map(Server::told).for_each(|told| output::remark(&told));
    }

    /// A plan's options as far as they are about the nodes.
    pub(super) fn options(&self) -> Options {
        Options {
            protocol: self.protocol,
            backend: self.backend(),
            access: Access { tls: self.tls, auth: self.auth, sasl: self.sasl },
            ..Options::default()
        }
    }

    /// What was asked for, if anything was.
    pub(super) fn backend(&self) -> Option<Backend> {
        let addresses = self.servers.iter().map(Server::address).collect();
        let servers = (!self.servers.is_empty()).then_some(Backend::Servers(addresses));
        servers.or_else(|| self.nodes.clone())
    }
}

impl Arguments {
    fn elsewhere(&self) -> Option<Elsewhere> {
        let given = [(Whose::Harness, &self.proxy), (Whose::Toxiproxy, &self.toxiproxy)];
        let given = given.into_iter().find_map(|(whose, given)| Some((whose, given.clone()?)));
        given.map(|(whose, address)| Elsewhere { address, whose })
    }

    fn options(&self) -> Options {
        Options {
            duration: self.duration,
            concurrency: self.concurrency,
            workload: self.workload.clone(),
            rate: self.rate,
            client: self.client.clone(),
            elsewhere: self.elsewhere(),
            direct: self.direct,
            ..self.lab.options(&self.nodes)
        }
    }

    fn telling(&self, plans: &[Plan]) -> Telling {
        let endless = self.rounds().is_none();
        let out = plans.first().map(|plan| &plan.out);
        Telling {
            retries: self.retry_invalid.unwrap_or(0),
            junit: self.junit.clone(),
            retention: self.retention(endless),
            soak: out.filter(|_| endless).map(|out| out.join(SOAK)),
            ..self.lab.telling()
        }
    }

    /// Which runs stay on the disk.
    fn retention(&self, endless: bool) -> Option<Retention> {
        let runs = self.keep.or_else(|| endless.then_some(KEPT_DEFAULT));
        let age = self.keep_days.map(|days| DAY * days);
        let runs = match (runs, age) {
            (None, None) => return None,
            (runs, _) => runs.unwrap_or(RUNS_MAX),
        };
        Some(Retention { runs: usize::try_from(runs).unwrap_or(usize::MAX), age })
    }

    /// How often everything is run; `None`: until Ctrl-C.
    fn rounds(&self) -> Option<u32> {
        self.runs.or_else(|| (self.once || self.duration.is_some()).then_some(1))
    }

    /// One plan for each scenario that was named, in that order, and those that cannot be had.
    fn choose(&self) -> Result<Choice, PlanError> {
        choose(&Library::new("."), &self.scenario, &self.options(), Seed::from_system())
    }

    /// Takes part in a run that many machines make.
    fn take_part(&self) -> Exit {
        let one = || match self.choose() {
            Ok(Choice { mut plans, skipped }) if plans.len() == 1 && skipped.is_empty() => {
                Ok(plans.remove(0))
            }
            Ok(Choice { plans, skipped }) => {
                let count = plans.len() + skipped.len();
                output::complain(&format_args!(
                    "a fleet runs one scenario, and these are {count}; name it with -scenario"
                ));
                Err(Exit::Usage)
            }
            Err(error) => {
                output::complain(&error);
                Err(Exit::Usage)
            }
        };
        let named = || match self.scenario.is_empty() {
            true => Ok(None),
            false => one().map(|plan| Some(plan.scenario)),
        };
        let session = |mut plan: Plan, share: Share| {
            let telling = Telling {
                is_part: share.index() > 0,
                junit: self.junit.clone(),
                collection: self.fleet.collection(),
                ..self.lab.telling()
            };
            self.lab.quicken(&telling, &mut plan);
            Session::of_one(plan, telling)
        };
        let own = Options {
            out: self.lab.out.clone(),
            metrics_interval: self.lab.metrics_interval,
            ..Options::default()
        };
        self.fleet.play(own, one, named, session)
    }
}

/// What to say of a word that is no command, where it may be something to run.
pub(super) fn meant_by(word: &str) -> Option<String> {
    let meant = runnable(&Library::new("."), word);
    let first = meant.first()?;
    let others: Vec<String> = meant[1..].iter().map(|name| format!("`{name}`")).collect();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!(" (or {})", others.join(" or ")),
    };
    Some(format!(
        "`{word}` is no command; scenarios are named by -scenario: `harness -scenario {first}`{others}"
    ))
}

/// Does what was asked for.
pub(super) fn main(arguments: &Arguments) -> Exit {
    if arguments.list {
        return list::all();
    }
    arguments.nodes.tell();
    if arguments.fleet.is_given() && !arguments.dry_run {
        return arguments.take_part();
    }
    let Choice { mut plans, skipped } = match arguments.choose() {
        Ok(choice) => choice,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    let skipped: Vec<Skipped> = skipped
        .into_iter()
        .map(|(scenario, error)| Skipped { scenario, reason: error.what() })
        .collect();
    if arguments.dry_run {
        return dry_run::print(&plans, &skipped);
    }
    let rounds = arguments.rounds();
    if rounds.is_none() {
        output::remark(&format!(
            "{} scenarios rotate until Ctrl-C; -once runs each of them once at its own length, \
             -duration 1m once for a minute",
            plans.len()
        ));
    }
    let telling = arguments.telling(&plans);
    plans.iter_mut().for_each(|plan| arguments.lab.quicken(&telling, plan));
    Session { plans, skipped, rounds, telling }.play()
}
