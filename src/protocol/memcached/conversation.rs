//! What passes a connection that speaks memcached, in the words of any protocol: for whoever counts it.

use tokio::time::Instant;

use super::frame::command::Command;
use super::frame::observe::{Observer, Options, ReplyEvent, RequestEvent};
use super::frame::request::Keys;
use super::frame::response::Status;
use super::frame::version::ServerVersion;
use crate::protocol::exchange::{Answered, Kind, Reply, Request, Sent, Verb, Word};

/// Both directions of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Conversation(Observer<Instant>);

impl Conversation {
    /// A connection on which nothing has passed yet, to a server of which this is known.
    pub(crate) fn new(version: ServerVersion) -> Self {
        Self(Observer::new(Options { version, ..Options::default() }))
    }

    /// The client sent these bytes.
    pub(crate) fn on_request(
        &mut self,
        bytes: &[u8],
        now: Instant,
        seen: &mut impl FnMut(Sent<Keys<'_>>),
    ) {
        self.0.on_request(bytes, now, &mut |event| {
            seen(match event {
                RequestEvent::Request(request) => Sent::Request(Request {
                    sequence: request.paired.sequence,
                    verb: verb(request.paired.command),
                    due: request.paired.due,
                    keys: request.keys(),
                }),
                RequestEvent::Opaque(why) => Sent::Opaque(why.name()),
            });
        });
    }

    /// The server sent these bytes.
    pub(crate) fn on_reply(&mut self, bytes: &[u8], seen: &mut impl FnMut(Answered)) {
        self.0.on_reply(bytes, &mut |event| {
            seen(match event {
                ReplyEvent::Done(done) => Answered::Reply(Reply {
                    sequence: done.request.sequence,
                    verb: verb(done.request.command),
                    asked: done.request.stamp,
                    status: &STATUSES[done.status.position()],
                }),
                ReplyEvent::Unsolicited { .. } => Answered::Unsolicited,
                ReplyEvent::Opaque(why) => Answered::Opaque(why.name()),
                ReplyEvent::Part(_) | ReplyEvent::Unanswered { .. } => return,
            });
        });
    }

    /// When each request came that must still be answered.
    pub(crate) fn due(&self) -> impl Iterator<Item = Instant> {
        self.0.due().map(|request| request.stamp)
    }

    /// One of them, if there is any: the first, but that behind quiet requests it may be the last.
    pub(crate) fn one_due(&self) -> Option<Instant> {
        self.0.one_due().map(|request| request.stamp)
    }

    /// How many requests may still be answered.
    pub(crate) fn outstanding(&self) -> usize {
        self.0.outstanding()
    }

    /// What is known of the server by now.
    pub(crate) const fn known(&self) -> ServerVersion {
        self.0.version()
    }

    /// For somebody who changes what passes from here on.
    pub(crate) fn into_observer(self) -> Observer<Instant> {
        self.0
    }
}

fn verb(command: Command) -> &'static Verb {
    &VERBS[command.position()]
}

static VERBS: [Verb; Command::ALL.len()] = {
    const NONE: Verb = Verb { word: Word { name: "", place: 0 }, kind: Kind::Other };
    let mut verbs = [NONE; Command::ALL.len()];
    let mut place = 0;
    while place < verbs.len() {
        let command = Command::ALL[place];
        verbs[place] = Verb { word: Word { name: command.name(), place }, kind: kind(command) };
        place += 1;
    }
    verbs
};

static STATUSES: [Word; Status::ALL.len()] = {
    const NONE: Word = Word { name: "", place: 0 };
    let mut words = [NONE; Status::ALL.len()];
    let mut place = 0;
    while place < words.len() {
        words[place] = Word { name: Status::ALL[place].name(), place };
        place += 1;
    }
    words
};

const fn kind(command: Command) -> Kind {
    match command {
        Command::Get
        | Command::Gets
        | Command::Gat
        | Command::Gats
        | Command::Bget
        | Command::MetaGet => Kind::Read,
        Command::Set
        | Command::Add
        | Command::Replace
        | Command::Append
        | Command::Prepend
        | Command::Cas
        | Command::Delete
        | Command::Incr
        | Command::Decr
        | Command::Touch
        | Command::MetaSet
        | Command::MetaDelete
        | Command::MetaArithmetic => Kind::Write,
        Command::Version => Kind::Ping,
        Command::MetaNoop | Command::Noop => Kind::Barrier,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a request or reply that is told under another's name or place, keys that are lost on the
    /// way, and a connection that turns opaque unseen.
    #[test]
    fn what_passes_is_told_in_words_of_any_protocol() {
        let now = Instant::now();
        let mut conversation = Conversation::new(ServerVersion::V1_6_18);
        let mut told = Vec::new();
        let sent = b"get a b\r\nmg c q\r\nset d 0 0 1 noreply\r\nx\r\nversion\r\nmn\r\n";
        conversation.on_request(sent, now, &mut |event| {
            let Sent::Request(Request { sequence, verb, due, keys }) = event else { panic!() };
            assert!(std::ptr::eq(verb, &raw const VERBS[verb.word.place]), "its own place");
            let keys = keys.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
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
}
