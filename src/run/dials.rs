//! How often the client tried to connect, phase by phase: differences between counts.

use std::collections::BTreeMap;

use crate::base::name::NodeIndex;
use crate::event::Phase;
use crate::record::Dials;

/// Takes a snapshot at every boundary of a phase. A phase that comes again is added to what it was.
#[derive(Debug, Default)]
pub(super) struct DialWatch {
    phase: Option<Phase>,
    marks: Vec<u64>,
    attempts: BTreeMap<(Phase, u16), u64>,
}

impl DialWatch {
    /// `phase` begins: what was tried until now belongs to the one before.
    pub(super) fn begin(&mut self, phase: Phase, now: &[u64]) {
        self.close(now);
        self.phase = Some(phase);
        self.marks = now.to_vec();
    }

    /// The run is over: every phase of every node.
    pub(super) fn finish(mut self, now: &[u64]) -> Vec<Dials> {
        self.close(now);
        let dials = |((phase, node), attempts)| Dials { phase, node: NodeIndex(node), attempts };
        self.attempts.into_iter().map(dials).collect()
    }

    fn close(&mut self, now: &[u64]) {
        let Some(phase) = self.phase else { return };
        for ((node, now), before) in (0_u16..).zip(now).zip(&self.marks) {
            *self.attempts.entry((phase, node)).or_default() += now.saturating_sub(*before);
        }
    }
}
