//! A test over the schema of the report: every number in it says what it was measured by, and is gone
//! when that is off. A 0 was measured.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Header, Report};
use crate::event::{CommandFacts, Phase, SubjectFacts};
use crate::judge::{Bound, Grade, MEASURES, Measure, Objective, judge};
use crate::record::synthetic::{Story, usual, watched};
use crate::record::{
    DelayUs, ForeignTraffic, HarnessTotals, NodeGroup, RefillCounts, Stall, Summary, WireTimes,
    WireTotals,
};

/// What a number is measured by, and can be off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MeasuredBy {
    /// The check of values.
    Oracle,
    /// The proxies' taps.
    Proxies,
    /// What the client says about itself.
    Client,
    /// The watch on the machine.
    Watch,
    /// The generator's own lateness.
    Lateness,
    /// Intended starts.
    Starts,
    /// A fault, for what is counted from it.
    Fault,
    /// A workload that writes back what its reads did not find.
    WriteBack,
    /// What a fault counts, or a steady phase to compare with.
    Touch,
}

use MeasuredBy::{Client, Fault, Lateness, Oracle, Proxies, Starts, Touch, Watch, WriteBack};

const SOURCES: [MeasuredBy; 9] =
    [Oracle, Proxies, Client, Watch, Lateness, Starts, Fault, WriteBack, Touch];

/// Every number of the report; `*` is any name or nothing more than what came before. Without a source
/// it is known whatever is off: it counts operations, which every run has, or names a moment.
const NUMBERS: &[(&str, &[MeasuredBy])] = &[
    ("schema_version", &[]),
    ("seed", &[]),
    ("planned_s", &[]),
    ("duration_s", &[]),
    ("exit_code", &[]),
    ("member.without[]", &[]),
    ("member.*", &[]),
    ("fleet.*", &[]),
    ("members[].*", &[]),
    ("subject.*", &[Client]),
    ("phases[].start_s", &[]),
    ("phases[].end_s", &[]),
    ("phases[].healthy_nodes.keys.*", &[]),
    ("phases[].faulty_nodes.keys.*", &[Fault]),
    ("phases[].healthy_nodes.response_time_us.*", &[Starts]),
    ("phases[].healthy_nodes.*", &[]),
    ("phases[].faulty_nodes.response_time_us.*", &[Starts, Fault]),
    ("phases[].faulty_nodes.*", &[Fault]),
    ("phases[].response_time_us.*", &[Starts]),
    ("phases[].*", &[]),
    ("nodes[].phases[].response_time_us.*", &[Starts]),
    ("nodes[].phases[].*", &[]),
    ("nodes[].connections.*", &[Client]),
    ("nodes[].breaker.*", &[Client]),
    ("nodes[].breaker.transitions[].member", &[]),
    ("nodes[].breaker.transitions[].*", &[Client]),
    ("faults[].applied_at_s", &[]),
    ("faults[].healed_at_s", &[]),
    ("faults[].operations_touched", &[Touch]),
    ("recovery.fresh_s", &[Fault, Oracle]),
    ("recovery.*", &[Fault]),
    ("detection.fast_fail_us.*", &[]),
    ("detection.breaker_open_after_first_failure_s", &[Fault, Client]),
    ("detection.breaker_open_after_fault_s", &[Fault, Client]),
    ("detection.detect_s", &[Fault, Client]),
    ("detection.*", &[Fault]),
    ("load.request_amplification", &[Proxies]),
    ("load.connects_per_operation", &[Client]),
    ("load.connect_peak_per_s", &[Client]),
    ("load.storm_factor", &[Client, Fault]),
    ("load.imbalance", &[Proxies]),
    ("load.*", &[Fault]),
    ("refills.*", &[WriteBack]),
    ("data.dirty_reuse", &[Proxies]),
    ("data.examples[].*", &[]),
    ("data.examples[].wire.messages[].*", &[]),
    ("data.*", &[Oracle]),
    ("wire.phases[].connects_unaccepted", &[Proxies, Client]),
    ("wire.phases[].*", &[Proxies]),
    ("wire.told.nodes[].*", &[Proxies, Fault]),
    ("wire.told.*", &[Proxies]),
    ("wire.series[].connects[]", &[Proxies]),
    ("wire.series[].requests[]", &[Proxies]),
    ("wire.series[].*", &[Proxies]),
    ("wire.*", &[Proxies]),
    ("harness.issue_delay_us.*", &[Lateness]),
    ("harness.timer_delay_us.*", &[Watch]),
    ("harness.cpu_pressure", &[Watch]),
    ("harness.stalls.*", &[Watch]),
    ("harness.stalls.first[].*", &[Watch]),
    ("harness.shed_tickets", &[]),
    ("harness.tickets_issued", &[]),
    ("harness.tickets_closed", &[]),
    ("objectives[].measured", &[]),
    ("objectives[].samples", &[]),
    ("subject.*", &[]),
    ("pieces[].response_time_us.*", &[Starts]),
    ("pieces[].*", &[]),
];

