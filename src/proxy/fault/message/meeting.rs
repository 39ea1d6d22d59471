//! Where replies of two connections meet that are to change places.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::protocol::speech::Dialect;

/// One reply at most, which waits for one of another connection.
#[derive(Debug, Default)]
pub(super) struct Meeting(Mutex<Option<Waiting>>);

/// A reply that waits.
#[derive(Debug)]
struct Waiting {
    dialect: Dialect,
    /// The key whose value it is; `None`: it has no value.
    of: Option<Vec<u8>>,
    reply: Bytes,
    /// Where the other one comes.
    other: Arc<Mutex<Option<Bytes>>>,
    waker: Waker,
}

/// What came of a reply that is to change places.
#[derive(Debug)]
pub(super) enum Met {
    /// This is the other one.
    Other(Bytes),
    /// It waits for one.
    Waits(Ticket),
    /// The one that waits says the same, or in another dialect, or no client could tell the two apart.
    Nothing,
}

impl Meeting {
    /// A reply has come, the value of the key `of` if it is one. `waker` wakes its connection when the
    /// other is there. Two values of one key, or a value and none, keep their places: whoever gets the
    /// other has no means to notice.
    pub(super) fn meet(
        self: &Arc<Self>,
        dialect: Dialect,
        of: Option<Vec<u8>>,
        reply: &Bytes,
        waker: &Waker,
    ) -> Met {
        let mut place = self.0.lock();
        match place.take() {
            None => {
                let (reply, other) = (reply.clone(), Arc::default());
                let ticket = Ticket { meeting: Arc::clone(self), other: Arc::clone(&other) };
                *place = Some(Waiting { dialect, of, reply, other, waker: waker.clone() });
                Met::Waits(ticket)
            }
            Some(waiting)
                if waiting.dialect != dialect
                    || waiting.reply == *reply
                    || waiting.of.is_some() != of.is_some()
                    || (of.is_some() && waiting.of == of) =>
            {
                *place = Some(waiting);
                Met::Nothing
            }
            Some(waiting) => {
                *waiting.other.lock() = Some(reply.clone());
                waiting.waker.wake();
                Met::Other(waiting.reply)
            }
        }
    }
}

/// The claim of a connection whose reply waits. Dropped, it waits no longer.
#[derive(Debug)]
pub(super) struct Ticket {
    meeting: Arc<Meeting>,
    other: Arc<Mutex<Option<Bytes>>>,
}

impl Ticket {
    /// Whether the other one is there.
    pub(super) fn is_met(&self) -> bool {
        self.other.lock().is_some()
    }

    /// The other one, if it came; the reply waits no longer.
    pub(super) fn take(self) -> Option<Bytes> {
        self.leave();
        self.other.lock().take()
    }

    fn leave(&self) {
        let mut place = self.meeting.0.lock();
        drop(place.take_if(|waiting| Arc::ptr_eq(&waiting.other, &self.other)));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(meeting: &Arc<Meeting>, reply: &'static str) -> Met {
        meet_as(meeting, None, reply)
    }

    fn meet_as(meeting: &Arc<Meeting>, of: Option<&str>, reply: &'static str) -> Met {
        let of = of.map(|key| key.as_bytes().to_vec());
        meeting.meet(Dialect::Resp, of, &Bytes::from_static(reply.as_bytes()), Waker::noop())
    }

    /// Catches an older value of the same key, or a miss in the place of a value: an honest client would be
    /// accused of stale reads and false misses.
    #[test]
    fn what_nobody_could_tell_apart_stays() {
        let meeting = Arc::new(Meeting::default());
        let waits = meet_as(&meeting, Some("k"), "new");
        assert!(matches!(meet_as(&meeting, Some("k"), "old"), Met::Nothing));
        assert!(matches!(meet_as(&meeting, None, "END"), Met::Nothing));
        assert!(
            matches!(meet_as(&meeting, Some("j"), "other"), Met::Other(reply) if reply == "new")
        );
        drop(waits);
    }

    /// Catches a reply that is given to two, one that is given away after its connection has gone on, and
    /// two of the same words that count as an exchange.
    #[test]
    fn two_replies_change_places_once() {
        let meeting = Arc::new(Meeting::default());
        let Met::Waits(first) = meet(&meeting, "a") else { panic!("there was another") };
        assert!(matches!(meet(&meeting, "a"), Met::Nothing) && !first.is_met());
        assert!(matches!(meet(&meeting, "b"), Met::Other(reply) if reply == "a"));
        assert_eq!(first.take().as_deref(), Some(&b"b"[..]));
        let Met::Waits(gone) = meet(&meeting, "c") else { panic!("`a` was given to two") };
        assert_eq!(gone.take(), None);
        drop(meet(&meeting, "d"));
        assert!(matches!(meet(&meeting, "e"), Met::Waits(_)), "who waited has gone");
    }
}
