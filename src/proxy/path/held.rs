//! What all connections of a set of proxies hold together: bytes that toxics delay, and what receivers
//! do not take.
//!
//! Each direction of a connection has a bound of its own. Thousands of them at that bound would take a
//! machine down all the same, so there is one for all: beyond it, a connection that holds a little
//! already reads no more until it has passed that on. So nobody stops, and nothing grows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::heap;
use crate::proxy::fault::outbox::HELD_BYTES_MAX;

/// What all connections hold before each reads ahead only a little: enough for 64 connections at their
/// own bound, and a share of memory that any machine has.
const ALL_HELD_BYTES_MAX: usize = 256 << 20;

/// When all connections hold less than this again, what held more is given back to the system.
const GIVE_BACK_BELOW_BYTES: usize = 16 << 20;

/// How long after that: those who leave together have left by then, and it is not done more often.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(1);

/// What one direction of a connection may hold whatever the others do: one read.
const HELD_BYTES_LEAST: usize = 64 << 10;

/// The bytes that are held, with the cost of their pieces.
#[derive(Debug)]
pub(in crate::proxy) struct AllHeld {
    bytes: AtomicUsize,
    most: usize,
    /// What each direction of a connection may hold.
    each_most: usize,
    /// Told when little is held again.
    shrunk: Notify,
}

impl Default for AllHeld {
    fn default() -> Self {
        Self::within(HELD_BYTES_MAX, ALL_HELD_BYTES_MAX)
    }
}

impl AllHeld {
    /// With these bounds: for one direction of one connection, and for all together.
    pub(in crate::proxy) const fn within(each_most: usize, most: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), most, each_most, shrunk: Notify::const_new() }
    }

    fn subtract(&self, bytes: usize) {
        let before = self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        if before >= GIVE_BACK_BELOW_BYTES && before - bytes < GIVE_BACK_BELOW_BYTES {
            self.shrunk.notify_one();
        }
    }

    /// Gives memory back to the system, whenever much was held and little is held again.
    pub(in crate::proxy) async fn give_back(self: Arc<Self>) {
        loop {
            self.shrunk.notified().await;
            tokio::time::sleep(GIVE_BACK_AFTER).await;
            // Not on a thread that others wait for.
            let _ = tokio::task::spawn_blocking(heap::give_back).await;
        }
    }
}

/// What one direction of one connection holds, until it is dropped.
#[derive(Debug)]
pub(in crate::proxy) struct Held {
    all: Arc<AllHeld>,
    bytes: usize,
}

impl Held {
    pub(in crate::proxy) const fn new(all: Arc<AllHeld>) -> Self {
        Self { all, bytes: 0 }
    }

    /// It holds this much now.
    pub(in crate::proxy) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.all.bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            self.all.subtract(self.bytes - bytes);
        }
        self.bytes = bytes;
    }

    /// Whether more may be read.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        self.bytes < HELD_BYTES_LEAST || self.bytes < self.most()
    }

    /// Whether more may be read although there is no room, because `kept` bytes go on only with what
    /// comes next, and little else is held.
    pub(in crate::proxy) const fn has_room_beside(&self, kept: usize) -> bool {
        self.bytes.saturating_sub(kept) < HELD_BYTES_LEAST
    }

    /// How much this direction may hold now.
    pub(in crate::proxy) fn most(&self) -> usize {
        if self.is_full() { HELD_BYTES_LEAST } else { self.all.each_most }
    }

    /// Whether all connections together hold as much as they may.
    pub(in crate::proxy) fn is_full(&self) -> bool {
        self.all.bytes.load(Ordering::Relaxed) >= self.all.most
    }

    /// How much it may hold while there is room for all.
    pub(in crate::proxy) fn each_most(&self) -> usize {
        self.all.each_most
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches connections that hold more together than there is room for, one that may hold nothing
    /// because of the others, and a share that is not given back.
    #[test]
    fn beyond_the_common_bound_each_has_a_little() {
        let all = Arc::new(AllHeld::default());
        let held = || Held::new(Arc::clone(&all));
        let mut one = held();
        one.set(HELD_BYTES_MAX - 1);
        assert!(one.has_room());
        one.set(HELD_BYTES_MAX);
        assert!(!one.has_room());
        let others: Vec<Held> = std::iter::repeat_with(held)
            .take(ALL_HELD_BYTES_MAX / HELD_BYTES_MAX)
            .map(|mut held| {
                held.set(HELD_BYTES_MAX);
                held
            })
            .collect();
        one.set(HELD_BYTES_LEAST);
        assert!(!one.has_room(), "the others hold everything");
        one.set(HELD_BYTES_LEAST - 1);
        assert!(one.has_room());
        drop(others);
        one.set(HELD_BYTES_LEAST);
        assert!(one.has_room());
    }

    /// Catches memory that is kept when the last of many have left, and a busy set of proxies that gives
    /// back again and again.
    #[tokio::test(start_paused = true)]
    async fn what_is_left_behind_is_given_back_once() {
        let all = Arc::new(AllHeld::default());
        let is_told = async || {
            tokio::time::timeout(Duration::from_millis(1), all.shrunk.notified()).await.is_ok()
        };
        let mut held: Vec<Held> =
            std::iter::repeat_with(|| Held::new(Arc::clone(&all))).take(8).collect();
        held.iter_mut().for_each(|held| held.set(HELD_BYTES_MAX));
        held.truncate(5);
        assert!(!is_told().await, "much is held still");
        held.clear();
        assert!(is_told().await);
        let mut one = Held::new(Arc::clone(&all));
        one.set(HELD_BYTES_MAX);
        drop(one);
        assert!(!is_told().await, "that was little");
    }
}
