//! Reads of several keys of one node.

use async_memcached::Status;

use super::exchange::{Answer, Asked, Command, Effect};
use super::read::{item, value};
use crate::client::call::Item;
use crate::client::resp::{Request, Said};
use crate::client::standing::{Manner, Standing, Unnamed};
use crate::client::transport::Transport;
use crate::client::trouble::Trouble;

/// The most keys in one batch: at memcached's 1 MB limit a reply stays below 64 MB, and a batch of
/// usual values is parsed in one read. More keys go in further batches on the same node.
pub(in crate::client) const BATCH_KEYS_MAX: usize = 64;

/// Quiet `mg`s and an `mn`: only hits come back, each with its key and the batch's token. What ends
/// the batch has no name, so a batch without hits could have been ended by another one's end.
#[derive(Debug)]
pub(in crate::client) struct GetMany<'a> {
    /// The keys as sent, each once, in rising order.
    pub(in crate::client) keys: &'a [&'a [u8]],
}

impl Command for GetMany<'_> {
    /// For each key its item or a miss.
    type Reply = Vec<Option<Item>>;

    const EFFECT: Effect = Effect::Read;

    /// One `mg` for each key, and `mn`.
    fn lines(&self) -> u32 {
        u32::try_from(self.keys.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn manner(&self, standing: Standing) -> Manner {
        standing.never_named(|last| last == Unnamed::Batch)
    }

    async fn run(
        &self,
        link: &mut Transport,
        asked: Asked<'_>,
    ) -> Result<Answer<Self::Reply>, Trouble> {
        let token = asked.token();
        let values = link
            .meta_get_many(self.keys, &["v", "f", token.flag()])
            .await
            .map_err(|error| Trouble::of(&error, false))?;
        let is_empty = values.is_empty();
        let mut items: Vec<Option<Item>> = vec![None; self.keys.len()];
        for value in values {
            let place = value.key.as_deref().and_then(|key| self.keys.binary_search(&key).ok());
            let slot = place.and_then(|place| items.get_mut(place));
            let is_ours = value.opaque_token.as_deref() == Some(token.bytes())
                && value.status == Some(Status::Value);
            match slot {
                // A key that was not asked for, one that came twice, another batch's token, a reply
                // without a value: all say that these are not the replies to this batch alone.
                Some(slot) if slot.is_none() && is_ours => *slot = Some(item(value)),
                _ => return Err(Trouble::surprise()),
            }
        }
        Ok(if is_empty { Answer::unnamed(items, Unnamed::Batch) } else { Answer::named(items) })
    }

    fn resp(&self) -> Option<Request> {
        let words: Vec<&[u8]> =
            [b"MGET".as_slice()].into_iter().chain(self.keys.iter().copied()).collect();
        Some(Request::of(&words))
    }

    fn understood(&self, said: Said) -> Option<Self::Reply> {
        let Said::Array(all) = said else { return None };
        let items: Option<Self::Reply> = all.into_iter().map(value).collect();
        items.filter(|items| items.len() == self.keys.len())
    }
}
