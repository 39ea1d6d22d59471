//! What a fault means and says on a connection, whatever that speaks: which requests, which answer, which change
//! of a reply. Each protocol says it in its own bytes.

use bytes::Bytes;

use super::Protocol;
use super::exchange::{CannedReply, Change, Position};
use super::memcached::frame::command::Dialect as MemcachedDialect;
use super::memcached::frame::observe as memcached_observe;
use super::memcached::speech as memcached;
use super::request::{Request, Said};
use super::resp::speech as resp;
use crate::base::family::unknown;
use crate::base::seed::Stream;

pub(crate) use super::memcached::speech::answer::is_error as is_memcached_error;
pub(crate) use super::memcached::speech::change::{Part, Remembered, largest};

/// In which words something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Memcached(MemcachedDialect),
    Resp,
}

/// The words of a request and its reply.
pub(crate) const fn dialect(request: &Request<'_>) -> Dialect {
    match &request.said {
        Said::Memcached(framing, _) => Dialect::Memcached(framing.dialect),
        Said::Resp(..) => Dialect::Resp,
    }
}

/// The reply of ours; `None` inside: silence. `None`: the command is never answered so.
pub(crate) fn answered(request: &Request<'_>, reply: &CannedReply) -> Option<Option<Bytes>> {
    match &request.said {
        Said::Memcached(framing, head) => memcached::answer::answered(framing, head, reply),
        Said::Resp(command, _, version) => {
            resp::answer::answered(command, request.keys().count(), *version, reply).map(Some)
        }
    }
}

/// The change in the words of the request's connection; `None`: it is not said so there.
pub(crate) fn spoken(request: &Request<'_>, change: Change) -> Option<Change> {
    if let Change::Extra(reply) = &change {
        return answered(request, reply)?.map(|said| Change::Said(Position::Before, said));
    }
    match &request.said {
        Said::Memcached(framing, head) => memcached::answer::spoken(framing, head, change),
        Said::Resp(_, _, version) => resp::answer::spoken(*version, change),
    }
}

/// The no-op that is sent in the place of a request or behind it, where only its reply tells what is.
pub(crate) fn barrier(request: &Request<'_>) -> Vec<u8> {
    match &request.said {
        Said::Memcached(framing, head) => memcached_observe::barrier(framing, head),
        // Never asked for: every reply has its place.
        Said::Resp(..) => b"*1\r\n$4\r\nPING\r\n".to_vec(),
    }
}

/// Matches requests, of one protocol or of whichever a connection speaks.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    memcached: Option<memcached::matcher::Matcher>,
    resp: Option<resp::matcher::Matcher>,
}

impl Matcher {
    /// `command` is one glob or several with commas between them; `None`: in the words of any protocol.
    ///
    /// # Errors
    /// When a glob means no command that has a reply.
    pub(crate) fn new(command: &str, key: &str, only: Option<Protocol>) -> Result<Self, String> {
        if only == Some(Protocol::Memcached) {
            let memcached = Some(memcached::matcher::Matcher::new(command, key)?);
            return Ok(Self { memcached, resp: None });
        }
        let (mut of_memcached, mut of_resp) = (Vec::new(), Vec::new());
        for pattern in command.split(',').map(str::trim) {
            let memcached =
                only.is_none() && memcached::matcher::Matcher::new(pattern, key).is_ok();
            let resp = resp::matcher::Matcher::new(pattern, key).is_some();
            of_memcached.extend(memcached.then_some(pattern));
            of_resp.extend(resp.then_some(pattern));
            if !memcached && !resp {
                let mut names = resp::matcher::names();
                names.extend(memcached::matcher::names());
                names.sort_unstable();
                names.dedup();
                return Err(unknown("command", pattern, &names));
            }
        }
        let memcached = memcached::matcher::Matcher::new(&of_memcached.join(","), key).ok();
        let resp = resp::matcher::Matcher::new(&of_resp.join(","), key);
        Ok(Self { memcached, resp })
    }

    /// Whether a request may have a key that `key` means: memcached has no empty one, Redis has.
    ///
    /// # Errors
    /// When none may.
    pub(crate) fn check_key(key: &str, only: Option<Protocol>) -> Result<(), String> {
        if key.is_empty() && only != Some(Protocol::Resp) {
            let what = "no request has an empty key; leave `key` out for all of them, or name one, such as \"k:7\"";
            return Err(what.to_owned());
        }
        Ok(())
    }

    pub(crate) fn matches(&self, request: &Request<'_>) -> bool {
        match request.said {
            Said::Memcached(ref framing, head) => {
                let view = memcached::matcher::RequestView { framing, head };
                self.memcached.as_ref().is_some_and(|matcher| matcher.matches(&view))
            }
            Said::Resp(command, said, _) => self
                .resp
                .as_ref()
                .is_some_and(|matcher| matcher.matches(command, command.keys.of(said))),
        }
    }

    /// Whether a request may match whose head, not finished yet, begins so: as far as the command tells.
    pub(crate) fn may_match(&self, beginning: &[u8]) -> bool {
        self.memcached.as_ref().is_some_and(|matcher| matcher.may_match(beginning))
            || self.resp.as_ref().is_some_and(|matcher| matcher.may_match(beginning))
    }
}

/// A reply as the server sent it, with the places of its parts.
#[derive(Debug)]
pub(crate) struct Whole<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) bytes: &'a [u8],
    pub(crate) parts: &'a [Part],
}

impl<'a> Whole<'a> {
    /// Makes the change. `None`: this reply has nothing that could be changed so.
    pub(crate) fn change(
        &self,
        change: &Change,
        draws: &mut Stream,
        other: Option<&[u8]>,
    ) -> Option<Vec<u8>> {
        match self.of_memcached() {
            Some(whole) => whole.change(change, draws, other),
            None => resp::change::changed(self.bytes, change, draws, other),
        }
    }

    /// Up to the middle of the first value, or else of the whole.
    pub(crate) fn half(&self) -> &'a [u8] {
        match self.of_memcached() {
            Some(whole) => whole.half(),
            None => resp::change::half(self.bytes),
        }
    }

    /// The key and the value that the reply shows, or the value of the request's key.
    pub(crate) fn remembered(&self, request_key: &[u8]) -> Option<Remembered> {
        match self.of_memcached() {
            Some(whole) => whole.remembered(request_key),
            None => Some((request_key.to_vec(), resp::change::value(self.bytes)?.to_vec())),
        }
    }

    const fn of_memcached(&self) -> Option<memcached::change::Whole<'a>> {
        match self.dialect {
            Dialect::Memcached(dialect) => {
                Some(memcached::change::Whole { dialect, bytes: self.bytes, parts: self.parts })
            }
            Dialect::Resp => None,
        }
    }
}
