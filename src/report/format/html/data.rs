//! The figures behind the drawings, as the script reads them: those of the report, column by column.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Shown;
use super::rows::{self, groups, opened};
use super::strips;
use crate::event::Outcome;
use crate::report::model::{PieceReport, PieceTimes};

pub(super) fn of(shown: &Shown<'_>) -> Value {
    let report = shown.report;
    let phases = report.phases.iter().map(|phase| &phase.all);
    json!({
        "duration_s": report.duration_s,
        "phases": phases.map(|it| json!([it.name, it.start_s, it.end_s])).collect::<Vec<_>>(),
        "pieces": pieces(&shown.pieces),
        "keys": keys(&shown.pieces),
        "wire": wire(shown),
        "open": open(shown),
        "nodes": nodes(shown),
        "late": rows::late(shown),
    })
}

fn pieces(pieces: &[PieceReport]) -> Value {
    let column = |of: &dyn Fn(&PieceReport) -> Value| pieces.iter().map(of).collect::<Vec<_>>();
    let time = |part: fn(&PieceTimes) -> Option<u64>| {
        column(&|piece| json!(piece.response_time_us.as_ref().and_then(part)))
    };
    let outcomes: BTreeMap<&str, Vec<Value>> = names(pieces)
        .into_iter()
        .map(|name| (name, column(&|it| json!(it.outcomes.get(name).copied().unwrap_or(0)))))
        .collect();
    json!({
        "at_s": column(&|piece| json!(piece.at_s)),
        "length_s": column(&|piece| json!(piece.length_s)),
        "phase": column(&|piece| json!(piece.phase)),
        "outcomes": outcomes,
        "response_time_us": {
            "p50": time(|time| time.p50),
            "p95": time(|time| time.p95),
            "p99": time(|time| time.p99),
            "max": time(|time| time.max),
        },
    })
}

fn names(pieces: &[PieceReport]) -> Vec<&str> {
    let mut names: Vec<&str> =
        pieces.iter().flat_map(|piece| piece.outcomes.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Which colour of which row counts which outcomes.
fn keys(pieces: &[PieceReport]) -> Value {
    let names = names(pieces);
    let of = |class: &dyn Fn(Outcome) -> Option<String>| {
        let mut keys: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for name in &names {
            let class = Outcome::named(name).and_then(class);
            keys.entry(class.unwrap_or_default()).or_default().push(name);
        }
        keys.remove("");
        keys
    };
    let errors = rows::errors(pieces);
    json!({
        "throughput": of(&|outcome| Some(rows::layer(outcome).to_owned())),
        "errors": of(&|outcome| errors.class_of(outcome)),
        "bad": of(&|outcome| rows::bad(outcome).map(str::to_owned)),
    })
}

/// Connects and requests of each group of nodes, where the proxies looked.
fn wire(shown: &Shown<'_>) -> Value {
    let groups = groups(shown.report);
    let of = |series: fn(&crate::report::WireSeries) -> &[u64]| -> BTreeMap<_, _> {
        let told = groups.iter().enumerate();
        told.map(|(place, group)| (rows::group_class(place), group.wire(shown.report, series)))
            .collect()
    };
    let length = rows::wire_length(shown.report);
    json!({
        "length_s": length,
        "connects": of(|series| &series.connects),
        "requests": of(|series| &series.requests),
    })
}

/// Connections that were open when somebody looked.
fn open(shown: &Shown<'_>) -> Value {
    let looks = opened(shown);
    let groups = 0..groups(shown.report).len();
    let of = |place: usize| looks.iter().map(|(_, open)| open[place]).collect::<Vec<_>>();
    json!({
        "at_s": looks.iter().map(|(at_s, _)| at_s).collect::<Vec<_>>(),
        "open": groups.map(|place| (rows::group_class(place), of(place))).collect::<BTreeMap<_, _>>(),
    })
}

/// What each node of the strips was at which time.
fn nodes(shown: &Shown<'_>) -> Value {
    let report = shown.report;
    let shown = strips::shown(report);
    let told = shown.iter().map(|node| {
        let states = strips::states(node, report.duration_s);
        let faults = strips::faults(report, node.name);
        json!({
            "name": node.name,
            "states": states.iter().map(|(span, it)| json!([span.0, span.1, it.name()])).collect::<Vec<_>>(),
            "faults": faults.map(|(span, name)| json!([span.0, span.1, name])).collect::<Vec<_>>(),
        })
    });
    told.collect()
}