/// Every measure, in the same way.
const MEASURED_BY: &[(&str, &[MeasuredBy])] = &[
    ("error_ratio", &[]),
    ("availability", &[]),
    ("shed_ratio", &[]),
    ("hit_ratio", &[]),
    ("keys_served_ratio", &[]),
    ("lost_slots", &[]),
    ("hung", &[]),
    ("attempts_per_operation", &[]),
    ("response_time_*", &[Starts]),
    ("operation_time_max", &[]),
    ("fast_fail_p99", &[]),
    ("time_to_recover", &[Fault]),
    ("first_success", &[Fault]),
    ("hit_recovery", &[Fault]),
    ("stale_tail", &[Fault, Oracle]),
    ("relapses", &[Fault]),
    ("breaker_open_after_fault", &[Fault, Client]),
    ("detect", &[Fault, Client]),
    ("false_opens", &[Client]),
    ("breaker_opens", &[Client]),
    ("wrong_data", &[Oracle]),
    ("corrupt_data", &[Oracle]),
    ("stale_data", &[Oracle]),
    ("stale_unexplained", &[Oracle]),
    ("false_misses", &[Oracle]),
    ("acknowledged_but_lost", &[Oracle]),
    ("double_applied", &[Oracle]),
    ("counter_behind", &[Oracle]),
    ("counter_ahead", &[Oracle]),
    ("contradictions", &[Oracle]),
    ("illegal_keys", &[Oracle]),
    ("foreign_data", &[Oracle]),
    ("request_amplification", &[Proxies]),
    ("connects_per_operation", &[Client]),
    ("connect_peak", &[Client]),
    ("storm_factor", &[Client, Fault]),
    ("wire_count_difference", &[Proxies, Client]),
    ("dirty_reuse", &[Proxies]),
    ("malformed_requests", &[Proxies]),
    ("misses_unanswered", &[Client]),
    ("list_keys_moved_ratio", &[Client]),
    ("calls_open", &[Client]),
    ("longest_open_s", &[Client]),
    ("wire_*", &[Proxies, Fault]),
    ("throughput", &[]),
    ("collateral_index", &[Fault]),
    ("healthy_throughput", &[Fault]),
    ("key_move_ratio", &[Fault]),
    ("imbalance", &[Proxies]),
    ("duplicate_refills_ratio", &[WriteBack]),
    ("refills_at_once_max", &[WriteBack]),
    ("issue_delay_p99", &[Lateness]),
    ("exit_code", &[]),
];

