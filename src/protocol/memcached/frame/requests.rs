//! Where the requests of one connection start and end, as its bytes stream by.
//!
//! Keeps at most one unfinished head. Data blocks are counted, never kept.

use super::binary::{self, Header};
use super::observe::{Opaque, Protocol};
use super::request::{Block, Framing, Shape};
use super::text;
use super::version::ServerVersion;

/// The most bytes of a text line that are kept. memcached closes on a longer one, unless it is a
/// `get` or `gets`: of that only so much is shown, and the rest is counted.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// The spaces that memcached skips when it looks for the `get ` of a long line.
const LEADING_SPACES_MAX: usize = 100;

/// One request head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head<'a, T> {
    pub(super) framing: Framing,
    /// The line without its line end, or header, extras and key of a packet.
    pub(super) bytes: &'a [u8],
    pub(super) truncated: bool,
    pub(super) start: u64,
    pub(super) head_end: u64,
    /// Opcode and opaque of a packet.
    pub(super) tag: u64,
    /// Whether the reply repeats the key of a packet.
    pub(super) repeats_key: bool,
    pub(super) stamp: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing has come yet that would tell text from binary.
    Undecided,
    /// In the first text line, which tells memcached from other protocols.
    FirstLine,
    /// In or before a text line.
    Line,
    /// In or before the head of a packet.
    Packet,
    /// So many bytes of a data block are still to come.
    Block(u64),
    /// The server reads nothing more.
    Closed,
}

/// The request direction of one connection.
#[derive(Clone, Debug)]
pub(super) struct Requests<T> {
    state: State,
    /// What follows a data block.
    next: State,
    /// The part of a head that came in earlier chunks.
    kept: Vec<u8>,
    /// The bytes of that head, kept or not.
    head_bytes: u64,
    position: u64,
    stamp: Option<T>,
    /// Whether the next line begins a login, if it can.
    logs_in: bool,
}

impl<T: Copy> Requests<T> {
    pub(super) const fn new(protocol: Protocol) -> Self {
        let state = match protocol {
            Protocol::Detect => State::Undecided,
            Protocol::Text => State::Line,
            Protocol::Binary => State::Packet,
        };
        Self {
            state,
            next: state,
            kept: Vec::new(),
            head_bytes: 0,
            position: 0,
            stamp: None,
            logs_in: false,
        }
    }

    /// The server asks for a password: the first line begins a login.
    pub(super) const fn expect_login(&mut self) {
        self.logs_in = true;
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) const fn skip(&mut self, count: usize) {
        self.position += count as u64;
    }

    pub(super) fn is_at_boundary(&self) -> bool {
        self.head_bytes == 0 && !matches!(self.state, State::Block(_))
    }

    pub(super) fn is_binary(&self) -> bool {
        self.state == State::Packet || self.next == State::Packet
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.kept.len()
    }

    /// Gives the memory back; for a connection that is no longer understood.
    pub(super) fn clear(&mut self) {
        self.kept = Vec::new();
    }

