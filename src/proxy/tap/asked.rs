//! What the clients of several proxies ask for, as far as one must look at more than one connection to
//! see it: a key that another node is asked for than its home, and a request that comes again.
//!
//! Tables of fixed length in which a place is a key's, or nobody's: whoever finds a place taken is not
//! followed, so that every figure is a share of what was followed. Nobody waits for anybody.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::carried::Mark;
use crate::base::name::NodeIndex;

/// Keys whose homes are learned, at most.
const HOMES: usize = 1 << 16;
/// Requests that are waited for to come again, at most; a later one takes the place of an earlier one.
const WAITED_FOR: usize = 1 << 12;
/// The last node that is followed.
const NODE_MAX: usize = 253;
/// Of the requests that were answered, one in so many is waited for to come again.
const ANSWERED_EVERY: u64 = 16;

/// The tables.
pub struct Asked {
    began: Instant,
    /// Whether no home is learned any more.
    settled: AtomicBool,
    homes: Box<[AtomicU32]>,
    unanswered: Again,
    answered: Again,
    nodes: Box<[Counts]>,
}

#[derive(Default)]
struct Counts {
    at_home: AtomicU64,
    elsewhere: AtomicU64,
    unanswered: [AtomicU64; 2],
    answered: [AtomicU64; 2],
}

/// What was seen of one node's keys and requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AskedCounts {
    /// Since the homes were settled: keys that this node is the home of, asked of it.
    pub at_home: u64,
    /// The same, asked of another node.
    pub elsewhere: u64,
    /// Requests to it for one key that had no answer when their connection ended, and were waited for
    /// to come again, as long as two times its clients' patience.
    pub unanswered: u64,
    /// Those that came again, on whatever connection to whatever node.
    pub unanswered_again: u64,
    /// Requests to it that were answered, a sample, and waited for as long.
    pub answered: u64,
    /// Those that came again: so many do by chance.
    pub answered_again: u64,
}

impl Asked {
    pub(in crate::proxy) fn new(began: Instant) -> Self {
        Self {
            began,
            settled: AtomicBool::new(false),
            homes: (0..HOMES).map(|_| AtomicU32::new(0)).collect(),
            unanswered: Again::default(),
            answered: Again::default(),
            nodes: (0..=NODE_MAX).map(|_| Counts::default()).collect(),
        }
    }

    /// What was asked for first until now is a key's home. It stays so, and is counted from now on.
    pub fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// What was seen of a node until now.
    #[must_use]
    pub fn counts(&self, node: NodeIndex) -> AskedCounts {
        let Some(counts) = self.nodes.get(node.position()) else { return AskedCounts::default() };
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AskedCounts {
            at_home: load(&counts.at_home),
            elsewhere: load(&counts.elsewhere),
            unanswered: load(&counts.unanswered[0]),
            unanswered_again: load(&counts.unanswered[1]),
            answered: load(&counts.answered[0]),
            answered_again: load(&counts.answered[1]),
        }
    }

