//! How often the client tried to connect, phase by phase: differences between its own counts.

use crate::client::NodeSnapshot;
use crate::event::Phase;
use crate::record::Dials;

/// Takes a snapshot at every boundary of a phase.
#[derive(Debug, Default)]
pub(super) struct DialWatch {
    phase: Option<Phase>,
    marks: Vec<u64>,
    dials: Vec<Dials>,
}

impl DialWatch {
    /// `phase` begins: what was tried until now belongs to the one before.
    pub(super) fn begin(&mut self, phase: Phase, now: &[NodeSnapshot]) {
        self.close(now);
        self.phase = Some(phase);
        self.marks = now.iter().map(|node| node.connections.dialled).collect();
    }

    /// The run is over: every phase of every node.
    pub(super) fn finish(mut self, now: &[NodeSnapshot]) -> Vec<Dials> {
        self.close(now);
        self.dials
    }

    fn close(&mut self, now: &[NodeSnapshot]) {
        let Some(phase) = self.phase else { return };
        for (node, before) in now.iter().zip(&self.marks) {
            let attempts = node.connections.dialled.saturating_sub(*before);
            self.dials.push(Dials { phase, node: node.node, attempts });
        }
    }
}
