//! The calls that a driver has under way.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::speech::Answer;

/// An answer, and when it was there; `None`: the driver is gone.
pub(super) type Told = Option<(Answer, Instant)>;

/// One call.
#[derive(Debug)]
struct Call {
    op: &'static str,
    asked: Instant,
    /// `None`: whoever called has given up.
    caller: Option<oneshot::Sender<Told>>,
    /// Its key, once it was given up.
    key: String,
    /// Its slot: a call that nobody waits for any more still keeps the driver busy.
    _slot: OwnedSemaphorePermit,
}

/// A call that was given up and has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// The operation, as the protocol of drivers calls it.
    pub op: &'static str,
    /// The key, the first of several, or its base64.
    pub key: String,
    /// For how long it has been under way.
    pub age: Duration,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Calls {
    last: u64,
    under_way: BTreeMap<u64, Call>,
}

impl Calls {
    /// A call begins; returns its number and where its answer comes.
    pub(super) fn begin(
        &mut self,
        op: &'static str,
        slot: OwnedSemaphorePermit,
        asked: Instant,
    ) -> (u64, oneshot::Receiver<Told>) {
        self.last += 1;
        let (caller, answer) = oneshot::channel();
        self.under_way.insert(
            self.last,
            Call { op, asked, caller: Some(caller), key: String::new(), _slot: slot },
        );
        (self.last, answer)
    }

    /// The driver answered call `id`.
    ///
    /// # Errors
    /// When there is no such call: it was answered before, or never made.
    pub(super) fn answered(&mut self, id: u64, answer: Answer, at: Instant) -> Result<(), String> {
        let Some(call) = self.under_way.remove(&id) else {
            let how = if (1..=self.last).contains(&id) { "a second time" } else { "unasked" };
            return Err(format!("operation {id} is answered {how} (with `{}`)", answer.name()));
        };
        if !answer.fits(call.op) {
            return Err(format!("a `{}` cannot come to `{}`", call.op, answer.name()));
        }
        if let Some(caller) = call.caller {
            // Gone in this moment: as good as given up.
            let _ = caller.send(Some((answer, at)));
        }
        Ok(())
    }

    /// Whoever made call `id` for this key gives up; whether it was under way.
    pub(super) fn give_up(&mut self, id: u64, key: &str) -> bool {
        let waited_for = self.under_way.get_mut(&id).filter(|call| call.caller.is_some());
        waited_for.is_some_and(|call| {
            key.clone_into(&mut call.key);
            call.caller.take().is_some()
        })
    }

    /// Those under way for which nobody waits any more, the longest first.
    pub(super) fn open(&self, now: Instant) -> Vec<OpenCall> {
        let given_up = self.under_way.values().filter(|call| call.caller.is_none());
        // In the order in which they were asked.
        let open = given_up.map(|call| OpenCall {
            op: call.op,
            key: call.key.clone(),
            age: now.saturating_duration_since(call.asked),
        });
        open.collect()
    }

    /// The driver is gone: nothing will be answered.
    pub(super) fn abandon(&mut self) {
        for call in std::mem::take(&mut self.under_way).into_values() {
            if let Some(caller) = call.caller {
                let _ = caller.send(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    fn slot(slots: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        Arc::clone(slots).try_acquire_owned().unwrap()
    }

    /// Catches an answer that reaches another call, a second answer that is taken, and a call that was
    /// given up and frees its slot before the driver is done with it.
    #[test]
    fn every_call_is_answered_once() {
        let slots = Arc::new(Semaphore::new(2));
        let mut calls = Calls::default();
        let now = Instant::now();
        let (first, mut told) = calls.begin("get", slot(&slots), now);
        let (second, _) = calls.begin("set", slot(&slots), now);
        assert!(calls.give_up(second, "k:2") && !calls.give_up(second, "k:3"));
        let later = Duration::from_secs(9);
        let open = OpenCall { op: "set", key: "k:2".to_owned(), age: later };
        assert_eq!(calls.open(now + later), [open], "the first has somebody who waits");
        assert_eq!(slots.available_permits(), 0, "the driver still works on it");
        calls.answered(first, Answer::Miss, now).unwrap();
        assert_eq!(told.try_recv().unwrap(), Some((Answer::Miss, now)));
        let error = calls.answered(first, Answer::Miss, now).unwrap_err();
        assert_eq!(error, "operation 1 is answered a second time (with `miss`)");
        let error = calls.answered(9, Answer::Miss, now).unwrap_err();
        assert_eq!(error, "operation 9 is answered unasked (with `miss`)");
        let error = calls.answered(second, Answer::Miss, now).unwrap_err();
        assert_eq!(error, "a `set` cannot come to `miss`");
        assert_eq!((slots.available_permits(), calls.under_way.len()), (2, 0));
        let (_, mut told) = calls.begin("get", slot(&slots), now);
        calls.abandon();
        assert_eq!(told.try_recv().unwrap(), None);
    }
}
