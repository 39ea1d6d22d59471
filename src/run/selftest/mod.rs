//! A self-test: nodes that lie and clients that are broken, each in one known way, and whether a run
//! notices. `harness doctor` tests the machine; this tests the harness.
//!
//! A check that nobody has ever seen fail is no check. Each row of [`ROWS`] is a short run of which it
//! is known what is wrong, and a verdict that says so is the proof that the same verdict means
//! something elsewhere. Healthy runs are among them: what cries at everything notices nothing.

mod rows;
mod stage;

use std::path::PathBuf;

use parking_lot::Mutex;
use serde::Serialize;

use self::rows::Thing;
pub use self::rows::{Expected, ROWS, Row};
pub use self::stage::Size;
use super::{Environment, Observer, RunError, run};
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::judge::{Grade, Verdict};
use crate::lab::Backend;
use crate::lab::LieSpec;
use crate::metrics::Board;
use crate::plan::{FileText, Library, Options, Plan, PlanError, plan_of};
use crate::protocol::memcached::server::config::NodeConfig;
use crate::protocol::memcached::server::serve::Node;
use crate::report::{Line, Report};

/// How many nodes a run has.
const NODES: usize = 3;

/// How many runs go at a time at most: more would be late on any machine.
const LANES: usize = 4;

/// What a failed calibration is called among what noticed something.
const CALIBRATION: &str = "calibration";

/// What follows the name of a measure that a run says it could not judge.
const NOT_JUDGED: &str = " not judged";

/// Where the nodes of a run come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeOwner {
    /// The run starts them.
    Own,
    /// They run already, as with `-servers`: the run cannot know what others do to them.
    Servers,
}

/// What is to be run, and how.
#[derive(Clone, Debug)]
pub struct Selftest {
    /// How much.
    pub size: Size,
    /// How many runs go at a time, from 1 to 4.
    pub lanes: usize,
    /// Where the runs leave what they found.
    pub out: PathBuf,
    /// The root of every draw.
    pub seed: Seed,
}

/// How a row came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// What is broken was noticed, by whom it should be.
    Noticed,
    /// Nothing is broken, and the run does not fail.
    Quiet,
    /// Nobody can know, and it is written down why.
    Unknowable,
    /// The machine was too busy to say.
    Unjudged,
    /// What is broken was not noticed, or by somebody else.
    Missed,
    /// Nothing is broken, and the run fails all the same.
    FalseAlarm,
}

/// A row and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// The broken thing.
    pub name: &'static str,
    /// Where the nodes came from.
    pub nodes: NodeOwner,
    /// How it came out.
    pub outcome: RowOutcome,
    /// The verdict of the run.
    pub verdict: Verdict,
    /// Which objectives failed, which figures of wrong data are above zero, what could not be judged, and
    /// whether the calibration failed.
    pub noticed_by: Vec<String>,
    /// Why the verdict is what it is.
    pub reasons: Vec<String>,
    /// Where the run left what it found; `None`: it could not leave it anywhere.
    pub folder: Option<PathBuf>,
}

