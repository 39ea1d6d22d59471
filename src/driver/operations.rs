//! The operations, as [`crate::client::Client`] has them.

use super::handle::Driver;
use super::outcome::{class_of, item};
use super::speech::{Answer, Request};
use crate::base::carried::{Mark, Sighting};
use crate::base::name::NodeIndex;
use crate::client::{Call, Failure, Item, Keep, KeyAnswer, MultiCall, Store, Trace, Ttl};
use crate::protocol::memcached::frame::key::Key;
use crate::protocol::memcached::frame::observe::LINE_BYTES_MAX;

impl Driver {
    /// Reads a value.
    pub async fn get(&self, key: &Key) -> Call<Option<Item>> {
        self.read("get", key, None).await
    }

    /// Reads a value with its unique number.
    pub async fn gets(&self, key: &Key) -> Call<Option<Item>> {
        self.read("gets", key, None).await
    }

    /// Reads a value and sets a new expiry.
    pub async fn gat(&self, key: &Key, ttl: Ttl) -> Call<Option<Item>> {
        self.read("gat", key, Some(ttl)).await
    }

    /// Reads several values.
    pub async fn get_multi(&self, keys: &[Key]) -> MultiCall {
        let marks: Vec<Mark> = keys.iter().map(|key| self.mark(key)).collect();
        let look = |mark: &Mark| self.look(*mark);
        let before: Vec<Sighting> = marks.iter().map(look).collect();
        let named: Vec<String> = keys.iter().map(|key| self.named(key)).collect();
        // Of a longer line the proxies do not see every key.
        let is_shown = named.iter().map(|name| name.len() + 1).sum::<usize>() < LINE_BYTES_MAX;
        let request = Request::many(named.iter().map(String::as_str).collect());
        let mut trace = Trace::new(NodeIndex(0));
        let answer = self.exchange(&request, &mut trace).await;
        let mut entries = Vec::with_capacity(keys.len());
        let mut answers = Vec::with_capacity(keys.len());
        let mut traces: Vec<Trace> = Vec::new();
        let mut hits = match answer {
            Some(Answer::Hits(hits)) => Ok(hits),
            other => Err(class_of(other.as_ref())),
        };
        for ((mark, before), named) in marks.iter().zip(&before).zip(&named) {
            let after = self.look(*mark);
            let seen = self.seen(*before, after);
            let home = after.first.unwrap_or(NodeIndex(0));
            let entry = match &mut hits {
                Err(class) => Err(Failure::Error(*class)),
                Ok(hits) => match hits.remove(named.as_str()) {
                    Some(Ok(value)) => Ok(value.map(item)),
                    Some(Err(failed)) => {
                        self.keep_words(&failed);
                        Err(Failure::Error(failed.class))
                    }
                    // A key that is not there was not found, for whoever uses such a client.
                    None => Ok(None),
                },
            };
            let is_unanswered = is_shown && seen.is_unanswered(*before);
            if matches!(entry, Ok(None)) && is_unanswered {
                self.count_unanswered();
            }
            entries.push(entry);
            let served_by = after.last.filter(|_| seen.may_be_answered());
            answers.push(KeyAnswer { served_by, is_sure: seen.is_answered(), is_unanswered });
            if !traces.iter().any(|trace| trace.home == home) {
                let attempts = seen.attempts();
                traces.push(Trace { home, served_by, attempts, needed: 1, ..trace });
            }
        }
        traces.sort_unstable_by_key(|trace| trace.home);
        trace.home = traces.first().map_or(NodeIndex(0), |first| first.home);
        trace.served_by = traces.iter().find_map(|trace| trace.served_by);
        trace.attempts = traces.iter().map(|trace| trace.attempts).sum();
        trace.needed = u32::try_from(traces.len()).unwrap_or(u32::MAX);
        MultiCall { entries, answers, traces, trace }
    }

    /// Stores a value.
    pub async fn set(&self, key: &Key, value: &[u8], keep: impl Into<Keep>) -> Call<Store> {
        self.keep("set", key, value, keep.into()).await
    }

    /// Stores a value if there is none.
    pub async fn add(&self, key: &Key, value: &[u8], keep: impl Into<Keep>) -> Call<Store> {
        self.keep("add", key, value, keep.into()).await
    }

    /// Stores a value if there is one.
    pub async fn replace(&self, key: &Key, value: &[u8], keep: impl Into<Keep>) -> Call<Store> {
        self.keep("replace", key, value, keep.into()).await
    }

    /// Puts bytes behind a value.
    pub async fn append(&self, key: &Key, value: &[u8], ttl: Ttl) -> Call<Store> {
        self.keep("append", key, value, ttl.into()).await
    }

    /// Puts bytes before a value.
    pub async fn prepend(&self, key: &Key, value: &[u8], ttl: Ttl) -> Call<Store> {
        self.keep("prepend", key, value, ttl.into()).await
    }

    /// Stores a value if it still has this unique number.
    pub async fn cas(
        &self,
        key: &Key,
        value: &[u8],
        keep: impl Into<Keep>,
        unique: u64,
    ) -> Call<Store> {
        let named = self.named(key);
        let request = self.kept(self.request("cas", &named), value, keep.into()).cas(unique);
        self.store(key, request).await
    }

    /// Removes a value; `false` when there was none.
    pub async fn delete(&self, key: &Key) -> Call<bool> {
        let named = self.named(key);
        let request = self.request("delete", &named);
        self.change(key, request, |answer| match answer {
            Answer::Deleted => Some(true),
            Answer::NotFound => Some(false),
            _ => None,
        })
        .await
    }

    /// Adds to a counter; `None` when there is none.
    pub async fn incr(&self, key: &Key, by: u64) -> Call<Option<u64>> {
        self.count("incr", key, by).await
    }

    /// Subtracts from a counter; `None` when there is none.
    pub async fn decr(&self, key: &Key, by: u64) -> Call<Option<u64>> {
        self.count("decr", key, by).await
    }

    /// Sets a new expiry; `false` when there is no value.
    pub async fn touch(&self, key: &Key, ttl: Ttl) -> Call<bool> {
        let named = self.named(key);
        let request = self.request("touch", &named).ttl_s(ttl.as_it_stands());
        self.change(key, request, |answer| match answer {
            Answer::Touched => Some(true),
            Answer::NotFound => Some(false),
            _ => None,
        })
        .await
    }
}
