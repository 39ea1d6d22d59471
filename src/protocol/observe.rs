//! A look at one connection as it streams by, whatever it speaks: which requests pass, and which reply is whose.
//!
//! Each protocol looks in its own way; here is what they have in common for whoever changes what passes. What a
//! connection speaks is told, or found out from its first bytes.

use tokio::time::Instant;

use super::exchange::{Passage, Standing, Verb, Word};
use super::first::{WORD_BYTES_MAX, spoken};
use super::memcached::frame::observe as memcached;
use super::memcached::words;
use super::request::{of_memcached, of_resp};
use super::resp::observe as resp;
use super::{Known, Protocol};

pub(crate) use super::memcached::frame::observe::{
    LINE_BYTES_MAX, Owner, REPLY_LINE_BYTES_MAX, refine,
};
pub(crate) use super::request::{Request, UNTOLD};

/// What a piece of the request direction held.
#[derive(Debug)]
pub(crate) enum RequestEvent<'a> {
    Request(Request<'a>),
    /// The end of the last request, which was not known when that was shown.
    Ended(u64),
    /// The connection is no longer understood, and why. Said once, by either direction.
    Opaque(&'static str),
}

/// A part of a reply: a line with its data, a packet, or the beginning of what has no simple parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) sequence: u64,
    pub(crate) start: u64,
    pub(crate) head_end: u64,
    /// Behind its last byte, as far as that is known.
    pub(crate) end: u64,
    /// The requests that it may belong to. One: it is certainly that one's. None: nobody knows, or nobody
    /// asked for them with [`Observer::follow_owners`].
    pub(crate) owners: &'a [Owner],
}

