//! Where the replies of one connection start and end, as its bytes stream by.
//!
//! Keeps at most one unfinished line or header. Values are counted, never kept. What a reply looks
//! like is known from its request, so every new reply is first looked up in the pipeline.

use super::binary::{self, Header};
use super::command::Dialect;
use super::number;
use super::observe::{Done, Opaque, Part, ReplyEvent};
use super::owners::Owner;
use super::pipeline::{Entry, Paired, Pipeline, Reply, Tag};
use super::request::{Due, Shape};
use super::response::{Code, Status};
use super::text;

/// The most bytes of a reply line that are kept. No line that frames anything is longer; of a
/// longer one (statistics) so much is shown, and the rest is counted.
pub const REPLY_LINE_BYTES_MAX: usize = 4096;
/// What a server with an authentication file says to all but an authentication.
const UNAUTHENTICATED: &[u8] = b"CLIENT_ERROR unauthenticated";

/// What follows the head of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The reply is complete.
    Last,
    /// Another head.
    More,
    /// So many bytes, then another head.
    Block(u64),
    /// So many bytes, then the reply is complete.
    LastBlock(u64),
    /// A stream without end.
    Stream,
    /// Nothing that the request can have.
    Wrong,
}

/// The reply that is under way.
#[derive(Clone, Copy, Debug)]
struct Current<T> {
    entry: Entry<T>,
    start: u64,
    status: Status,
    hits: u32,
    tag: u64,
}

/// The reply direction of one connection.
#[derive(Clone, Debug)]
pub(super) struct Replies<T> {
    kept: Vec<u8>,
    head_bytes: u64,
    /// Bytes of a value that are still to come.
    block: u64,
    /// Whether the reply is complete after them.
    last: bool,
    position: u64,
    current: Option<Current<T>>,
    /// From 1.6.40 the error for an over-long key ends with an empty line.
    stray_line: bool,
}

impl<T: Copy> Replies<T> {
    pub(super) const fn new() -> Self {
        Self {
            kept: Vec::new(),
            head_bytes: 0,
            block: 0,
            last: false,
            position: 0,
            current: None,
            stray_line: false,
        }
    }

    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    pub(super) const fn skip(&mut self, count: usize) {
        self.position += count as u64;
    }

    pub(super) const fn is_at_boundary(&self) -> bool {
        self.head_bytes == 0 && self.block == 0 && self.current.is_none()
    }

