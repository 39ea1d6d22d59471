//! `harness exec`: a command of yours under a scenario, judged by the wire and its exit code, or, with a
//! workload that asks it for answers, by these.

use std::ffi::OsString;
use std::time::Duration;

use super::exit::Exit;
use super::run::{LabFlags, NodeFlags};
use super::session::Session;
use super::telling::Telling;
use super::{output, values};
use crate::load::WORKERS_MAX;
use crate::plan::{
    CommandPlan, Library, Options, Plan, PlanError, RateWish, Variable, scenario_of,
};

/// Run a command of your own under a scenario: a test suite, a job, a server with a load of its own; or
/// a service that a workload asks for answers.
///
/// Its environment has MEMCACHED_SERVERS (all proxies, with commas), MEMCACHED_SERVER_1 and so on,
/// TOXIPROXY_URL, and HARNESS_PHASE_FILE, a file that holds the phase's name at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "  harness exec -scenario flapping-node -- pytest tests/cache\n  \
                        harness exec -scenario gray-failure -duration 1m -- ./my-service\n  \
                        harness exec -scenario latency -workload shop.toml -- python3 app.py\n  \
                        harness exec -scenario latency -env CACHE={server_1} -- ./job")]
pub(super) struct Arguments {
    /// The scenario whose faults there are: a name or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    scenario: String,
    /// What the command is asked for: a workload with [http], by name or TOML file. The command is a
    /// service then: it is waited for, asked, judged by its answers and ended with the run
    #[arg(long, value_name = "NAME|FILE")]
    workload: Option<String>,
    /// Concurrent requests of the workload [default: 100]
    #[arg(
        long,
        value_name = "COUNT",
        requires = "workload",
        value_parser = values::count(1..=WORKERS_MAX)
    )]
    concurrency: Option<u32>,
    /// Intended requests of the workload a second, such as 200/s; max asks again as soon as an answer is
    /// there [default: the workload's]
    #[arg(long, value_name = "RATE|max", requires = "workload", value_parser = values::rate)]
    rate: Option<RateWish>,
    /// How long the run lasts; then the command is ended, which is no failure. Without it the faults
    /// come again and again until the command ends by itself
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    duration: Option<Duration>,
    /// How long a second of steady traffic is waited for at most [default: the scenario's warm-up]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    settle: Option<Duration>,
    /// One more variable for the command; {servers}, {servers_space}, {server_1}, {host_1}, {port_1},
    /// {toxiproxy_url} and {phase_file} are filled in; may be repeated
    #[arg(long, value_name = "NAME=TEMPLATE", value_parser = Variable::read)]
    env: Vec<Variable>,
    #[command(flatten)]
    nodes: NodeFlags,
    #[command(flatten)]
    lab: LabFlags,
    /// Show what the command wrote also when it succeeds
    #[arg(long, short)]
    verbose: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Arguments {
    fn plan(&self) -> Result<Plan, PlanError> {
        let options = Options {
            duration: self.duration,
            workload: self.workload.clone(),
            concurrency: self.concurrency,
            rate: self.rate,
            ..self.lab.options(&self.nodes)
        };
        let plan = scenario_of(&Library::new("."), &self.scenario, &options)?;
        if let Some(name) = self.workload.as_ref().filter(|_| plan.workload.http.is_none()) {
            let what = format!(
                "the workload {name} asks a cache, and a command makes such a load itself; write one with \
                 [http], or leave -workload out"
            );
            return Err(PlanError::Option(what));
        }
        for variable in &self.env {
            variable.check(plan.nodes.count).map_err(PlanError::Option)?;
        }
        let (program, arguments) = self.command.split_first().expect("clap requires one");
        let command = CommandPlan {
            program: Some(program.clone()),
            arguments: arguments.to_vec(),
            variables: self.env.clone(),
            settle: self.settle,
            repeats: self.duration.is_none(),
        };
        Ok(Plan { command: Some(command), ..plan })
    }
}

/// Runs it to its end.
pub(super) fn main(arguments: &Arguments) -> Exit {
    arguments.nodes.tell();
    let mut plan = match arguments.plan() {
        Ok(plan) => plan,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    let telling = Telling { verbose: arguments.verbose, ..arguments.lab.telling() };
    arguments.lab.quicken(&telling, &mut plan);
    Session::of_one(plan, telling).play()
}
