//! What passed a proxy, and when: small pieces of time of one length, each with its counts.
//!
//! Whoever counts adds to one number and waits for nobody. The pieces are made once; what comes after the
//! last of them is not looked at.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The shortest piece: what happens faster than this is a matter of timers and schedulers.
const PIECE_MIN: Duration = Duration::from_millis(10);
/// Pieces in the planned time.
const PIECES_PLANNED: u32 = 6000;
/// Pieces at all, so that a run may take a third longer than it was planned to.
const PIECES_MAX: usize = 8192;
/// Changes of the entrance that are kept; after the last of them it is taken to be shut.
const TURNS_MAX: usize = 4096;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) enum Passed {
    /// A connection was accepted.
    Connect,
    /// A request was read.
    Request,
    /// A reply was written while the client had not left.
    Reply,
    /// A client closed its side, before the server did.
    Close,
}

/// The pieces of one proxy.
#[derive(Debug)]
pub(in crate::proxy) struct Timeline {
    began: Instant,
    piece: Duration,
    pieces: Box<[[AtomicU32; 4]]>,
    /// When the entrance turned, and whether it was shut from then on.
    turns: Mutex<Vec<(Duration, bool)>>,
}

impl Timeline {
    /// Pieces from `began` on, for about so long.
    pub(in crate::proxy) fn new(began: Instant, planned: Duration) -> Self {
        Self {
            began,
            piece: (planned / PIECES_PLANNED).max(PIECE_MIN),
            pieces: (0..PIECES_MAX).map(|_| Default::default()).collect(),
            turns: Mutex::default(),
        }
    }

    /// So many of these passed at `at`.
    pub(in crate::proxy) fn add(&self, what: Passed, at: Instant, count: u32) {
        let since = at.saturating_duration_since(self.began).as_nanos();
        let place = usize::try_from(since / self.piece.as_nanos()).unwrap_or(usize::MAX);
        if let Some(piece) = self.pieces.get(place) {
            piece[what as usize].fetch_add(count, Ordering::Relaxed);
        }
    }

    /// From `at` on the system turns clients away by itself, or does so no longer.
    pub(in crate::proxy) fn turned(&self, at: Instant, shut: bool) {
        let mut turns = self.turns.lock();
        let was_shut = turns.last().is_some_and(|(_, shut)| *shut);
        if was_shut != shut && (shut || turns.len() < TURNS_MAX) {
            turns.push((at.saturating_duration_since(self.began), shut));
        }
    }

    /// All that was counted until `now`.
    pub(in crate::proxy) fn view(&self, now: Instant) -> TimelineView {
        let since = now.saturating_duration_since(self.began).as_nanos();
        let begun = usize::try_from(since.div_ceil(self.piece.as_nanos())).unwrap_or(usize::MAX);
        let read = |piece: &[AtomicU32; 4]| {
            let of = |what: Passed| piece[what as usize].load(Ordering::Relaxed);
            PieceCounts {
                connects: of(Passed::Connect),
                requests: of(Passed::Request),
                replies: of(Passed::Reply),
                closes: of(Passed::Close),
            }
        };
        TimelineView {
            piece: self.piece,
            pieces: self.pieces.iter().take(begun).map(read).collect(),
            turns: self.turns.lock().clone(),
        }
    }
}

/// What passed a proxy over time. What came after the last piece was not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineView {
    /// The length of a piece.
    pub piece: Duration,
    /// One after the other from the beginning.
    pub pieces: Vec<PieceCounts>,
    /// When, from the beginning, the entrance turned, and whether it was shut from then on: the system
    /// then turns clients away, and nobody sees them.
    pub turns: Vec<(Duration, bool)>,
}

/// What passed in one piece of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PieceCounts {
    /// Connections accepted.
    pub connects: u32,
    /// Requests read.
    pub requests: u32,
    /// Replies written to a client that had not left.
    pub replies: u32,
    /// Connections that the client closed first.
    pub closes: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Catches an event in the wrong piece, one after the end that counts in the last, and pieces that
    /// are said to have been looked at before they began.
    #[test]
    fn each_event_is_in_its_own_piece() {
        let began = Instant::now();
        let line = Timeline::new(began, Duration::from_secs(120));
        line.add(Passed::Request, began + ms(19), 2);
        line.add(Passed::Reply, began + ms(20), 1);
        line.add(Passed::Connect, began + ms(39), 1);
        line.add(Passed::Close, began + ms(59), 1);
        line.add(Passed::Request, began + Duration::from_secs(3600), 7);
        let view = line.view(began + ms(50));
        assert_eq!(view.piece, ms(20));
        let piece = |connects, requests, replies, closes| PieceCounts {
            connects,
            requests,
            replies,
            closes,
        };
        assert_eq!(view.pieces, [piece(0, 2, 0, 0), piece(1, 0, 1, 0), piece(0, 0, 0, 1)]);
        let all = line.view(began + Duration::from_secs(7200)).pieces;
        assert_eq!(all.iter().map(|piece| piece.requests).sum::<u32>(), 2);
        assert_eq!(all.len(), PIECES_MAX);
    }

    /// Catches a door that is taken for open because it turned too often, and turns that are none.
    #[test]
    fn a_door_that_turned_too_often_is_shut() {
        let began = Instant::now();
        let line = Timeline::new(began, ms(0));
        line.turned(began, false);
        for turn in 0..2 * TURNS_MAX as u64 {
            line.turned(began + ms(turn), turn % 2 == 0);
        }
        let turns = line.view(began).turns;
        assert_eq!(turns[..2], [(ms(0), true), (ms(1), false)]);
        assert!(turns.len() <= TURNS_MAX + 1 && turns.last().unwrap().1);
    }
}
