//! Where events go while a run lasts: stamped at once, delivered in order by the run's own loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::base::name::NodeIndex;
use crate::base::time::RunClock;
use crate::event::{Event, EventKind, Events, WireTrace};
use crate::proxy::{ProxySet, WeakProxySet};
use crate::record::Recorder;

/// Events that may wait for the loop. More are counted, not kept: emitting never waits.
const WAITING_MAX: usize = 16_384;

/// The receiving end.
#[derive(Debug)]
pub(super) struct Sink {
    inbox: mpsc::Receiver<Event>,
    shared: Arc<Shared>,
}

/// Which faults are active, for whoever shows it.
#[derive(Clone, Debug)]
pub(super) struct ActiveFaults(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    active: Mutex<BTreeMap<NodeIndex, Vec<String>>>,
    wire: OnceLock<Wire>,
}

/// Who saw what passed, and how to ask: the proxies emit into the sink, so it must not own them.
#[derive(Debug)]
struct Wire {
    proxies: WeakProxySet,
    clock: RunClock,
    key_prefix: String,
}

impl Sink {
    /// A sink, and the handle through which the parts of a run emit.
    pub(super) fn new(recorder: Recorder) -> (Self, Events) {
        let (outbox, inbox) = mpsc::channel(WAITING_MAX);
        let shared = Arc::<Shared>::default();
        let sender = Arc::clone(&shared);
        let events = Events::to(move |kind| {
            sender.note(&kind);
            let kind = sender.with_evidence(kind);
            if outbox.try_send(recorder.event(kind)).is_err() {
                sender.dropped.fetch_add(1, Ordering::Relaxed);
            }
        });
        (Self { inbox, shared }, events)
    }

    /// From now on a violation says what passed on the wire, as `proxies` saw it; keys have this
    /// prefix there.
    pub(super) fn watch(&self, proxies: &ProxySet, clock: RunClock, key_prefix: &str) {
        let key_prefix = key_prefix.to_owned();
        // Once a run: a second set would be a second lab.
        let _ = self.shared.wire.set(Wire { proxies: proxies.downgrade(), clock, key_prefix });
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

    /// Which faults are active, at any time.
    pub(super) fn active(&self) -> ActiveFaults {
        ActiveFaults(Arc::clone(&self.shared))
    }
}

impl ActiveFaults {
    /// A fault is active from now on, or is not any more.
    pub(super) fn set(&self, fault: &str, nodes: &[NodeIndex], is_active: bool) {
        self.0.set(fault, nodes, is_active);
    }

    /// The faults that are active on `node` now.
    pub(super) fn on(&self, node: NodeIndex) -> Vec<String> {
        self.0.active.lock().get(&node).cloned().unwrap_or_default()
    }
}

impl Shared {
    /// A violation with what everybody asks first: the faults that are active on its node, and what
    /// passed on the wire.
    fn with_evidence(&self, kind: EventKind) -> EventKind {
        let EventKind::Violation { kind, node, key, mut detail, write_begun_s, .. } = kind else {
            return kind;
        };
        if let Some(faults) = self.active.lock().get(&node).filter(|faults| !faults.is_empty()) {
            detail = format!("{detail}; under {}", faults.join(", "));
        }
        let wire = self.wire.get().and_then(|wire| wire.trace(node, &key, write_begun_s));
        let story = wire.as_ref().zip(write_begun_s);
        if let Some(story) = story.and_then(|(wire, begun_s)| wire.story_of_write(begun_s)) {
            detail = format!("{detail}; {story}");
        }
        EventKind::Violation { kind, node, key, detail, wire, write_begun_s }
    }

    fn note(&self, kind: &EventKind) {
        match kind {
            EventKind::FaultApplied { fault, nodes, .. } => self.set(fault, nodes, true),
            EventKind::FaultHealed { fault, nodes, .. } => self.set(fault, nodes, false),
            _ => {}
        }
    }

    fn set(&self, fault: &str, nodes: &[NodeIndex], is_active: bool) {
        let mut active = self.active.lock();
        for node in nodes {
            let faults = active.entry(*node).or_default();
            faults.retain(|name| name != fault);
            if is_active {
                faults.push(fault.to_owned());
            }
        }
    }
}

impl Wire {
    /// What passed last on the connection that last carried the key, or that carried its late write.
    fn trace(&self, node: NodeIndex, key: &str, write_begun_s: Option<f64>) -> Option<WireTrace> {
        let key = format!("{}{key}", self.key_prefix);
        let seconds = |instant| self.clock.offset(instant).as_secs_f64();
        let (proxies, key) = (self.proxies.upgrade()?, key.as_bytes());
        match write_begun_s {
            Some(begun) => {
                let since = self.clock.started() + Duration::from_secs_f64(begun);
                proxies.trace_of_write(node, key, since, &seconds)
            }
            None => proxies.trace(node, key, &seconds),
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
            let (key, kind) = ("k:1".to_owned(), ViolationKind::Stale);
            let kind =
                EventKind::Violation { kind, node, key, detail, wire: None, write_begun_s: None };
            match shared.with_evidence(kind) {
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
