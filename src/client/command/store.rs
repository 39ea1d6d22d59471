//! Writes with a data block.

use async_memcached::{AsciiProtocol, Client as Wire, Error, MetaProtocol, Status};

use super::exchange::{Command, Effect, check_key};
use crate::client::call::Store;
use crate::client::trouble::Trouble;
use crate::client::ttl::Ttl;

/// `set`, or `add` when `ONLY_NEW`.
#[derive(Debug)]
pub(in crate::client) struct PlainStore<'a, const ONLY_NEW: bool> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) value: &'a [u8],
    pub(in crate::client) ttl: Ttl,
}

impl<const ONLY_NEW: bool> Command for PlainStore<'_, ONLY_NEW> {
    type Reply = Store;

    const EFFECT: Effect = if ONLY_NEW { Effect::Once } else { Effect::Repeatable };

    async fn run(&self, wire: &mut Wire) -> Result<Store, Trouble> {
        let ttl = Some(self.ttl.on_the_wire());
        let reply = if ONLY_NEW {
            wire.add(self.key, self.value, ttl, None).await
        } else {
            wire.set(self.key, self.value, ttl, None).await
        };
        match reply {
            Ok(()) => Ok(Store::Stored),
            Err(Error::Protocol(Status::NotStored)) => Ok(Store::NotStored),
            Err(error) => Err(Trouble::of(&error, true)),
        }
    }
}

/// Under which condition, and how, a meta store stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Mode {
    /// Only over an existing value.
    Replace,
    /// Behind the existing value.
    Append,
    /// Before the existing value.
    Prepend,
    /// Only over the value with this unique number.
    Unique(u64),
}

/// `ms` in one of its modes.
#[derive(Debug)]
pub(in crate::client) struct MetaStore<'a> {
    pub(in crate::client) key: &'a [u8],
    pub(in crate::client) value: &'a [u8],
    pub(in crate::client) ttl: Ttl,
    pub(in crate::client) mode: Mode,
}

impl Command for MetaStore<'_> {
    type Reply = Store;

    /// A second append adds twice and a second cas finds its own change. Replace could be repeated,
    /// but shares the rule: one that is not known to be applied is reported as such.
    const EFFECT: Effect = Effect::Once;

    async fn run(&self, wire: &mut Wire) -> Result<Store, Trouble> {
        let expiry = format!("T{}", self.ttl.on_the_wire());
        let mode = match self.mode {
            Mode::Replace => "MR".to_owned(),
            Mode::Append => "MA".to_owned(),
            Mode::Prepend => "MP".to_owned(),
            Mode::Unique(unique) => format!("C{unique}"),
        };
        // Appending leaves the expiry of the value as it is.
        let extends = matches!(self.mode, Mode::Append | Mode::Prepend);
        let flags: &[&str] = if extends { &["k", &mode] } else { &["k", &expiry, &mode] };
        let reply = wire.meta_set(self.key, self.value, false, None, Some(flags)).await;
        let value = match reply {
            Ok(Some(value)) => value,
            // Every reply to it echoes the key, so one without is to something else.
            Ok(None) | Err(Error::Protocol(Status::Stored | Status::NotStored)) => {
                return Err(Trouble::surprise());
            }
            Err(error) => return Err(Trouble::of(&error, true)),
        };
        check_key(&value, self.key)?;
        match (value.status, self.mode) {
            (Some(Status::Stored), _) => Ok(Store::Stored),
            (Some(Status::NotStored), Mode::Replace | Mode::Append | Mode::Prepend) => {
                Ok(Store::NotStored)
            }
            (Some(Status::Exists), Mode::Unique(_)) => Ok(Store::Exists),
            (Some(Status::NotFound), Mode::Unique(_)) => Ok(Store::NotFound),
            _ => Err(Trouble::surprise()),
        }
    }
}
