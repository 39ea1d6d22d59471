//! Reads of one key, and touch.

use async_memcached::{AsciiProtocol, Client as Wire, MetaProtocol, MetaValue, Status};

use super::exchange::{Command, Effect, check_key};
use crate::client::call::Item;
use crate::client::trouble::Trouble;
use crate::client::ttl::Ttl;

/// `get`.
#[derive(Debug)]
pub(in crate::client) struct Get<'a> {
    pub(in crate::client) key: &'a [u8],
}

impl Command for Get<'_> {
    type Reply = Option<Item>;

    const EFFECT: Effect = Effect::Read;

    async fn run(&self, wire: &mut Wire) -> Result<Option<Item>, Trouble> {
        let value = wire.get(self.key).await.map_err(|error| Trouble::of(&error, false))?;
        let Some(value) = value else { return Ok(None) };
        if value.key != self.key {
            return Err(Trouble::surprise());
        }
        let bytes = value.data.unwrap_or_default();
        Ok(Some(Item { value: bytes, flags: value.flags.unwrap_or(0), cas: None }))
    }
}

/// `mg` with its value and unique number: gets, and gat when it sets an expiry.
#[derive(Debug)]
pub(in crate::client) struct MetaGet<'a> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) ttl: Option<Ttl>,
}

impl Command for MetaGet<'_> {
    type Reply = Option<Item>;

    /// An expiry that is set twice is set once.
    const EFFECT: Effect = Effect::Read;

    async fn run(&self, wire: &mut Wire) -> Result<Option<Item>, Trouble> {
        let Some(value) = meta_get(wire, self.key, &["v", "f", "c"], self.ttl).await? else {
            return Ok(None);
        };
        // It asked for the value and its number; a reply without them is to something else.
        if value.status != Some(Status::Value) || value.cas.is_none() {
            return Err(Trouble::surprise());
        }
        Ok(Some(item(value)))
    }
}

/// `mg` without a value: is it there?
#[derive(Debug)]
pub(in crate::client) struct Exists<'a> {
    pub(in crate::client) key: &'a [u8],
}

/// `mg` that only sets an expiry.
#[derive(Debug)]
pub(in crate::client) struct Touch<'a> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) ttl: Ttl,
}

impl Command for Exists<'_> {
    type Reply = bool;

    const EFFECT: Effect = Effect::Read;

    async fn run(&self, wire: &mut Wire) -> Result<bool, Trouble> {
        present(wire, self.key, None).await
    }
}

impl Command for Touch<'_> {
    type Reply = bool;

    const EFFECT: Effect = Effect::Repeatable;

    async fn run(&self, wire: &mut Wire) -> Result<bool, Trouble> {
        present(wire, self.key, Some(self.ttl)).await
    }
}

async fn present(wire: &mut Wire, key: &[u8], ttl: Option<Ttl>) -> Result<bool, Trouble> {
    match meta_get(wire, key, &[], ttl).await? {
        None => Ok(false),
        Some(value) if value.status == Some(Status::Exists) => Ok(true),
        Some(_) => Err(Trouble::surprise()),
    }
}

/// A meta value as an item.
pub(super) fn item(value: MetaValue) -> Item {
    Item { value: value.data.unwrap_or_default(), flags: value.flags.unwrap_or(0), cas: value.cas }
}

/// Sends `mg`; `None` is a miss. The key is asked back and compared, on a miss too when the node
/// gives it (memcached 1.6.18 does, later ones do not).
async fn meta_get(
    wire: &mut Wire,
    key: &[u8],
    wanted: &[&str],
    ttl: Option<Ttl>,
) -> Result<Option<MetaValue>, Trouble> {
    let expiry = ttl.map(|ttl| format!("T{}", ttl.on_the_wire()));
    let mut flags = Vec::with_capacity(wanted.len() + 2);
    flags.push("k");
    flags.extend_from_slice(wanted);
    flags.extend(expiry.as_deref());
    let value = wire
        .meta_get(key, false, None, Some(&flags))
        .await
        .map_err(|error| Trouble::of(&error, false))?;
    let Some(value) = value else { return Ok(None) };
    check_key(&value, key)?;
    Ok((value.status != Some(Status::NotFound)).then_some(value))
}
