//! Calls on keys of any bytes: what a client does with one that memcached does not take.

use super::handle::Driver;
use super::outcome::{class_of, item};
use super::speech::{Answer, Request};
use crate::base::carried::Mark;
use crate::base::name::NodeIndex;
use crate::client::{Call, Failure, Item, Keep, Store, Trace};

impl Driver {
    /// What the keys of the run begin with.
    #[must_use]
    pub fn key_prefix(&self) -> &str {
        self.prefix()
    }

    /// Reads the value of `key`, which the client is told as it stands; and whether a node was asked
    /// meanwhile for the key as it stands, and for `head`.
    pub async fn get_any(&self, key: &[u8], head: &[u8]) -> (Call<Option<Item>>, [bool; 2]) {
        let request = Request::new("get", key);
        let (answer, trace, seen) = self.ask_any(key, head, &request).await;
        let result = match answer {
            Some(Answer::Hit(value)) => Ok(Some(item(value))),
            Some(Answer::Miss) => Ok(None),
            other => Err(Failure::Error(class_of(other.as_ref()))),
        };
        (Call { result, trace }, seen)
    }

    /// Stores a value under `key`, in the same way.
    pub async fn set_any(
        &self,
        key: &[u8],
        head: &[u8],
        value: &[u8],
        keep: Keep,
    ) -> (Call<Store>, [bool; 2]) {
        let request = self.kept(Request::new("set", key), value, keep);
        let (answer, trace, seen) = self.ask_any(key, head, &request).await;
        let result = match answer {
            Some(Answer::Stored) => Ok(Store::Stored),
            Some(Answer::NotStored) => Ok(Store::NotStored),
            other => Err(Failure::Error(class_of(other.as_ref()))),
        };
        (Call { result, trace }, seen)
    }

    async fn ask_any(
        &self,
        key: &[u8],
        head: &[u8],
        request: &Request<'_>,
    ) -> (Option<Answer>, Trace, [bool; 2]) {
        let marks = [Mark::of(&[key]), Mark::of(&[head])];
        let before = marks.map(|mark| self.look(mark));
        let mut trace = Trace::new(before[0].first.unwrap_or(NodeIndex(0)));
        trace.needed = 1;
        let answer = self.exchange(request, &mut trace).await;
        let after = marks.map(|mark| self.look(mark));
        let [whole, head_asked] = [0, 1].map(|place| self.seen(before[place], after[place]));
        trace.home = after[0].first.or(after[1].first).unwrap_or(trace.home);
        trace.served_by = after[0].last.filter(|_| whole.may_be_answered());
        trace.attempts = whole.attempts();
        trace.requests = u32::from(whole.requests);
        (answer, trace, [whole.requests > 0, key != head && head_asked.requests > 0])
    }
}
