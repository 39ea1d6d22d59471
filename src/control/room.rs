//! Who may keep a connection to the control API when there is no room for all.
//!
//! A connection costs a descriptor and some memory whether its client ever says anything or not. So
//! nobody waits at the door for those who sit and say nothing: a newcomer takes the place of whoever
//! has waited longest, first of those that never sent a whole request, then of those that rest between
//! two, then of those that listen to events. A request that is being handled is never cut off; only
//! when all places have one does a newcomer wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Places for connections. Clones are the same places.
#[derive(Clone, Debug)]
pub(super) struct Room {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    places: usize,
    guests: Mutex<Guests>,
    /// Told when a place may have become free.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Guests {
    /// Counts arrivals and changes of stage: the smaller, the longer ago.
    turn: u64,
    next: u64,
    seated: BTreeMap<u64, Seated>,
}

#[derive(Debug)]
struct Seated {
    stage: Stage,
    since: u64,
    sent_away: CancellationToken,
}

/// What a connection is doing, in the order in which connections have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// It has not sent a whole request yet.
    New,
    /// It was answered.
    Resting,
    /// It listens to events.
    Listening,
    /// Its request is being handled.
    Busy,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Room,
    number: u64,
    sent_away: CancellationToken,
}

impl Room {
    pub(super) fn new(places: usize) -> Self {
        let inner = Inner { places, guests: Mutex::default(), changed: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// A place for a newcomer, if need be somebody else's.
    pub(super) async fn enter(&self) -> Place {
        loop {
            let changed = self.inner.changed.notified();
            if let Some(place) = self.try_enter() {
                return place;
            }
            changed.await;
        }
    }

    fn try_enter(&self) -> Option<Place> {
        let mut guests = self.inner.guests.lock();
        if guests.seated.len() >= self.inner.places && !guests.send_away() {
            return None;
        }
        guests.turn += 1;
        guests.next += 1;
        let (number, since) = (guests.next, guests.turn);
        let sent_away = CancellationToken::new();
        let seated = Seated { stage: Stage::New, since, sent_away: sent_away.clone() };
        guests.seated.insert(number, seated);
        Some(Place { room: self.clone(), number, sent_away })
    }

    /// Sends somebody away, because the system has no descriptor left; whether there was anybody.
    pub(super) fn send_away(&self) -> bool {
        self.inner.guests.lock().send_away()
    }
}

impl Guests {
    fn send_away(&mut self) -> bool {
        let first = self.seated.iter().filter(|(_, guest)| guest.stage != Stage::Busy);
        let first = first.min_by_key(|(_, guest)| (guest.stage, guest.since));
        let Some(number) = first.map(|(number, _)| *number) else { return false };
        if let Some(guest) = self.seated.remove(&number) {
            guest.sent_away.cancel();
        }
        true
    }
}

impl Place {
    /// Returns when the place was given to somebody else.
    pub(super) async fn lost(&self) {
        self.sent_away.cancelled().await;
    }

    /// Whether no whole request has come yet.
    pub(super) fn is_new(&self) -> bool {
        let guests = self.room.inner.guests.lock();
        guests.seated.get(&self.number).is_some_and(|guest| guest.stage == Stage::New)
    }

    pub(super) fn turn(&self, stage: Stage) {
        let mut guests = self.room.inner.guests.lock();
        guests.turn += 1;
        let since = guests.turn;
        if let Some(guest) = guests.seated.get_mut(&self.number) {
            (guest.stage, guest.since) = (stage, since);
        }
        drop(guests);
        self.room.inner.changed.notify_waiters();
    }

    /// Keeps the place while its request is handled.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.turn(Stage::Busy);
        Busy(self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.inner.guests.lock().seated.remove(&self.number);
        self.room.inner.changed.notify_waiters();
    }
}

/// A request that is being handled, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy<'a>(&'a Place);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.turn(Stage::Resting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(room: &Room) -> Place {
        room.try_enter().unwrap()
    }

    /// Catches connections that say nothing and keep others out, and one that is sent away although
    /// somebody else has waited longer or has never asked for anything.
    #[test]
    fn whoever_says_nothing_goes_first() {
        let room = Room::new(4);
        let (listens, rests) = (enter(&room), enter(&room));
        listens.turn(Stage::Listening);
        drop(rests.busy());
        let (silent, later) = (enter(&room), enter(&room));
        for expected in [&silent, &later, &rests, &listens] {
            assert!(!expected.sent_away.is_cancelled());
            let newcomer = enter(&room);
            assert!(expected.sent_away.is_cancelled(), "{}", expected.number);
            // The newcomers ask, so that the next in line is one of the first four.
            newcomer.turn(Stage::Busy);
            std::mem::forget(newcomer);
        }
    }

    /// Catches a request that is cut off for a newcomer, and a newcomer that is kept waiting after a
    /// place has become free.
    #[tokio::test]
    async fn a_request_that_is_handled_is_never_cut_off() {
        let room = Room::new(1);
        let place = room.enter().await;
        let busy = place.busy();
        assert!(room.try_enter().is_none() && !room.send_away());
        let mut waiting = std::pin::pin!(room.enter());
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there is no place for it"),
            () = tokio::task::yield_now() => {}
        }
        drop(busy);
        assert_eq!(waiting.await.number, 2);
        assert!(place.sent_away.is_cancelled(), "it rests, and another needs the place");
    }

    /// Catches a place that is not given back.
    #[test]
    fn places_come_back() {
        let room = Room::new(2);
        for _ in 0..10 {
            let (first, second) = (enter(&room), enter(&room));
            assert!(first.is_new() && second.is_new());
        }
        assert!(room.inner.guests.lock().seated.is_empty());
    }
}
