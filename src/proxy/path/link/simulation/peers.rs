//! The two peers of a connection: a client that pipelines requests and a server that answers them,
//! each reading and writing as its mood is.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rand::RngExt;

use super::draw::one_of;
use super::socket::Far;
use crate::base::seed::Stream as Draws;

/// The largest value, and what all values are cut from.
pub(super) const VALUE_BYTES_MAX: usize = 30_000;

/// What a peer keeps of what it received last.
const TAIL_BYTES: usize = 256;

/// How a peer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Everything, at once.
    Prompt,
    /// So many bytes at each tick of the world.
    Dribbling(usize),
    /// Nothing.
    Stopped,
}

impl Mood {
    pub(super) fn draw(draws: &mut Draws) -> Self {
        one_of(
            draws,
            &[
                Self::Prompt,
                Self::Prompt,
                Self::Dribbling(100),
                Self::Dribbling(20_000),
                Self::Stopped,
            ],
        )
    }
}

/// What one peer sent and the other has to receive: exactly that, in that order.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    due: VecDeque<Bytes>,
    /// A fault that changes or inserts messages was there: nothing is known of the bytes any more.
    waived: bool,
}

impl Ledger {
    fn sent(&mut self, data: &Bytes) {
        if !self.waived {
            self.due.push_back(data.clone());
        }
    }

    pub(super) fn waive(&mut self) {
        self.waived = true;
        self.due.clear();
    }

    /// Takes received bytes off. Panics on one that was not sent, or not next.
    fn received(&mut self, mut data: Bytes) {
        while !data.is_empty() && !self.waived {
            let first = self.due.front_mut().expect("more was received than was sent");
            let count = first.len().min(data.len());
            assert!(first[..count] == data[..count], "a byte was changed, lost or overtaken");
            drop((first.split_to(count), data.split_to(count)));
            if first.is_empty() {
                self.due.pop_front();
            }
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.due.is_empty()
    }
}

/// One peer.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) far: Far,
    pub(super) mood: Mood,
    /// What it wants to send and the socket has not taken.
    outgoing: VecDeque<Bytes>,
    /// The last bytes that it received.
    tail: BytesMut,
}

impl Side {
    fn new(far: Far, mood: Mood) -> Self {
        Self { far, mood, outgoing: VecDeque::new(), tail: BytesMut::new() }
    }

    fn say(&mut self, data: Bytes, ledger: &mut Ledger) {
        ledger.sent(&data);
        self.outgoing.push_back(data);
    }

    fn flush(&mut self) {
        while let Some(first) = self.outgoing.front_mut() {
            self.far.send(first);
            if !first.is_empty() {
                return;
            }
            self.outgoing.pop_front();
        }
    }

    fn take(&mut self, is_tick: bool) -> Bytes {
        let data = match self.mood {
            Mood::Prompt => self.far.take(usize::MAX),
            Mood::Dribbling(count) if is_tick => self.far.take(count),
            Mood::Dribbling(_) | Mood::Stopped => Bytes::new(),
        };
        self.tail.extend_from_slice(&data[data.len().saturating_sub(TAIL_BYTES)..]);
        let surplus = self.tail.len().saturating_sub(TAIL_BYTES);
        let _ = self.tail.split_to(surplus);
        data
    }
}

/// A client, a server, and what passes between them.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) client: Side,
    pub(super) server: Side,
    pub(super) requests: Ledger,
    pub(super) replies: Ledger,
    /// What the server received and has not answered yet.
    unanswered: BytesMut,
    values: Bytes,
    asked: u64,
}

impl Pair {
    pub(super) fn new(client: Far, server: Far) -> Self {
        Self {
            client: Side::new(client, Mood::Prompt),
            server: Side::new(server, Mood::Prompt),
            requests: Ledger::default(),
            replies: Ledger::default(),
            unanswered: BytesMut::new(),
            values: (0..VALUE_BYTES_MAX)
                .map(|at| b'a' + (at % 23) as u8)
                .collect::<Vec<_>>()
                .into(),
            asked: 0,
        }
    }

    /// The client asks a few more things, mostly small ones.
    pub(super) fn ask(&mut self, draws: &mut Draws) {
        let kind = draws.random_range(0..20_u32);
        for _ in 0..draws.random_range(1..20_u32) {
            let size = one_of(draws, &[0, 10, 100, 100, 5_000, VALUE_BYTES_MAX]);
            self.ask_for(kind, size);
        }
        if kind < 3 {
            // Ends a row of quiet requests.
            self.say("mn\r\n".into());
        }
    }

    /// The client asks for so many values of this size.
    pub(super) fn ask_for_values(&mut self, count: usize, size: usize) {
        for _ in 0..count {
            self.ask_for(u32::MAX, size);
        }
    }

