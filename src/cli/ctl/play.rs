//! `harness ctl run`: the faults of a scenario in a lab that is up, at their times.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until};

use super::words::Play;
use super::{Failure, Program};
use crate::base::family::Value as Given;
use crate::cli::exit::Exit;
use crate::cli::interruptible::interruptible;
use crate::cli::output;
use crate::control::{Remote, RemoteError};
use crate::lab::timeline::{Direction, FaultSpec, Step, steps};
use crate::plan::{Library, Options, scenario_of};
use crate::proxy::fault::TOXICS;

/// A few connections to the control API, and nothing else.
const DESCRIPTORS: u64 = 64;

/// Plays the faults to their end, or until Ctrl-C; then none is left.
pub(super) fn play(host: &str, play: &Play, program: &Program) -> Result<Exit, Failure> {
    let remote = Remote::new(host, program.agent.as_str());
    let remote = remote.map_err(|error| Failure::new(error.to_string()))?;
    let usage = |message| Failure { exit: 2, ..Failure::new(message) };
    let faults = faults(play).map_err(usage)?;
    Ok(interruptible(DESCRIPTORS, |environment| async move {
        let mut player = Player { remote, active: Vec::new() };
        let played = tokio::select! {
            played = player.play(&faults) => played,
            () = environment.interrupt.cancelled() => Err("interrupted".to_owned()),
        };
        let healed = player.heal_all().await;
        match played.and(healed) {
            Ok(()) => Exit::Pass,
            Err(_) if environment.interrupt.is_cancelled() => Exit::Interrupted,
            Err(why) => {
                output::complain(&why);
                Exit::LabDown
            }
        }
    }))
}

/// The faults of the scenario, all of them ones that a control API can do.
fn faults(play: &Play) -> Result<Vec<FaultSpec>, String> {
    let options = Options { duration: play.duration, ..Options::default() };
    let plan = scenario_of(&Library::new("."), &play.scenario, &options);
    let plan = plan.map_err(|error| error.to_string())?;
    let faults: Vec<FaultSpec> = plan.faults.iter().map(|fault| fault.spec.clone()).collect();
    if faults.is_empty() {
        return Err(format!("`{}` has no fault", play.scenario));
    }
    if let Some((fault, after)) = faults.iter().find_map(|it| Some((it, it.after.as_ref()?))) {
        return Err(format!(
            "the fault `{}` waits until {after}, which is not seen from here; use `harness up \
             -scenario {}`",
            fault.name, play.scenario
        ));
    }
    match faults.iter().find(|fault| TOXICS.find(&fault.fault.kind).is_none()) {
        Some(fault) => Err(format!(
            "the fault `{}` ({}) needs the process of the node, which a control API does not reach; \
             use `harness up -scenario {}`",
            fault.name, fault.fault.kind, play.scenario
        )),
        None => Ok(faults),
    }
}

struct Player {
    remote: Remote,
    /// The proxies and toxics that must be taken back.
    active: Vec<(String, String)>,
}

impl Player {
    async fn play(&mut self, faults: &[FaultSpec]) -> Result<(), String> {
        let start = Instant::now();
        for (at, step) in steps(faults) {
            sleep_until(start + at).await;
            match step {
                Step::Apply(index) => self.apply(&faults[index], at).await?,
                Step::Heal(index) => self.heal(&faults[index], at).await?,
            }
        }
        Ok(())
    }

    async fn apply(&mut self, fault: &FaultSpec, at: Duration) -> Result<(), String> {
        let body = body(fault);
        for node in &fault.nodes {
            let proxy = node.to_string();
            // Before the request: what its answer does not tell may have been added all the same.
            self.active.push((proxy.clone(), fault.name.clone()));
            let path = ["proxies", &proxy, "toxics"];
            let added = self.remote.send(Method::POST, &path, Some(&body)).await;
            added.map_err(|error| format!("{proxy} did not take `{}`: {error}", fault.name))?;
        }
        tell(at, &format!("{} ({}) applied to {}", fault.name, fault.fault.kind, nodes(fault)))
    }

    async fn heal(&mut self, fault: &FaultSpec, at: Duration) -> Result<(), String> {
        let mine: Vec<_> = self.active.extract_if(.., |(_, toxic)| *toxic == fault.name).collect();
        for (proxy, toxic) in mine {
            let removed = self.remove(&proxy, &toxic).await;
            removed.map_err(|error| stays(&proxy, &toxic, &error))?;
        }
        tell(at, &format!("{} healed on {}", fault.name, nodes(fault)))
    }

    /// Takes back what is left, each whatever happens to another; the first problem.
    async fn heal_all(&mut self) -> Result<(), String> {
        let mut result = Ok(());
        for (proxy, toxic) in std::mem::take(&mut self.active) {
            result = result.and(match self.remove(&proxy, &toxic).await {
                // What was not added need not be taken back.
                Err(RemoteError::Refused { status: 404, .. }) => Ok(()),
                removed => removed.map_err(|error| stays(&proxy, &toxic, &error)),
            });
        }
        result
    }

    async fn remove(&self, proxy: &str, toxic: &str) -> Result<(), RemoteError> {
        let path = ["proxies", proxy, "toxics", toxic];
        self.remote.send(Method::DELETE, &path, None).await.map(drop)
    }
}

fn stays(proxy: &str, toxic: &str, error: &RemoteError) -> String {
    format!("{toxic} was not taken off {proxy}: {error}")
}

fn nodes(fault: &FaultSpec) -> String {
    let names: Vec<String> = fault.nodes.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn tell(at: Duration, what: &str) -> Result<(), String> {
    match output::result(format!("{:6.1}s  {what}\n", at.as_secs_f64())) {
        Exit::Pass => Ok(()),
        _ => Err("stdout takes nothing".to_owned()),
    }
}

/// What the control API is told to add.
fn body(fault: &FaultSpec) -> Value {
    let json = |value: &Given| match value {
        Given::Integer(number) => json!(number),
        Given::Float(number) => json!(number),
        Given::Text(text) => json!(text),
        Given::Flag(flag) => json!(flag),
    };
    let settings = fault.fault.settings.iter();
    let attributes: Map<String, Value> =
        settings.map(|(name, value)| (name.to_owned(), json(value))).collect();
    let stream = match fault.direction {
        Direction::Upstream => "upstream",
        Direction::Downstream => "downstream",
        Direction::Both => "both",
    };
    json!({ "name": fault.name, "type": fault.fault.kind, "stream": stream,
            "toxicity": fault.toxicity, "attributes": attributes })
}
