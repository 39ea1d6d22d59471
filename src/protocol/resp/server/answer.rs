//! How answers are written.

use std::io::Write as _;

use super::refusal::Refusal;
use crate::protocol::node::output::Output;
use crate::protocol::node::value::Value;
use crate::protocol::resp::frame::value::Value as Said;
use crate::protocol::resp::frame::version::Version;

/// The most of one reply that is copied: large values are shared. Behind it the connection is closed.
pub(super) const REPLY_BYTES_MAX: usize = 64 << 20;

/// Where the answer to one command goes.
pub(super) struct Answer<'a> {
    pub(super) out: &'a mut Output,
    pub(super) version: Version,
}

impl Answer<'_> {
    /// Anything.
    pub(super) fn say(&mut self, said: &Said) {
        said.write(self.version, self.out.text());
    }

    /// A word.
    pub(super) fn simple(&mut self, word: &'static str) {
        self.say(&Said::Simple(word.as_bytes().into()));
    }

    /// It was done.
    pub(super) fn ok(&mut self) {
        self.simple("OK");
    }

    /// A number.
    pub(super) fn integer(&mut self, number: i64) {
        self.say(&Said::Integer(number));
    }

    /// One or zero.
    pub(super) fn flag(&mut self, is: bool) {
        self.integer(is.into());
    }

    /// Nothing.
    pub(super) fn null(&mut self) {
        self.say(&Said::Null);
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.head(bytes.len());
        self.out.text().extend_from_slice(bytes);
        self.out.text().extend_from_slice(b"\r\n");
    }

    /// A stored value; a large one is not copied.
    pub(super) fn value(&mut self, value: &Value) {
        self.head(value.byte_count());
        self.out.push(value);
        self.out.text().extend_from_slice(b"\r\n");
    }

    fn head(&mut self, length: usize) {
        // Writing into memory cannot fail.
        let _ = write!(self.out.text(), "${length}\r\n");
    }

    /// So many answers follow, as one.
    pub(super) fn array(&mut self, count: usize) {
        let _ = write!(self.out.text(), "*{count}\r\n");
    }

    /// An error; a line has no line ends in it.
    pub(super) fn error(&mut self, refusal: &Refusal) {
        let is_end = |byte: &u8| matches!(*byte, b'\r' | b'\n');
        let blank = |byte: &u8| if is_end(byte) { b' ' } else { *byte };
        let line = refusal.line().iter().map(blank).collect::<Vec<u8>>();
        self.say(&Said::Error(line.into()));
    }
}