/// Why a self-test could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SelftestError {
    /// A run did not come to a report.
    #[error("{name}: {source}")]
    Run {
        /// Which one.
        name: &'static str,
        /// Why.
        source: RunError,
    },
    /// A scenario of ours is wrong.
    #[error("{name}: {source}")]
    Plan {
        /// Which one.
        name: &'static str,
        /// Why.
        source: PlanError,
    },
    /// A node did not start.
    #[error("{name}: a node did not start: {source}")]
    Node {
        /// For which row.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl Selftest {
    /// What there is to be run: a broken client needs no servers of others.
    #[must_use]
    pub fn tasks() -> Vec<(&'static Row, NodeOwner)> {
        let both =
            |row: &&Row| !matches!(row.broken, Thing::Client(_)) && !row.stage_breaks_nodes();
        let own = ROWS.iter().map(|row| (row, NodeOwner::Own));
        own.chain(ROWS.iter().filter(both).map(|row| (row, NodeOwner::Servers))).collect()
    }

    /// Runs `tasks`, several at a time, and tells of each as it ends.
    ///
    /// # Errors
    /// When a run could not be carried out; the others that are under way are given up.
    pub async fn play(
        &self,
        tasks: &[(&'static Row, NodeOwner)],
        environment: &Environment,
        told: impl FnMut(&Told),
    ) -> Result<Vec<Told>, SelftestError> {
        let desk = Mutex::new((tasks.iter(), told, Vec::new()));
        let lane = |number: usize| {
            let desk = &desk;
            async move {
                while number < self.lanes.max(1) {
                    let Some((row, ground)) = desk.lock().0.next() else { break };
                    let one = self.one(row, *ground, environment).await?;
                    let (_, told, all) = &mut *desk.lock();
                    told(&one);
                    all.push(one);
                }
                Ok(())
            }
        };
        const { assert!(LANES == 4, "as many lanes as are joined here") };
        tokio::try_join!(lane(0), lane(1), lane(2), lane(3))?;
        let (_, _, all) = desk.into_inner();
        Ok(all)
    }

    async fn one(
        &self,
        row: &'static Row,
        ground: NodeOwner,
        environment: &Environment,
    ) -> Result<Told, SelftestError> {
        let name = row.name;
        let scope = Scope::current("selftest");
        let lies = row.lies(self.size);
        let mut nodes = Vec::new();
        if ground == NodeOwner::Servers {
            for index in 0..NODES {
                let seed = self.seed.fork("servers").index(index as u64);
                let config = NodeConfig { lies: lies.clone(), seed, ..NodeConfig::default() };
                let node = Node::start(&config, &scope).await;
                nodes.push(node.map_err(|source| SelftestError::Node { name, source })?);
            }
        }
        let plan =
            self.plan(row, &lies, &nodes).map_err(|source| SelftestError::Plan { name, source })?;
        // On the heap: four of them lie side by side in the future of the whole.
        // Several run at a time: each has figures of its own.
        let environment = Environment { board: Board::default(), ..environment.clone() };
        let finished = Box::pin(run(&plan, &environment, &mut Silence)).await;
        for node in &nodes {
            node.stop().await;
        }
        let finished = finished.map_err(|source| SelftestError::Run { name, source })?;
        Ok(tell(row, ground, &finished.report, finished.folder))
    }

    fn plan(&self, row: &'static Row, lies: &[LieSpec], nodes: &[Node]) -> Result<Plan, PlanError> {
        let servers: Vec<_> = nodes.iter().map(Node::address).collect();
        let own = if servers.is_empty() { lies } else { &[] };
        let client = match row.broken {
            Thing::Client(settings) => settings,
            Thing::Nothing | Thing::Nodes(_) => "",
        };
        let text = row.stage.text(self.size, &stage::own_nodes(own), client);
        let ground = if servers.is_empty() { "own" } else { "servers" };
        let options = Options {
            backend: (!servers.is_empty()).then_some(Backend::Servers(servers)),
            // A folder for each, so that runs at the same time do not point at each other's results.
            out: Some(self.out.join(format!("{}-{ground}", row.file_name()))),
            ..Options::default()
        };
        let source = FileText::new(format!("selftest {}", row.name), text);
        let seed = Seed::new(self.seed.fork(row.name).value() >> 11);
        plan_of(&Library::new("."), &source, &row.file_name(), &options, seed)
    }
}

impl Row {
    /// Its lies, at the rate of this size where they have none of their own.
    fn lies(&self, size: Size) -> Vec<LieSpec> {
        let Thing::Nodes(lies) = self.broken else { return Vec::new() };
        let read = |(name, every): &(&str, Option<u32>)| {
            format!("{name}:1/{}", every.unwrap_or(size.every)).parse().ok()
        };
        lies.iter().filter_map(read).collect()
    }

    /// Its name as a file's.
    fn file_name(&self) -> String {
        let words = self.name.split(|c: char| !c.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("-")
    }

    /// Whether its run does something to the nodes that is not possible with those of others.
    fn stage_breaks_nodes(&self) -> bool {
        self.stage == stage::RunKind::Hanging
    }
}

/// Nobody looks on.
struct Silence;

impl Observer for Silence {
    fn line(&mut self, _: &Line) {}
    fn note(&mut self, _: &str) {}
}

/// What a report says about a row.
fn tell(row: &'static Row, nodes: NodeOwner, report: &Report, folder: Option<PathBuf>) -> Told {
    let noticed_by = noticed_by(report);
    Told {
        name: row.name,
        nodes,
        outcome: outcome(row.expected, report.verdict, &noticed_by),
        verdict: report.verdict,
        noticed_by,
        reasons: report.reasons.clone(),
        folder,
    }
}

fn outcome(expected: Expected, verdict: Verdict, noticed_by: &[String]) -> RowOutcome {
    match expected {
        Expected::Health => match verdict {
            Verdict::Pass | Verdict::Degraded => RowOutcome::Quiet,
            Verdict::Fail => RowOutcome::FalseAlarm,
            Verdict::Invalid | Verdict::Vacuous => RowOutcome::Unjudged,
        },
        Expected::Unknowable(_) => RowOutcome::Unknowable,
        Expected::NoticedBy(names) => {
            let said = |name: &&&str| noticed_by.iter().any(|noticed| noticed == **name);
            let mut said = names.iter().filter(said).peekable();
            match verdict {
                Verdict::Fail | Verdict::Degraded if said.peek().is_some() => RowOutcome::Noticed,
                // What makes a run invalid because something is broken.
                Verdict::Invalid
                    if said.any(|name| *name == CALIBRATION || name.ends_with(NOT_JUDGED)) =>
                {
                    RowOutcome::Noticed
                }
                Verdict::Invalid | Verdict::Vacuous => RowOutcome::Unjudged,
                Verdict::Pass | Verdict::Degraded | Verdict::Fail => RowOutcome::Missed,
            }
        }
    }
}

/// Everything in a report that says that something is wrong, by its name.
fn noticed_by(report: &Report) -> Vec<String> {
    let failed = report.objectives.iter().filter(|objective| objective.grade == Grade::Fail);
    let mut names: Vec<String> = failed.map(|objective| objective.name.clone()).collect();
    // Every number of the data section counts something that must not be.
    if let Ok(serde_json::Value::Object(data)) = serde_json::to_value(&report.data) {
        let bad = data.iter().filter(|(_, value)| value.as_f64().is_some_and(|count| count > 0.0));
        names.extend(bad.map(|(name, _)| name.clone()));
    }
    let not_judged = report.data.not_judged.iter();
    names.extend(not_judged.map(|not| format!("{}{NOT_JUDGED}", not.measure)));
    if report.harness.calibration.iter().any(|check| !check.pass) {
        names.push(CALIBRATION.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a row that cannot be run, or whose lie is misspelt, and a lie that no row tells.
    #[test]
    fn every_row_is_a_plan_and_every_lie_has_a_row() {
        let selftest = Selftest {
            size: Size::FULL,
            lanes: 1,
            out: PathBuf::from("unused"),
            seed: Seed::new(1),
        };
        for row in ROWS {
            let lies = row.lies(selftest.size);
            if let Thing::Nodes(named) = row.broken {
                assert_eq!(lies.len(), named.len(), "{}", row.name);
            }
            if let Err(error) = selftest.plan(row, &lies, &[]) {
                panic!("{}: {error}", row.name);
            }
            let others = ROWS.iter().filter(|other| other.file_name() == row.file_name());
            assert_eq!(others.count(), 1, "two rows are called {}", row.name);
        }
        for lie in crate::lab::LIES.kinds {
            assert!(ROWS.iter().any(|row| row.name == lie.name), "no row for {}", lie.name);
        }
    }

    /// Catches a row that counts as noticed although the run passed or the wrong thing cried, a false
    /// alarm that is forgiven, and a busy machine that is taken for a blind harness.
    #[test]
    fn only_the_right_alarm_counts() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected = Expected::NoticedBy(&["stale", "wrong"]);
        let late = Expected::NoticedBy(&["calibration"]);
        let unread = Expected::NoticedBy(&["writes not judged"]);
        for (expected, verdict, noticed, told) in [
            (expected, Verdict::Fail, &["no-errors", "stale"][..], RowOutcome::Noticed),
            (expected, Verdict::Pass, &["stale"], RowOutcome::Missed),
            (expected, Verdict::Fail, &["no-errors"], RowOutcome::Missed),
            (expected, Verdict::Invalid, &["stale"], RowOutcome::Unjudged),
            (late, Verdict::Invalid, &["calibration"], RowOutcome::Noticed),
            (unread, Verdict::Invalid, &["writes not judged"], RowOutcome::Noticed),
            (unread, Verdict::Invalid, &["reads not judged"], RowOutcome::Unjudged),
            (unread, Verdict::Pass, &["writes not judged"], RowOutcome::Missed),
            (expected, Verdict::Invalid, &["no-errors"], RowOutcome::Unjudged),
            (Expected::Health, Verdict::Degraded, &[], RowOutcome::Quiet),
            (Expected::Health, Verdict::Fail, &[], RowOutcome::FalseAlarm),
            (Expected::Health, Verdict::Invalid, &[], RowOutcome::Unjudged),
            (Expected::Unknowable("it is so"), Verdict::Pass, &[], RowOutcome::Unknowable),
        ] {
            assert_eq!(
                outcome(expected, verdict, &names(noticed)),
                told,
                "{expected:?} {noticed:?}"
            );
        }
    }
}
