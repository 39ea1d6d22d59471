//! The glossary of every figure: complete, in the right units, and of nothing else.

use std::collections::BTreeMap;

use harness::base::family::Unit;
use harness::event::Outcome;
use harness::judge::MEASURES;

const GLOSSARY: &str = include_str!("../../docs/measures.md");

/// The rows of the table under a heading: the name, and the cells behind it.
fn table(heading: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let (_, rest) = GLOSSARY.split_once(&format!("\n## {heading}\n")).expect(heading);
    let section = rest.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut table = BTreeMap::new();
    for row in rows {
        let (name, cells) = row.split_once("` | ").expect(row);
        let cells: Vec<&str> = cells.trim_end_matches(" |").split(" | ").collect();
        assert!(cells.iter().all(|cell| !cell.trim().is_empty()), "{row}");
        assert!(table.insert(name, cells).is_none(), "`{name}` has two rows");
    }
    table
}

const fn word(unit: Unit) -> &'static str {
    match unit {
        Unit::Microseconds => "us",
        Unit::Seconds => "s",
        Unit::Ratio => "ratio",
        Unit::PerSecond => "1/s",
        Unit::Count => "count",
        Unit::Number => "number",
        _ => "a unit that no measure has had before: give it a word here",
    }
}

/// Catches a measure that nobody explains, one that is explained in another unit or without a source
/// or a word on when there is none, and a row about a measure that does not exist.
#[test]
fn every_measure_is_explained() {
    let table = table("Measures");
    for measure in MEASURES {
        let cells =
            table.get(measure.name).unwrap_or_else(|| panic!("no row for {}", measure.name));
        assert_eq!(cells.len(), 4, "{}", measure.name);
        assert_eq!(cells[1], word(measure.unit), "{}", measure.name);
    }
    for name in table.keys() {
        assert!(MEASURES.iter().any(|measure| measure.name == *name), "there is no measure {name}");
    }
}

/// Catches an outcome that nobody explains, and a row about one that does not exist.
#[test]
fn every_outcome_is_explained() {
    let table = table("Outcomes");
    let known: Vec<&str> = Outcome::all().map(Outcome::name).collect();
    for name in &known {
        assert!(table.contains_key(name), "no row for {name}");
    }
    for name in table.keys() {
        assert!(known.contains(name), "there is no outcome {name}");
    }
}
