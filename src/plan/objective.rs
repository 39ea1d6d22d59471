//! An objective: a measure, where it is taken, and the bound it must keep.

use super::error::FileError;
use super::source::{TomlTable, TomlValue};
use super::text::TomlText;
use crate::base::family::{Unit, Value, unknown};
use crate::event::Phase;
use crate::judge::{Bound, MEASURES, Measure, NodeGroup, Objective, measure};

const KEYS: [&str; 8] =
    ["name", "summary", "measure", "phase", "nodes", "at_most", "at_least", "min_samples"];

/// Reads an objective; in a file of its own it is called `name`, else it must say.
pub(super) fn read(table: &TomlTable<'_>, name: Option<&str>) -> Result<Objective, FileError> {
    table.only("key", &KEYS)?;
    let name = match (table.get("name"), name) {
        (Some(node), _) => node.name()?,
        (None, Some(name)) => name,
        (None, None) => table.need("name", "what the objective is called")?.name()?,
    };
    let summary = table.optional("summary", TomlValue::text)?;
    let measure = read_measure(&table.need("measure", "what is measured")?)?;
    let phase = table.optional("phase", read_phase)?;
    let nodes = table
        .optional("nodes", |node| node.one_of("group of nodes", NodeGroup::ALL, NodeGroup::name))?;
    let samples = table.optional("min_samples", |node| node.count(0..=u64::MAX))?;
    Ok(Objective {
        name: name.to_owned(),
        summary: summary.unwrap_or(measure.summary).to_owned(),
        measure,
        phase,
        nodes: nodes.unwrap_or(NodeGroup::All),
        bound: read_bound(table, measure)?,
        min_samples: samples.unwrap_or(0),
    })
}

fn read_measure(node: &TomlValue<'_>) -> Result<&'static Measure, FileError> {
    let name = node.text()?;
    measure::find(name).ok_or_else(|| {
        let names: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        node.error(unknown("measure", name, &names))
    })
}

fn read_phase(node: &TomlValue<'_>) -> Result<Phase, FileError> {
    node.one_of("phase", Phase::ALL, Phase::name)
}

fn read_bound(table: &TomlTable<'_>, measure: &Measure) -> Result<Bound, FileError> {
    let example = measure.unit.example();
    match (table.get("at_most"), table.get("at_least")) {
        (Some(_), Some(node)) => {
            Err(node.error_at_key("`at_most` and `at_least`: an objective has one bound"))
        }
        (Some(node), None) => number(&node, measure.unit).map(Bound::AtMost),
        (None, Some(node)) => number(&node, measure.unit).map(Bound::AtLeast),
        (None, None) => Err(table.error(format!(
            "the objective has no bound; write `at_most = {example}` or `at_least = {example}`"
        ))),
    }
}

fn number(node: &TomlValue<'_>, unit: Unit) -> Result<f64, FileError> {
    match node.in_unit(unit)? {
        #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
        Value::Integer(number) => Ok(number as f64),
        Value::Float(number) => Ok(number),
        Value::Text(_) | Value::Flag(_) => Err(node.error("a bound is a number")),
    }
}

/// Prints an objective as an element of the list `path`.
pub(super) fn print(text: &mut TomlText, path: &str, objective: &Objective) {
    text.element(path);
    text.string("name", &objective.name);
    text.string("summary", &objective.summary);
    text.string("measure", objective.measure.name);
    if let Some(phase) = objective.phase {
        text.string("phase", phase.name());
    }
    text.string("nodes", objective.nodes.name());
    let (key, number) = match objective.bound {
        Bound::AtMost(number) => ("at_most", number),
        Bound::AtLeast(number) => ("at_least", number),
    };
    text.value(key, &objective.measure.unit.format(&Value::Float(number)));
    text.value("min_samples", &objective.min_samples.to_string());
}
