//! Where events go while a run lasts: stamped at once, delivered in order by the run's own loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::base::name::NodeIndex;
use crate::event::{Event, EventKind, Events};
use crate::record::Recorder;

/// Events that may wait for the loop. More are counted, not kept: emitting never waits.
const WAITING_MAX: usize = 16_384;

/// The receiving end.
#[derive(Debug)]
pub(super) struct Sink {
    inbox: mpsc::Receiver<Event>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    active: Mutex<BTreeMap<NodeIndex, Vec<String>>>,
}

impl Sink {
    /// A sink, and the handle through which the parts of a run emit.
    pub(super) fn new(recorder: Recorder) -> (Self, Events) {
        let (outbox, inbox) = mpsc::channel(WAITING_MAX);
        let shared = Arc::<Shared>::default();
        let sender = Arc::clone(&shared);
        let events = Events::to(move |kind| {
            sender.note(&kind);
            let kind = sender.with_faults(kind);
            if outbox.try_send(recorder.event(kind)).is_err() {
                sender.dropped.fetch_add(1, Ordering::Relaxed);
            }
        });
        (Self { inbox, shared }, events)
    }

    /// The next event; waits for it.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.inbox.recv().await
    }

    /// The next event, if there is one already.
    pub(super) fn try_next(&mut self) -> Option<Event> {
        self.inbox.try_recv().ok()
    }

    /// How many events found the queue full.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// The faults that are active on `node` now.
    pub(super) fn active_faults(&self, node: NodeIndex) -> Vec<String> {
        self.shared.active.lock().get(&node).cloned().unwrap_or_default()
    }
}

impl Shared {
    /// A violation with the faults that are active on its node: what everybody asks first.
    fn with_faults(&self, kind: EventKind) -> EventKind {
        let EventKind::Violation { kind, node, mut detail } = kind else { return kind };
        if let Some(faults) = self.active.lock().get(&node).filter(|faults| !faults.is_empty()) {
            detail = format!("{detail}; under {}", faults.join(", "));
        }
        EventKind::Violation { kind, node, detail }
    }

    fn note(&self, kind: &EventKind) {
        match kind {
            EventKind::FaultApplied { fault, nodes, .. } => {
                let mut active = self.active.lock();
                for node in nodes {
                    active.entry(*node).or_default().push(fault.clone());
                }
            }
            EventKind::FaultHealed { fault, nodes, .. } => {
                let mut active = self.active.lock();
                for node in nodes {
                    active.entry(*node).or_default().retain(|name| name != fault);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ViolationKind;

    /// Catches a violation that does not say under which fault it was seen, and one that blames a
    /// fault of another node, or one that was healed.
    #[test]
    fn a_violation_names_the_active_faults_of_its_node() {
        let shared = Shared::default();
        let seen = |node| {
            let detail = "k:1: older than acknowledged".to_owned();
            let node = NodeIndex(node);
            let kind = EventKind::Violation { kind: ViolationKind::Stale, node, detail };
            match shared.with_faults(kind) {
                EventKind::Violation { detail, .. } => detail,
                other => panic!("{other:?}"),
            }
        };
        for fault in ["slow", "lossy"] {
            shared.note(&EventKind::FaultApplied {
                fault: fault.into(),
                kind: "latency".into(),
                nodes: vec![NodeIndex(0)],
            });
        }
        assert_eq!(seen(0), "k:1: older than acknowledged; under slow, lossy");
        assert_eq!(seen(1), "k:1: older than acknowledged");
        for fault in ["slow", "lossy"] {
            shared.note(&EventKind::FaultHealed {
                fault: fault.into(),
                kind: "latency".into(),
                nodes: vec![NodeIndex(0)],
            });
        }
        assert_eq!(seen(0), "k:1: older than acknowledged");
    }
}
