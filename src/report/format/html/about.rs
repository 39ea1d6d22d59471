//! With what the run was made, and how to make it again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::table;
use crate::event::SERVICE;
use crate::record::journal::PLAN;
use crate::report::model::Report;

pub(super) fn about(report: &Report) -> Markup {
    let rows = [
        ("date", report.started_at.clone()),
        ("harness", report.version.clone()),
        ("machine", report.machine.clone().unwrap_or_else(|| "not stored with the run".to_owned())),
        ("nodes", nodes(report)),
        ("client", client(report)),
        ("workload", report.workload.clone()),
        ("faults of the network", network(&report.network).to_owned()),
        ("seed", report.seed.to_string()),
        ("plan", report.plan_hash.clone()),
        ("exit code", report.exit_code.to_string()),
    ];
    html! {
        h3 { "Run it again" }
        p { "With the plan that lies beside this page, which holds every setting and the seed:" }
        p.command { code { "harness -scenario " (PLAN) } }
        @if let Some(command) = by_name(report) {
            p { "Without it, from the names alone:" }
            p.command { code { (command) } }
        }
        h3 { "Made with" }
        (table("Made with", &["what", "which"], &html! {
            @for (name, value) in &rows { tr { th scope="row" { (name) } td { (value) } } }
        }))
        @if !report.harness.calibration.is_empty() {
            h3 { "Measured first, with a known answer" }
            (calibration(report))
        }
    }
}

fn network(name: &str) -> &str {
    match name {
        "user" => "done by the proxies of the harness (user)",
        "kernel" => "the kernel's own (kernel)",
        other => other,
    }
}

/// `n1, n2, n3: memcached 1.6.18`
fn nodes(report: &Report) -> String {
    let mut kinds: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for node in &report.nodes {
        kinds.entry(&node.backend).or_default().push(node.name);
    }
    let told = kinds.iter().map(|(backend, nodes)| {
        let names = match &nodes[..] {
            [first, .., last] if nodes.len() > 4 => {
                format!("{} nodes from {first} to {last}", nodes.len())
            }
            _ => crate::report::format::names(nodes),
        };
        format!("{names}: {backend}")
    });
    told.collect::<Vec<_>>().join("; ")
}

fn client(report: &Report) -> String {
    let Some(subject) = &report.subject else { return report.client_profile.clone() };
    let version = subject.version.as_ref().map(|it| format!(" {it}")).unwrap_or_default();
    let runtime = subject.runtime.as_ref().map(|it| format!(" on {it}")).unwrap_or_default();
    format!("{} ({}{version}{runtime})", report.client_profile, subject.name)
}

/// The same scenario, length and seed on a command line, where names are all that it takes.
fn by_name(report: &Report) -> Option<String> {
    let is_ours = |kind: &str| kind == "builtin" || kind == "driver";
    let subject = report.subject.as_ref()?;
    if !is_ours(&subject.kind) || subject.kind == SERVICE || report.partial.is_some() {
        return None;
    }
    let words = [
        "harness".to_owned(),
        format!("-scenario {}", word(&report.scenario)?),
        format!("-workload {}", word(&report.workload)?),
        format!("-client {}", word(&report.client_profile)?),
        format!("-network {}", word(&report.network)?),
        format!("-duration {:.0}ms", report.planned_s? * 1000.0),
        format!("-seed {}", report.seed),
    ];
    Some(words.join(" "))
}

/// A name that a shell takes as it is.
fn word(name: &str) -> Option<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!name.is_empty() && name.chars().all(fits)).then_some(name)
}

fn calibration(report: &Report) -> Markup {
    table(
        "Measured first",
        &["what", "expected", "measured", "result"],
        &html! {
            @for check in &report.harness.calibration {
                tr {
                    th scope="row" { (check.name) }
                    td { (check.expected) } td { (check.measured) }
                    td { @if check.pass { "right" } @else { strong { "wrong" } } }
                }
            }
        },
    )
}
