//! Faults that nobody can have felt, where calls are somebody else's and hide what they met.

use crate::event::Phase;
use crate::record::{FaultRecord, Summary};

/// Faults that met nothing.
pub(super) fn unmet(summary: &Summary) -> Vec<String> {
    let faults = &summary.inputs.faults;
    if summary.phase(Phase::Fault).is_none() {
        let none = !faults.is_empty();
        return none
            .then(|| "the run ended before any fault began".to_owned())
            .into_iter()
            .collect();
    }
    let unmet = faults.iter().filter(|fault| !met(summary, fault));
    unmet.map(|fault| format!("the fault `{}` met no traffic", fault.name)).collect()
}

/// Whether it did something, by its own count; where it cannot count, whether its nodes were used: a
/// node that is down gets no request, and a client that it keeps off must have wanted it before.
fn met(summary: &Summary, fault: &FaultRecord) -> bool {
    let used = || {
        let phases = [Phase::Steady, Phase::Fault].into_iter();
        let mut wire = phases.flat_map(|phase| summary.wire(Some(phase)));
        wire.any(|wire| fault.nodes.contains(&wire.node) && wire.requests > 0)
    };
    fault.applied.is_some() && fault.operations_touched.map_or_else(used, |touched| touched > 0)
}
