//! The phases of a run, one after the other, until they are over or something ends them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::desk::{Broken, Desk, End};
use super::fleet::Over;
use super::stage::Stage;
use super::{Environment, RunError, calibration, facts, setup, turns, wire};
use crate::event::{EventKind, FaultRecord, Phase};
use crate::lab::error::LabError;
use crate::lab::nemesis::Nemesis;
use crate::load::Preloaded;
use crate::plan::{CommandPlan, Plan, Who};
use crate::subject::Subject;
use crate::subject::settling::Settling;

/// What lies between the end of the preload and the steady phase, so that its backlog is gone.
const SETTLE: Duration = Duration::from_millis(500);

/// How often traffic is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// Why the phases stopped before their end.
enum Stopped {
    Short,
    Interrupted,
    Broken(RunError),
}

impl<E: Into<RunError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl From<Over> for Stopped {
    fn from(over: Over) -> Self {
        match over {
            Over::Never(why) => Self::Broken(RunError::Fleet(why)),
            Over::Interrupted => Self::Interrupted,
            Over::Broken(why) => Self::Broken(RunError::Internal(why)),
        }
    }
}

/// Phases on one side, whoever looks on on the other, until one of them ends it.
pub(super) async fn perform(
    plan: &Plan,
    environment: &Environment,
    stage: &Stage,
    desk: &mut Desk<'_>,
) -> Result<(End, Vec<FaultRecord>), RunError> {
    // Member 0 breaks things for all.
    let faults = if stage.guest().is_some() { Vec::new() } else { setup::faults(plan) };
    let nemesis = Nemesis::new(&stage.lab, &faults, stage.clock, stage.events.clone());
    let mut nemesis = nemesis.watching(stage.witness(plan.phases.fault));
    let end = tokio::select! {
        biased;
        () = environment.interrupt.cancelled() => End::Interrupted,
        () = stage.scope.cancelled() => End::Broken(Broken::Harness("a task of the harness panicked".into())),
        ended = walk(stage, plan, &mut nemesis) => match ended {
            Ok(()) => End::Complete,
            Err(Stopped::Short) => End::Short,
            Err(Stopped::Interrupted) => End::Interrupted,
            // Nothing was begun yet: the lab, or the fleet, is not what it was taken for.
            Err(Stopped::Broken(error @ (RunError::Lab(LabError::Silent { .. }) | RunError::Fleet(_)))) => {
                return Err(error);
            }
            Err(Stopped::Broken(error)) => End::Broken(Broken::Harness(error.to_string())),
        },
        // What there is is judged.
        () = stage.subject.ended() => End::Complete,
        broken = desk.follow(stage, plan.metrics_interval) => End::Broken(broken),
    };
    stage.subject.stop();
    if let End::Interrupted = end {
        desk.observer.note("interrupted: healing every fault, draining, writing the report");
    }
    // Whatever ended the phases, no fault outlives it, nor what somebody broke through the control API.
    let healed = nemesis.heal_all().await;
    if stage.control.as_ref().is_some_and(|control| control.meddling().is_some()) {
        // A proxy that cannot listen any more is closed in a moment.
        let _ = stage.lab.proxies().reset().await;
    }
    let end = match (healed, end) {
        (Err(error), End::Complete | End::Interrupted | End::Short) => {
            End::Broken(Broken::Harness(error.to_string()))
        }
        (_, end) => end,
    };
    stage.say_end(&end);
    let steady = stage.recorder.phases().start_of(Phase::Steady);
    if matches!(end, End::Interrupted) && steady.is_none() {
        return Err(RunError::Interrupted);
    }
    Ok((end, nemesis.records().to_vec()))
}

