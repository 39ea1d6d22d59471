//! The books of one node's connections: every one that was opened is open or has a cause.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::{CloseCause, Connections};

/// Counted without a lock; read as a whole now and then.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounts {
    dialled: AtomicU64,
    opened: AtomicU64,
    open: AtomicU64,
    in_use: AtomicU64,
    high_water: AtomicU64,
    closed: [AtomicU64; CloseCause::ALL.len()],
}

impl ConnectionCounts {
    /// One more attempt to connect, whatever comes of it.
    pub(super) fn dialled(&self) {
        self.dialled.fetch_add(1, Ordering::Relaxed);
    }

    /// One more; its number, from 1.
    pub(super) fn opened(&self) -> u64 {
        let open = self.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.high_water.fetch_max(open, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn closed(&self, cause: CloseCause) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        for (known, count) in CloseCause::ALL.iter().zip(&self.closed) {
            if *known == cause {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn lent(&self) {
        self.in_use.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn returned(&self) {
        self.in_use.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// The connections, of which so many wait for work, and what the closed ones were closed for.
    pub(super) fn snapshot(&self, idle: usize) -> (Connections, BTreeMap<CloseCause, u64>) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let causes = CloseCause::ALL.iter().copied().zip(self.closed.iter().map(read));
        let closed: BTreeMap<_, _> = causes.filter(|(_, count)| *count > 0).collect();
        let poisoned = closed.iter().filter(|(cause, _)| cause.is_poison());
        let connections = Connections {
            open: read(&self.open),
            idle: idle as u64,
            in_use: read(&self.in_use),
            high_water: read(&self.high_water),
            dialled: read(&self.dialled),
            opened: read(&self.opened),
            closed: closed.values().sum(),
            poisoned: poisoned.map(|(_, count)| count).sum(),
        };
        (connections, closed)
    }
}
