//! A request that passes, whatever it is written in, for whoever changes it or its reply.

use tokio::time::Instant;

use super::exchange::{Due, Verb};
use super::memcached::frame::observe as memcached;
use super::memcached::frame::request::{Framing, Keys as MemcachedKeys};
use super::memcached::words;
use super::resp::frame::command::Command as RespCommand;
use super::resp::frame::version::Version;
use super::resp::{commands, keys, observe as resp};

/// The end of a request that is not known yet: it is told once it has come.
pub(crate) const UNTOLD: u64 = u64::MAX - 1;
/// A request has passed, as far as it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    /// Its place among the requests of the connection, from 0.
    pub(crate) sequence: u64,
    pub(crate) verb: &'static Verb,
    pub(crate) due: Due,
    /// Its first byte.
    pub(crate) start: u64,
    /// Behind its last byte; [`UNTOLD`]: that comes as [`Ended`](super::observe::RequestEvent::Ended).
    pub(crate) end: u64,
    /// Whether something may be done to it: it is well formed, and whole as far as it is looked at.
    pub(crate) ordinary: bool,
    /// Whether the server closes instead of answering it.
    pub(crate) closes: bool,
    pub(super) said: Said<'a>,
}

/// How it is said.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said<'a> {
    Memcached(Framing, &'a [u8]),
    Resp(&'static commands::Command, RespCommand<'a>, Version),
}

impl<'a> Request<'a> {
    /// Its keys, as the request says them.
    pub(crate) fn keys(&self) -> Keys<'a> {
        match self.said {
            Said::Memcached(framing, head) => Keys::Memcached(framing.keys(head)),
            Said::Resp(command, said, _) => Keys::Resp(command.keys.of(said)),
        }
    }

    /// Whether it will certainly have a reply.
    pub(crate) fn is_answered(&self) -> bool {
        self.due == Due::Always
    }

    /// Whether it will certainly have no reply.
    pub(crate) fn is_noreply(&self) -> bool {
        self.due == Due::Never
    }
}

/// The keys of a request, one after the other.
#[derive(Clone, Debug)]
pub(crate) enum Keys<'a> {
    Memcached(MemcachedKeys<'a>),
    Resp(keys::Found<'a>),
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Memcached(keys) => keys.next(),
            Self::Resp(keys) => keys.next(),
        }
    }
}

/// One of memcached's.
pub(super) fn of_memcached<'a>(request: &memcached::Request<'a, Instant>) -> Request<'a> {
    let framing = request.framing;
    Request {
        sequence: request.paired.sequence,
        verb: words::verb(request.paired.command),
        due: request.paired.due,
        start: request.start,
        // Where nobody knows the end, the connection turns opaque right behind the head.
        end: request.end.unwrap_or(request.head_end),
        // A malformed request is the server's to refuse, and one without an end nobody's.
        ordinary: framing.regular && request.end.is_some() && !request.truncated,
        closes: request.closes(),
        said: Said::Memcached(framing, request.head),
    }
}

/// One of RESP's.
pub(super) const fn of_resp<'a>(request: &resp::Request<'a, Instant>) -> Request<'a> {
    let paired = request.paired;
    Request {
        sequence: paired.sequence,
        verb: &paired.command.verb,
        due: request.due,
        start: request.said.start,
        end: match request.said.end {
            Some(end) => end,
            None => UNTOLD,
        },
        ordinary: request.ordinary,
        closes: false,
        said: Said::Resp(paired.command, request.said, request.version),
    }
}
