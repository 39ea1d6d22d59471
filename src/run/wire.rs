//! What the proxies saw, phase by phase: differences between snapshots of their taps.

use crate::base::name::NodeIndex;
use crate::event::Phase;
use crate::lab::Lab;
use crate::record::WireCounts;

/// Commands that are the client's own and part of no operation.
const PINGS: [&str; 1] = ["version"];

/// What one tap has counted so far.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    requests: u64,
    /// Those that are the client's own, or that belong to a batch and are counted with its end.
    beside: u64,
    dirty_reuse: u64,
}

/// Takes a snapshot at every boundary of a phase.
#[derive(Debug, Default)]
pub(super) struct WireWatch {
    phase: Option<Phase>,
    marks: Vec<Mark>,
    counts: Vec<WireCounts>,
}

impl WireWatch {
    /// `phase` begins: what passed until now belongs to the one before.
    pub(super) fn begin(&mut self, phase: Phase, lab: &Lab) {
        let marks = marks(lab);
        self.close(&marks);
        self.phase = Some(phase);
        self.marks = marks;
    }

    /// The run is over: every phase of every node.
    pub(super) fn finish(mut self, lab: &Lab) -> Vec<WireCounts> {
        self.close(&marks(lab));
        self.counts
    }

    fn close(&mut self, now: &[Mark]) {
        let Some(phase) = self.phase else { return };
        for (position, (before, now)) in self.marks.iter().zip(now).enumerate() {
            // A tap starts again from zero when somebody replaces its proxy through the API.
            let requests = now.requests.saturating_sub(before.requests);
            let beside = now.beside.saturating_sub(before.beside);
            self.counts.push(WireCounts {
                phase,
                node: NodeIndex(u16::try_from(position).unwrap_or(u16::MAX)),
                requests,
                operation_requests: requests.saturating_sub(beside),
                connect_peak: None,
                dirty_reuse: now.dirty_reuse.saturating_sub(before.dirty_reuse),
            });
        }
    }
}

fn marks(lab: &Lab) -> Vec<Mark> {
    if !lab.has_taps() {
        return Vec::new();
    }
    let mark = |name: String| {
        // A proxy that somebody deleted through the API counts nothing any more.
        let Ok(tap) = lab.proxies().tap(&name) else { return Mark::default() };
        let pings: u64 = PINGS.iter().filter_map(|ping| tap.requests_by_command.get(ping)).sum();
        Mark {
            requests: tap.requests(),
            beside: pings + tap.quiet_reads,
            dirty_reuse: tap.reuse.overlapping,
        }
    };
    lab.info().iter().map(|info| mark(info.node.to_string())).collect()
}