/// Walks through the phases. Every wait in here may be cut short.
async fn walk(stage: &Stage, plan: &Plan, nemesis: &mut Nemesis<'_>) -> Result<(), Stopped> {
    stage.begin(Phase::Warmup);
    if stage.subject.makes_the_load() {
        wait_for_traffic(stage, plan).await;
    } else {
        warm_up(stage, plan).await?;
    }
    stage.noise.lock().restart();
    if let Some(guest) = stage.guest() {
        return Ok(stage.follow(guest).await?);
    }
    loop {
        stage.rounds.fetch_add(1, Ordering::Relaxed);
        walk_once(stage, plan, nemesis).await?;
        if !repeats(plan) {
            return Ok(());
        }
        stage.recorder.phases().next_round(stage.clock.now());
    }
}

/// Whether the timeline begins again, until the subject ends.
fn repeats(plan: &Plan) -> bool {
    let is_command = plan.who() == Who::Command;
    is_command && plan.command.as_ref().is_some_and(|command| command.repeats)
}

/// Every key is stored, and our load has begun.
async fn warm_up(stage: &Stage, plan: &Plan) -> Result<(), Stopped> {
    let settled = stage.clock.started() + plan.phases.warmup;
    // While the machine has nothing else to do.
    *stage.calibration.lock() = {
        let _turn = if stage.is_in_a_fleet() { turns::turn().await } else { None };
        let broken = plan.client.broken;
        facts::calibration(calibration::glance(broken, &stage.scope).await)
    };
    stage.gather().await?;
    preload(stage).await?;
    stage.await_begin().await?;
    stage.subject.begin();
    if stage.guest().is_some() {
        return Ok(());
    }
    tokio::join!(sleep_until(settled), sleep(SETTLE));
    Ok(())
}

/// The traffic of a subject with a load of its own is under way, or was waited for long enough.
async fn wait_for_traffic(stage: &Stage, plan: &Plan) {
    let mut settling = Settling::default();
    let traffic = async {
        while !settling.is_settled(Instant::now(), &wire::requests(&stage.lab)) {
            sleep(LOOK).await;
        }
    };
    let command = plan.command.as_ref();
    match (command.and_then(|command| command.settle), command.is_some_and(CommandPlan::is_started))
    {
        // Somebody will start it.
        (None, false) => traffic.await,
        // Whether it came, the phases say that follow: their figures would be empty.
        (wish, _) => drop(timeout(wish.unwrap_or(plan.phases.warmup), traffic).await),
    }
}

/// From steady to recovered.
async fn walk_once(stage: &Stage, plan: &Plan, nemesis: &mut Nemesis<'_>) -> Result<(), Stopped> {
    let phases = plan.phases;
    stage.turn(Phase::Steady).await;
    stage.last(phases.steady).await;
    if !phases.fault.is_zero() {
        stage.turn(Phase::Fault).await;
        let start = stage.clock.instant(stage.clock.now());
        nemesis.run(start).await?;
        sleep_until(start + phases.fault).await;
        nemesis.heal_all().await?;
    }
    if !phases.recovery.is_zero() {
        stage.turn(Phase::Recovery).await;
        sleep(phases.recovery).await;
    }
    Ok(())
}

/// Stores every key. What is measured later would mean nothing were one missing.
async fn preload(stage: &Stage) -> Result<(), Stopped> {
    let preloaded = tokio::select! {
        preloaded = stage.subject.preload() => preloaded,
        // Nobody has the nodes any more: the keys would give up one by one.
        lost = stage.lost_host() => return Err(Over::Never(lost).into()),
    };
    let Preloaded { stored, failed, .. } = preloaded;
    if stored + failed > 0 {
        stage.events.emit(EventKind::Preloaded { stored, failed });
    }
    if let Some((node, keys)) = preloaded.silent.first() {
        let address = stage.lab.info()[node.position()].address.to_string();
        return Err(LabError::Silent { node: *node, keys: *keys, address }.into());
    }
    *stage.preloaded.lock() = preloaded;
    if failed > 0 { Err(Stopped::Short) } else { Ok(()) }
}