    /// The sequence of the request whose reply has begun.
    pub(super) fn under_way(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.entry.paired.sequence)
    }

    /// The request whose reply has begun, when it is no quiet one.
    pub(super) fn due(&self) -> Option<Paired<T>> {
        let paired = self.current.as_ref().map(|current| current.entry.paired);
        paired.filter(|paired| paired.due == Due::Always)
    }

    pub(super) const fn held_bytes(&self) -> usize {
        self.kept.len()
    }

    /// Gives the memory back; for a connection that is no longer understood.
    pub(super) fn clear(&mut self) {
        self.kept = Vec::new();
        self.current = None;
    }

    /// Takes the next bytes. `seen` is told what they complete.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        binary: bool,
        pipeline: &mut Pipeline<T>,
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<(), Opaque> {
        while !bytes.is_empty() {
            let taken = if self.block > 0 {
                self.take_block(bytes, seen)
            } else {
                self.take_head(bytes, binary, pipeline, seen)?
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn take_block(&mut self, bytes: &[u8], seen: &mut impl FnMut(ReplyEvent<'_, T>)) -> usize {
        let taken = usize::try_from(self.block).unwrap_or(usize::MAX).min(bytes.len());
        self.skip(taken);
        self.block -= taken as u64;
        if self.block == 0 && self.last {
            self.finish(seen);
        }
        taken
    }

    fn take_head(
        &mut self,
        bytes: &[u8],
        binary: bool,
        pipeline: &mut Pipeline<T>,
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<usize, Opaque> {
        let (taken, complete, bound) = match binary {
            true => {
                let left = self.packet_head(bytes) - self.kept.len();
                (left.min(bytes.len()), bytes.len() >= left, binary::HEAD_BYTES_MAX)
            }
            false => match memchr::memchr(b'\n', bytes) {
                Some(end) => (end + 1, true, REPLY_LINE_BYTES_MAX),
                None => (bytes.len(), false, REPLY_LINE_BYTES_MAX),
            },
        };
        self.skip(taken);
        self.head_bytes += taken as u64;
        let room = bound - self.kept.len();
        let fitting = &bytes[..taken.min(room)];
        if complete && self.kept.is_empty() {
            self.take_whole(fitting, binary, pipeline, seen)?;
        } else {
            self.kept.extend_from_slice(fitting);
            if complete {
                let mut kept = std::mem::take(&mut self.kept);
                self.take_whole(&kept, binary, pipeline, seen)?;
                kept.clear();
                self.kept = kept;
            }
        }
        Ok(taken)
    }

    /// How long the head of the packet under way is, as far as it is known with these bytes: its header
    /// and, where that tells whose it is, its key.
    fn packet_head(&self, bytes: &[u8]) -> usize {
        let mut start = [0; binary::HEADER_BYTES];
        let known = self.kept.len().min(binary::HEADER_BYTES);
        start[..known].copy_from_slice(&self.kept[..known]);
        let Some(rest) = bytes.get(..binary::HEADER_BYTES - known) else {
            return binary::HEADER_BYTES;
        };
        start[known..].copy_from_slice(rest);
        Header::read(&start)
            .filter(|header| header.magic == binary::REPLY_MAGIC)
            .filter(|header| binary::operation(header.opcode).with_key)
            .map_or(binary::HEADER_BYTES, |header| header.head_bytes())
    }

    fn take_whole(
        &mut self,
        head: &[u8],
        binary: bool,
        pipeline: &mut Pipeline<T>,
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<(), Opaque> {
        let start = self.position - self.head_bytes;
        self.head_bytes = 0;
        if binary {
            self.on_packet(head, start, pipeline, seen)
        } else {
            self.on_line(text::without_line_end(head), start, pipeline, seen)
        }
    }

    // === text ===

    fn on_line(
        &mut self,
        line: &[u8],
        start: u64,
        pipeline: &mut Pipeline<T>,
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<(), Opaque> {
        let code = Code::read(line);
        let stray = std::mem::take(&mut self.stray_line);
        if stray && code == Code::Empty {
            return Ok(());
        }
        let first = self.current.is_none();
        if first && pipeline.len() == 0 && code.is_error() {
            seen(ReplyEvent::Unsolicited { start, end: self.position, line });
            return Ok(());
        }
        let current = match self.current {
            Some(current) => current,
            None => {
                let reply = Reply::line(line, code);
                self.begin(reply, start, 0, pipeline, seen)?
            }
        };
        let step = step(current.entry.shape, first, code, line);
        let status = text_status(&current, code);
        let refused = line == UNAUTHENTICATED
            && (pipeline.len() > 0 || current.entry.paired.command.is_storage());
        self.stray_line = current.entry.wipes_earlier && code == Code::ClientError;
        self.advance(current, step, status, start, (line, pipeline.owners()), seen)?;
        if refused { Err(Opaque::Unauthenticated) } else { Ok(()) }
    }

    // === binary ===

    fn on_packet(
        &mut self,
        head: &[u8],
        start: u64,
        pipeline: &mut Pipeline<T>,
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<(), Opaque> {
        let header = Header::read(head).filter(|header| header.magic == binary::REPLY_MAGIC);
        let Some(header) = header else { return Err(Opaque::BadMagic) };
        let current = match self.current {
            Some(current) if current.tag != header.tag() => return Err(Opaque::Disagreement),
            Some(current) => current,
            None => {
                let tag = header.tag();
                let key = head.get(binary::HEADER_BYTES + usize::from(header.extras_bytes)..);
                let tagged = Tag::packet(tag, key.filter(|key| !key.is_empty()));
                self.begin(Reply::packet(tagged), start, tag, pipeline, seen)?
            }
        };
        let more = current.entry.shape == Shape::Stats
            && header.status == 0
            && (header.key_bytes > 0 || header.body_bytes > 0);
        let body = header.body_bytes as usize - (head.len() - binary::HEADER_BYTES);
        let head = &head[..binary::HEADER_BYTES];
        let step = match (more, body as u64) {
            (true, 0) => Step::More,
            (true, body) => Step::Block(body),
            (false, 0) => Step::Last,
            (false, body) => Step::LastBlock(body),
        };
        let owners = pipeline.owners();
        self.advance(current, step, binary::status(&header), start, (head, owners), seen)
    }

    // === both ===

    fn begin(
        &self,
        reply: Reply<'_>,
        start: u64,
        tag: u64,
        pipeline: &mut Pipeline<T>,
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<Current<T>, Opaque> {
        let entry = pipeline
            .take(reply, &mut |request, why| seen(ReplyEvent::Unanswered { request, why }))
            .ok_or(Opaque::Disagreement)?;
        Ok(Current { entry, start, status: Status::Other, hits: 0, tag })
    }

    fn advance(
        &mut self,
        mut current: Current<T>,
        step: Step,
        status: Status,
        start: u64,
        (head, owners): (&[u8], &[Owner]),
        seen: &mut impl FnMut(ReplyEvent<'_, T>),
    ) -> Result<(), Opaque> {
        let (block, last) = match step {
            Step::Wrong => return Err(Opaque::Disagreement),
            Step::Last => (0, true),
            Step::More => (0, false),
            Step::Block(length) => (length, false),
            Step::LastBlock(length) => (length, true),
            Step::Stream => (0, true),
        };
        current.status = status;
        let carries = block > 0 || (last && current.hits == 0);
        current.hits += u32::from(status == Status::Hit && carries);
        seen(ReplyEvent::Part(Part {
            request: current.entry.paired,
            status,
            start,
            head_end: match current.entry.paired.dialect {
                // A key may have been read with it.
                Dialect::Binary => start + binary::HEADER_BYTES as u64,
                Dialect::Text | Dialect::Meta => self.position,
            },
            end: self.position + block,
            last,
            head,
            owners,
        }));
        self.block = block;
        self.last = last;
        self.current = Some(current);
        if last && block == 0 {
            self.finish(seen);
        }
        if step == Step::Stream { Err(Opaque::Watch) } else { Ok(()) }
    }

    fn finish(&mut self, seen: &mut impl FnMut(ReplyEvent<'_, T>)) {
        self.last = false;
        if let Some(Current { entry, start, status, hits, .. }) = self.current.take() {
            seen(ReplyEvent::Done(Done {
                request: entry.paired,
                status,
                start,
                end: self.position,
                hits,
            }));
        }
    }
}

/// What a text line is to the reply of a given shape.
fn step(shape: Shape, first: bool, code: Code, line: &[u8]) -> Step {
    match (shape, code) {
        (_, Code::Error | Code::ClientError | Code::ServerError) if first => Step::Last,
        (Shape::Get, Code::Value) => block(line, 3).map_or(Step::Wrong, Step::Block),
        (Shape::Get, Code::End) => Step::Last,
        (Shape::Get, Code::Empty) if first => Step::Last,
        (Shape::Get, _) => Step::Wrong,
        (Shape::Value, Code::Va) => block(line, 1).map_or(Step::Wrong, Step::LastBlock),
        (Shape::Stats | Shape::Dump, Code::End | Code::En) => Step::Last,
        (Shape::Stats, Code::Stat | Code::Item | Code::Prefix) => Step::More,
        (Shape::Stats, _) if first => Step::Last,
        (Shape::Dump, Code::Other) if first => Step::Last,
        // A name may hold what it likes, but what came before it started a list.
        (Shape::Stats | Shape::Dump, _) => Step::More,
        (Shape::Watch, Code::Ok) => Step::Stream,
        (Shape::Packet | Shape::Close, _) => Step::Wrong,
        (Shape::Line | Shape::Value | Shape::Watch, _) => Step::Last,
    }
}

/// The length of the block that a line announces, its CRLF included. More than anybody can have stored is
/// none: positions would count beyond their end.
fn block(line: &[u8], token: usize) -> Option<u64> {
    let length = text::tokens(line).nth(token).and_then(number::decimal);
    let length = length.filter(|length| *length <= number::BLOCK_BYTES_MAX.unsigned_abs())?;
    Some(length + 2)
}

fn text_status<T>(current: &Current<T>, code: Code) -> Status {
    match (current.entry.shape, code) {
        (Shape::Stats | Shape::Dump, Code::End | Code::En) => Status::Stat,
        (Shape::Get, Code::End) if current.hits > 0 => Status::Hit,
        (Shape::Get, Code::Empty) => Status::ClientError,
        _ => code.status(current.entry.paired.command),
    }
}
