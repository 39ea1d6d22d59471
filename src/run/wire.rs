//! What the proxies saw, phase by phase: differences between snapshots of their taps.

use crate::base::name::NodeIndex;
use crate::event::Phase;
use crate::lab::Lab;
use crate::proxy::{LatencyView, Reuse, TapSnapshot};
use crate::record::{ForeignTraffic, WireCounts, WireTimes, WireTotals};

/// Clients of others that a report names.
const STRANGERS_NAMED_MAX: usize = 8;

/// Takes a snapshot at every boundary of a phase.
#[derive(Debug, Default)]
pub(super) struct WireWatch {
    phase: Option<Phase>,
    taps: Vec<TapSnapshot>,
    counts: Vec<WireCounts>,
}

impl WireWatch {
    /// `phase` begins: what passed until now belongs to the one before.
    pub(super) fn begin(&mut self, phase: Phase, lab: &Lab) {
        let taps = taps(lab);
        self.close(&taps);
        self.phase = Some(phase);
        self.taps = taps;
    }

    /// The run is over: every phase of every node, and what was seen over all of it, if anything looked.
    pub(super) fn finish(mut self, lab: &Lab) -> (Vec<WireCounts>, Option<WireTotals>) {
        let taps = taps(lab);
        self.close(&taps);
        let totals = (!taps.is_empty()).then(|| totals(&taps));
        (self.counts, totals)
    }

    fn close(&mut self, now: &[TapSnapshot]) {
        let Some(phase) = self.phase else { return };
        for (position, (before, now)) in self.taps.iter().zip(now).enumerate() {
            // A tap starts again from zero when somebody replaces its proxy through the API.
            let requests = now.requests().saturating_sub(before.requests());
            let beside = beside(now).saturating_sub(beside(before));
            let overlaps = now.reuse.overlapping.saturating_sub(before.reuse.overlapping);
            let unread = now.opaque.saturating_sub(before.opaque);
            let since = |of: fn(&TapSnapshot) -> &LatencyView| times(&of(now).since(of(before)));
            self.counts.push(WireCounts {
                phase,
                node: NodeIndex(u16::try_from(position).unwrap_or(u16::MAX)),
                requests,
                operation_requests: requests.saturating_sub(beside),
                connect_peak: None,
                // The client of a run sends one request at a time and waits: every overlap is one.
                dirty_reuse: (overlaps > 0 || unread == 0).then_some(overlaps),
                delivered: since(|tap| &tap.wire_latency),
                answered_late: since(|tap| &tap.answered_late),
                never_answered: since(|tap| &tap.never_answered),
            });
        }
    }
}

fn taps(lab: &Lab) -> Vec<TapSnapshot> {
    if !lab.has_taps() {
        return Vec::new();
    }
    // A proxy that somebody deleted through the API counts nothing any more.
    let tap = |name: String| lab.proxies().tap(&name).unwrap_or_default();
    lab.info().iter().map(|info| tap(info.node.to_string())).collect()
}

/// Requests that are part of no operation, or that belong to a batch and are counted with its end.
fn beside(tap: &TapSnapshot) -> u64 {
    tap.pings + tap.quiet_reads
}

fn times(view: &LatencyView) -> WireTimes {
    let us = |share| {
        let latency = view.quantile(share).as_micros();
        (view.count() > 0).then(|| u64::try_from(latency).unwrap_or(u64::MAX))
    };
    WireTimes { count: view.count(), p50: us(0.5), p95: us(0.95), p99: us(0.99), max: us(1.0) }
}

fn totals(taps: &[TapSnapshot]) -> WireTotals {
    let mut reuse = Reuse::default();
    taps.iter().for_each(|tap| reuse.add(tap.reuse));
    let told = reuse.overlaps_after_silence();
    WireTotals {
        overlaps: reuse.overlaps(),
        overlaps_after_silence: told.ok(),
        overlaps_after_silence_reason: told.err().map(str::to_owned),
        pipelining: reuse.pipelining().map(|how| how.name().to_owned()),
        refused: taps.iter().map(|tap| tap.refused).sum(),
        foreign: taps.iter().filter_map(|tap| tap.foreign.as_ref()).fold(None, |all, one| {
            let mut all: ForeignTraffic = all.unwrap_or_default();
            all.connections += one.connections;
            all.requests += one.requests;
            let room = STRANGERS_NAMED_MAX.saturating_sub(all.clients.len());
            all.clients.extend(one.clients.iter().take(room).map(ToString::to_string));
            Some(all)
        }),
    }
}
