//! A look at one connection as it streams by: which requests pass, and which reply is whose.
//!
//! Replies come in the order of the requests; pushes come in between and answer nothing. What changes how
//! replies come is followed (`HELLO`, `RESET`, `CLIENT REPLY`), and where it makes them no replies any more
//! (`MONITOR`, `PSYNC`, subscriptions in RESP2) the connection turns opaque: it says so once and from then on
//! costs nothing.

use std::collections::VecDeque;

use super::commands::{self, Command};
use super::frame::command::{self, Commands, Event};
use super::frame::scan::{Scanned, Scanner};
use super::frame::version::Version;
use super::status::{Line, status};
use crate::protocol::exchange::{Due, Kind, OUTSTANDING_MAX, Passage, Standing, Word};

/// The most bytes of a command that are kept. Of a longer one only the beginning is shown, which has the keys
/// before its first long argument.
pub(crate) const HEAD_BYTES_MAX: usize = (16 << 10) - 64;

/// Why a connection is no longer understood.
mod opaque {
    pub(super) const NOT_RESP: &str = "not_resp";
    pub(super) const MALFORMED: &str = "malformed";
    pub(super) const DISAGREEMENT: &str = "disagreement";
    pub(super) const TOO_MANY_OUTSTANDING: &str = "too_many_outstanding";
    pub(super) const SUBSCRIBED: &str = "subscribed";
    pub(super) const MONITOR: &str = "monitor";
    pub(super) const REPLICATION: &str = "replication";
    pub(super) const QUEUED: &str = "switch_in_transaction";
}

/// A request that passed, as far as a reply names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paired<T> {
    pub(crate) sequence: u64,
    pub(crate) command: &'static Command,
    /// What the caller gave with the chunk that held its first byte.
    pub(crate) stamp: T,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a, T> {
    pub(crate) paired: Paired<T>,
    pub(crate) due: Due,
    /// Whether one ordinary reply answers it, so that something may be done to it.
    pub(crate) ordinary: bool,
    pub(crate) said: command::Command<'a>,
    /// In which version it would be answered now.
    pub(crate) version: Version,
}

/// What a piece of the request direction held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestEvent<'a, T> {
    Request(Request<'a, T>),
    /// The end of one that was too long to be kept.
    Ended(u64),
    Opaque(&'static str),
}

/// What a piece of the reply direction held.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReplyEvent<T> {
    /// The first line of a reply has passed.
    Begun {
        request: Paired<T>,
        start: u64,
        head_end: u64,
    },
    /// The last byte of a reply has passed.
    Done {
        request: Paired<T>,
        status: &'static Word,
        end: u64,
    },
    /// Something that nobody asked for has passed.
    Unsolicited {
        end: u64,
    },
    Opaque(&'static str),
}

/// What a command does to the replies behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Nothing,
    /// They may come in another version.
    Version,
    /// They stop, or begin again.
    Replying,
    /// Pushes answer it, or it is the last that is answered.
    Subscribe,
    /// A stream of what others do follows.
    Monitor,
    /// The server ends, and answers only if it does not.
    Shutdown,
}

impl Turn {
    fn of(command: &'static Command) -> Self {
        if matches!(command.verb.kind, Kind::Read | Kind::Write) {
            return Self::Nothing;
        }
        match command.verb.word.name {
            "hello" | "reset" => Self::Version,
            "client" => Self::Replying,
            "subscribe" | "psubscribe" | "ssubscribe" | "unsubscribe" | "punsubscribe"
            | "sunsubscribe" => Self::Subscribe,
            "monitor" => Self::Monitor,
            "shutdown" => Self::Shutdown,
            _ => Self::Nothing,
        }
    }
}

/// Whether the server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replying {
    #[default]
    On,
    Off,
    /// Not the next command.
    SkipsNext,
}

#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    paired: Paired<T>,
    turn: Turn,
    due: Due,
}

/// Both directions of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Observer<T> {
    commands: Commands,
    scanner: Scanner,
    /// What the caller gave with the first byte of the command under way, until that is shown.
    begun: Option<T>,
    queue: VecDeque<Entry<T>>,
    /// The request whose reply has begun, with what the reply begins with.
    under_way: Option<(Entry<T>, Line)>,
    /// Requests in the queue behind which nobody knows how a reply looks.
    turning: usize,
    replying: Replying,
    version: Version,
    sequence: u64,
    /// The command that came last.
    last: &'static Command,
    opaque: bool,
}

