//! Figures that stand in no drawing.

use maud::{Markup, html};

use super::table;
use crate::report::format::{text, witness};
use crate::report::model::{Figures, NodeReport, Report};
use crate::report::{GLOSSARY, MemberReport, members, show};

const PHASES: [&str; 10] =
    ["phase", "offered", "operations/s", "errors", "good", "p50", "p95", "p99", "max", "hits"];

/// Nodes that have a row; `report.json` has all.
const NODES_MAX: usize = 50;

/// Members of a fleet that have a row.
const MEMBERS_MAX: usize = 256;

const NODES: [&str; 8] = [
    "node",
    "opened",
    "most at once",
    "closed in doubt",
    "breaker opened",
    "of it without a fault",
    "open for",
    "states",
];

pub(super) fn figures(report: &Report) -> Markup {
    html! {
        @if witness::command(report).is_some() {
            (wire(report))
        } @else {
            h3 { "Phases, and in them nodes without and with a fault" }
            (phases(report))
        }
        @if !report.faults.is_empty() {
            h3 { "Detection, recovery and load" }
            (summary(report))
        }
        @let told = told(report);
        @if !told.is_empty() {
            h3 { "What the wire tells of the client, node by node" }
            ul { @for node in &told { li { (node) } } }
        }
        @if let Some(fleet) = &report.fleet {
            h3 { "Members of the fleet" }
            p { (members::told(fleet)) "." }
            (members(&report.members))
        }
        h3 { "Connections and breakers" }
        (nodes(report))
        p.note { (GLOSSARY) " says what each figure means and when there is none: a dash is what was not measured, never 0." }
    }
}

/// What is told of each node in lines, the first with its name, as one sentence each.
fn told(report: &Report) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for line in witness::told_lines(report) {
        match nodes.last_mut().filter(|_| line.starts_with(' ')) {
            Some(node) => *node = format!("{node}; {}", line.trim()),
            None => nodes.push(line),
        }
    }
    nodes
}

/// Those of a fleet, in order.
fn members(all: &[MemberReport]) -> Markup {
    html! {
        (table("Members of the fleet", &members::HEADS, &html! {
            @for member in all.iter().take(MEMBERS_MAX) {
                @let cells = members::cells(member);
                tr { th scope="row" { (cells[0]) } @for cell in &cells[1..] { td.number { (cell) } } }
            }
        }))
        @if all.len() > MEMBERS_MAX {
            p.note { "and " (all.len() - MEMBERS_MAX) " more in report.json" }
        }
    }
}

fn phases(report: &Report) -> Markup {
    let line = |name: &str, class: &str, figures: &Figures| {
        html! {
            tr class=(class) {
                th scope="row" { (name) }
                @for cell in show::cells(figures) { td.number { (cell) } }
            }
        }
    };
    table(
        "Phases",
        &PHASES,
        &html! {
            @for phase in report.phases.iter().filter(|phase| phase.all.figures.offered > 0) {
                (line(phase.all.name.name(), "", &phase.all.figures))
                @if let (Some(healthy), Some(faulty)) = text::apart(phase) {
                    (line("nodes without a fault", "part", healthy))
                    (line("nodes with a fault", "part", faulty))
                }
            }
        },
    )
}

fn wire(report: &Report) -> Markup {
    let rows: Vec<_> = witness::rows(report).collect();
    html! {
        h3 { "What the proxies saw" }
        (table("What the proxies saw", &witness::HEADS, &html! {
            @for cells in &rows {
                tr { th scope="row" { (cells[0]) } @for cell in &cells[1..] { td.number { (cell) } } }
            }
        }))
    }
}

/// Name, value, and what it is.
fn summary(report: &Report) -> Markup {
    let (seen, back, load) = (&report.detection, &report.recovery, &report.load);
    let recovered = match back.recovered {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not judged",
    };
    let rows = [
        (
            "first impact",
            show::elapsed(seen.first_impact_s),
            "from the fault to the first operation that failed or was slow",
        ),
        (
            "breaker open",
            show::elapsed(seen.breaker_open_after_fault_s),
            "from the fault until the breaker of every broken node was open",
        ),
        (
            "waited for the timeout",
            show::count(seen.exposure_operations),
            "operations until then that took nine tenths of the timeout or longer",
        ),
        (
            "rejections, p99",
            show::us(seen.fast_fail_us.p99),
            "how long a rejected call took during the fault",
        ),
        ("recovered", recovered.to_owned(), "whether it was as good as before within the run"),
        (
            "first success",
            show::elapsed(back.first_success_s),
            "from the heal to the first good answer of a broken node",
        ),
        (
            "sustained",
            show::elapsed(back.sustained_s),
            "from the heal until every second was as good as before the fault",
        ),
        (
            "of it the client's own",
            show::elapsed(back.own_s),
            "without the time that its breaker waits by choice",
        ),
        (
            "hits back",
            show::elapsed(back.hit_ratio_s),
            "from the heal until the hit ratio was back",
        ),
        ("relapses", show::count(back.relapses), "how often it got bad again"),
        (
            "attempts for each operation",
            show::number(load.request_amplification),
            "requests over operations",
        ),
        (
            "connects for each operation",
            show::number(load.connects_per_operation),
            "attempts to connect over operations, during the fault",
        ),
        (
            "storm factor",
            show::number(load.storm_factor),
            "connects a second at the worst over what is needed",
        ),
        (
            "collateral",
            show::percent(load.collateral_index),
            "what the fault cost on nodes without one",
        ),
        (
            "keys moved",
            show::percent(load.key_move_ratio),
            "requests that went to another node than the key's own",
        ),
    ];
    table(
        "Detection, recovery and load",
        &["figure", "value", "what it is"],
        &html! {
            @for (name, value, what) in &rows {
                tr { th scope="row" { (name) } td.number { (value) } td { (what) } }
            }
        },
    )
}

fn nodes(report: &Report) -> Markup {
    let more = report.nodes.len().saturating_sub(NODES_MAX);
    html! {
        (table("Connections and breakers", &NODES, &html! {
            @for node in report.nodes.iter().take(NODES_MAX) { (of_node(node)) }
        }))
        @if more > 0 { p.note { (more) " more nodes are in report.json." } }
    }
}

fn of_node(node: &NodeReport) -> Markup {
    let (connections, breaker) = (node.connections.as_ref(), node.breaker.as_ref());
    let cells = [
        show::count(connections.map(|it| it.opened)),
        show::count(connections.map(|it| it.high_water)),
        show::count(connections.map(|it| it.poisoned)),
        show::count(breaker.map(|it| it.opens)),
        show::count(breaker.map(|it| it.false_opens)),
        show::elapsed(breaker.map(|it| it.open_s)),
        show::count(breaker.map(|it| it.transitions.len() as u64)),
    ];
    html! {
        tr { th scope="row" { (node.name) } @for cell in &cells { td.number { (cell) } } }
    }
}
