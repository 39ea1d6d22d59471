//! What passes a connection, in the words of [`exchange`](super::exchange): for whoever counts it.

use tokio::time::Instant;

use super::exchange::{Answered, Passage, Reply};
use super::observe::{Observer, ReplyEvent, RequestEvent};
use super::{Known, Protocol};

/// Both directions of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Conversation(Observer);

impl Conversation {
    /// A connection on which nothing has passed yet, to a server of which this is known. `None`: its first
    /// bytes tell what it speaks.
    pub(crate) fn new(known: Known, protocol: Option<Protocol>) -> Self {
        Self(Observer::new(known, protocol))
    }

    /// The server asks for a password: the first request says who asks, as it likes.
    pub(crate) const fn expect_login(&mut self) {
        self.0.expect_login();
    }

    /// The client sent these bytes.
    pub(crate) fn on_request(
        &mut self,
        bytes: &[u8],
        now: Instant,
        seen: &mut impl FnMut(RequestEvent<'_>),
    ) {
        self.0.on_request_if(bytes, now, &mut |event, _| {
            seen(event);
            Passage::Sent
        });
    }

    /// The server sent these bytes.
    pub(crate) fn on_reply(&mut self, bytes: &[u8], seen: &mut impl FnMut(Answered)) {
        self.0.on_reply(bytes, &mut |event| match event {
            ReplyEvent::Part(_) => {}
            ReplyEvent::Done { sequence, verb, asked, status, .. } => {
                seen(Answered::Reply(Reply { sequence, verb, asked, status }));
            }
            ReplyEvent::Unsolicited { .. } => seen(Answered::Unsolicited),
            ReplyEvent::Opaque(why) => seen(Answered::Opaque(why)),
        });
    }

    /// When each request came that must still be answered.
    pub(crate) fn due(&self) -> Box<dyn Iterator<Item = Instant> + '_> {
        self.0.due()
    }

    /// One of them, if there is any: the first, but that behind quiet requests it may be the last.
    pub(crate) fn one_due(&self) -> Option<Instant> {
        self.0.one_due()
    }

    /// How many requests may still be answered.
    pub(crate) fn outstanding(&self) -> usize {
        self.0.outstanding()
    }

    /// What is known of the server by now.
    pub(crate) const fn known(&self) -> Known {
        self.0.known()
    }

    /// For somebody who changes what passes from here on.
    pub(crate) fn into_observer(self) -> Observer {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::observe::Request;

    /// Catches a request or reply that is told under another's name, keys that are lost on the way, and a
    /// connection that turns opaque unseen.
    #[test]
    fn what_passes_is_told_in_words_of_any_protocol() {
        let now = Instant::now();
        let mut conversation = Conversation::new(Known::V1_6_18, None);
        let mut told = Vec::new();
        let sent = b"get a b\r\nmg c q\r\nset d 0 0 1 noreply\r\nx\r\nversion\r\nmn\r\n";
        conversation.on_request(sent, now, &mut |event| {
            let RequestEvent::Request(request) = event else { panic!() };
            let Request { sequence, verb, due, .. } = request;
            let keys = request.keys().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
            told.push(format!("{sequence} {} {:?} {due:?} {keys}", verb.word.name, verb.kind));
        });
        let expected = [
            "0 get Read Always a,b",
            "1 mg Read Maybe c",
            "2 set Write Never d",
            "3 version Ping Always ",
            "4 mn Barrier Always ",
        ];
        assert_eq!(told, expected);
        assert_eq!((conversation.outstanding(), conversation.due().count()), (4, 3));
        let mut told = Vec::new();
        let mut answer = |bytes: &[u8]| {
            conversation.on_reply(bytes, &mut |event| {
                told.push(match event {
                    Answered::Reply(Reply { sequence, verb, asked, status }) => {
                        assert_eq!(asked, now);
                        format!("{sequence} {} {}", verb.word.name, status.name)
                    }
                    Answered::Unsolicited => "unsolicited".to_owned(),
                    Answered::Opaque(why) => why.to_owned(),
                });
            });
        };
        answer(b"VALUE a 0 1\r\nx\r\nEND\r\nVERSION 1.6.18\r\n");
        answer(b"STORED\r\n");
        assert_eq!(told, ["0 get hit", "3 version version", "disagreement"]);
    }

    /// What is told of requests and replies that come in pieces of this length.
    fn told(protocol: Option<Protocol>, cut: usize, requests: &[u8], replies: &[u8]) -> String {
        let now = Instant::now();
        let mut conversation = Conversation::new(Known::UNKNOWN, protocol);
        let mut told = Vec::new();
        for piece in requests.chunks(cut) {
            conversation.on_request(piece, now, &mut |event| {
                told.push(match event {
                    RequestEvent::Request(request) => {
                        let keys: Vec<_> = request.keys().map(String::from_utf8_lossy).collect();
                        format!("{} {}", request.verb.word.name, keys.join(","))
                    }
                    RequestEvent::Ended(_) => return,
                    RequestEvent::Opaque(why) => why.to_owned(),
                });
            });
        }
        for piece in replies.chunks(cut) {
            conversation.on_reply(piece, &mut |event| {
                told.push(match event {
                    Answered::Reply(reply) => reply.status.name.to_owned(),
                    Answered::Unsolicited => "unsolicited".to_owned(),
                    Answered::Opaque(why) => why.to_owned(),
                });
            });
        }
        told.join("; ")
    }

    /// Catches a connection that is taken for another protocol's, by its first bytes in whatever pieces or
    /// by who speaks first, and one that was told what it speaks and guesses.
    #[test]
    fn what_a_connection_speaks_is_found_out_or_told() {
        let resp = Some(Protocol::Resp);
        for (protocol, requests, replies, expected) in [
            (None, "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "$-1\r\n", "get k; miss"),
            (None, "PING\r\n", "+PONG\r\n", "ping ; ok"),
            (None, "get k\r\n", "END\r\n", "get k; miss"),
            (None, "", "-DENIED Redis is running in protected mode\r\n", "unsolicited"),
            (None, "", "ERROR Too many open connections\r\n", "unsolicited"),
            (None, "GET / HTTP/1.1\r\n", "", "not_memcached"),
            (None, "POST / HTTP/1.1\r\n", "", "not_memcached"),
            (None, "\x16\x03\x01", "", "not_memcached"),
            (resp, "get k\r\n", "$1\r\nx\r\n", "get k; hit"),
            (Some(Protocol::Memcached), "*1\r\n", "", "not_memcached"),
        ] {
            for cut in [1, 2, 1000] {
                let told = told(protocol, cut, requests.as_bytes(), replies.as_bytes());
                assert_eq!(told, expected, "{requests:?} in pieces of {cut}");
            }
        }
    }
}
