//! What events say of a run that goes on.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::families::{
    APPLIED, BREAKER, BREAKER_CHANGES, CLIENT_CLOSED, CLIENT_CONNECTIONS, CLIENT_CONNECTS,
    CLIENT_POISONED, FAULT, HEALED, NOISE,
};
use super::label::{OTHER, of_node};
use super::page::{Page, level};
use crate::base::name::NodeIndex;
use crate::event::{BreakerState, Connections, EventKind, Events};
use crate::record::IntervalNode;

/// Faults that are told apart while they are active on a node; more share a name.
const FAULTS_MAX: usize = 256;

/// Listens to what happens in one run. Clones are the same listener; it never waits for a scrape longer than
/// reading a few numbers takes.
#[derive(Clone, Debug, Default)]
pub struct Seen(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    breakers: BTreeMap<NodeIndex, BreakerState>,
    changes: BTreeMap<(NodeIndex, &'static str), u64>,
    /// How often each is applied now, by name, kind and node.
    active: BTreeMap<(String, String, NodeIndex), u64>,
    applied: BTreeMap<String, u64>,
    healed: BTreeMap<String, u64>,
    connections: BTreeMap<NodeIndex, Connections>,
    noise: u64,
}

impl Seen {
    /// Events that go to `next` and are heard here.
    #[must_use]
    pub fn events(&self, next: Events) -> Events {
        let seen = self.clone();
        Events::to(move |kind| {
            seen.hear(&kind);
            next.emit(kind);
        })
    }

    fn hear(&self, kind: &EventKind) {
        match kind {
            EventKind::BreakerChanged { node, to, .. } => {
                let mut state = self.0.lock();
                state.breakers.insert(*node, *to);
                *state.changes.entry((*node, to.name())).or_default() += 1;
            }
            EventKind::FaultApplied { fault, kind, nodes } => {
                let mut state = self.0.lock();
                *state.applied.entry(kind.clone()).or_default() += 1;
                for node in nodes {
                    let name = state.name_of(fault, kind, *node);
                    *state.active.entry((name, kind.clone(), *node)).or_default() += 1;
                }
            }
            EventKind::FaultHealed { fault, kind, nodes } => {
                let mut state = self.0.lock();
                *state.healed.entry(kind.clone()).or_default() += 1;
                for node in nodes {
                    state.heal(fault, kind, *node);
                }
            }
            EventKind::Noise { .. } => self.0.lock().noise += 1,
            _ => {}
        }
    }

    /// What the client told of its nodes at the end of an interval.
    pub fn interval(&self, nodes: &[IntervalNode]) {
        let mut state = self.0.lock();
        for node in nodes {
            if let Some(breaker) = node.breaker {
                state.breakers.insert(node.name, breaker);
            }
            if let Some(connections) = node.connections {
                state.connections.insert(node.name, connections);
            }
        }
    }

    /// Puts all of it on a page.
    pub(super) fn show(&self, page: &mut Page) {
        let state = self.0.lock();
        let all = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];
        for (node, now) in &state.breakers {
            for known in all {
                let level = if known == *now { 1.0 } else { 0.0 };
                page.level(BREAKER, &[&of_node(*node), known.name()], level);
            }
        }
        for ((node, to), times) in &state.changes {
            page.count(BREAKER_CHANGES, &[&of_node(*node), to], *times);
        }
        for (fault, kind, node) in state.active.keys() {
            page.level(FAULT, &[fault, kind, &of_node(*node)], 1.0);
        }
        state.applied.iter().for_each(|(kind, times)| page.count(APPLIED, &[kind], *times));
        state.healed.iter().for_each(|(kind, times)| page.count(HEALED, &[kind], *times));
        page.count(NOISE, &[], state.noise);
        for (node, told) in &state.connections {
            let node = of_node(*node);
            page.level(CLIENT_CONNECTIONS, &[&node, "idle"], level(told.idle));
            page.level(CLIENT_CONNECTIONS, &[&node, "in_use"], level(told.in_use));
            page.count(CLIENT_CONNECTS, &[&node], told.dialled);
            page.count(CLIENT_CLOSED, &[&node], told.closed);
            page.count(CLIENT_POISONED, &[&node], told.poisoned);
        }
    }
}