/// What a piece of the reply direction held.
#[derive(Debug)]
pub(crate) enum ReplyEvent<'a> {
    Part(Part<'a>),
    /// The last byte of a reply has passed.
    Done {
        sequence: u64,
        verb: &'static Verb,
        asked: Instant,
        status: &'static Word,
        end: u64,
    },
    /// Something that nobody asked for.
    Unsolicited {
        end: u64,
    },
    /// The connection is no longer understood, and why. Said once, by either direction.
    Opaque(&'static str),
}

/// Both directions of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    speaks: Speaks,
    known: Known,
    follows_owners: bool,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one a connection, and most become the large one")]
enum Speaks {
    /// That is not known yet: the bytes of a word that has not ended, and when they came.
    Undecided(Vec<u8>, Option<Instant>),
    Memcached(memcached::Observer<Instant>),
    Resp(resp::Observer<Instant>),
}

impl Observer {
    /// A connection on which nothing has passed yet. `None`: its first bytes tell what it speaks.
    pub(crate) fn new(known: Known, protocol: Option<Protocol>) -> Self {
        let speaks = Speaks::Undecided(Vec::new(), None);
        let mut observer = Self { speaks, known, follows_owners: false };
        if let Some(protocol) = protocol {
            observer.speak(protocol);
        }
        observer
    }

    fn speak(&mut self, protocol: Protocol) {
        self.speaks = match protocol {
            Protocol::Resp => Speaks::Resp(resp::Observer::new()),
            Protocol::Memcached => {
                let options = memcached::Options { version: self.known, ..Default::default() };
                let mut observer = memcached::Observer::new(options);
                if self.follows_owners {
                    observer.follow_owners();
                }
                Speaks::Memcached(observer)
            }
        };
    }

    /// The client sent these bytes. `goes_on` says whether a request is sent, and so whether a reply is
    /// awaited. It may ask how the place of another reply can be found.
    pub(crate) fn on_request_if(
        &mut self,
        bytes: &[u8],
        now: Instant,
        goes_on: &mut impl FnMut(RequestEvent<'_>, &dyn Fn() -> Standing) -> Passage,
    ) {
        match &mut self.speaks {
            Speaks::Undecided(word, since) => {
                let first = *since.get_or_insert(now);
                word.extend_from_slice(&bytes[..bytes.len().min(WORD_BYTES_MAX + 1 - word.len())]);
                let before = word.len().saturating_sub(bytes.len()).min(word.len());
                let Some(protocol) = spoken(word) else { return };
                let mut word = std::mem::take(word);
                // The rest comes again with the chunk.
                word.truncate(before);
                self.speak(protocol);
                if !word.is_empty() {
                    self.on_request_if(&word, first, goes_on);
                }
                self.on_request_if(bytes, now, goes_on);
            }
            Speaks::Memcached(observer) => {
                observer.on_request_if(bytes, now, &mut |event, standing| {
                    use memcached::RequestEvent as Event;
                    let event = match event {
                        Event::Request(request) => RequestEvent::Request(of_memcached(&request)),
                        Event::Opaque(why) => RequestEvent::Opaque(why.name()),
                    };
                    goes_on(event, standing)
                });
            }
            Speaks::Resp(observer) => observer.on_request_if(bytes, now, &mut |event, standing| {
                let event = match event {
                    resp::RequestEvent::Request(request) => {
                        RequestEvent::Request(of_resp(&request))
                    }
                    resp::RequestEvent::Ended(end) => RequestEvent::Ended(end),
                    resp::RequestEvent::Opaque(why) => RequestEvent::Opaque(why),
                };
                goes_on(event, standing)
            }),
        }
    }

    /// The server sent these bytes.
    pub(crate) fn on_reply(&mut self, bytes: &[u8], seen: &mut impl FnMut(ReplyEvent<'_>)) {
        match &mut self.speaks {
            Speaks::Undecided(word, since) => {
                let Some(first) = bytes.first() else { return };
                let (word, since) = (std::mem::take(word), since.take());
                // The server speaks first: it turns the client away, in its own protocol.
                let is_resp = matches!(first, b'-' | b'>');
                self.speak(if is_resp { Protocol::Resp } else { Protocol::Memcached });
                if let Some(since) = since {
                    self.on_request_if(&word, since, &mut |_, _| Passage::Sent);
                }
                self.on_reply(bytes, seen);
            }
            Speaks::Memcached(observer) => observer.on_reply(bytes, &mut |event| {
                seen(match event {
                    memcached::ReplyEvent::Part(part) => ReplyEvent::Part(Part {
                        sequence: part.request.sequence,
                        start: part.start,
                        head_end: part.head_end,
                        end: part.end,
                        owners: part.owners,
                    }),
                    memcached::ReplyEvent::Done(done) => ReplyEvent::Done {
                        sequence: done.request.sequence,
                        verb: words::verb(done.request.command),
                        asked: done.request.stamp,
                        status: words::status(done.status),
                        end: done.end,
                    },
                    memcached::ReplyEvent::Unsolicited { end, .. } => {
                        ReplyEvent::Unsolicited { end }
                    }
                    memcached::ReplyEvent::Opaque(why) => ReplyEvent::Opaque(why.name()),
                    memcached::ReplyEvent::Unanswered { .. } => return,
                });
            }),
            Speaks::Resp(observer) => observer.on_reply(bytes, &mut |event| match event {
                resp::ReplyEvent::Begun { request, start, head_end } => {
                    let sequence = request.sequence;
                    let owners = [Owner { sequence, floor: 0 }];
                    let part = Part { sequence, start, head_end, end: head_end, owners: &owners };
                    seen(ReplyEvent::Part(part));
                }
                resp::ReplyEvent::Done { request, status, end } => seen(ReplyEvent::Done {
                    sequence: request.sequence,
                    verb: &request.command.verb,
                    asked: request.stamp,
                    status,
                    end,
                }),
                resp::ReplyEvent::Unsolicited { end } => seen(ReplyEvent::Unsolicited { end }),
                resp::ReplyEvent::Opaque(why) => seen(ReplyEvent::Opaque(why)),
            }),
        }
    }

    /// Whether the connection is understood.
    pub(crate) fn is_framed(&self) -> bool {
        match &self.speaks {
            Speaks::Undecided(..) => true,
            Speaks::Memcached(observer) => observer.state() == memcached::State::Framed,
            Speaks::Resp(observer) => observer.is_framed(),
        }
    }

    /// What is known of the server by now.
    pub(crate) const fn known(&self) -> Known {
        match &self.speaks {
            Speaks::Memcached(observer) => observer.version(),
            Speaks::Undecided(..) | Speaks::Resp(_) => self.known,
        }
    }

    /// How many requests may still be answered. 0 on an opaque connection.
    pub(crate) fn outstanding(&self) -> usize {
        match &self.speaks {
            Speaks::Undecided(..) => 0,
            Speaks::Memcached(observer) => observer.outstanding(),
            Speaks::Resp(observer) => observer.outstanding(),
        }
    }

    /// When each request came that must still be answered, in their order.
    pub(crate) fn due(&self) -> Box<dyn Iterator<Item = Instant> + '_> {
        match &self.speaks {
            Speaks::Undecided(..) => Box::new(std::iter::empty()),
            Speaks::Memcached(observer) => Box::new(observer.due().map(|request| request.stamp)),
            Speaks::Resp(observer) => Box::new(observer.due()),
        }
    }

    /// One of them, if there is any. Takes the same time however many there are.
    pub(crate) fn one_due(&self) -> Option<Instant> {
        match &self.speaks {
            Speaks::Undecided(..) => None,
            Speaks::Memcached(observer) => observer.one_due().map(|request| request.stamp),
            Speaks::Resp(observer) => observer.due().next(),
        }
    }

    /// The sequence of the last request that may still be answered, the reply under way included.
    pub(crate) fn last_outstanding(&self) -> Option<u64> {
        match &self.speaks {
            Speaks::Undecided(..) => None,
            Speaks::Memcached(observer) => observer.last_outstanding(),
            Speaks::Resp(observer) => observer.last_outstanding(),
        }
    }

    /// How many bytes the client has sent.
    pub(crate) const fn request_position(&self) -> u64 {
        match &self.speaks {
            Speaks::Undecided(word, _) => word.len() as u64,
            Speaks::Memcached(observer) => observer.request_position(),
            Speaks::Resp(observer) => observer.request_position(),
        }
    }

    /// How many bytes the server has sent.
    pub(crate) const fn reply_position(&self) -> u64 {
        match &self.speaks {
            Speaks::Undecided(..) => 0,
            Speaks::Memcached(observer) => observer.reply_position(),
            Speaks::Resp(observer) => observer.reply_position(),
        }
    }

    /// Whether the last byte of the client ended a request, or none came yet.
    pub(crate) fn is_at_request_boundary(&self) -> bool {
        match &self.speaks {
            Speaks::Undecided(word, _) => word.is_empty(),
            Speaks::Memcached(observer) => observer.is_at_request_boundary(),
            Speaks::Resp(observer) => observer.is_at_request_boundary(),
        }
    }

    /// Whether a reply has begun and not ended.
    pub(crate) fn is_reply_under_way(&self) -> bool {
        match &self.speaks {
            Speaks::Undecided(..) => false,
            Speaks::Memcached(observer) => observer.is_reply_under_way(),
            Speaks::Resp(observer) => observer.is_reply_under_way(),
        }
    }

    /// From now on follows which requests a reply may belong to: [`Part::owners`].
    pub(crate) fn follow_owners(&mut self) {
        self.follows_owners = true;
        if let Speaks::Memcached(observer) = &mut self.speaks {
            observer.follow_owners();
        }
    }

    /// The server asks for a password: the first request says who asks, as it likes.
    pub(crate) const fn expect_login(&mut self) {
        if let Speaks::Memcached(observer) = &mut self.speaks {
            observer.expect_login();
        }
    }
}
