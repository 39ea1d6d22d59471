//! Reads of several keys of one node.

use async_memcached::{Client as Wire, MetaProtocol, Status};

use super::exchange::{Command, Effect};
use super::read::item;
use crate::client::call::Item;
use crate::client::trouble::Trouble;

/// The most keys in one batch: at memcached's 1 MB limit a reply stays below 64 MB, and a batch of
/// usual values is parsed in one read. More keys go in further batches on the same node.
pub(in crate::client) const BATCH_KEYS_MAX: usize = 64;

/// Quiet `mg`s and an `mn`: only hits come back, each with its key.
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

    async fn run(&self, wire: &mut Wire) -> Result<Self::Reply, Trouble> {
        let values = wire
            .meta_get_multi(self.keys, Some(&["v", "f"]))
            .await
            .map_err(|error| Trouble::of(&error, false))?;
        let mut items: Vec<Option<Item>> = vec![None; self.keys.len()];
        for value in values {
            let place = value.key.as_deref().and_then(|key| self.keys.binary_search(&key).ok());
            let slot = place.and_then(|place| items.get_mut(place));
            match slot {
                // A key that was not asked for, one that came twice, a reply without a value: all
                // say that these are not the replies to this batch alone.
                Some(slot) if slot.is_none() && value.status == Some(Status::Value) => {
                    *slot = Some(item(value));
                }
                _ => return Err(Trouble::surprise()),
            }
        }
        Ok(items)
    }
}
