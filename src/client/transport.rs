//! What the commands say through a connection, and the one place that names who carries it.

use async_memcached::{AsciiProtocol, Client as Crate, Error, MetaProtocol, MetaValue, Value};

use super::keep::Keep;
use super::standing::Token;
use super::wire::Wire;

/// An open connection as the commands use it. Nothing here is cancel-safe: whoever drops a future
/// of it drops the connection.
pub(super) enum Transport {
    /// A socket of the crate.
    Socket(Crate),
    /// A connection of our own, where the crate's will not do.
    Own(Wire),
}

/// Which way a counter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CounterStep {
    Up,
    Down,
}

impl Transport {
    pub(super) async fn get(&mut self, key: &[u8]) -> Result<Option<Value>, Error> {
        match self {
            Self::Socket(socket) => socket.get(key).await,
            Self::Own(wire) => wire.get(key).await,
        }
    }

    /// `set`, or `add` when `only_new`.
    pub(super) async fn store(
        &mut self,
        only_new: bool,
        key: &[u8],
        value: &[u8],
        keep: Keep,
    ) -> Result<(), Error> {
        let (ttl, flags) = (keep.ttl.on_the_wire(), Some(keep.flags));
        match self {
            Self::Socket(socket) if only_new => socket.add(key, value, Some(ttl), flags).await,
            Self::Socket(socket) => socket.set(key, value, Some(ttl), flags).await,
            Self::Own(wire) => wire.store(only_new, key, value, keep).await,
        }
    }

    pub(super) async fn delete(&mut self, key: &[u8]) -> Result<(), Error> {
        match self {
            Self::Socket(socket) => socket.delete(key).await,
            Self::Own(wire) => wire.delete(key).await,
        }
    }

    /// `mg`. `None` is a reply without any flag: to something else, when a token was asked back.
    pub(super) async fn meta_get(
        &mut self,
        key: &[u8],
        token: &Token,
        flags: &[&str],
    ) -> Result<Option<MetaValue>, Error> {
        match self {
            Self::Socket(socket) => {
                socket.meta_get(key, false, Some(token.bytes()), Some(flags)).await
            }
            Self::Own(wire) => wire.meta_get(key, token, flags).await,
        }
    }

    /// Quiet `mg`s and an `mn`. The token, if there is to be one, is among the flags.
    pub(super) async fn meta_get_many(
        &mut self,
        keys: &[&[u8]],
        flags: &[&str],
    ) -> Result<Vec<MetaValue>, Error> {
        match self {
            Self::Socket(socket) => socket.meta_get_multi(keys, Some(flags)).await,
            Self::Own(wire) => wire.meta_get_many(keys, flags).await,
        }
    }

    pub(super) async fn meta_set(
        &mut self,
        key: &[u8],
        value: &[u8],
        token: &Token,
        flags: &[&str],
    ) -> Result<Option<MetaValue>, Error> {
        match self {
            Self::Socket(socket) => {
                socket.meta_set(key, value, false, Some(token.bytes()), Some(flags)).await
            }
            Self::Own(wire) => wire.meta_set(key, value, token, flags).await,
        }
    }

    pub(super) async fn meta_delete(
        &mut self,
        key: &[u8],
        token: &Token,
        flags: &[&str],
    ) -> Result<Option<MetaValue>, Error> {
        match self {
            Self::Socket(socket) => {
                socket.meta_delete(key, false, Some(token.bytes()), Some(flags)).await
            }
            Self::Own(wire) => wire.meta_delete(key, token, flags).await,
        }
    }

    pub(super) async fn meta_count(
        &mut self,
        key: &[u8],
        token: &Token,
        change: (CounterStep, u64),
        flags: &[&str],
    ) -> Result<Option<MetaValue>, Error> {
        let (opaque, by, all) = (Some(token.bytes()), Some(change.1), Some(flags));
        match (self, change.0) {
            (Self::Socket(socket), CounterStep::Up) => {
                socket.meta_increment(key, false, opaque, by, all).await
            }
            (Self::Socket(socket), CounterStep::Down) => {
                socket.meta_decrement(key, false, opaque, by, all).await
            }
            (Self::Own(wire), _) => wire.meta_count(key, token, change, flags).await,
        }
    }

    /// The rest of the line behind `VERSION `. The crate reads it past the bytes that it has
    /// buffered, so it says nothing about whether an answer is left over.
    pub(super) async fn version(&mut self) -> Result<String, Error> {
        match self {
            Self::Socket(socket) => socket.version().await,
            Self::Own(wire) => wire.version().await,
        }
    }

    pub(super) async fn stats(&mut self) -> Result<Vec<(String, String)>, Error> {
        match self {
            Self::Socket(socket) => Ok(socket.stats().await?.into_iter().collect()),
            Self::Own(wire) => wire.stats().await,
        }
    }

    pub(super) async fn flush_all(&mut self) -> Result<(), Error> {
        match self {
            Self::Socket(socket) => socket.flush_all().await,
            Self::Own(wire) => wire.flush_all().await,
        }
    }
}
