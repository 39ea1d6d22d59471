//! What a report says of data: how much of it was wrong, and examples of every kind.

use std::collections::BTreeMap;

use super::model::{DataReport, Example};
use crate::event::{DataTotals, Event, EventKind, NotJudged, Outcome, ViolationKind};
use crate::judge::{DIRTY_REUSE, MAY_PIPELINE};
use crate::record::Summary;

/// Violations that a report shows; the journal has all of them.
const EXAMPLES_MAX: usize = 20;

/// All of it, from what the run came to.
pub(super) fn data(summary: &Summary) -> DataReport {
    let told = &summary.inputs.data;
    let wire = &summary.inputs.wire;
    let seen = |outcome, told: Option<u64>| told.map(|told| told.max(summary.total(outcome)));
    let examples = examples(summary);
    let mut totals = DataTotals {
        wrong: seen(Outcome::Wrong, told.wrong),
        corrupt: seen(Outcome::Corrupt, told.corrupt),
        stale: seen(Outcome::Stale, told.stale),
        late_writes: Vec::new(),
        ..told.clone()
    };
    DataReport {
        not_judged: std::mem::take(&mut totals.not_judged)
            .into_iter()
            .chain(summary.may_pipeline().then(|| NotJudged {
                measure: DIRTY_REUSE.name.to_owned(),
                reason: MAY_PIPELINE.to_owned(),
            }))
            .collect(),
        totals,
        dirty_reuse: wire
            .iter()
            .map(|wire| wire.dirty_reuse)
            .sum::<Option<u64>>()
            .filter(|_| !wire.is_empty() && !summary.may_pipeline()),
        examples,
    }
}

/// The earliest of each kind, the worst kind first; then the next of each, so that none hides another.
fn examples(summary: &Summary) -> Vec<Example> {
    let mut before: BTreeMap<ViolationKind, u64> = BTreeMap::new();
    let ranked = summary.events.iter().filter_map(example).map(|example| {
        let rank = before.entry(example.kind).or_default();
        *rank += 1;
        ((!example.kind.is_shown_at_once(), *rank, example.kind), example)
    });
    let mut ranked: Vec<_> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(EXAMPLES_MAX).map(|(_, example)| example).collect()
}

fn example(event: &Event) -> Option<Example> {
    let EventKind::Violation { kind, node, detail, wire, .. } = &event.kind else { return None };
    Some(Example {
        at_s: event.at_s,
        phase: event.phase,
        kind: *kind,
        node: *node,
        detail: detail.clone(),
        wire: wire.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NodeIndex;
    use crate::event::Phase;
    use crate::record::synthetic::{Story, usual};

    /// Catches many of one kind that hide the only one of another, and a lesser kind before a worse.
    #[test]
    fn every_kind_has_an_example() {
        use ViolationKind::{Contradiction, FalseMiss, StaleUnacknowledged};
        let violation = |kind, at_s| Event {
            at_s,
            at: String::new(),
            phase: Phase::Fault,
            member: None,
            kind: EventKind::Violation {
                kind,
                node: NodeIndex(0),
                key: "k:1".to_owned(),
                detail: String::new(),
                wire: None,
                write_begun_s: None,
            },
        };
        let mut summary = Story::default().tell(usual);
        summary.events = (0..30_i32).map(|at| violation(FalseMiss, f64::from(at))).collect();
        summary.events.push(violation(StaleUnacknowledged, 1.0));
        summary.events.push(violation(Contradiction, 40.0));
        let shown: Vec<_> = examples(&summary).iter().map(|it| (it.kind, it.at_s)).collect();
        assert_eq!(
            shown[..4],
            [(FalseMiss, 0.0), (Contradiction, 40.0), (FalseMiss, 1.0), (FalseMiss, 2.0)]
        );
        assert_eq!(shown.len(), EXAMPLES_MAX);
    }
}
