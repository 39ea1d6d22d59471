//! A look at one connection as it streams by: which requests pass, and which reply is whose.
//!
//! Feed each direction the bytes as they are read, in any pieces: requests before they are
//! forwarded, so that a reply never comes before its request. Nothing is changed, values are never
//! kept, and each byte is looked at once. A connection that cannot be understood turns opaque: it
//! says so once and from then on costs nothing.
//!
//! ```text
//! client ──► on_request ──► Requests ──► Pipeline ◄── Replies ◄── on_reply ◄── server
//! ```

use super::binary::{self, Header};
use super::command::{Command, Dialect};
use super::pipeline::{Entry, Pipeline, Tag};
use super::replies::Replies;
use super::request::{Block, Due, Framing, Keys, Shape};
use super::requests::{Head, Requests};
use super::response::{Code, Status};
use super::version::ServerVersion;

pub use super::owners::{LOOKED_AT_MAX, Owner, refine};
pub use super::pipeline::{Paired, Unanswered};
pub use super::replies::REPLY_LINE_BYTES_MAX;
pub use super::requests::LINE_BYTES_MAX;
pub use crate::protocol::exchange::{OUTSTANDING_MAX, Passage, Standing};

/// Which protocol a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Its first byte tells, as it does to a server without `-B`, `-S` or `-Y`.
    #[default]
    Detect,
    /// Text: classic and meta.
    Text,
    /// Binary.
    Binary,
}

/// What is known of the server before the connection starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Its version. Unknown is safe: it is then learned from a reply to `version` or `stats` that
    /// passes.
    pub version: ServerVersion,
    /// Its protocol.
    pub protocol: Protocol,
}

/// Why a connection is no longer understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opaque {
    /// A malformed request whose end depends on the server's version, which is not known; or a
    /// packet after which the server itself loses its place.
    NextRequestUnknown,
    /// It does not begin as memcached does: TLS, RESP, HTTP or something else.
    NotMemcached,
    /// A line that is longer than memcached reads.
    LineTooLong,
    /// A packet that does not begin as one.
    BadMagic,
    /// A reply that no outstanding request can have.
    Disagreement,
    /// More than [`OUTSTANDING_MAX`] requests await a reply.
    TooManyOutstanding,
    /// The server wants authentication first: it answers several requests with one error.
    Unauthenticated,
    /// The connection has become a log stream.
    Watch,
}

impl Opaque {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NextRequestUnknown => "next_request_unknown",
            Self::NotMemcached => "not_memcached",
            Self::LineTooLong => "line_too_long",
            Self::BadMagic => "bad_magic",
            Self::Disagreement => "disagreement",
            Self::TooManyOutstanding => "too_many_outstanding",
            Self::Unauthenticated => "unauthenticated",
            Self::Watch => "watch",
        }
    }
}

/// Whether a connection is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Every request and reply so far was.
    Framed,
    /// No longer.
    Opaque(Opaque),
}

/// A request has passed, as far as its head: the line, or header, extras and key of a packet.
///
/// Offsets count the bytes of the direction from the start of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a, T> {
    /// What its reply will name.
    pub paired: Paired<T>,
    /// Its first byte.
    pub start: u64,
    /// Behind its head: the first byte of its data block.
    pub head_end: u64,
    /// Behind its last byte. `None`: it depends on the server's version, which is not known.
    pub end: Option<u64>,
    /// The line without its line end, or header, extras and key of a packet.
    pub head: &'a [u8],
    /// The line is longer than [`LINE_BYTES_MAX`], and only its beginning is in `head`.
    pub truncated: bool,
    /// The reading of the head.
    pub framing: Framing,
}

