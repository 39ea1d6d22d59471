//! How long the phases of a run are: as written, or scaled within bounds; and what is too short to judge.

use std::time::Duration;

use super::error::{FileError, PlanError};
use super::fault;
use super::model::{FaultPlan, Phases, Plan};
use super::options::{DURATION_MAX, DURATION_MIN, Options};
use super::scale;
use super::source::TomlTable;
use super::trace;
use crate::event::Phase;
use crate::judge::EXAMINED_MIN;

/// What a warm-up grows to in a long run, unless it was written longer: keys are stored by then.
const WARMUP_MAX: Duration = Duration::from_secs(15);

/// What a baseline before a fault grows to in a long run: its percentiles are settled by then.
const STEADY_MAX: Duration = Duration::from_secs(60);

/// What the time to recover grows to in a long run: slower clients than this are found by a short one.
const RECOVERY_MAX: Duration = Duration::from_secs(120);

/// The shortest steady phase before a fault: a second in each of the halves that are compared.
const STEADY_MIN: Duration = Duration::from_secs(2);

/// The shortest fault phase: what objectives give a client to notice a fault.
const FAULT_MIN: Duration = Duration::from_secs(1);

/// What healing every fault may take of the recovery phase before recovery is examined.
const HEALING: Duration = Duration::from_millis(500);

impl Plan {
    /// What whoever wrote it should know, one sentence each: what is too short to be judged, and what of a
    /// trace is not replayed as it was.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = self.too_short();
        remarks.extend(self.trace_remarks());
        remarks
    }

    /// What of a trace is not replayed as it was, one sentence each.
    #[must_use]
    pub fn trace_remarks(&self) -> Vec<String> {
        let replay = self.workload.replay.as_ref();
        replay.map(|replay| trace::remarks(replay, Some(self.phases.total()))).unwrap_or_default()
    }

    /// What is too short to be judged, one sentence each: the file wrote it so.
    fn too_short(&self) -> Vec<String> {
        if self.faults.is_empty() {
            return Vec::new();
        }
        let needs = [
            (Phase::Steady, STEADY_MIN),
            (Phase::Fault, FAULT_MIN),
            (Phase::Recovery, EXAMINED_MIN + HEALING),
        ];
        let show = humantime::format_duration;
        let short = needs.into_iter().filter(|(phase, least)| self.phases.length(*phase) < *least);
        short
            .map(|(phase, least)| {
                let length = show(self.phases.length(phase));
                let least = show(least);
                format!("`{phase}` is {length} long, which is too short to judge; write \"{least}\" or more")
            })
            .collect()
    }
}

/// The phases as the file has them.
pub(super) fn read(table: &TomlTable<'_>) -> Result<Phases, FileError> {
    let node = table.need("phases", "a table with the length of each phase")?;
    let phases = node.table()?;
    phases.only("phase", &Phases::PLANNED.map(Phase::name))?;
    let length = |phase: Phase| match phases.get(phase.name()) {
        None => Ok(Duration::ZERO),
        Some(node) => match node.duration()? {
            length if length > DURATION_MAX => Err(node.error(format!(
                "`{phase}` must be at most {} long",
                humantime::format_duration(DURATION_MAX)
            ))),
            length => Ok(length),
        },
    };
    let read = Phases {
        warmup: length(Phase::Warmup)?,
        steady: length(Phase::Steady)?,
        fault: length(Phase::Fault)?,
        recovery: length(Phase::Recovery)?,
    };
    if read.steady.is_zero() {
        let what = "`steady` is missing: without a baseline nothing can be judged";
        return Err(phases
            .get("steady")
            .map_or_else(|| node.error_at_key(what), |n| n.error(what)));
    }
    Ok(read)
}

/// The phases in the length that was asked for. None becomes shorter than judging needs, unless it
/// was written so. `drawn`: the faults are yet to be drawn.
pub(super) fn scaled(
    table: &TomlTable<'_>,
    options: &Options,
    name: &str,
    written: &Phases,
    faults: &[FaultPlan],
    drawn: bool,
) -> Result<Phases, PlanError> {
    let length = checked(table, options, options.duration.unwrap_or_else(|| written.total()))?;
    let floors = if faults.is_empty() && !drawn {
        Phases::default()
    } else {
        Phases {
            warmup: Duration::ZERO,
            steady: written.steady.min(STEADY_MIN),
            fault: written.fault.min(FAULT_MIN).max(fault::least_phase(faults, written.fault)),
            recovery: written.recovery.min(EXAMINED_MIN + HEALING),
        }
    };
    let most = |written: Duration, most: Duration| written.max(most);
    let is_broken = !written.fault.is_zero();
    let ceilings = Phases {
        warmup: most(written.warmup, WARMUP_MAX),
        // Something has to take the rest.
        steady: if is_broken { most(written.steady, STEADY_MAX) } else { Duration::MAX },
        fault: Duration::MAX,
        recovery: most(written.recovery, RECOVERY_MAX),
    };
    scale::phases(written, length, &floors, &ceilings).ok_or_else(|| {
        let show = humantime::format_duration;
        PlanError::Option(format!(
            "-duration {} is too short to judge {name}: its phases need at least {} (steady), {} \
             (fault) and {} (recovery); the least that works is {}",
            show(length),
            show(floors.steady),
            show(floors.fault),
            show(floors.recovery),
            show(floors.total()),
        ))
    })
}

fn checked(
    table: &TomlTable<'_>,
    options: &Options,
    length: Duration,
) -> Result<Duration, PlanError> {
    if (DURATION_MIN..=DURATION_MAX).contains(&length) {
        return Ok(length);
    }
    let show = humantime::format_duration;
    let what = format!(
        "{} is not possible; a run takes between {} and {}",
        show(length),
        show(DURATION_MIN),
        show(DURATION_MAX)
    );
    Err(match (options.duration, table.get("phases")) {
        (None, Some(node)) => node.error_at_key(what).into(),
        _ => PlanError::Option(format!("-duration {what}")),
    })
}
