//! The figures of a run that goes on, or of the last one: what the recorder and the proxies have counted.

use std::collections::BTreeMap;

use super::families::{
    CPU_PRESSURE, OPERATIONS, RESPONSE, SERVICE, STALLS, TIMER_DELAY, WIRE_ABANDONED, WIRE_CLOSED,
    WIRE_CONNECTIONS, WIRE_CONNECTS, WIRE_GIVEN_UP, WIRE_REFUSED, WIRE_REQUESTS,
};
use super::label::of_node;
use super::page::{Page, level};
use super::sources::{About, Sources};
use super::spread::Spread;
use crate::base::name::NodeIndex;
use crate::event::Phase;
use crate::proxy::TapSnapshot;
use crate::record::{Counts, HarnessTotals, Recorder};

/// Where operations are counted that asked several nodes.
const SEVERAL: &str = "several";

/// Where operations are counted of which nobody knows the node: those of a service.
const UNKNOWN: &str = "unknown";

/// What the operations of one phase came to that share a label.
#[derive(Debug, Default)]
struct Cell {
    counts: Counts,
    response: Spread,
    service: Spread,
}

/// Puts the operations of a run on a page.
pub(super) fn operations(page: &mut Page, about: &About, recorder: &Recorder) {
    let mut cells = BTreeMap::<(Phase, String), Cell>::new();
    recorder.look(|phase, node, tally| {
        if tally.counts.offered() == 0 {
            return;
        }
        let label = match node {
            _ if !about.tells_nodes => UNKNOWN.to_owned(),
            Some(node) => of_node(node),
            None => SEVERAL.to_owned(),
        };
        let cell = cells.entry((phase, label)).or_default();
        cell.counts.merge(&tally.counts);
        cell.response.add(&tally.response);
        cell.service.add(&tally.service);
    });
    for ((phase, node), cell) in cells {
        let [scenario, subject, phase] = [&*about.scenario, &*about.subject, phase.name()];
        for (outcome, count) in cell.counts.by_name() {
            page.count(OPERATIONS, &[scenario, subject, phase, &node, &outcome], count);
        }
        let labels = [scenario, subject, phase, &node];
        if recorder.config().open_loop {
            page.spread(RESPONSE, &labels, cell.response);
        }
        page.spread(SERVICE, &labels, cell.service);
    }
}

/// Puts what passed the proxies since `before` on a page, each node once.
pub(super) fn wire(page: &mut Page, before: &[TapSnapshot], now: &[TapSnapshot]) {
    let none = TapSnapshot::default();
    for (position, now) in now.iter().enumerate() {
        let before = before.get(position).unwrap_or(&none);
        let node = of_node(NodeIndex(u16::try_from(position).unwrap_or(u16::MAX)));
        let mut more = |family, labels: &[&str], now: u64, before: u64| {
            page.count(family, labels, now.saturating_sub(before));
        };
        more(WIRE_CONNECTS, &[&node], now.opened, before.opened);
        more(WIRE_REQUESTS, &[&node], now.requests(), before.requests());
        for ((by, how), count) in &now.closed {
            let earlier = before.closed.get(&(*by, *how)).copied().unwrap_or_default();
            more(WIRE_CLOSED, &[&node, by.name(), how.name()], *count, earlier);
        }
        for (fate, pick) in FATES {
            let [now, before] = [now, before].map(pick);
            more(WIRE_ABANDONED, &[&node, fate], now, before);
        }
        more(WIRE_GIVEN_UP, &[&node], now.given_up.count(), before.given_up.count());
        if let Some((now, before)) = now.refused.zip(before.refused.or(Some(0))) {
            more(WIRE_REFUSED, &[&node], now, before);
        }
        page.level(WIRE_CONNECTIONS, &[&node], level(now.open));
    }
}

type Fate = (&'static str, fn(&TapSnapshot) -> u64);

/// What becomes of a request whose client has left.
const FATES: [Fate; 2] = [
    ("answered_late", |tap| tap.answered_late.count()),
    ("never_answered", |tap| tap.never_answered.count()),
];

/// Puts what the machine did to the run on a page.
pub(super) fn machine(page: &mut Page, sources: &Sources) {
    let HarnessTotals { timer_delay, cpu_pressure, stalls, .. } = (sources.machine)();
    page.delay(TIMER_DELAY, timer_delay.unwrap_or_default());
    page.level_of(CPU_PRESSURE, &[], cpu_pressure);
    page.level(STALLS, &[], level(stalls.count()));
}
