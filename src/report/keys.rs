//! What became of the keys of multi-gets: each counts for itself, at its own node.

use super::model::{Figures, KeyFigures, Report};
use super::show;
use crate::event::Phase;

/// One line for people.
fn line(keys: &KeyFigures) -> String {
    let KeyFigures { asked, hit, miss, failed, .. } = keys;
    let rare = [
        (keys.false_miss, "false misses"),
        (keys.wrong, "wrong"),
        (keys.unknown, "told as absent that no node was seen to answer"),
    ];
    let rare = rare.into_iter().filter(|(count, _)| *count > 0);
    let rare: String = rare.map(|(count, what)| format!(", {count} {what}")).collect();
    let share = show::percent(Some(keys.served_ratio));
    format!("{asked} asked, {share} served: {hit} hit, {miss} missed, {failed} failed{rare}")
}

/// What became of the keys of multi-gets while faults were active, or in the steady phase of a run without
/// faults: over all nodes, and apart for those with and without a fault.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let asked = |phase| report.phase(phase).filter(|phase| phase.all.figures.keys.is_some());
    let Some(phase) = asked(Phase::Fault).or_else(|| asked(Phase::Steady)) else {
        return Vec::new();
    };
    let name = phase.all.name;
    let of = |nodes: Option<&Figures>| nodes.and_then(|figures| figures.keys);
    let (healthy, faulty) = (of(phase.healthy_nodes.as_ref()), of(phase.faulty_nodes.as_ref()));
    let groups = healthy
        .zip(faulty)
        .into_iter()
        .flat_map(|(healthy, faulty)| [("healthy nodes", healthy), ("faulty nodes", faulty)]);
    let all =
        phase.all.figures.keys.map(|keys| format!("of multi-gets in {name}: {}", line(&keys)));
    let groups = groups.map(|(which, keys)| format!("{which}: {}", line(&keys)));
    all.into_iter().chain(groups).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::KeyCounts;

    /// Catches a line that hides keys of which nobody knows, and figures of nothing.
    #[test]
    fn what_is_unknown_is_said() {
        assert_eq!(KeyFigures::of(&KeyCounts::default()), None);
        let keys = KeyCounts { hit: 6, miss: 1, unknown: 1, failed: 2, ..KeyCounts::default() };
        let figures = KeyFigures::of(&keys).unwrap();
        assert_eq!(
            line(&figures),
            "10 asked, 70.00% served: 6 hit, 1 missed, 2 failed, 1 told as absent that no node was seen \
             to answer"
        );
    }
}
