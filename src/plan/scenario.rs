//! A scenario's file: every key it may have, read in one pass, with the options put before it.
//!
//! A resolved plan is printed in this same form, so a scenario can also say what the command line
//! usually does: seed, nodes, addresses, the client's settings, a workload of its own.

mod between;

use std::path::PathBuf;
use std::time::Duration;

use super::error::{FileError, PlanError};
use super::files::{Folder, Library, is_path};
use super::model::{Addresses, Phases, Plan};
use super::options::{Options, SEED_MAX, metrics_interval};
use super::source::{FileText, TomlTable, TomlValue};
use super::suite;
use super::timeline::Timeline;
use super::{access, client, groups, head, nodes, objective, protocol, workload};
use crate::base::seed::Seed;
use crate::event::Phase;
use crate::judge::Objective;
use crate::lab::{Listen, Nodes};
use crate::load::{RateWish, WORKERS_MAX, Workload};

const KEYS: [&str; 23] = [
    "name",
    "summary",
    "suites",
    "seed",
    "workload",
    "client",
    "rate",
    "concurrency",
    "metrics_interval",
    "out",
    "proxy",
    "toxiproxy",
    "network",
    "direct",
    "names",
    "nodes",
    "groups",
    "addresses",
    "phases",
    "chaos",
    "faults",
    "objectives",
    "objective",
];

const DEFAULT_WORKLOAD: &str = "mixed";
const DEFAULT_CLIENT: &str = "default";
pub(super) const DEFAULT_CONCURRENCY: u32 = 100;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);

/// Reads a scenario called `name` (unless it says so itself) into a plan.
pub(super) fn read(
    library: &Library,
    source: &FileText,
    name: &str,
    options: &Options,
    fresh: Seed,
) -> Result<Plan, PlanError> {
    source.read(|table| Reader { library, options, source, table }.plan(name, fresh))
}

/// Reads the run at this place of a suite's file: a whole scenario, or one by name with what differs.
pub(super) fn read_run(
    library: &Library,
    source: &FileText,
    place: usize,
    options: &Options,
    fresh: Seed,
) -> Result<Plan, PlanError> {
    source.read(|table| {
        let runs = table.list(suite::RUN)?;
        let node = runs.get(place).ok_or_else(|| table.error("there is no such run"))?;
        let table = &node.table()?;
        let Some(scenario) = table.get("scenario") else {
            table
                .need("name", "what the run is called; or write `scenario` and the name of one")?;
            return Reader { library, options, source, table }.plan("", fresh);
        };
        table.only("key beside `scenario`", &suite::RUN_KEYS)?;
        let reader = Reader { library, options, source, table };
        let options = reader.with_what_differs()?;
        let (name, file) = reader.named(Folder::Scenarios, &scenario)?;
        let name = table.get("name").map_or(Ok(name.as_str()), |node| node.name())?;
        let plan = read(library, &file, name, &options, fresh)?;
        Ok(Plan { scenario: name.to_owned(), ..plan })
    })
}

/// An error about a file as one at the place that names the file; what is wrong inside keeps its own.
fn at(node: &TomlValue<'_>, error: PlanError) -> PlanError {
    match error {
        PlanError::File(_) => error,
        other => node.error(other.to_string()).into(),
    }
}

struct Reader<'a> {
    library: &'a Library,
    options: &'a Options,
    source: &'a FileText,
    table: &'a TomlTable<'a>,
}

