//! Writes with a data block.

use async_memcached::{Error, Status};

use super::exchange::{Answer, Asked, Command, Effect, check_name};
use super::server::is_ok;
use crate::client::call::Store;
use crate::client::keep::Keep;
use crate::client::resp::{Expiry, Request, Said};
use crate::client::standing::{Manner, Standing, Unnamed};
use crate::client::transport::Transport;
use crate::client::trouble::Trouble;

/// `set`, or `add` when `ONLY_NEW`; `ms` when it must be named.
#[derive(Debug)]
pub(in crate::client) struct PlainStore<'a, const ONLY_NEW: bool> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) value: &'a [u8],
    pub(in crate::client) keep: Keep,
}

impl<const ONLY_NEW: bool> Command for PlainStore<'_, ONLY_NEW> {
    type Reply = Store;

    const EFFECT: Effect = if ONLY_NEW { Effect::Once } else { Effect::Repeatable };

    fn manner(&self, standing: Standing) -> Manner {
        standing.manner(|last| last == Unnamed::Stored)
    }

    async fn run(&self, link: &mut Transport, asked: Asked<'_>) -> Result<Answer<Store>, Trouble> {
        if asked.named {
            let mode = if ONLY_NEW { Mode::Add } else { Mode::Set };
            let Self { key, value, keep } = *self;
            return meta_store(link, &MetaStore { key, value, keep, mode }, asked).await;
        }
        let reply = link.store(ONLY_NEW, self.key, self.value, self.keep).await;
        let reply = match reply {
            Ok(()) => Store::Stored,
            Err(Error::Protocol(Status::NotStored)) if ONLY_NEW => Store::NotStored,
            Err(error) => return Err(Trouble::of(&error, true)),
        };
        Ok(Answer::unnamed(reply, Unnamed::Stored))
    }

    fn resp(&self) -> Option<Request> {
        let mode = if ONLY_NEW { Mode::Add } else { Mode::Set };
        let Self { key, value, keep } = *self;
        MetaStore { key, value, keep, mode }.resp()
    }

    fn understood(&self, said: Said) -> Option<Store> {
        stored(&said, ONLY_NEW)
    }
}

/// Under which condition, and how, a meta store stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Mode {
    /// In any case.
    Set,
    /// Only where there is no value.
    Add,
    /// Only over an existing value.
    Replace,
    /// Behind the existing value.
    Append,
    /// Before the existing value.
    Prepend,
    /// Only over the value with this unique number.
    Unique(u64),
}

impl Mode {
    /// What a status says in this mode; `None`: no reply to it has that status.
    fn outcome(self, status: Option<&Status>) -> Option<Store> {
        match (status?, self) {
            (Status::Stored, _) => Some(Store::Stored),
            (Status::NotStored, Self::Add | Self::Replace | Self::Append | Self::Prepend) => {
                Some(Store::NotStored)
            }
            (Status::Exists, Self::Unique(_)) => Some(Store::Exists),
            (Status::NotFound, Self::Unique(_)) => Some(Store::NotFound),
            _ => None,
        }
    }
}

/// `ms` in one of its modes.
#[derive(Debug)]
pub(in crate::client) struct MetaStore<'a> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) value: &'a [u8],
    pub(in crate::client) keep: Keep,
    pub(in crate::client) mode: Mode,
}

impl Command for MetaStore<'_> {
    type Reply = Store;

    /// A second append adds twice and a second cas finds its own change. Replace could be repeated,
    /// but shares the rule: one that is not known to be applied is reported as such.
    const EFFECT: Effect = Effect::Once;

    fn manner(&self, standing: Standing) -> Manner {
        standing.always_named()
    }

    async fn run(&self, link: &mut Transport, asked: Asked<'_>) -> Result<Answer<Store>, Trouble> {
        meta_store(link, self, asked).await
    }

    /// `APPEND` makes what is not there; nothing puts bytes before a value, or asks for a unique number.
    fn resp(&self) -> Option<Request> {
        let condition: &[&[u8]] = match self.mode {
            Mode::Set => &[],
            Mode::Add => &[b"NX"],
            Mode::Replace => &[b"XX"],
            Mode::Append | Mode::Prepend | Mode::Unique(_) => return None,
        };
        let expiry = Expiry::of(self.keep.ttl);
        let expiry = expiry.iter().flat_map(|it| [it.option.as_bytes(), it.number.as_bytes()]);
        let words = [b"SET".as_slice(), self.key, self.value].into_iter();
        let words: Vec<&[u8]> = words.chain(condition.iter().copied()).chain(expiry).collect();
        Some(Request::of(&words))
    }

    fn understood(&self, said: Said) -> Option<Store> {
        stored(&said, self.mode != Mode::Set)
    }
}

async fn meta_store(
    link: &mut Transport,
    store: &MetaStore<'_>,
    asked: Asked<'_>,
) -> Result<Answer<Store>, Trouble> {
    let token = asked.token();
    let expiry = format!("T{}", store.keep.ttl.on_the_wire());
    let client_flags = format!("F{}", store.keep.flags);
    let unique;
    let (mode, keeps_the_rest) = match store.mode {
        Mode::Set => (None, false),
        Mode::Add => (Some("ME"), false),
        Mode::Replace => (Some("MR"), false),
        Mode::Append => (Some("MA"), true),
        Mode::Prepend => (Some("MP"), true),
        Mode::Unique(number) => {
            unique = format!("C{number}");
            (Some(unique.as_str()), false)
        }
    };
    let mut flags = vec!["k"];
    if !keeps_the_rest {
        flags.push(&expiry);
        flags.extend((store.keep.flags != 0).then_some(client_flags.as_str()));
    }
    flags.extend(mode);
    let value = match link.meta_set(store.key, store.value, &token, &flags).await {
        Ok(Some(value)) => value,
        // Every reply to it has key and token, so one without is to something else.
        Ok(None) | Err(Error::Protocol(Status::Stored | Status::NotStored)) => {
            return Err(Trouble::surprise());
        }
        Err(error) => return Err(Trouble::of(&error, true)),
    };
    check_name(&value, store.key, &token)?;
    let outcome = store.mode.outcome(value.status.as_ref());
    outcome.map(Answer::named).ok_or_else(Trouble::surprise)
}

/// What a store in RESP came to.
fn stored(said: &Said, has_condition: bool) -> Option<Store> {
    match said {
        Said::Null if has_condition => Some(Store::NotStored),
        said if is_ok(said) => Some(Store::Stored),
        _ => None,
    }
}
