//! Whether data was right so far.

use std::collections::BTreeMap;

use crate::event::{EventKind, Outcome, ViolationKind};
use crate::record::Interval;

/// What came of looking at values.
#[derive(Clone, Debug, Default)]
pub(super) struct Data {
    /// Operations, by what they got; of kinds that are no outcome, the events of them.
    counts: BTreeMap<String, u64>,
    /// Whether there were stale values that no late write explains.
    unexplained: bool,
}

/// Outcomes of data that is not what it must be.
const OUTCOMES: [Outcome; 7] = [
    Outcome::Wrong,
    Outcome::Corrupt,
    Outcome::Foreign,
    Outcome::Contradiction,
    Outcome::Stale,
    Outcome::FalseMiss,
    Outcome::IllegalKey,
];

/// What a client at fault or a lost reply may explain: a person wants to know, and looks closer.
const DOUBTFUL: [&str; 3] = ["stale", "false miss", "illegal key"];

impl Data {
    pub(super) fn interval(&mut self, interval: &Interval) {
        for outcome in OUTCOMES {
            let count = interval.outcomes.get(outcome.name()).copied().unwrap_or(0);
            if count > 0 {
                *self.counts.entry(outcome.name().replace('_', " ")).or_default() += count;
            }
        }
    }

    pub(super) fn event(&mut self, kind: &EventKind) {
        let EventKind::Violation { kind, .. } = kind else { return };
        match kind {
            ViolationKind::Stale => self.unexplained = true,
            ViolationKind::AcknowledgedButLost
            | ViolationKind::DoubleApplied
            | ViolationKind::CounterBehind
            | ViolationKind::CounterAhead => *self.counts.entry(kind.words()).or_default() += 1,
            _ => {}
        }
    }

    /// What is wrong beyond doubt: `12 wrong, 3 corrupt`; `None`: nothing so far.
    pub(super) fn wrong(&self) -> Option<String> {
        self.told(|name| !is_doubtful(name) || (name == "stale" && self.unexplained))
    }

    /// What else is not as it should be.
    pub(super) fn doubtful(&self) -> Option<String> {
        self.told(|name| is_doubtful(name) && !(name == "stale" && self.unexplained))
    }

    fn told(&self, is_meant: impl Fn(&str) -> bool) -> Option<String> {
        let meant = self.counts.iter().filter(|(name, _)| is_meant(name));
        let told: Vec<String> = meant.map(|(name, count)| format!("{count} {name}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

fn is_doubtful(name: &str) -> bool {
    DOUBTFUL.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NodeIndex;
    use crate::event::Phase;
    use crate::view::tests::interval;

    fn violation(kind: ViolationKind) -> EventKind {
        let (node, key, detail) = (NodeIndex(0), String::new(), String::new());
        EventKind::Violation { kind, node, key, detail, wire: None, write_begun_s: None }
    }

    /// Catches wrong data that is counted as something lighter, and a stale value whose write came late that
    /// is shown as a proof against the client.
    #[test]
    fn what_is_wrong_beyond_doubt_is_told_apart() {
        let mut data = Data::default();
        assert_eq!((data.wrong(), data.doubtful()), (None, None));
        let mut one = interval(Phase::Fault, 1.0, (10.0, 0.0, 1));
        one.outcomes.extend([("stale".to_owned(), 3), ("hit".to_owned(), 9)]);
        data.interval(&one);
        data.event(&violation(ViolationKind::LateWrite));
        assert_eq!((data.wrong(), data.doubtful()), (None, Some("3 stale".to_owned())));
        data.event(&violation(ViolationKind::Stale));
        data.event(&violation(ViolationKind::DoubleApplied));
        one.outcomes.insert("wrong".to_owned(), 2);
        data.interval(&one);
        assert_eq!(data.wrong().as_deref(), Some("1 double applied, 6 stale, 2 wrong"));
        assert_eq!(data.doubtful(), None);
    }
}
