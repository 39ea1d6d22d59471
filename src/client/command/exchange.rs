//! What a request is to the code that sends it.

use std::future::Future;

use async_memcached::{Client as Wire, MetaValue};

use crate::client::trouble::Trouble;

/// What repeating a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Effect {
    /// It changes nothing.
    Read,
    /// A write that can be sent twice: the second finds done what the first did.
    Repeatable,
    /// A write that must not be sent again unless the first cannot have arrived.
    Once,
}

impl Effect {
    pub(in crate::client) const fn is_write(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// One request with its reply.
pub(in crate::client) trait Command: Sync {
    /// What a good reply says.
    type Reply: Send;

    /// What repeating it would do.
    const EFFECT: Effect;

    /// Whether it is the client's own ping rather than part of an operation.
    const PING: bool = false;

    /// How many request lines it writes.
    fn lines(&self) -> u32 {
        1
    }

    /// Writes the request and reads its reply. Not cancel-safe: whoever drops this drops `wire`.
    fn run(&self, wire: &mut Wire) -> impl Future<Output = Result<Self::Reply, Trouble>> + Send;
}

/// The reply's key must be the one asked for: it is all that tells a stray reply from the true one.
pub(super) fn check_key(value: &MetaValue, key: &[u8]) -> Result<(), Trouble> {
    if value.key.as_deref() == Some(key) { Ok(()) } else { Err(Trouble::surprise()) }
}