impl State {
    /// The name under which a fault is shown.
    fn name_of(&self, fault: &str, kind: &str, node: NodeIndex) -> String {
        let own = (fault.to_owned(), kind.to_owned(), node);
        if self.active.len() < FAULTS_MAX || self.active.contains_key(&own) {
            own.0
        } else {
            OTHER.to_owned()
        }
    }

    /// Takes one away that was applied under its own name, or under that of the others.
    fn heal(&mut self, fault: &str, kind: &str, node: NodeIndex) {
        for name in [fault, OTHER] {
            let key = (name.to_owned(), kind.to_owned(), node);
            if let Some(times) = self.active.get_mut(&key) {
                *times -= 1;
                if *times == 0 {
                    self.active.remove(&key);
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Exposition;

    fn shown(seen: &Seen) -> String {
        let mut page = Page::default();
        seen.show(&mut page);
        String::from_utf8(Exposition::Text.encode(Arc::new(page))).unwrap()
    }

    fn applied(fault: &str, nodes: Vec<NodeIndex>) -> EventKind {
        EventKind::FaultApplied { fault: fault.into(), kind: "latency".into(), nodes }
    }

    fn healed(fault: &str, nodes: Vec<NodeIndex>) -> EventKind {
        EventKind::FaultHealed { fault: fault.into(), kind: "latency".into(), nodes }
    }

    /// Catches a fault that stays active after its heal, and one that ends with another of its name.
    #[test]
    fn a_fault_is_active_until_each_of_its_names_is_healed() {
        let (seen, both) = (Seen::default(), vec![NodeIndex(0), NodeIndex(1)]);
        seen.hear(&applied("slow", both.clone()));
        seen.hear(&applied("slow", vec![NodeIndex(0)]));
        seen.hear(&healed("slow", both));
        let text = shown(&seen);
        let active: Vec<&str> =
            text.lines().filter(|line| line.starts_with("harness_fault_active")).collect();
        let left = r#"harness_fault_active{fault="slow",kind="latency",node="n1"} 1.0"#;
        assert_eq!(active, [left]);
        seen.hear(&healed("slow", vec![NodeIndex(0)]));
        assert!(!shown(&seen).contains("harness_fault_active{"));
        assert!(shown(&seen).contains(r#"harness_faults_applied_total{kind="latency"} 2"#));
    }

    /// Catches names of faults without a bound, and one beyond it that stays for ever.
    #[test]
    fn faults_beyond_the_bound_share_a_name() {
        let seen = Seen::default();
        let names: Vec<String> = (0..FAULTS_MAX + 5).map(|number| format!("f{number}")).collect();
        names.iter().for_each(|name| seen.hear(&applied(name, vec![NodeIndex(0)])));
        let text = shown(&seen);
        assert_eq!(text.matches("harness_fault_active{").count(), FAULTS_MAX + 1);
        assert!(text.contains(r#"fault="other""#));
        names.iter().for_each(|name| seen.hear(&healed(name, vec![NodeIndex(0)])));
        assert!(!shown(&seen).contains("harness_fault_active{"));
    }

    /// Catches a breaker in two states, or in none.
    #[test]
    fn a_breaker_is_in_one_state() {
        let seen = Seen::default();
        for to in [BreakerState::Open, BreakerState::HalfOpen] {
            let (node, from) = (NodeIndex(1), BreakerState::Closed);
            seen.hear(&EventKind::BreakerChanged { node, from, to, cause: String::new() });
        }
        let text = shown(&seen);
        for (state, level) in [("closed", "0.0"), ("open", "0.0"), ("half_open", "1.0")] {
            let line = format!("harness_breaker_state{{node=\"n2\",state=\"{state}\"}} {level}");
            assert!(text.contains(&line), "{line} in {text}");
        }
    }
}
