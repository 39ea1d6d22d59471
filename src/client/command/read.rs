//! Reads of one key, and touch.

use async_memcached::{MetaValue, Status};

use super::exchange::{Answer, Asked, Command, Effect, check_name};
use crate::client::call::Item;
use crate::client::resp::{Expiry, Request, Said};
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

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"GET", self.key]))
    }

    fn understood(&self, said: Said) -> Option<Self::Reply> {
        value(said)
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

    /// No value has a unique number.
    fn resp(&self) -> Option<Request> {
        self.ttl.map(|ttl| prolonging(self.key, ttl))
    }

    fn understood(&self, said: Said) -> Option<Self::Reply> {
        value(said)
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

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"EXISTS", self.key]))
    }

    fn understood(&self, said: Said) -> Option<bool> {
        one(&said)
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

    /// `PERSIST` and `EXPIRE` say the same of a value without an expiry and of none: a read does not.
    fn resp(&self) -> Option<Request> {
        Some(match Expiry::of(self.ttl) {
            Some(Expiry { option: "PX", number }) => {
                Request::of(&[b"PEXPIRE", self.key, number.as_bytes()])
            }
            Some(Expiry { option: "EXAT", number }) => {
                Request::of(&[b"EXPIREAT", self.key, number.as_bytes()])
            }
            Some(_) => Request::of(&[b"DEL", self.key]),
            None => prolonging(self.key, self.ttl),
        })
    }

    fn understood(&self, said: Said) -> Option<bool> {
        match said {
            Said::Integer(_) => one(&said),
            said => value(said).map(|item| item.is_some()),
        }
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

    fn resp(&self) -> Option<Request> {
        Some(Request::of(&[b"EXISTS", self.key]))
    }

    fn understood(&self, said: Said) -> Option<()> {
        one(&said).map(drop)
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

/// A read in RESP that sets an expiry, or takes it away.
fn prolonging(key: &[u8], ttl: Ttl) -> Request {
    match Expiry::of(ttl) {
        Some(Expiry { option, number }) => {
            Request::of(&[b"GETEX", key, option.as_bytes(), number.as_bytes()])
        }
        None => Request::of(&[b"GETEX", key, b"PERSIST"]),
    }
}

/// A value of RESP, or none.
pub(super) fn value(said: Said) -> Option<Option<Item>> {
    match said {
        Said::Null => Some(None),
        Said::Bulk(bytes) => Some(Some(Item { value: bytes.to_vec(), ..Item::default() })),
        _ => None,
    }
}

/// Whether something was done to the one key.
pub(super) const fn one(said: &Said) -> Option<bool> {
    match said {
        Said::Integer(0) => Some(false),
        Said::Integer(1) => Some(true),
        _ => None,
    }
}