/// A run of which everything is known.
fn whole() -> Summary {
    // A piece has a p99 from 100 operations on.
    let mut summary = Story { every_ms: 2, ..Story::default() }.tell(usual);
    let inputs = &mut summary.inputs;
    let data = &mut inputs.data;
    for count in [
        &mut data.stale_by_late_write,
        &mut data.stale_unacknowledged,
        &mut data.acknowledged_but_lost,
        &mut data.double_applied,
        &mut data.counter_behind,
        &mut data.counter_ahead,
        &mut data.contradictions,
        &mut data.illegal_keys,
    ] {
        *count = Some(0);
    }
    let subject_us = DelayUs { p50: Some(90), p99: Some(400), max: Some(900) };
    inputs.subject = Some(SubjectFacts {
        floor_us: Some(subject_us),
        crashes: Some(0),
        pipelines: Some(false),
        misses_unanswered: Some(0),
        list_keys_moved_ratio: Some(0.25),
        calls_open: Some(1),
        longest_open_s: Some(4.0),
        // No command has both: each is to be there once.
        command: Some(CommandFacts { exit_code: Some(0), signal: Some(0), ..Default::default() }),
        ..SubjectFacts::default()
    });
    let delay = Some(DelayUs { p50: Some(10), p99: Some(100), max: Some(200) });
    inputs.load.issue_delay = delay;
    inputs.load.refills = Some(RefillCounts { refills: 9, duplicates: 2, at_once_max: 3 });
    inputs.harness.timer_delay = delay;
    inputs.harness.cpu_pressure = Some(0.0);
    let from = crate::base::time::Offset(3_000_000_000);
    let until = from.plus(std::time::Duration::from_millis(12));
    inputs.harness.stalls.add(Stall { from, until });
    inputs.faults[0].operations_touched = Some(12);
    inputs.nodes[0].connections.closed.insert("timeout".to_owned(), 1);
    let (steady, dials) = (inputs.wire.clone(), inputs.dials.clone());
    for phase in [Phase::Fault, Phase::Recovery] {
        inputs.wire.extend(steady.iter().map(|wire| crate::record::WireCounts { phase, ..*wire }));
        inputs.dials.extend(dials.iter().map(|dials| crate::record::Dials { phase, ..*dials }));
    }
    let all = Some(900);
    let times = WireTimes { count: 1, p50: all, p95: all, p99: all, max: all };
    for wire in &mut inputs.wire {
        (wire.delivered, wire.answered_late, wire.never_answered) = (times, times, times);
        wire.given_up = times;
    }
    inputs.wire_nodes = vec![watched(times)];
    inputs.wire_totals = Some(WireTotals {
        overlaps: Some(0),
        overlaps_after_silence: Some(0),
        refused: Some(0),
        foreign: Some(ForeignTraffic::default()),
        ..WireTotals::default()
    });
    for node in summary.phases.iter_mut().flat_map(|phase| &mut phase.nodes) {
        node.tally.keys.hit = 1;
    }
    let second = std::time::Duration::from_secs(1);
    summary.connects.count(Phase::Recovery, crate::base::time::Offset(0), second, 3);
    summary.connects.steady_open = Some(8);
    summary
}

/// The same without one source.
fn without(source: MeasuredBy) -> Summary {
    let mut summary = match source {
        Starts => {
            let mut summary = whole();
            summary.config.open_loop = false;
            summary
        }
        _ => whole(),
    };
    let inputs = &mut summary.inputs;
    match source {
        Oracle => inputs.data = crate::record::DataTotals::default(),
        Proxies => {
            inputs.wire.clear();
            inputs.wire_totals = None;
            inputs.wire_nodes.clear();
        }
        Client => {
            inputs.subject = None;
            inputs.nodes.clear();
            inputs.dials.clear();
            summary.transitions.clear();
            summary.connects = crate::record::Connects::default();
        }
        Watch => inputs.harness = HarnessTotals::default(),
        Lateness => inputs.load.issue_delay = None,
        WriteBack => inputs.load.refills = None,
        Starts => {}
        Fault => inputs.faults.clear(),
        Touch => {
            inputs.faults[0].operations_touched = None;
            let steady = summary.phases.iter_mut().find(|phase| phase.phase == Phase::Steady);
            steady.expect("there is one").nodes.clear();
        }
    }
    summary
}

fn report(summary: &Summary) -> Report {
    let objective = |measure: &'static Measure| Objective {
        name: measure.name.replace('_', "-"),
        summary: String::new(),
        measure,
        phase: None,
        nodes: NodeGroup::All,
        bound: Bound::AtMost(f64::MAX),
        min_samples: 0,
    };
    let objectives: Vec<Objective> = MEASURES.iter().map(objective).collect();
    Report::new(Header::synthetic(), summary, &judge(summary, &objectives))
}