    fn ask_for(&mut self, kind: u32, size: usize) {
        self.asked += 1;
        let key = format!("k{}-{size}", self.asked);
        let value = String::from_utf8_lossy(&self.values[..size.min(1000)]).into_owned();
        self.say(match kind {
            0..3 => format!("mg {key} v k q\r\n"),
            3 => format!("set {key} 0 0 {} noreply\r\n{value}\r\n", value.len()),
            4..6 => format!("set {key} 0 0 {}\r\n{value}\r\n", value.len()),
            6 => format!("delete {key}\r\n"),
            7 => "nonsense\r\n".to_owned(),
            8 => format!("get {key} other-1\r\n"),
            _ => format!("get {key}\r\n"),
        });
    }

    fn say(&mut self, request: String) {
        self.client.say(request.into(), &mut self.requests);
    }

    /// The client asks for something that was not asked before. Returns the answer.
    pub(super) fn ask_mark(&mut self) -> String {
        self.asked += 1;
        let key = format!("mark{}-7", self.asked);
        self.say(format!("get {key}\r\n"));
        format!("VALUE {key} 0 7\r\nabcdefg\r\nEND\r\n")
    }

    pub(super) fn client_saw_last(&self, text: &str) -> bool {
        self.client.tail.ends_with(text.as_bytes())
    }

    /// Whether one of them reads a little at each tick.
    pub(super) fn dribbles(&self) -> bool {
        let dribbles = |side: &Side| matches!(side.mood, Mood::Dribbling(_));
        dribbles(&self.client) || dribbles(&self.server)
    }

    /// Both read and write what they can now. Returns whether anything happened.
    pub(super) fn act(&mut self, is_tick: bool) -> bool {
        let before = self.client.far.moved() + self.server.far.moved();
        let taken = self.client.take(is_tick);
        let asked = self.server.take(is_tick);
        let acted = !taken.is_empty() || !asked.is_empty();
        self.replies.received(taken);
        self.requests.received(asked.clone());
        self.unanswered.extend_from_slice(&asked);
        self.answer();
        if self.server.far.is_ended()
            && self.unanswered.is_empty()
            && self.server.outgoing.is_empty()
        {
            self.server.far.end();
        }
        self.client.flush();
        self.server.flush();
        acted || before != self.client.far.moved() + self.server.far.moved()
    }

    /// Answers what is whole, as long as not too much waits to be sent.
    fn answer(&mut self) {
        while self.server.outgoing.len() < 8
            && let Some(end) = memchr::memmem::find(&self.unanswered, b"\r\n")
        {
            let line = String::from_utf8_lossy(&self.unanswered[..end]).into_owned();
            let words: Vec<&str> = line.split(' ').collect();
            let mut length = end + 2;
            if words[0] == "set" {
                let value: usize = words.get(4).and_then(|word| word.parse().ok()).unwrap_or(0);
                length += value + 2;
                if self.unanswered.len() < length {
                    return;
                }
            }
            let _ = self.unanswered.split_to(length);
            let reply = self.reply(&words);
            if !reply.is_empty() {
                self.server.say(reply.concat().into(), &mut self.replies);
            }
        }
        // Bytes that a fault has made into something without an end.
        if self.unanswered.len() > 2 * VALUE_BYTES_MAX {
            self.unanswered.clear();
        }
    }

    fn reply(&self, words: &[&str]) -> Vec<Vec<u8>> {
        let value = |key: &str| {
            let size = key.rsplit('-').next().and_then(|size| size.parse().ok()).unwrap_or(0_usize);
            &self.values[..size.min(VALUE_BYTES_MAX)]
        };
        match words {
            ["get", keys @ ..] => {
                let mut parts = Vec::new();
                for key in keys {
                    let value = value(key);
                    parts.push(format!("VALUE {key} 0 {}\r\n", value.len()).into_bytes());
                    parts.extend([value.to_vec(), b"\r\n".to_vec()]);
                }
                parts.push(b"END\r\n".to_vec());
                parts
            }
            ["mg", key, ..] if value(key).len() == 10 => Vec::new(),
            ["mg", key, ..] => {
                let value = value(key);
                let head = format!("VA {} k{key}\r\n", value.len()).into_bytes();
                vec![head, value.to_vec(), b"\r\n".to_vec()]
            }
            ["mn"] => vec![b"MN\r\n".to_vec()],
            ["set", .., "noreply"] => Vec::new(),
            ["set", ..] => vec![b"STORED\r\n".to_vec()],
            ["delete", ..] => vec![b"DELETED\r\n".to_vec()],
            _ => vec![b"ERROR\r\n".to_vec()],
        }
    }
}
