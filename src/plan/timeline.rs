//! What is broken in a run and how long its phases are: one decides how long the other can be.

use std::time::Duration;

use super::error::{FileError, PlanError};
use super::model::{Chaos, FaultPlan, Group, Phases};
use super::options::Options;
use super::source::TomlTable;
use super::{chaos, fault, lengths};
use crate::base::seed::Seed;
use crate::lab::{Nodes, Whose};

/// The phases in the length that was asked for, and the faults within them: as written, or drawn.
pub(super) struct Timeline {
    pub(super) phases: Phases,
    pub(super) chaos: Option<Chaos>,
    pub(super) faults: Vec<FaultPlan>,
}

impl Timeline {
    pub(super) fn read(
        table: &TomlTable<'_>,
        options: &Options,
        name: &str,
        (nodes, groups): (&Nodes, &[Group]),
        seed: Seed,
    ) -> Result<Self, PlanError> {
        let written = lengths::read(table)?;
        let mut faults = match table.get("faults") {
            Some(list) => fault::read(&list, written.fault, nodes.count, groups)?,
            None => Vec::new(),
        };
        let (chaos, to_draw) = read_chaos(table, options, nodes, written.fault)?.unzip();
        let to_draw = to_draw.unwrap_or_default();
        let phases = lengths::scaled(table, options, name, &written, &faults, to_draw)?;
        fault::scale(&mut faults, written.fault, phases.fault);
        if let Some(chaos) = chaos.as_ref().filter(|_| to_draw) {
            faults = chaos.unfold(seed, phases.fault, nodes.count);
        }
        Ok(Self { phases, chaos, faults })
    }
}

/// What is drawn from, and whether it is yet to be drawn: a printed plan has both, and the faults that
/// were.
fn read_chaos(
    table: &TomlTable<'_>,
    options: &Options,
    nodes: &Nodes,
    fault: Duration,
) -> Result<Option<(Chaos, bool)>, FileError> {
    let Some(node) = table.get("chaos") else { return Ok(None) };
    let means = chaos::Means {
        nodes: nodes.count,
        backend: &nodes.backend,
        elsewhere: match &options.elsewhere {
            Some(elsewhere) => Some(elsewhere.whose),
            None => Whose::ALL.into_iter().find(|whose| table.get(whose.key()).is_some()),
        },
        direct: options.direct || table.get("direct").is_some(),
    };
    let (chaos, is_drawn) = chaos::read(&node, means)?;
    if fault.is_zero() {
        let what = "there is no fault phase; give `fault` a length under [phases]";
        return Err(node.error_at_key(what));
    }
    match table.get("faults") {
        Some(faults) if !is_drawn => {
            let what = "[chaos] draws the faults; write either [chaos] or [[faults]]";
            Err(faults.error_at_key(what))
        }
        _ => Ok(Some((chaos, !is_drawn))),
    }
}