/// Numbers by the place that the schema gives them.
#[derive(Default)]
struct Numbers {
    /// Every place there can be.
    places: BTreeSet<String>,
    /// Those that hold a number.
    found: BTreeSet<String>,
}

impl Numbers {
    fn of(report: &Report) -> Self {
        let schema = serde_json::to_value(schemars::schema_for!(Report)).expect("plain JSON");
        let value = serde_json::to_value(report).expect("plain JSON");
        let mut numbers = Self::default();
        numbers.walk(&schema, &schema, &[&value], "");
        numbers
    }

    fn walk(&mut self, root: &Value, schema: &Value, values: &[&Value], place: &str) {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            return self.walk(root, &root["$defs"][name], values, place);
        }
        for part in ["anyOf", "allOf", "oneOf"].iter().filter_map(|key| schema[key].as_array()) {
            part.iter().for_each(|schema| self.walk(root, schema, values, place));
        }
        let is = |wanted: &str| {
            schema["type"] == wanted
                || schema["type"].as_array().is_some_and(|all| all.contains(&wanted.into()))
        };
        if is("integer") || is("number") {
            self.places.insert(place.to_owned());
            if values.iter().any(|value| value.is_number()) {
                self.found.insert(place.to_owned());
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let values: Vec<&Value> = values.iter().filter_map(|value| value.get(name)).collect();
            let dot = if place.is_empty() { "" } else { "." };
            self.walk(root, schema, &values, &format!("{place}{dot}{name}"));
        }
        if schema["items"].is_object() {
            let values: Vec<&Value> =
                values.iter().filter_map(|value| value.as_array()).flatten().collect();
            self.walk(root, &schema["items"], &values, &format!("{place}[]"));
        }
        if schema["additionalProperties"].is_object() {
            let values: Vec<&Value> = values
                .iter()
                .filter_map(|value| value.as_object())
                .flat_map(|map| map.values())
                .collect();
            self.walk(root, &schema["additionalProperties"], &values, &format!("{place}{{}}"));
        }
    }
}

/// The first row that fits a name.
fn sources_of(
    table: &'static [(&'static str, &'static [MeasuredBy])],
    name: &str,
) -> Option<&'static [MeasuredBy]> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.strip_prefix(start).is_some_and(|rest| !rest.contains("[]")),
        None => pattern == name,
    };
    table.iter().find(|(pattern, _)| fits(pattern)).map(|(_, sources)| *sources)
}

/// Catches a number of the report that is 0 although nobody looked, and a new one of which nobody says
/// what it is measured by.
#[test]
fn no_number_is_made_up() {
    let known = Numbers::of(&report(&whole()));
    let mut problems = Vec::new();
    for place in &known.places {
        match sources_of(NUMBERS, place) {
            None => problems.push(format!("no source for {place}")),
            Some(sources) if known.found.contains(place) || sources.is_empty() => {}
            Some(_) => problems.push(format!("{place} is never there")),
        }
    }
    for source in SOURCES {
        for place in Numbers::of(&report(&without(source))).found {
            if sources_of(NUMBERS, &place).is_some_and(|sources| sources.contains(&source)) {
                problems.push(format!("{place} without {source:?}"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Catches a measure that has a value, and so an objective that is judged, although nobody looked.
#[test]
fn no_measure_is_made_up() {
    let graded = |summary: &Summary| -> BTreeMap<String, (Grade, Option<f64>)> {
        let told = report(summary).objectives.into_iter();
        told.map(|graded| (graded.measure, (graded.grade, graded.measured))).collect()
    };
    for (measure, (grade, measured)) in graded(&whole()) {
        let sources = sources_of(MEASURED_BY, &measure);
        assert!(sources.is_some(), "no source for the measure {measure}");
        assert!(measured.is_some() && grade == Grade::Pass, "{measure}: {grade} {measured:?}");
    }
    for source in SOURCES {
        for (measure, told) in graded(&without(source)) {
            if sources_of(MEASURED_BY, &measure).is_some_and(|sources| sources.contains(&source)) {
                assert_eq!(told, (Grade::Inconclusive, None), "{measure} without {source:?}");
            }
        }
    }
}
