//! Who is told that a message fault fired.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::name::NodeIndex;
use crate::event::{EventKind, Events};
use crate::proxy::fault::identity::Identity;

/// The most events of one proxy within [`WINDOW`]. What goes beyond is counted per toxic, as
/// everything is, and told to nobody.
const EVENTS_MAX: u32 = 20;
/// The window that events are counted in.
const WINDOW: Duration = Duration::from_secs(1);

/// Where the connections of one proxy report to.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Reporter {
    listener: Option<(Events, NodeIndex)>,
    window: Mutex<Option<(Instant, u32)>>,
    /// Requests and replies that a rule meant and that were passed on, because nobody can be certain of
    /// their place.
    skipped_uncertain: AtomicU64,
    /// Requests and replies that a rule meant and in which nothing could be changed.
    in_vain: AtomicU64,
}

impl Reporter {
    /// Without a node there is nobody to tell: the proxy stands alone.
    pub(in crate::proxy) fn new(events: &Events, node: Option<NodeIndex>) -> Self {
        Self { listener: node.map(|node| (events.clone(), node)), ..Self::default() }
    }

    /// Counts a fault and tells of it; never of the key.
    pub(super) fn fired(&self, now: Instant, connection: u64, command: &str, fault: &Identity) {
        fault.touch(1);
        let Some((events, node)) = &self.listener else { return };
        if !self.may_tell(now) {
            return;
        }
        events.emit(EventKind::MessageFault {
            node: *node,
            connection,
            command: command.to_owned(),
            fault: fault.name.clone(),
        });
    }

    /// A request or reply that a rule meant was passed on, because nobody can be certain of its place.
    pub(super) fn uncertain(&self, fault: &Identity) {
        fault.uncertain();
        self.skipped_uncertain.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub(in crate::proxy) fn skipped_uncertain(&self) -> u64 {
        self.skipped_uncertain.load(Ordering::Relaxed)
    }

    /// A rule fired at something that has nothing it could be done to.
    pub(super) fn in_vain(&self, fault: &Identity) {
        fault.could_not_fire();
        self.in_vain.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was.
    pub(in crate::proxy) fn could_not_fire(&self) -> u64 {
        self.in_vain.load(Ordering::Relaxed)
    }

    fn may_tell(&self, now: Instant) -> bool {
        let mut window = self.window.lock();
        let (began, told) = window.get_or_insert((now, 0));
        if now.saturating_duration_since(*began) >= WINDOW {
            (*began, *told) = (now, 0);
        }
        *told += 1;
        *told <= EVENTS_MAX
    }
}