    /// Takes the next bytes. `seen` is told every head that they complete.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        stamp: T,
        version: impl Fn() -> ServerVersion,
        seen: &mut impl FnMut(Head<'_, T>) -> Result<(), Opaque>,
    ) -> Result<(), Opaque> {
        while let Some(first) = bytes.first() {
            let taken = match self.state {
                State::Undecided => {
                    (self.state, self.next) = match *first {
                        binary::REQUEST_MAGIC => (State::Packet, State::Packet),
                        first if may_begin(first) => (State::FirstLine, State::Line),
                        _ => return Err(Opaque::NotMemcached),
                    };
                    0
                }
                State::Block(left) => self.take_block(bytes, left),
                State::FirstLine | State::Line => self.take_line(bytes, stamp, &version, seen)?,
                State::Packet => self.take_packet(bytes, stamp, seen)?,
                State::Closed => {
                    self.skip(bytes.len());
                    bytes.len()
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn take_block(&mut self, bytes: &[u8], left: u64) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.skip(taken);
        let left = left - taken as u64;
        self.state = if left == 0 { self.next } else { State::Block(left) };
        taken
    }

    fn take_line(
        &mut self,
        bytes: &[u8],
        stamp: T,
        version: &impl Fn() -> ServerVersion,
        seen: &mut impl FnMut(Head<'_, T>) -> Result<(), Opaque>,
    ) -> Result<usize, Opaque> {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let fitting = self.count(&bytes[..taken], LINE_BYTES_MAX, stamp);
        let truncated = self.head_bytes > LINE_BYTES_MAX as u64;
        let mut whole = |requests: &mut Self, line: &[u8]| {
            let login = std::mem::take(&mut requests.logs_in).then(|| text::frame_login(line));
            let framing = login.flatten().unwrap_or_else(|| text::frame_request(line, version()));
            let line = text::without_line_end(line);
            if requests.state == State::FirstLine && is_http(line) {
                return Err(Opaque::NotMemcached);
            }
            requests.state = State::Line;
            requests.finish(framing, line, truncated, (0, false), stamp, seen)
        };
        let in_chunk = self.kept.is_empty() && end.is_some();
        if !in_chunk {
            self.kept.extend_from_slice(fitting);
        }
        if truncated && !is_endless(if in_chunk { fitting } else { &self.kept }) {
            return Err(Opaque::LineTooLong);
        }
        if in_chunk {
            whole(self, fitting)?;
        } else if end.is_some() {
            self.with_kept(whole)?;
        }
        Ok(taken)
    }

    fn take_packet(
        &mut self,
        bytes: &[u8],
        stamp: T,
        seen: &mut impl FnMut(Head<'_, T>) -> Result<(), Opaque>,
    ) -> Result<usize, Opaque> {
        if self.head_bytes == 0 && bytes[0] != binary::REQUEST_MAGIC {
            return Err(Opaque::BadMagic);
        }
        let have = self.kept.len();
        let header = self.header(bytes);
        // Before the header is complete nobody knows how long the head is.
        let wanted = header.map_or(usize::MAX, |header| header.head_bytes() - have);
        let taken = wanted.min(bytes.len());
        let fitting = self.count(&bytes[..taken], binary::HEAD_BYTES_MAX, stamp);
        let mut whole = |requests: &mut Self, header: &Header, head: &[u8]| {
            let framing = binary::frame_request(header, head);
            let tag = (header.tag(), binary::operation(header.opcode).with_key);
            requests.finish(framing, head, false, tag, stamp, seen)
        };
        match header {
            Some(header) if taken == wanted && have == 0 => whole(self, &header, fitting)?,
            _ => self.kept.extend_from_slice(fitting),
        }
        if let Some(header) = header
            && taken == wanted
            && have > 0
        {
            self.with_kept(|requests, head| whole(requests, &header, head))?;
        }
        Ok(taken)
    }

    /// The header of the packet under way, if it is complete with these bytes.
    fn header(&self, bytes: &[u8]) -> Option<Header> {
        let mut start = [0; binary::HEADER_BYTES];
        let known = self.kept.len().min(binary::HEADER_BYTES);
        start[..known].copy_from_slice(&self.kept[..known]);
        let rest = bytes.get(..binary::HEADER_BYTES - known)?;
        start[known..].copy_from_slice(rest);
        Header::read(&start)
    }

    /// Counts bytes of a head and gives those of them that may be kept.
    fn count<'a>(&mut self, bytes: &'a [u8], bound: usize, stamp: T) -> &'a [u8] {
        self.stamp.get_or_insert(stamp);
        self.head_bytes += bytes.len() as u64;
        self.skip(bytes.len());
        &bytes[..bytes.len().min(bound - self.kept.len())]
    }

    /// Works on what was kept, then keeps its memory but not its bytes.
    fn with_kept(
        &mut self,
        work: impl FnOnce(&mut Self, &[u8]) -> Result<(), Opaque>,
    ) -> Result<(), Opaque> {
        let mut kept = std::mem::take(&mut self.kept);
        work(self, &kept)?;
        kept.clear();
        self.kept = kept;
        Ok(())
    }

    fn finish(
        &mut self,
        framing: Framing,
        bytes: &[u8],
        truncated: bool,
        (tag, repeats_key): (u64, bool),
        stamp: T,
        seen: &mut impl FnMut(Head<'_, T>) -> Result<(), Opaque>,
    ) -> Result<(), Opaque> {
        let start = self.position - self.head_bytes;
        let stamp = self.stamp.take().unwrap_or(stamp);
        self.head_bytes = 0;
        let closes =
            framing.shape == Shape::Close || framing.command == super::command::Command::Quit;
        match framing.block {
            _ if closes => self.state = State::Closed,
            Block::Bytes(length) => self.state = State::Block(length),
            Block::None | Block::Unknown => {}
        }
        let head_end = self.position;
        seen(Head { framing, bytes, truncated, start, head_end, tag, repeats_key, stamp })
    }
}

/// Whether a connection that begins with this byte may be a text connection. A command is a word;
/// white space and a wrong word are the server's to refuse. TLS, RESP and most others begin otherwise.
const fn may_begin(first: u8) -> bool {
    first.is_ascii_alphanumeric() || matches!(first, b' ' | b'\t' | b'\r' | b'\n' | b'_')
}

/// Whether a first line is a request of HTTP. memcached itself closes at most of them; its own `get`
/// is in small letters.
fn is_http(line: &[u8]) -> bool {
    let method = text::tokens(line).next().unwrap_or_default();
    let version = text::tokens(line).last().unwrap_or_default();
    version.starts_with(b"HTTP/") && method.iter().all(u8::is_ascii_uppercase)
}

/// Whether memcached reads a line without bound.
fn is_endless(line: &[u8]) -> bool {
    let spaces = line.iter().take_while(|byte| **byte == b' ').count();
    let line = &line[spaces..];
    spaces <= LEADING_SPACES_MAX && (line.starts_with(b"get ") || line.starts_with(b"gets "))
}
