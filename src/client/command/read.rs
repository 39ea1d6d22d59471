//! Reads of one key, and touch.

use async_memcached::{MetaValue, Status};

use super::exchange::{Answer, Asked, Command, Effect, check_name};
use crate::client::call::Item;
use crate::client::standing::{Manner, Standing, Unnamed};
use crate::client::transport::Transport;
use crate::client::trouble::Trouble;
use crate::client::ttl::Ttl;

/// `get`, or `mg` when it must be named.
#[derive(Debug)]
pub(in crate::client) struct Get<'a> {
    pub(in crate::client) key: &'a [u8],
}

impl Command for Get<'_> {
    type Reply = Option<Item>;

    const EFFECT: Effect = Effect::Read;

    fn manner(&self, standing: Standing) -> Manner {
        standing.manner(|last| match last {
            Unnamed::Miss => true,
            Unnamed::Value(_) => last == Unnamed::value_of(self.key),
            _ => false,
        })
    }

    async fn run(
        &self,
        link: &mut Transport,
        asked: Asked<'_>,
    ) -> Result<Answer<Self::Reply>, Trouble> {
        if asked.named {
            let value = meta_get(link, self.key, &["v", "f"], None, asked).await?;
            return Ok(Answer::named(value.map(with_value).transpose()?));
        }
        let value = link.get(self.key).await.map_err(|error| Trouble::of(&error, false))?;
        let Some(value) = value else {
            return Ok(Answer::unnamed(None, Unnamed::Miss));
        };
        if value.key != self.key {
            return Err(Trouble::surprise());
        }
        let bytes = value.data.unwrap_or_default();
        let item = Item { value: bytes, flags: value.flags.unwrap_or(0), cas: None };
        Ok(Answer::unnamed(Some(item), Unnamed::value_of(self.key)))
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

    fn manner(&self, standing: Standing) -> Manner {
        standing.always_named()
    }

    async fn run(
        &self,
        link: &mut Transport,
        asked: Asked<'_>,
    ) -> Result<Answer<Self::Reply>, Trouble> {
        let Some(value) = meta_get(link, self.key, &["v", "f", "c"], self.ttl, asked).await? else {
            return Ok(Answer::named(None));
        };
        // It asked for the unique number; a reply without it is to something else.
        if value.cas.is_none() {
            return Err(Trouble::surprise());
        }
        Ok(Answer::named(Some(with_value(value)?)))
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

    fn manner(&self, standing: Standing) -> Manner {
        standing.always_named()
    }

    async fn run(&self, link: &mut Transport, asked: Asked<'_>) -> Result<Answer<bool>, Trouble> {
        present(link, self.key, None, asked).await
    }
}

impl Command for Touch<'_> {
    type Reply = bool;

    const EFFECT: Effect = Effect::Repeatable;

    fn manner(&self, standing: Standing) -> Manner {
        standing.always_named()
    }

    async fn run(&self, link: &mut Transport, asked: Asked<'_>) -> Result<Answer<bool>, Trouble> {
        present(link, self.key, Some(self.ttl), asked).await
    }
}

/// Whether a connection is in step: the answer to this `mg` must be the next thing on it. The key
/// need not exist.
#[derive(Debug)]
pub(in crate::client) struct Check<'a> {
    pub(in crate::client) key: &'a [u8],
}

impl Command for Check<'_> {
    type Reply = ();

    const EFFECT: Effect = Effect::Read;

    fn manner(&self, _: Standing) -> Manner {
        Manner::Named
    }

    async fn run(&self, link: &mut Transport, asked: Asked<'_>) -> Result<Answer<()>, Trouble> {
        present(link, self.key, None, asked).await.map(|_| Answer::named(()))
    }
}

async fn present(
    link: &mut Transport,
    key: &[u8],
    ttl: Option<Ttl>,
    asked: Asked<'_>,
) -> Result<Answer<bool>, Trouble> {
    match meta_get(link, key, &[], ttl, asked).await? {
        None => Ok(Answer::named(false)),
        Some(value) if value.status == Some(Status::Exists) => Ok(Answer::named(true)),
        Some(_) => Err(Trouble::surprise()),
    }
}

/// A reply that must have a value, as an item.
fn with_value(value: MetaValue) -> Result<Item, Trouble> {
    if value.status == Some(Status::Value) { Ok(item(value)) } else { Err(Trouble::surprise()) }
}

/// A meta value as an item.
pub(super) fn item(value: MetaValue) -> Item {
    Item { value: value.data.unwrap_or_default(), flags: value.flags.unwrap_or(0), cas: value.cas }
}

/// Sends `mg`; `None` is a miss, which has to name its request as well.
async fn meta_get(
    link: &mut Transport,
    key: &[u8],
    wanted: &[&str],
    ttl: Option<Ttl>,
    asked: Asked<'_>,
) -> Result<Option<MetaValue>, Trouble> {
    let token = asked.token();
    let expiry = ttl.map(|ttl| format!("T{}", ttl.on_the_wire()));
    let mut flags = Vec::with_capacity(wanted.len() + 2);
    flags.push("k");
    flags.extend_from_slice(wanted);
    flags.extend(expiry.as_deref());
    let value = link
        .meta_get(key, &token, &flags)
        .await
        .map_err(|error| Trouble::of(&error, false))?
        .ok_or_else(Trouble::surprise)?;
    check_name(&value, key, &token)?;
    Ok((value.status != Some(Status::NotFound)).then_some(value))
}