    /// `node` is asked for the key.
    pub(in crate::proxy) fn placed(&self, mark: Mark, node: NodeIndex) {
        let Ok(number) = u32::try_from(node.position().min(NODE_MAX + 1)) else { return };
        let place = &self.homes[place(mark.bits(), HOMES)];
        let tag = u32::try_from(mark.bits() >> 40).unwrap_or_default() << 8;
        let known = place.load(Ordering::Relaxed);
        if known == 0 {
            if number as usize <= NODE_MAX && !self.settled.load(Ordering::Relaxed) {
                // Who comes second has the same home, or another key: then it is not followed.
                let home = tag | (number + 1);
                let _ = place.compare_exchange(0, home, Ordering::Relaxed, Ordering::Relaxed);
            }
            return;
        }
        if known & !0xff == tag && self.settled.load(Ordering::Relaxed) {
            let home = (known & 0xff) - 1;
            let counts = &self.nodes[home as usize];
            let count = if home == number { &counts.at_home } else { &counts.elsewhere };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request for one key comes; whether it was waited for.
    pub(in crate::proxy) fn came(&self, request: Same, now: Instant) {
        let now = self.millis(now);
        if let Some(counts) =
            self.unanswered.take(request, now).and_then(|node| self.nodes.get(node))
        {
            counts.unanswered[1].fetch_add(1, Ordering::Relaxed);
        }
        if let Some(counts) = self.answered.take(request, now).and_then(|node| self.nodes.get(node))
        {
            counts.answered[1].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request for one key has no answer and will have none.
    pub(in crate::proxy) fn given_up(
        &self,
        request: Same,
        node: NodeIndex,
        now: Instant,
        window: Duration,
    ) {
        let Some(counts) = self.nodes.get(node.position()) else { return };
        self.unanswered.wait_for(request, node, self.millis(now + window));
        counts.unanswered[0].fetch_add(1, Ordering::Relaxed);
    }

    /// A request for one key is answered, the `sequence`th of its connection.
    pub(in crate::proxy) fn answered(
        &self,
        (request, sequence): (Same, u64),
        node: NodeIndex,
        now: Instant,
        window: Duration,
    ) {
        let Some(counts) = self.nodes.get(node.position()) else { return };
        if sequence.is_multiple_of(ANSWERED_EVERY) {
            self.answered.wait_for(request, node, self.millis(now + window));
            counts.answered[0].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn millis(&self, at: Instant) -> u32 {
        let since = at.saturating_duration_since(self.began).as_millis();
        u32::try_from(since).unwrap_or(u32::MAX)
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("settled", &self.settled).finish_non_exhaustive()
    }
}

/// What makes two requests the same: the command and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Same(u64);

impl Same {
    pub(in crate::proxy) const fn of(mark: Mark, verb: usize) -> Self {
        // An odd factor moves the verb into every bit.
        Self(mark.bits() ^ (verb as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// Requests that are waited for: 24 bits to tell them apart, the node in 8, until when in 32.
struct Again(Box<[AtomicU64]>);

impl Default for Again {
    fn default() -> Self {
        Self((0..WAITED_FOR).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Again {
    fn wait_for(&self, Same(request): Same, node: NodeIndex, until: u32) {
        let waited = (request >> 40) << 40 | u64::from(node.0) << 32 | u64::from(until);
        self.0[place(request, WAITED_FOR)].store(waited, Ordering::Relaxed);
    }

    /// The node of a request that was waited for until now; once.
    fn take(&self, Same(request): Same, now: u32) -> Option<usize> {
        let place = &self.0[place(request, WAITED_FOR)];
        let waited = place.load(Ordering::Relaxed);
        if waited == 0 || waited >> 40 != request >> 40 {
            return None;
        }
        let taken = place.compare_exchange(waited, 0, Ordering::Relaxed, Ordering::Relaxed);
        let in_time = now <= u32::try_from(waited & 0xffff_ffff).unwrap_or_default();
        let node = usize::try_from(waited >> 32 & 0xff).ok();
        node.filter(|_| taken.is_ok() && in_time)
    }
}

/// Where a hash belongs in a table of so many places.
fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash & 0xff_ffff).unwrap_or_default() % places
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeIndex = NodeIndex(0);
    const B: NodeIndex = NodeIndex(1);

    /// Catches a home that moves with the key, one that is learned while a node is broken, and keys that
    /// count as moved before anything was.
    #[test]
    fn a_home_is_what_was_asked_first_before_the_fault() {
        let asked = Asked::new(Instant::now());
        let (key, late) = (Mark::of(&[b"key"]), Mark::of(&[b"late"]));
        asked.placed(key, A);
        asked.placed(key, B);
        assert_eq!(asked.counts(A), AskedCounts::default());
        asked.settle();
        asked.placed(key, A);
        asked.placed(key, B);
        asked.placed(key, B);
        asked.placed(late, A);
        asked.placed(late, B);
        let counts = asked.counts(A);
        assert_eq!((counts.at_home, counts.elsewhere), (1, 2));
        assert_eq!(asked.counts(B), AskedCounts::default());
    }

    /// Catches a new call that counts as a resend because its key is the same, one that comes too late,
    /// and one that counts twice.
    #[test]
    fn a_request_comes_again_once_and_in_time() {
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        let asked = Asked::new(began);
        let (get, set) = (Same::of(Mark::of(&[b"key"]), 1), Same::of(Mark::of(&[b"key"]), 2));
        let window = Duration::from_millis(200);
        asked.given_up(get, A, at(100), window);
        asked.came(set, at(110));
        assert_eq!(asked.counts(A).unanswered_again, 0, "another command");
        asked.came(get, at(120));
        asked.came(get, at(130));
        asked.given_up(get, A, at(200), window);
        asked.came(get, at(401));
        let counts = asked.counts(A);
        assert_eq!((counts.unanswered, counts.unanswered_again), (2, 1));
        for sequence in 0..32 {
            asked.answered((get, sequence), B, at(500), window);
        }
        asked.came(get, at(501));
        let counts = asked.counts(B);
        assert_eq!((counts.answered, counts.answered_again), (2, 1));
    }
}