impl Reader<'_> {
    /// The options, with what a run of a suite says where they say nothing.
    fn with_what_differs(&self) -> Result<Options, PlanError> {
        let word = |key: &str, named: fn(&Self, &str) -> String| {
            self.table.optional(key, |node| Ok(named(self, node.text()?)))
        };
        let file = |it: &Self, word: &str| {
            if is_path(word) { it.source.path_of(word) } else { word.to_owned() }
        };
        let client = |it: &Self, word: &str| match it.library.client(word) {
            None if is_path(word) => it.source.path_of(word),
            _ => word.to_owned(),
        };
        let duration = self.table.optional("duration", TomlValue::duration)?;
        let workload = word("workload", file)?;
        let client = word("client", client)?;
        Ok(Options {
            duration: self.options.duration.or(duration),
            workload: self.options.workload.clone().or(workload),
            client: self.options.client.clone().or(client),
            rate: self.rate()?,
            concurrency: self.written_concurrency()?,
            direct: self.options.direct
                || self.table.optional("direct", TomlValue::flag)?.unwrap_or_default(),
            ..self.options.clone()
        })
    }

    fn plan(&self, name: &str, fresh: Seed) -> Result<Plan, PlanError> {
        let Self { table, options, .. } = self;
        table.only("key", &KEYS)?;
        suite::of(table)?;
        let name = table.get("name").map_or(Ok(name), |node| node.name())?;
        let nodes = nodes::read(table.get("nodes").as_ref(), options)?;
        let (seed, groups) = (self.seed(fresh)?, groups::read(table, nodes.count)?);
        let timeline = Timeline::read(table, options, name, (&nodes, &groups), seed)?;
        let Timeline { phases, chaos, faults } = timeline;
        protocol::check_faults(&nodes, &faults)?;
        let (client_profile, client::Client { config: client, driver, .. }) = self.client()?;
        let most = driver.as_ref().map_or(u32::MAX, |driver| driver.concurrency);
        let concurrency = self.written_concurrency()?.unwrap_or(DEFAULT_CONCURRENCY).min(most);
        let rate = self.rate()?;
        let addresses = self.addresses(&nodes)?;
        let elsewhere = self.elsewhere(&faults, driver.is_some())?;
        let whose = elsewhere.as_ref().map(|elsewhere| elsewhere.whose);
        let network = self.network(whose, addresses.proxies.required)?;
        let direct = self.direct(driver.is_some(), whose, network, &faults)?;
        let workload = self.workload(phases.total())?;
        workload::check_parts(&workload, rate, concurrency)?;
        workload::check_client(&workload, driver.is_some() || options.client.is_some())?;
        let client = protocol::settled(&nodes, &workload, (&client_profile, &driver), client)?;
        let plan = Plan {
            scenario: name.to_owned(),
            summary: head::summary(table)?,
            seed,
            attempt: 1,
            phases,
            workload,
            rate,
            concurrency,
            client_profile,
            client,
            driver,
            command: None,
            objectives: self.objectives(&phases)?,
            metrics_interval: self.metrics_interval()?,
            out: self.out()?,
            names: nodes::read_names(table, options.names, &addresses)?,
            addresses,
            nodes,
            groups,
            network,
            elsewhere,
            direct,
            faults,
            chaos,
        };
        access::checked(plan, table)
    }

    fn written_concurrency(&self) -> Result<Option<u32>, FileError> {
        let written =
            self.table.optional("concurrency", |node| node.count(1..=WORKERS_MAX.into()))?;
        let written = written.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Ok(self.options.concurrency.or(written))
    }

    fn rate(&self) -> Result<Option<RateWish>, FileError> {
        let written = match self.table.get("rate") {
            Some(node) if node.as_text() == Some("max") => Some(RateWish::Max),
            Some(node) => Some(RateWish::PerSecond(node.parsed("a rate such as \"2000/s\"")?)),
            None => None,
        };
        Ok(self.options.rate.or(written))
    }

    fn seed(&self, fresh: Seed) -> Result<Seed, FileError> {
        let written = self.table.optional("seed", |node| node.count(0..=SEED_MAX))?;
        Ok(self.options.seed.or(written).map_or(fresh, Seed::new))
    }

    fn metrics_interval(&self) -> Result<Duration, PlanError> {
        let written = self.table.optional("metrics_interval", |node| {
            metrics_interval(node.duration()?).map_err(|what| node.error(what))
        })?;
        let given = self.options.metrics_interval.map(metrics_interval).transpose();
        let given =
            given.map_err(|what| PlanError::Option(format!("-metrics-interval: {what}")))?;
        Ok(given.or(written).unwrap_or(DEFAULT_INTERVAL))
    }

    fn out(&self) -> Result<PathBuf, FileError> {
        // A file from somewhere else may not choose what is written over.
        if let Some(node) = self.table.get("out") {
            return Err(node.error("a file does not say where its results go; -out does"));
        }
        Ok(self.options.out.clone().unwrap_or_else(|| PathBuf::from("runs")))
    }

    fn addresses(&self, nodes: &Nodes) -> Result<Addresses, PlanError> {
        let mut addresses = Addresses::default();
        if let Some(node) = self.table.get("addresses") {
            let written = node.table()?;
            written.only("address", &["proxies", "api"])?;
            for (key, listen) in [("proxies", &mut addresses.proxies), ("api", &mut addresses.api)]
            {
                if let Some(node) = written.get(key) {
                    *listen = Listen::on(node.listen_address()?);
                }
            }
        }
        addresses.settled(self.options.listen, self.options.api, nodes)
    }

    fn client(&self) -> Result<(String, client::Client), PlanError> {
        let written = self.table.get("client");
        let word = match (&self.options.client, &written) {
            (Some(word), _) => word.as_str(),
            (None, Some(node)) if node.is_table() => {
                let client = client::read(&node.table()?, &self.library.folder(""))?;
                return Ok((client.name.clone().unwrap_or_else(|| "custom".to_owned()), client));
            }
            (None, Some(node)) => {
                let word = node.text()?;
                let is_file = is_path(word) && self.library.client(word).is_none();
                let word = if is_file { self.source.path_of(word) } else { word.to_owned() };
                return client::named(self.library, &word).map_err(|error| at(node, error));
            }
            (None, None) => DEFAULT_CLIENT,
        };
        client::named(self.library, word)
    }

    fn workload(&self, length: Duration) -> Result<Workload, PlanError> {
        Ok(match (&self.options.workload, self.table.get("workload")) {
            (None, Some(node)) if node.is_table() => {
                workload::read(&node.table()?, "custom", length)?
            }
            (None, Some(node)) => {
                let (name, source) = self.named(Folder::Workloads, &node)?;
                source.read(|table| workload::read(table, &name, length))?
            }
            (word, _) => {
                let word = word.as_deref().unwrap_or(DEFAULT_WORKLOAD);
                let (name, source) = self.library.named_or_path(Folder::Workloads, word)?;
                source.read(|table| workload::read(table, &name, length))?
            }
        })
    }

    /// A file that a scenario names, by its name or by a path that starts where the scenario lies. What
    /// is wrong with the name is an error at the place that names it.
    fn named(&self, folder: Folder, node: &TomlValue<'_>) -> Result<(String, FileText), PlanError> {
        let word = node.text()?;
        let word = if is_path(word) { self.source.path_of(word) } else { word.to_owned() };
        self.library.named_or_path(folder, &word).map_err(|error| at(node, error))
    }

    fn objectives(&self, phases: &Phases) -> Result<Vec<Objective>, PlanError> {
        let mut objectives: Vec<Objective> = Vec::new();
        let mut add = |objective: Objective, node: &TomlValue<'_>| {
            if objectives.iter().any(|other| other.name == objective.name) {
                let what = format!("two objectives are called `{}`", objective.name);
                return Err(node.error(what));
            }
            let phase = objective.phase.filter(|phase| *phase != Phase::Drain);
            if let Some(phase) = phase.filter(|phase| phases.length(*phase).is_zero()) {
                return Err(node.error(format!(
                    "the objective `{}` is about the phase `{phase}`, which has no length",
                    objective.name
                )));
            }
            objectives.push(objective);
            Ok(())
        };
        for node in &self.table.list("objectives")? {
            let (name, source) = self.named(Folder::Objectives, node)?;
            add(source.read(|table| objective::read(table, Some(&name)))?, node)?;
        }
        for node in &self.table.list("objective")? {
            add(objective::read(&node.table()?, None)?, node)?;
        }
        Ok(objectives)
    }
}