impl<T: Copy> Observer<T> {
    /// A connection on which nothing has passed yet.
    pub(crate) const fn new() -> Self {
        Self {
            commands: Commands::new(HEAD_BYTES_MAX),
            scanner: Scanner::new(),
            begun: None,
            queue: VecDeque::new(),
            under_way: None,
            turning: 0,
            replying: Replying::On,
            version: Version::Resp2,
            sequence: 0,
            last: &commands::UNKNOWN,
            opaque: false,
        }
    }

    /// The client sent these bytes. `goes_on` says whether a request is sent, and so whether a reply is
    /// awaited.
    pub(crate) fn on_request_if(
        &mut self,
        mut bytes: &[u8],
        stamp: T,
        goes_on: &mut impl FnMut(RequestEvent<'_, T>, &dyn Fn() -> Standing) -> Passage,
    ) {
        if self.opaque {
            return;
        }
        let mut begun = self.begun.take();
        let why = loop {
            let said = match self.commands.next(&mut bytes) {
                Ok(None) => break None,
                Ok(Some(Event::Ended { end })) => {
                    begun = None;
                    goes_on(RequestEvent::Ended(end), &|| Standing::Unknown);
                    continue;
                }
                Ok(Some(Event::Command(said) | Event::Begun(said))) => said,
                Err(_) if self.sequence == 0 => break Some(opaque::NOT_RESP),
                Err(_) => break Some(opaque::MALFORMED),
            };
            let stamp = begun.take().unwrap_or(stamp);
            let command = commands::find_after(self.last, said.name());
            self.last = command;
            let (turn, due) = self.replying.turn(command, &said);
            if matches!(command.verb.word.name, "psync" | "sync") {
                break Some(opaque::REPLICATION);
            }
            let paired = Paired { sequence: self.sequence, command, stamp };
            self.sequence += 1;
            let ordinary = due == Due::Always && matches!(turn, Turn::Nothing | Turn::Version);
            let version = self.version;
            let request = Request { paired, due, ordinary, said, version };
            let standing = if self.turning == 0 { Standing::Next } else { Standing::Unknown };
            let passage = goes_on(RequestEvent::Request(request), &|| standing);
            if passage == Passage::Kept || due == Due::Never {
                continue;
            }
            if self.queue.len() == OUTSTANDING_MAX {
                break Some(opaque::TOO_MANY_OUTSTANDING);
            }
            self.turning += usize::from(turn != Turn::Nothing);
            self.queue.push_back(Entry { paired, turn, due });
        };
        if let Some(why) = why {
            self.give_up();
            goes_on(RequestEvent::Opaque(why), &|| Standing::Unknown);
        } else if !self.commands.is_at_boundary() {
            self.begun = begun.or(Some(stamp));
        }
    }

    /// The server sent these bytes.
    pub(crate) fn on_reply(&mut self, mut bytes: &[u8], seen: &mut impl FnMut(ReplyEvent<T>)) {
        if self.opaque {
            return;
        }
        let why = loop {
            match self.scanner.next(&mut bytes) {
                Ok(None) => return,
                Err(_) => break opaque::DISAGREEMENT,
                Ok(Some(Scanned::Head(head))) => {
                    let answers = match self.queue.front() {
                        Some(front) if head.is_push() => front.turn == Turn::Subscribe,
                        Some(_) => true,
                        // As a server that has too many clients says, before it closes.
                        None if head.is_push() || head.line.starts_with(b"-") => false,
                        None => break opaque::DISAGREEMENT,
                    };
                    let Some(entry) = answers.then(|| self.queue.pop_front()).flatten() else {
                        continue;
                    };
                    self.turning -= usize::from(entry.turn != Turn::Nothing);
                    self.under_way = Some((entry, Line::of(head.line)));
                    let (start, head_end) = (head.start, head.end);
                    seen(ReplyEvent::Begun { request: entry.paired, start, head_end });
                }
                Ok(Some(Scanned::End(end))) => {
                    let Some((entry, line)) = self.under_way.take() else {
                        seen(ReplyEvent::Unsolicited { end: end.end });
                        continue;
                    };
                    let (request, line) = (entry.paired, line.text());
                    let status = status(request.command.verb.kind, line, end.filled);
                    seen(ReplyEvent::Done { request, status, end: end.end });
                    if let Some(why) = self.turned(entry, line) {
                        break why;
                    }
                }
            }
        };
        self.give_up();
        seen(ReplyEvent::Opaque(why));
    }

    /// What a reply that begins with this line makes of those behind it; `Some`: they are none.
    fn turned(&mut self, entry: Entry<T>, line: &[u8]) -> Option<&'static str> {
        if self.queue.is_empty() && self.queue.capacity() > QUEUED_KEPT {
            // An idle connection must not keep the room that a burst needed.
            self.queue = VecDeque::new();
        }
        match (entry.turn, line.first()?) {
            (Turn::Nothing, _) | (_, b'-') => None,
            (_, b'+') if line == b"+QUEUED" => Some(opaque::QUEUED),
            (Turn::Version, first) => {
                self.version = if *first == b'%' { Version::Resp3 } else { Version::Resp2 };
                None
            }
            (Turn::Subscribe, b'>') => None,
            (Turn::Subscribe, _) => Some(opaque::SUBSCRIBED),
            (Turn::Monitor, _) => Some(opaque::MONITOR),
            (Turn::Replying | Turn::Shutdown, _) => None,
        }
    }

