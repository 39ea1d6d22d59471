//! The last messages of a connection, kept for the moment in which somebody asks what went wrong.
//!
//! Keys are kept as hashes, enough to find the connection that last carried one; values not at all.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::time::Instant;

use crate::event::{WireMessage, WireMessageKind, WireTrace};
use crate::protocol::exchange::{Kind, Reply, Verb, Word};

/// Messages that a connection remembers; earlier ones are forgotten. A multi-get of a client that
/// asks with quiet requests is one for each key.
const MESSAGES_MAX: usize = 32;

/// Recently closed connections that a proxy remembers: a client that notices something wrong closes
/// the connection before anybody can ask.
pub(in crate::proxy) const CLOSED_MAX: usize = 16;

/// Connections with a write that was given up which a proxy remembers beyond those: such a write may be
/// executed, and its value read, long after its connection was closed.
pub(in crate::proxy) const GIVEN_UP_MAX: usize = 256;

/// Messages that are kept of each of those: the write, what was before it, its end.
const GIVEN_UP_MESSAGES_MAX: usize = 8;

/// The last messages of a connection, oldest first.
#[derive(Clone, Debug, Default)]
pub(in crate::proxy) struct Flight(VecDeque<Message>);

#[derive(Clone, Copy, Debug)]
struct Message {
    at: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Request { request: u64, verb: &'static Verb, keys: Marks },
    Reply { request: u64, verb: &'static Verb, status: &'static Word },
    Unsolicited,
    ClientLeft,
}

/// Which keys a request names.
#[derive(Clone, Copy, Debug)]
enum Marks {
    None,
    One(u64),
    /// A bit for each key, by its hash: a key of a large multi-get may be taken for another.
    Many(u64),
}

impl Marks {
    fn of<'a>(mut keys: impl Iterator<Item = &'a [u8]>) -> Self {
        let Some(first) = keys.next().map(hash) else { return Self::None };
        match keys.next().map(hash) {
            None => Self::One(first),
            Some(second) => {
                let bits = bit(first) | bit(second);
                Self::Many(keys.fold(bits, |bits, key| bits | bit(hash(key))))
            }
        }
    }

    const fn name(self, key: u64) -> bool {
        match self {
            Self::None => false,
            Self::One(only) => only == key,
            Self::Many(bits) => bits & bit(key) != 0,
        }
    }
}

fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

const fn bit(hash: u64) -> u64 {
    1 << (hash % 64)
}