impl<'a, T> Request<'a, T> {
    /// Its keys, as the request says them: all of a multi-get, a base64 key not decoded.
    #[must_use]
    pub fn keys(&self) -> Keys<'a> {
        self.framing.keys(self.head)
    }

    /// The command as the request says it; a packet has none.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        match self.framing.dialect {
            Dialect::Binary => &[],
            Dialect::Text | Dialect::Meta => {
                super::text::tokens(self.head).next().unwrap_or_default()
            }
        }
    }

    /// Whether the server closes instead of answering it.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.framing.shape == Shape::Close
    }

    /// Whether it will certainly have a reply.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.framing.due == Due::Always
    }

    /// Whether it will certainly have no reply.
    #[must_use]
    pub fn is_noreply(&self) -> bool {
        self.framing.due == Due::Never
    }
}

/// What a piece of the request direction held.
#[derive(Clone, Copy, Debug)]
pub enum RequestEvent<'a, T> {
    /// A request.
    Request(Request<'a, T>),
    /// The connection is no longer understood. Said once, by either direction.
    Opaque(Opaque),
}

/// The head of a part of a reply has passed: a line, or a packet's header. Most replies have one
/// part; a `get` has one per value and the `END`, `stats` one per line.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a, T> {
    /// The request that it answers.
    pub request: Paired<T>,
    /// What it says.
    pub status: Status,
    /// The first byte of the part.
    pub start: u64,
    /// Behind its head: the first byte of its data.
    pub head_end: u64,
    /// Behind the last byte of the part, the CRLF of a value included.
    pub end: u64,
    /// Whether the reply ends with it.
    pub last: bool,
    /// The line without its line end (at most [`REPLY_LINE_BYTES_MAX`] bytes), or the header.
    pub head: &'a [u8],
    /// The requests that it may belong to, `request` first. One: it is certainly that one's. None:
    /// nobody knows, or nobody asked for them with [`Observer::follow_owners`].
    pub owners: &'a [Owner],
}

/// The last byte of a reply has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done<T> {
    /// The request that it answers.
    pub request: Paired<T>,
    /// What it came to: of a `get`, a hit if there was any value.
    pub status: Status,
    /// Its first byte.
    pub start: u64,
    /// Behind its last byte.
    pub end: u64,
    /// How many values it had.
    pub hits: u32,
}

/// What a piece of the reply direction held.
#[derive(Clone, Copy, Debug)]
pub enum ReplyEvent<'a, T> {
    /// The head of a part.
    Part(Part<'a, T>),
    /// The end of a reply.
    Done(Done<T>),
    /// It is now known that a request will have no reply.
    Unanswered {
        /// The request.
        request: Paired<T>,
        /// Why.
        why: Unanswered,
    },
    /// An error line that nobody asked for, as `ERROR Too many open connections`.
    Unsolicited {
        /// Its first byte.
        start: u64,
        /// Behind its last byte.
        end: u64,
        /// The line without its line end.
        line: &'a [u8],
    },
    /// The connection is no longer understood. Said once, by either direction.
    Opaque(Opaque),
}

/// The no-op that is sent in the place of a request or behind it: it is certainly answered, so its
/// reply tells what is.
#[must_use]
pub fn barrier(framing: &Framing, head: &[u8]) -> Vec<u8> {
    match Header::read(head).filter(|_| framing.dialect == Dialect::Binary) {
        Some(header) => Header {
            opcode: binary::NOOP,
            key_bytes: 0,
            extras_bytes: 0,
            status: 0,
            body_bytes: 0,
            cas: 0,
            ..header
        }
        .bytes()
        .to_vec(),
        None => b"mn\r\n".to_vec(),
    }
}

/// Both directions of one connection. `T` is what the caller gives with each chunk of requests and
/// gets back with each reply: a time, or nothing.
#[derive(Clone, Debug)]
pub struct Observer<T> {
    version: ServerVersion,
    requests: Requests<T>,
    replies: Replies<T>,
    pipeline: Pipeline<T>,
    sequence: u64,
    state: State,
}