    fn give_up(&mut self) {
        self.opaque = true;
        (self.queue, self.under_way, self.turning) = (VecDeque::new(), None, 0);
        // Nothing is fed to them any more.
        (self.commands, self.scanner) = (Commands::new(0), Scanner::new());
    }

    /// Whether the connection is understood.
    pub(crate) const fn is_framed(&self) -> bool {
        !self.opaque
    }

    /// How many requests may still be answered. 0 on an opaque connection.
    pub(crate) fn outstanding(&self) -> usize {
        self.queue.len()
    }

    fn waiting(&self) -> impl Iterator<Item = &Entry<T>> {
        self.under_way.iter().map(|(entry, _)| entry).chain(&self.queue)
    }

    /// What was given with the requests that must still be answered, in their order.
    pub(crate) fn due(&self) -> impl Iterator<Item = T> {
        self.waiting().filter(|entry| entry.due == Due::Always).map(|entry| entry.paired.stamp)
    }

    /// The sequence of the last request that may still be answered, the reply under way included.
    pub(crate) fn last_outstanding(&self) -> Option<u64> {
        let last = self.queue.back().or_else(|| self.under_way.as_ref().map(|(entry, _)| entry));
        last.map(|entry| entry.paired.sequence)
    }

    /// How many bytes the client has sent.
    pub(crate) const fn request_position(&self) -> u64 {
        self.commands.position()
    }

    /// How many bytes the server has sent.
    pub(crate) const fn reply_position(&self) -> u64 {
        self.scanner.position()
    }

    /// Whether the last byte of the client ended a request, or none came yet.
    pub(crate) fn is_at_request_boundary(&self) -> bool {
        self.is_framed() && self.commands.is_at_boundary()
    }

    /// Whether something of the server has begun and not ended.
    pub(crate) const fn is_reply_under_way(&self) -> bool {
        !self.scanner.is_at_boundary()
    }
}

/// Requests that the queue of an idle connection has room for.
const QUEUED_KEPT: usize = 64;