impl Flight {
    pub(in crate::proxy) fn requested<'a>(
        &mut self,
        at: Instant,
        request: u64,
        verb: &'static Verb,
        keys: impl Iterator<Item = &'a [u8]>,
    ) {
        self.push(at, What::Request { request, verb, keys: Marks::of(keys) });
    }

    pub(in crate::proxy) fn replied(&mut self, at: Instant, reply: &Reply) {
        let Reply { sequence, verb, status, .. } = *reply;
        self.push(at, What::Reply { request: sequence, verb, status });
    }

    pub(in crate::proxy) fn unsolicited(&mut self, at: Instant) {
        self.push(at, What::Unsolicited);
    }

    /// The client closed its side.
    pub(in crate::proxy) fn client_left(&mut self, at: Instant) {
        self.push(at, What::ClientLeft);
    }

    /// The end of it, when the client left while a write had no answer.
    pub(in crate::proxy) fn given_up(&self) -> Option<Self> {
        let left = self.0.iter().position(|message| matches!(message.what, What::ClientLeft))?;
        let before = self.0.iter().take(left);
        let answered = |of: u64| {
            let reply = |message: &Message| matches!(message.what, What::Reply { request, .. } if request == of);
            self.0.iter().take(left).any(reply)
        };
        let unanswered = |message: &Message| match message.what {
            What::Request { request, verb, .. } => verb.kind == Kind::Write && !answered(request),
            _ => false,
        };
        let skipped = self.0.len().saturating_sub(GIVEN_UP_MESSAGES_MAX);
        let last = || Self(self.0.iter().skip(skipped).copied().collect());
        before.clone().any(unanswered).then(last)
    }

    /// When the first write of `key` at `since` or later passed.
    pub(in crate::proxy) fn write_of(&self, key: &[u8], since: Instant) -> Option<Instant> {
        let key = hash(key);
        let is_it = |message: &&Message| match message.what {
            What::Request { verb, keys, .. } => {
                verb.kind == Kind::Write && keys.name(key) && message.at >= since
            }
            _ => false,
        };
        self.0.iter().find(is_it).map(|message| message.at)
    }

    fn push(&mut self, at: Instant, what: What) {
        if self.0.len() >= MESSAGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Message { at, what });
    }

    /// When the last reply to a request for `key` passed, or, with none, the last such request.
    /// Those with a reply come after those without: who asks has read something.
    pub(in crate::proxy) fn last_of(&self, key: &[u8]) -> Option<(bool, Instant)> {
        let key = hash(key);
        self.0.iter().filter_map(|message| self.names(message, key)).max()
    }

    /// Whether a message is about a key: then whether it is a reply, and when it passed.
    fn names(&self, message: &Message, key: u64) -> Option<(bool, Instant)> {
        match message.what {
            What::Request { keys, .. } => keys.name(key).then_some((false, message.at)),
            What::Reply { request, .. } => {
                let asked = self.0.iter().find_map(|earlier| match earlier.what {
                    What::Request { request: of, keys, .. } if of == request => Some(keys),
                    _ => None,
                });
                asked.is_some_and(|keys| keys.name(key)).then_some((true, message.at))
            }
            What::Unsolicited | What::ClientLeft => None,
        }
    }

    /// The messages in the words of the events.
    pub(in crate::proxy) fn trace(
        &self,
        connection: u64,
        key: &[u8],
        seconds: &dyn Fn(Instant) -> f64,
    ) -> WireTrace {
        let key = hash(key);
        let message = |message: &Message| {
            let (kind, request, verb, status) = match message.what {
                What::Request { request, verb, .. } => {
                    (WireMessageKind::Request, Some(request), Some(verb), None)
                }
                What::Reply { request, verb, status } => {
                    (WireMessageKind::Reply, Some(request), Some(verb), Some(status))
                }
                What::Unsolicited => (WireMessageKind::Unsolicited, None, None, None),
                What::ClientLeft => (WireMessageKind::ClientLeft, None, None, None),
            };
            WireMessage {
                at_s: seconds(message.at),
                kind,
                request,
                command: verb.map(|verb| verb.word.name.to_owned()),
                status: status.map(|status| status.name.to_owned()),
                of_key: self.names(message, key).is_some(),
            }
        };
        WireTrace { connection, messages: self.0.iter().map(message).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static GET: Verb = Verb { word: Word { name: "get", place: 0 }, kind: Kind::Read };
    static SET: Verb = Verb { word: Word { name: "set", place: 1 }, kind: Kind::Write };

    /// A request of the verb and its reply, as a proxy would see them.
    impl Flight {
        fn ask(&mut self, at: Instant, sequence: u64, verb: &'static Verb, keys: &[&str]) {
            let keys = keys.iter().map(|key| key.as_bytes());
            self.requested(at, sequence, verb, keys);
        }

        fn answer(&mut self, at: Instant, sequence: u64, verb: &'static Verb) {
            static STORED: Word = Word { name: "stored", place: 0 };
            self.replied(at, &Reply { sequence, verb, asked: at, status: &STORED });
        }
    }

    /// Catches a reply that is not found by the key of its request, and a request without a reply
    /// that hides one with.
    #[test]
    fn a_key_is_found_by_its_last_reply() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut flight = Flight::default();
        flight.ask(at(1), 0, &GET, &["a"]);
        flight.answer(at(2), 0, &GET);
        flight.ask(at(3), 1, &GET, &["b", "c"]);
        flight.ask(at(4), 2, &GET, &["a"]);
        assert_eq!(flight.last_of(b"a"), Some((true, at(2))));
        assert_eq!(flight.last_of(b"b"), Some((false, at(3))));
        assert_eq!(flight.last_of(b"c"), Some((false, at(3))));
        assert_eq!(flight.last_of(b"nowhere"), None);
        assert!(flight.last_of(b"a") > flight.last_of(b"b"), "a reply counts for more");
    }

    /// Catches a write that was given up and is not found any more, and one that is taken for given up
    /// although it was answered in time.
    #[test]
    fn a_write_that_was_given_up_is_found_by_when_it_began() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut flight = Flight::default();
        flight.ask(at(1), 0, &SET, &["a"]);
        flight.answer(at(2), 0, &SET);
        assert!(flight.given_up().is_none(), "it is still there");
        let mut answered = flight.clone();
        answered.client_left(at(3));
        assert!(answered.given_up().is_none(), "nothing was owed");
        flight.ask(at(10), 1, &SET, &["a"]);
        flight.client_left(at(110));
        flight.answer(at(250), 1, &SET);
        let kept = flight.given_up().unwrap();
        assert_eq!(kept.write_of(b"a", at(5)), Some(at(10)));
        assert_eq!((kept.write_of(b"a", at(11)), kept.write_of(b"b", at(5))), (None, None));
        let seconds = |instant: Instant| instant.duration_since(start).as_secs_f64();
        let story = kept.trace(7, b"a", &seconds).story_of_write(0.005).unwrap();
        assert_eq!(
            story,
            "the write went out at 0.010 s, was given up at 0.110 s, and the node had executed it by \
             0.250 s"
        );
    }

    /// Catches memory that grows with what passes.
    #[test]
    fn the_first_messages_are_forgotten() {
        let now = Instant::now();
        let mut flight = Flight::default();
        for request in 0..100 {
            flight.ask(now, request, &SET, &["k"]);
            flight.answer(now, request, &SET);
            flight.unsolicited(now);
        }
        let trace = flight.trace(3, b"k", &|_| 0.5);
        assert_eq!((trace.connection, trace.messages.len()), (3, MESSAGES_MAX));
        let [.., request, reply, unsolicited] = &trace.messages[..] else { panic!("too few") };
        assert_eq!((request.kind, request.request), (WireMessageKind::Request, Some(99)));
        assert_eq!((reply.status.as_deref(), reply.of_key), (Some("stored"), true));
        assert_eq!((unsolicited.kind, unsolicited.of_key), (WireMessageKind::Unsolicited, false));
    }
}
