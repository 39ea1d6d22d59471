//! The phases of a run, one after the other, until they are over or something ends them.

use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use super::desk::{Broken, Desk};
use super::stage::Stage;
use super::{Environment, RunError, calibration, facts, setup};
use crate::event::{EventKind, FaultRecord, Phase};
use crate::lab::error::LabError;
use crate::lab::nemesis::Nemesis;
use crate::load::Preloaded;
use crate::plan::Plan;
use crate::subject::Subject;

/// What lies between the end of the preload and the steady phase, so that its backlog is gone.
const SETTLE: Duration = Duration::from_millis(500);

/// How the phases ended.
pub(super) enum End {
    Complete,
    Interrupted,
    /// Not every key could be stored.
    Short,
    Broken(Broken),
}

/// Why the phases stopped before their end.
enum Stopped {
    Short,
    Broken(RunError),
}

impl<E: Into<RunError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// Phases on one side, whoever looks on on the other, until one of them ends it.
pub(super) async fn perform(
    plan: &Plan,
    environment: &Environment,
    stage: &Stage,
    desk: &mut Desk<'_>,
) -> Result<(End, Vec<FaultRecord>), RunError> {
    let faults = setup::faults(plan);
    let mut nemesis = Nemesis::new(&stage.lab, &faults, stage.clock, stage.events.clone());
    let end = tokio::select! {
        biased;
        () = environment.interrupt.cancelled() => End::Interrupted,
        () = stage.scope.cancelled() => End::Broken(Broken::Harness("a task of the harness panicked".into())),
        ended = walk(stage, plan, &mut nemesis) => match ended {
            Ok(()) => End::Complete,
            Err(Stopped::Short) => End::Short,
            // Nothing was begun yet: the lab is not what it was taken for.
            Err(Stopped::Broken(error @ RunError::Lab(LabError::Silent { .. }))) => return Err(error),
            Err(Stopped::Broken(error)) => End::Broken(Broken::Harness(error.to_string())),
        },
        broken = desk.follow(stage, plan.metrics_interval) => End::Broken(broken),
    };
    stage.subject.stop();
    if let End::Interrupted = end {
        desk.observer.note("interrupted: healing every fault, draining, writing the report");
    }
    // Whatever ended the phases, no fault outlives it.
    let end = match (nemesis.heal_all().await, end) {
        (Err(error), End::Complete | End::Interrupted | End::Short) => {
            End::Broken(Broken::Harness(error.to_string()))
        }
        (_, end) => end,
    };
    let steady = stage.recorder.phases().start_of(Phase::Steady);
    if matches!(end, End::Interrupted) && steady.is_none() {
        return Err(RunError::Interrupted);
    }
    Ok((end, nemesis.records().to_vec()))
}

/// Walks through the phases. Every wait in here may be cut short.
async fn walk(stage: &Stage, plan: &Plan, nemesis: &mut Nemesis<'_>) -> Result<(), Stopped> {
    let phases = plan.phases;
    let settled = stage.clock.started() + phases.warmup;
    stage.begin(Phase::Warmup);
    // While the machine has nothing else to do.
    *stage.calibration.lock() = {
        let broken = plan.client.broken;
        facts::calibration(calibration::glance(broken, &stage.scope).await)
    };
    preload(stage).await?;
    stage.subject.begin();
    tokio::join!(sleep_until(settled), sleep(SETTLE));
    stage.noise.lock().restart();
    stage.begin(Phase::Steady);
    sleep(phases.steady).await;
    if !phases.fault.is_zero() {
        stage.begin(Phase::Fault);
        let start = stage.clock.instant(stage.clock.now());
        nemesis.run(start).await?;
        sleep_until(start + phases.fault).await;
        nemesis.heal_all().await?;
    }
    if !phases.recovery.is_zero() {
        stage.begin(Phase::Recovery);
        sleep(phases.recovery).await;
    }
    Ok(())
}

/// Stores every key. What is measured later would mean nothing were one missing.
async fn preload(stage: &Stage) -> Result<(), Stopped> {
    let preloaded = stage.subject.preload().await;
    let Preloaded { stored, failed, .. } = preloaded;
    stage.events.emit(EventKind::Preloaded { stored, failed });
    if let Some((node, keys)) = preloaded.silent.first() {
        let address = stage.lab.info()[node.position()].address.to_string();
        return Err(LabError::Silent { node: *node, keys: *keys, address }.into());
    }
    *stage.preloaded.lock() = preloaded;
    if failed > 0 { Err(Stopped::Short) } else { Ok(()) }
}
