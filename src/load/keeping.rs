//! What may be said of data that is gone, once it is known what its nodes did with what they held.
//!
//! A node that dropped nothing and was not emptied answers for every key in full. One that evicts may
//! have dropped as many as it says, and no more. Where others emptied it, or nobody knows, what is gone
//! is nobody's fault that could be named: not judged, which is not the same as none.

use serde::{Deserialize, Serialize};

use crate::base::name::NodeIndex;
use crate::event::ViolationKind;

/// What a node did with its data, apart from what the run itself had it do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// All of it is there.
    Everything,
    /// It dropped so many items to make room.
    But(u64),
    /// Nobody can say; why not.
    Unknown(String),
}

/// What was found gone on one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Reads that missed a value which the node was to hold.
    pub false_misses: u64,
    /// Values behind them.
    pub values: u64,
    /// Counters, registers and logs.
    pub lost: u64,
    /// Writes that were answered as if there were nothing.
    pub contradictions: u64,
    /// Items found gone while the node was known to drop some: part of no figure above.
    pub excused: u64,
}

/// What is left when all that the nodes did is taken into account. `None`: not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Misses of values that the node must have held.
    pub false_misses: Option<u64>,
    /// The same, node by node.
    pub misses: Vec<Option<u64>>,
    /// Counters, registers and logs that it must have held.
    pub lost: Option<u64>,
    /// Answers as if there were nothing, where there must have been something.
    pub contradictions: Option<u64>,
    /// What was not judged, and why.
    pub not_judged: Vec<(ViolationKind, String)>,
    /// What was put down to the nodes, one sentence each.
    pub notes: Vec<String>,
}

impl Gone {
    const fn items(&self) -> u64 {
        self.values + self.lost + self.contradictions + self.excused
    }

    /// What remains when `dropped` items are explained; what would be needed for that to be nothing.
    fn beyond(&self, dropped: u64) -> Self {
        let excess = self.items().saturating_sub(dropped);
        let lost = self.lost.min(excess);
        let contradictions = self.contradictions.min(excess - lost);
        let values = excess - lost - contradictions;
        Self { false_misses: values, values, lost, contradictions, excused: 0 }
    }
}

/// Settles what was found gone on each node with what each did.
#[must_use]
pub fn settle(gone: &[Gone], kept: &[Kept]) -> Settled {
    let mut all = Gone::default();
    let mut settled = Settled::default();
    for ((node, gone), kept) in (0..).map(NodeIndex).zip(gone).zip(kept) {
        let judged = match kept {
            Kept::Everything => *gone,
            Kept::But(dropped) => {
                let judged = gone.beyond(*dropped);
                let explained = gone.items() - judged.items();
                if explained > 0 {
                    settled.notes.push(format!(
                        "{node} dropped {dropped} items to make room: {explained} that were gone are \
                         put down to that and not judged"
                    ));
                }
                judged
            }
            Kept::Unknown(why) => {
                for (count, kind) in [
                    (gone.false_misses, ViolationKind::FalseMiss),
                    (gone.lost, ViolationKind::AcknowledgedButLost),
                    (gone.contradictions, ViolationKind::Contradiction),
                ] {
                    if count > 0 {
                        let reason = format!("{count} found on {node} prove nothing: {why}");
                        settled.not_judged.push((kind, reason));
                    }
                }
                Gone::default()
            }
        };
        let is_known = gone.false_misses == 0 || !matches!(kept, Kept::Unknown(_));
        settled.misses.push(is_known.then_some(judged.false_misses));
        all.false_misses += judged.false_misses;
        all.lost += judged.lost;
        all.contradictions += judged.contradictions;
    }
    // What is proven elsewhere counts whatever else is unknown.
    let unless_unknown = |count: u64, kind| {
        let unknown = settled.not_judged.iter().any(|(known, _)| *known == kind);
        (count > 0 || !unknown).then_some(count)
    };
    settled.false_misses = unless_unknown(all.false_misses, ViolationKind::FalseMiss);
    settled.lost = unless_unknown(all.lost, ViolationKind::AcknowledgedButLost);
    settled.contradictions = unless_unknown(all.contradictions, ViolationKind::Contradiction);
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: Gone = Gone { false_misses: 9, values: 4, lost: 2, contradictions: 1, excused: 3 };

    fn settled(kept: &[Kept]) -> (Option<u64>, Option<u64>, Option<u64>) {
        let settled = settle(&vec![GONE; kept.len()], kept);
        (settled.false_misses, settled.lost, settled.contradictions)
    }

    /// Catches a loss that is excused on a node which kept everything, and one that is held against a
    /// node which may have dropped as much.
    #[test]
    fn what_a_node_dropped_explains_as_much_and_no_more() {
        assert_eq!(settled(&[Kept::Everything]), (Some(9), Some(2), Some(1)));
        assert_eq!(settled(&[Kept::But(10)]), (Some(0), Some(0), Some(0)));
        assert_eq!(settled(&[Kept::But(9)]), (Some(0), Some(1), Some(0)));
        assert_eq!(settled(&[Kept::But(1)]), (Some(6), Some(2), Some(1)));
        let apart = settle(&[GONE; 2], &[Kept::Everything, Kept::But(1)]);
        assert_eq!((apart.false_misses, apart.misses), (Some(15), vec![Some(9), Some(6)]));
        let told = settle(&[GONE], &[Kept::But(8)]).notes;
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("n1 dropped 8 items to make room: 8 that were gone"),
            "{told:?}"
        );
    }

    /// Catches a 0 where nobody could look, and proof that is lost because another node is unknown.
    #[test]
    fn what_cannot_be_judged_is_not_none() {
        let unknown = || Kept::Unknown("somebody emptied it".to_owned());
        assert_eq!(settled(&[unknown()]), (None, None, None));
        assert_eq!(settled(&[unknown(), Kept::Everything]), (Some(9), Some(2), Some(1)));
        assert_eq!(settled(&[unknown(), Kept::But(99)]), (None, None, None));
        assert_eq!(settle(&[GONE; 2], &[unknown(), Kept::Everything]).misses, [None, Some(9)]);
        let nothing_gone = settle(&[Gone::default()], &[unknown()]);
        assert_eq!((nothing_gone.lost, nothing_gone.not_judged.len()), (Some(0), 0));
        let told = settle(&[GONE], &[unknown()]).not_judged;
        assert_eq!(told[1].1, "2 found on n1 prove nothing: somebody emptied it");
    }
}
