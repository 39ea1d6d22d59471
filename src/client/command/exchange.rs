//! What a request is to the code that sends it.

use std::future::Future;

use async_memcached::MetaValue;

use crate::client::resp::{Request, Said};
use crate::client::standing::{Manner, Standing, Token, Tokens, Unnamed};
use crate::client::transport::Transport;
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

/// How a request is to be sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Asked<'a> {
    /// In the form whose answer names it.
    pub(in crate::client) named: bool,
    pub(in crate::client) tokens: &'a Tokens,
}

impl Asked<'_> {
    /// A name for the request.
    pub(in crate::client) fn token(&self) -> Token {
        self.tokens.next()
    }
}

/// A good reply, and what it proves about the connection; `None` when it changes nothing.
#[derive(Debug)]
pub(in crate::client) struct Answer<R> {
    pub(in crate::client) reply: R,
    pub(in crate::client) standing: Option<Standing>,
}

impl<R> Answer<R> {
    /// One that named its request.
    pub(in crate::client) const fn named(reply: R) -> Self {
        Self { reply, standing: Some(Standing::Proven) }
    }

    /// One that had the right kind and no name.
    pub(super) const fn unnamed(reply: R, answer: Unnamed) -> Self {
        Self { reply, standing: Some(Standing::Unnamed(answer)) }
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

    /// In which form it goes out on a connection of this standing.
    fn manner(&self, standing: Standing) -> Manner;

    /// Writes the request and reads its reply. Not cancel-safe: whoever drops this drops `link`.
    fn run(
        &self,
        link: &mut Transport,
        asked: Asked<'_>,
    ) -> impl Future<Output = Result<Answer<Self::Reply>, Trouble>> + Send;

    /// The request in RESP; `None`: it has no such command.
    fn resp(&self) -> Option<Request>;

    /// What an answer in RESP says that is no error; `None`: the request cannot have it.
    fn understood(&self, said: Said) -> Option<Self::Reply>;
}

/// The reply must name the request: its key, and the token that no other request has.
pub(super) fn check_name(value: &MetaValue, key: &[u8], token: &Token) -> Result<(), Trouble> {
    let named =
        value.key.as_deref() == Some(key) && value.opaque_token.as_deref() == Some(token.bytes());
    if named { Ok(()) } else { Err(Trouble::surprise()) }
}