impl<T: Copy> Observer<T> {
    /// A connection on which nothing has passed yet.
    #[must_use]
    pub const fn new(options: Options) -> Self {
        Self {
            version: options.version,
            requests: Requests::new(options.protocol),
            replies: Replies::new(),
            pipeline: Pipeline::new(),
            sequence: 0,
            state: State::Framed,
        }
    }

    /// The client sent these bytes. Call it before they are forwarded.
    pub fn on_request(
        &mut self,
        bytes: &[u8],
        stamp: T,
        seen: &mut impl FnMut(RequestEvent<'_, T>),
    ) {
        self.on_request_if(bytes, stamp, &mut |event, _| {
            seen(event);
            Passage::Sent
        });
    }

    /// The same for a caller who may keep a request from the server: `goes_on` says whether it is
    /// sent, and so whether a reply is awaited. It may ask how the place of another reply can be
    /// found.
    pub fn on_request_if(
        &mut self,
        bytes: &[u8],
        stamp: T,
        goes_on: &mut impl FnMut(RequestEvent<'_, T>, &dyn Fn() -> Standing) -> Passage,
    ) {
        if self.state != State::Framed {
            self.requests.skip(bytes.len());
            return;
        }
        let Self { version, requests, pipeline, sequence, .. } = self;
        let end = requests.position() + bytes.len() as u64;
        let fed = requests
            .feed(bytes, stamp, || *version, &mut |head| admit(&head, pipeline, sequence, goes_on));
        if let Err(why) = fed {
            let rest = end - self.requests.position();
            self.requests.skip(usize::try_from(rest).unwrap_or_default());
            self.give_up(why);
            goes_on(RequestEvent::Opaque(why), &|| Standing::Unknown);
        }
    }

    /// The server sent these bytes.
    pub fn on_reply(&mut self, bytes: &[u8], seen: &mut impl FnMut(ReplyEvent<'_, T>)) {
        if self.state != State::Framed {
            self.replies.skip(bytes.len());
            return;
        }
        let Self { version, requests, replies, pipeline, .. } = self;
        let end = replies.position() + bytes.len() as u64;
        let binary = requests.is_binary();
        let fed = replies.feed(bytes, binary, pipeline, &mut |event| {
            learn(version, &event);
            seen(event);
        });
        if let Err(why) = fed {
            let rest = end - self.replies.position();
            self.replies.skip(usize::try_from(rest).unwrap_or_default());
            self.give_up(why);
            seen(ReplyEvent::Opaque(why));
        }
    }

    fn give_up(&mut self, why: Opaque) {
        self.state = State::Opaque(why);
        self.requests.clear();
        self.replies.clear();
        self.pipeline.clear();
    }

    /// Whether the connection is understood.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The server's version, given or learned.
    #[must_use]
    pub const fn version(&self) -> ServerVersion {
        self.version
    }

    /// How many requests may still be answered. 0 on an opaque connection.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pipeline.len()
    }

    /// The requests that must still be answered, in their order; the one whose reply has begun is among
    /// them until its last byte.
    pub fn due(&self) -> impl Iterator<Item = Paired<T>> {
        self.replies.due().into_iter().chain(self.pipeline.due())
    }

    /// One of them, if there is any: the first, but that behind quiet requests it may be the last. Takes
    /// the same time however many there are.
    #[must_use]
    pub fn one_due(&self) -> Option<Paired<T>> {
        self.replies.due().or_else(|| self.pipeline.one_due())
    }

    /// The sequence of the last request that may still be answered, the reply under way included.
    #[must_use]
    pub fn last_outstanding(&self) -> Option<u64> {
        self.pipeline.last().or_else(|| self.replies.under_way())
    }

    /// How many bytes the client has sent.
    #[must_use]
    pub const fn request_position(&self) -> u64 {
        self.requests.position()
    }

    /// How many bytes the server has sent.
    #[must_use]
    pub const fn reply_position(&self) -> u64 {
        self.replies.position()
    }

    /// How many bytes of messages are kept: at most one unfinished head a direction.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.requests.held_bytes() + self.replies.held_bytes()
    }

    /// Whether the last byte of the client ended a request, or none came yet.
    #[must_use]
    pub fn is_at_request_boundary(&self) -> bool {
        self.state == State::Framed && self.requests.is_at_boundary()
    }

    /// Whether the last byte of the server ended a reply, or none came yet.
    #[must_use]
    pub fn is_at_reply_boundary(&self) -> bool {
        self.state == State::Framed && self.replies.is_at_boundary()
    }

    /// From now on follows which requests a reply may belong to: [`Part::owners`].
    pub fn follow_owners(&mut self) {
        self.pipeline.follow_owners();
    }

    /// The server asks for a password: the first request says who asks, as it likes.
    pub const fn expect_login(&mut self) {
        self.requests.expect_login();
    }

    /// Whether a reply has begun and not ended.
    #[must_use]
    pub fn is_reply_under_way(&self) -> bool {
        self.replies.under_way().is_some()
    }

    /// Whether it is known of every outstanding request that it will be answered: then counting
    /// replies is enough to find the place of one of our own.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.state == State::Framed && self.pipeline.is_certain()
    }
}

