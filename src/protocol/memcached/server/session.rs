//! One client's conversation: requests in, replies out. No I/O.
//!
//! It finds the end of every request, whatever the pieces it comes in, and hands whole ones to the
//! commands. What memcached does with a line or block that it cannot take, this does: answer, or
//! close.

use bytes::{Buf, BytesMut};

use super::classic;
use super::clock::{Clock, Now};
use super::retrieval::Retrieval;
use super::stats::Facts;
use super::storage::{Header, Pending};
use super::store::Store;
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;

/// A line that is longer than this, and has not ended yet, closes the connection.
const LINE_BYTES_MAX: usize = 2048;
/// The same for the list of keys of a `get` or `gets`. memcached has no bound here; this one holds
/// 65,000 keys of the greatest length.
const KEYS_LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many spaces may stand before a long `get`.
const KEYS_LINE_SPACES_MAX: usize = 100;
/// No further request is taken up while this much waits to be written. One reply may go above it by
/// the size of one item.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// The first byte of a connection that speaks the binary protocol.
const BINARY_MAGIC: u8 = 0x80;

/// What commands work on.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The items.
    pub store: &'a Store,
    /// The expiry rules.
    pub clock: &'a Clock,
    /// The moment.
    pub now: Now,
    /// What `stats` tells apart from the items.
    pub facts: &'a Facts,
}

/// What a line asked for.
pub(super) enum Next<'a> {
    /// It was answered.
    Line,
    /// The connection is to be closed.
    Close,
    /// Keys to be read.
    Retrieve(Retrieval),
    /// A block follows, to be stored.
    Block(Header<'a>),
    /// A block of this many bytes, its CRLF included, follows and is of no use.
    Swallow(u64),
}

/// The state of a conversation between two pieces of input.
#[derive(Debug, Default)]
pub struct Session {
    state: State,
    /// How many bytes of the input are known to hold no end of line.
    scanned: usize,
    began: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Line,
    Retrieve {
        retrieval: Retrieval,
        line_bytes: usize,
    },
    Block(Box<Pending>),
    Swallow(u64),
}

impl Session {
    /// Executes what is complete in `input` and appends the replies to `out`.
    pub fn run(&mut self, input: &mut BytesMut, out: &mut Output, context: &Context<'_>) -> Step {
        if !self.began {
            match input.first() {
                None => return Step::Input,
                Some(&BINARY_MAGIC) => return Step::Close,
                Some(_) => self.began = true,
            }
        }
        loop {
            if out.byte_count() >= OUTPUT_BYTES_MAX {
                return Step::Output;
            }
            let step = match &mut self.state {
                State::Line => self.line(input, out, context),
                State::Retrieve { .. } => self.retrieve(input, out, context),
                State::Block(_) => self.block(input, out, context),
                State::Swallow(_) => self.swallow(input),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// The buffer of a block that is not complete, and how many bytes it still needs: they may be
    /// read into it directly.
    pub fn pending(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        match &mut self.state {
            State::Block(pending) => Some(pending.buffer()),
            _ => None,
        }
    }

    fn line(
        &mut self,
        input: &mut BytesMut,
        out: &mut Output,
        context: &Context<'_>,
    ) -> Option<Step> {
        let Some(end) = memchr::memchr(b'\n', &input[self.scanned..]) else {
            self.scanned = input.len();
            return Some(if may_go_on(input) { Step::Input } else { Step::Close });
        };
        let line_bytes = self.scanned + end + 1;
        self.scanned = 0;
        let (line, rest) = input.split_at(line_bytes);
        let consumed = match classic::execute(line, out, context) {
            Next::Line => line_bytes,
            Next::Close => return Some(Step::Close),
            Next::Retrieve(retrieval) => {
                self.state = State::Retrieve { retrieval, line_bytes };
                return None;
            }
            Next::Block(header) => match rest.get(..header.block_bytes()) {
                Some(block) => {
                    header.finish(block, out.text(), context);
                    line_bytes + block.len()
                }
                None => {
                    self.state = State::Block(Box::new(header.into_pending()));
                    line_bytes
                }
            },
            Next::Swallow(bytes) => {
                self.state = State::Swallow(bytes);
                line_bytes
            }
        };
        input.advance(consumed);
        None
    }

    fn retrieve(
        &mut self,
        input: &mut BytesMut,
        out: &mut Output,
        context: &Context<'_>,
    ) -> Option<Step> {
        let State::Retrieve { retrieval, line_bytes } = &mut self.state else { return None };
        let line = &input[..*line_bytes];
        while retrieval.next(line, out, context) {
            if out.byte_count() >= OUTPUT_BYTES_MAX {
                return Some(Step::Output);
            }
        }
        input.advance(*line_bytes);
        self.state = State::Line;
        None
    }

    fn block(
        &mut self,
        input: &mut BytesMut,
        out: &mut Output,
        context: &Context<'_>,
    ) -> Option<Step> {
        let State::Block(pending) = &mut self.state else { return None };
        let (buffer, needed) = pending.buffer();
        let taken = needed.min(input.len());
        buffer.extend_from_slice(&input[..taken]);
        input.advance(taken);
        if taken < needed {
            return Some(Step::Input);
        }
        if let State::Block(pending) = std::mem::take(&mut self.state) {
            pending.finish(out.text(), context);
        }
        None
    }

    fn swallow(&mut self, input: &mut BytesMut) -> Option<Step> {
        let State::Swallow(left) = &mut self.state else { return None };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        input.advance(taken);
        *left -= taken as u64;
        if *left > 0 {
            return Some(Step::Input);
        }
        self.state = State::Line;
        None
    }
}

/// Whether a line that has not ended may still end.
fn may_go_on(input: &[u8]) -> bool {
    if input.len() <= LINE_BYTES_MAX {
        return true;
    }
    let spaces = input.iter().take_while(|byte| **byte == b' ').count();
    let text = &input[spaces..];
    spaces <= KEYS_LINE_SPACES_MAX
        && (text.starts_with(b"get ") || text.starts_with(b"gets "))
        && input.len() <= KEYS_LINE_BYTES_MAX
}