impl Replying {
    /// What a command does to the replies behind it, and whether it is answered itself.
    fn turn(&mut self, command: &'static Command, said: &command::Command<'_>) -> (Turn, Due) {
        let turn = Turn::of(command);
        let is = |place, word: &str| {
            said.argument(place)
                .is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
        };
        if turn == Turn::Replying && said.count() == 3 && is(1, "reply") {
            if is(2, "on") {
                *self = Self::On;
                return (turn, Due::Always);
            }
            if is(2, "off") {
                *self = Self::Off;
                return (turn, Due::Never);
            }
            if is(2, "skip") {
                if *self != Self::Off {
                    *self = Self::SkipsNext;
                }
                return (turn, Due::Never);
            }
        }
        let due = match *self {
            Self::Off | Self::SkipsNext => Due::Never,
            Self::On if turn == Turn::Shutdown => Due::Maybe,
            Self::On => Due::Always,
        };
        if *self == Self::SkipsNext {
            *self = Self::On;
        }
        if command.verb.word.name == "reset" {
            *self = Self::On;
        }
        (if turn == Turn::Replying { Turn::Nothing } else { turn }, due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a dialogue: lines that begin with `<` are the server's.
    fn told(lines: &[&str]) -> String {
        let mut observer = Observer::new();
        let mut told = Vec::new();
        for line in lines {
            match line.strip_prefix('<') {
                Some(reply) => {
                    let reply = reply.replace(' ', "\r\n") + "\r\n";
                    observer.on_reply(reply.as_bytes(), &mut |event| match event {
                        ReplyEvent::Done { request, status, .. } => {
                            told.push(format!("{}={}", request.stamp, status.name));
                        }
                        ReplyEvent::Unsolicited { .. } => told.push("push".to_owned()),
                        ReplyEvent::Opaque(why) => told.push(why.to_owned()),
                        ReplyEvent::Begun { .. } => {}
                    });
                }
                None => observer.on_request_if(
                    format!("{line}\r\n").as_bytes(),
                    line,
                    &mut |event, _| {
                        if let RequestEvent::Opaque(why) = event {
                            told.push(why.to_owned());
                        }
                        Passage::Sent
                    },
                ),
            }
        }
        told.push(format!("{} due", observer.due().count()));
        told.join(", ")
    }

    /// Catches a reply that is given to another request: behind a push, a request that is not answered, a
    /// transaction, or what nobody asked for.
    #[test]
    fn each_reply_is_its_requests() {
        for (dialogue, expected) in [
            (&["GET a", "SET b 1", "<$1 x", "<+OK"][..], "GET a=hit, SET b 1=ok, 0 due"),
            (&["GET a", "<>2 +x +y", "<$-1"], "push, GET a=miss, 0 due"),
            (
                &["MULTI", "INCR a", "EXEC", "<+OK", "<+QUEUED", "<*1 :1"],
                "MULTI=ok, INCR a=queued, EXEC=value, 0 due",
            ),
            (&["CLIENT REPLY SKIP", "GET a", "PING", "<+PONG"], "PING=ok, 0 due"),
            (
                &[
                    "CLIENT REPLY OFF",
                    "GET a",
                    "CLIENT REPLY SKIP",
                    "GET b",
                    "CLIENT REPLY ON",
                    "<+OK",
                ],
                "CLIENT REPLY ON=ok, 0 due",
            ),
            (
                &[
                    "HELLO 3",
                    "SUBSCRIBE c",
                    "GET a",
                    "<%1 +proto :3",
                    "<>3 +subscribe +c :1",
                    "<$1 x",
                ],
                "HELLO 3=value, SUBSCRIBE c=value, GET a=hit, 0 due",
            ),
            (
                &["SUBSCRIBE c", "<*3 +subscribe +c :1", "<*3 +message +c +x"],
                "SUBSCRIBE c=value, subscribed, 0 due",
            ),
            (&["MONITOR", "<+OK", "<+1 [0 lua]"], "MONITOR=ok, monitor, 0 due"),
            (&["PSYNC ? -1", "<+FULLRESYNC"], "replication, 0 due"),
            (&["<-ERR"], "push, 0 due"),
            (&["GET a", "<$1 x", "<$1 x"], "GET a=hit, disagreement, 0 due"),
            (&["GET a", "<HTTP/1.1"], "disagreement, 0 due"),
            (&["SHUTDOWN", "GET a"], "1 due"),
            (&["*x"], "not_resp, 0 due"),
            (
                &["MULTI", "HELLO 3", "<+OK", "<+QUEUED"],
                "MULTI=ok, HELLO 3=queued, switch_in_transaction, 0 due",
            ),
            (&["EVAL x 0", "BLPOP a 0", "<$-1", "<*-1"], "EVAL x 0=nil, BLPOP a 0=nil, 0 due"),
        ] {
            assert_eq!(told(dialogue), expected, "{dialogue:?}");
        }
    }
}