/// Tells of a request and, if it goes on to the server, puts it into the pipeline.
fn admit<T: Copy>(
    head: &Head<'_, T>,
    pipeline: &mut Pipeline<T>,
    sequence: &mut u64,
    goes_on: &mut impl FnMut(RequestEvent<'_, T>, &dyn Fn() -> Standing) -> Passage,
) -> Result<(), Opaque> {
    let framing = head.framing;
    let entry = match framing.dialect {
        Dialect::Binary => {
            let key = framing.keys(head.bytes).next().filter(|_| head.repeats_key);
            Entry::packet(&framing, Tag::packet(head.tag, key), *sequence, head.stamp)
        }
        Dialect::Text | Dialect::Meta => {
            let tagged = pipeline.follows_owners();
            Entry::text(&framing, head.bytes, *sequence, head.stamp, tagged)
        }
    };
    *sequence += 1;
    let request = Request {
        paired: entry.paired,
        start: head.start,
        head_end: head.head_end,
        end: framing.block.length().map(|length| head.head_end + length),
        head: head.bytes,
        truncated: head.truncated,
        framing,
    };
    let passage = goes_on(RequestEvent::Request(request), &|| pipeline.standing(&entry));
    let sent = matches!(passage, Passage::Sent | Passage::Followed) && framing.due != Due::Never;
    let barrier = match passage {
        Passage::Sent | Passage::Kept => None,
        Passage::Replaced => Some(entry.barrier(entry.paired.sequence)),
        Passage::Followed => {
            *sequence += 1;
            Some(entry.barrier(entry.paired.sequence + 1))
        }
    };
    let entries = sent.then_some(entry).into_iter().chain(barrier);
    for entry in entries {
        if !pipeline.push(entry) {
            return Err(Opaque::TooManyOutstanding);
        }
    }
    match framing.block {
        Block::Unknown => Err(Opaque::NextRequestUnknown),
        Block::None | Block::Bytes(_) => Ok(()),
    }
}

/// Takes the server's version from its own answer. The newest answer is right: behind one address
/// may be another server than yesterday.
fn learn<T>(version: &mut ServerVersion, event: &ReplyEvent<'_, T>) {
    let ReplyEvent::Part(part) = event else { return };
    let told = match (part.request.dialect, part.request.command) {
        (Dialect::Text, Command::Version) if Code::read(part.head) == Code::Version => part.head,
        (Dialect::Text, Command::Stats) => match part.head.strip_prefix(b"STAT version ") {
            Some(told) => told,
            None => return,
        },
        _ => return,
    };
    let told = ServerVersion::parse(told);
    if told.is_known() {
        *version = told;
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
