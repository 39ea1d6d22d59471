//! Where the replies of one connection start and end, as the bytes stream by. Data are counted, never kept.

use super::number::decimal;

/// How deep a reply may be nested.
pub const DEPTH_MAX: usize = 128;
/// How much of a line is kept: all of one that holds a number, the beginning of one that holds text.
pub const LINE_BYTES_KEPT: usize = 512;
/// Bytes and elements that a reply may announce; positions would count beyond their end with more.
const LENGTH_MAX: u64 = 1 << 48;

/// Bytes that are no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No type begins with this byte.
    Type(u8),
    /// A length is no number, or too large.
    Length,
    /// A line ends without the byte before.
    LineEnd,
    /// It is nested deeper than [`DEPTH_MAX`].
    Depth,
}

/// The first line of a reply, behind its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Where the reply begins, its attributes included.
    pub start: u64,
    /// Behind the line.
    pub end: u64,
    /// The line without its line end: the type, and up to [`LINE_BYTES_KEPT`] bytes.
    pub line: &'a [u8],
    /// How many bytes of data follow the line, their line end included; `None`: that has no simple answer.
    pub data: Option<u64>,
}

impl Head<'_> {
    /// Whether it is said by the server of itself, and answers nothing.
    #[must_use]
    pub fn is_push(&self) -> bool {
        self.line.first() == Some(&b'>')
    }
}

/// A reply has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Its first byte, its attributes included.
    pub start: u64,
    /// Behind its last byte.
    pub end: u64,
    /// Whether it answers nothing.
    pub push: bool,
    /// Whether it is, or has, anything that is not nil.
    pub filled: bool,
}

/// What a piece of the reply direction held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// The first line of a reply.
    Head(Head<'a>),
    /// The end of a reply.
    End(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In or before a line.
    Line,
    /// So many bytes of data and their line end are still to come; whether a part of a streamed string.
    Data { left: u64, streamed: bool },
    /// Before a line with the length of the next part of a streamed string.
    Part,
}

/// What is nested: how many elements are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level {
    /// `None`: until a line that says so.
    left: Option<u64>,
    /// It belongs to the value behind it.
    is_attribute: bool,
}

/// The reply direction of one connection: keeps at most one unfinished line.
#[derive(Clone, Debug)]
pub struct Scanner {
    state: State,
    line: Vec<u8>,
    /// How long the line under way is, kept or not.
    line_bytes: usize,
    levels: Vec<Level>,
    position: u64,
    start: u64,
    /// A reply has begun.
    is_begun: bool,
    push: bool,
    filled: bool,
    /// The reply has ended, which was not said yet.
    has_ended: bool,
    /// The line that is kept was shown.
    is_shown: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// What a line is.
enum Sort {
    /// A value of its own.
    Simple { filled: bool },
    /// Data follow: so many bytes, their line end included.
    Data { bytes: u64, streamed: bool },
    /// Parts of a string follow.
    Streamed,
    /// Elements follow.
    Nested(Level),
    /// The end of elements that were not counted.
    Close,
}

impl Scanner {
    /// A connection on which nothing has passed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            state: State::Line,
            line: Vec::new(),
            line_bytes: 0,
            levels: Vec::new(),
            position: 0,
            start: 0,
            is_begun: false,
            push: false,
            filled: false,
            has_ended: false,
            is_shown: false,
        }
    }

    /// The next thing in `bytes`, which is moved behind what was taken. `None`: all of it was taken and more
    /// is needed.
    ///
    /// # Errors
    /// When it is no reply. Nothing more can be read then.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Scanned<'a>>, Malformed> {
        if std::mem::take(&mut self.is_shown) {
            self.line.clear();
        }
        loop {
            if std::mem::take(&mut self.has_ended) {
                let Self { start, position: end, push, filled, .. } = *self;
                return Ok(Some(Scanned::End(End { start, end, push, filled })));
            }
            let Some(first) = bytes.first() else { return Ok(None) };
            if let State::Data { left, streamed } = self.state {
                self.take_data(bytes, left, streamed);
                continue;
            }
            self.line_begins(*first)?;
            let Some(here) = self.take_line(bytes)? else { return Ok(None) };
            let line = here.unwrap_or(&self.line);
            let sort = if self.state == State::Part { part(line)? } else { sort(line)? };
            let is_head =
                self.levels.is_empty() && self.state == State::Line && line.first() != Some(&b'|');
            self.push |= is_head && line.first() == Some(&b'>');
            self.line_ends(&sort)?;
            if is_head {
                self.is_shown = true;
                let data = match sort {
                    Sort::Data { bytes, .. } => Some(bytes),
                    Sort::Simple { .. } => Some(0),
                    _ => None,
                };
                let line = here.unwrap_or(&self.line);
                let Self { start, position: end, .. } = *self;
                return Ok(Some(Scanned::Head(Head { start, end, line, data })));
            }
            self.line.clear();
        }
    }

    /// The first byte of a line, or a later one, is here.
    fn line_begins(&mut self, first: u8) -> Result<(), Malformed> {
        if self.line_bytes == 0 && !TYPES.contains(&first) {
            return Err(Malformed::Type(first));
        }
        if !self.is_begun {
            (self.is_begun, self.push, self.filled) = (true, false, false);
            self.start = self.position;
        }
        Ok(())
    }

    /// The rest of a line: in this chunk, or `None` inside: what is kept. `None`: it does not end here.
    fn take_line<'a>(
        &mut self,
        bytes: &mut &'a [u8],
    ) -> Result<Option<Option<&'a [u8]>>, Malformed> {
        let end = memchr::memchr(b'\n', bytes);
        let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        *bytes = rest;
        self.position += line.len() as u64;
        let begun = self.line_bytes > 0;
        self.line_bytes += line.len();
        if begun || end.is_none() {
            let room = LINE_BYTES_KEPT - self.line.len();
            self.line.extend_from_slice(&line[..room.min(line.len())]);
        }
        if end.is_none() {
            return Ok(None);
        }
        let length = std::mem::take(&mut self.line_bytes);
        if !begun {
            return line.strip_suffix(b"\r\n").map(Some).map(Some).ok_or(Malformed::LineEnd);
        }
        if length <= LINE_BYTES_KEPT {
            let text = self.line.strip_suffix(b"\r\n").ok_or(Malformed::LineEnd)?.len();
            self.line.truncate(text);
        }
        Ok(Some(None))
    }

    fn take_data(&mut self, bytes: &mut &[u8], left: u64, streamed: bool) {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        *bytes = &bytes[taken..];
        self.position += taken as u64;
        let left = left - taken as u64;
        match streamed {
            _ if left > 0 => self.state = State::Data { left, streamed },
            true => self.state = State::Part,
            false => self.value_ends(true),
        }
    }

    /// What follows a line.
    fn line_ends(&mut self, sort: &Sort) -> Result<(), Malformed> {
        match *sort {
            Sort::Simple { filled } => self.value_ends(filled),
            Sort::Data { bytes, streamed } => {
                self.state = State::Data { left: bytes, streamed };
            }
            Sort::Streamed => self.state = State::Part,
            Sort::Nested(Level { left: Some(0), is_attribute }) => self.level_ends(is_attribute),
            Sort::Nested(_) if self.levels.len() == DEPTH_MAX => return Err(Malformed::Depth),
            Sort::Nested(level) => self.levels.push(level),
            Sort::Close => match self.levels.pop() {
                Some(Level { left: None, is_attribute }) => self.level_ends(is_attribute),
                _ => return Err(Malformed::Type(b'.')),
            },
        }
        Ok(())
    }

    /// Attributes are followed by the value that they belong to.
    fn level_ends(&mut self, is_attribute: bool) {
        if !is_attribute {
            self.value_ends(false);
        }
    }

    fn value_ends(&mut self, filled: bool) {
        self.state = State::Line;
        self.filled |= filled && !self.levels.iter().any(|level| level.is_attribute);
        loop {
            let Some(level) = self.levels.last_mut() else {
                (self.has_ended, self.is_begun) = (true, false);
                // An idle connection must not keep the room that a deep reply needed.
                self.levels = Vec::new();
                return;
            };
            let Some(left) = &mut level.left else { return };
            *left -= 1;
            if *left > 0 {
                return;
            }
            let is_attribute = level.is_attribute;
            self.levels.pop();
            if is_attribute {
                return;
            }
        }
    }

    /// How many bytes are kept.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        if self.is_shown { 0 } else { self.line.len() }
    }

    /// Whether nothing of a reply is under way.
    #[must_use]
    pub const fn is_at_boundary(&self) -> bool {
        !self.is_begun
    }

    /// How many bytes were taken.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }
}

/// What a line begins with.
const TYPES: &[u8] = b"+-:$*_#,(!=%~>|;.";

fn sort(line: &[u8]) -> Result<Sort, Malformed> {
    let (first, text) = line.split_first().ok_or(Malformed::LineEnd)?;
    let nil = text == b"-1";
    Ok(match first {
        b'+' | b'-' | b':' | b'#' | b',' | b'(' => Sort::Simple { filled: true },
        b'_' => Sort::Simple { filled: false },
        b'$' | b'*' if nil => Sort::Simple { filled: false },
        b'$' | b'!' | b'=' if text == b"?" => Sort::Streamed,
        b'$' | b'!' | b'=' => Sort::Data { bytes: length(text)? + 2, streamed: false },
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let pairs = matches!(first, b'%' | b'|');
            let is_attribute = *first == b'|';
            let left = match text {
                b"?" => None,
                text => Some(length(text)? * if pairs { 2 } else { 1 }),
            };
            Sort::Nested(Level { left, is_attribute })
        }
        b'.' => Sort::Close,
        first => return Err(Malformed::Type(*first)),
    })
}

/// A line before a part of a streamed string; an empty part is its end.
fn part(line: &[u8]) -> Result<Sort, Malformed> {
    match length(line.strip_prefix(b";").ok_or(Malformed::Length)?)? {
        0 => Ok(Sort::Simple { filled: true }),
        length => Ok(Sort::Data { bytes: length + 2, streamed: true }),
    }
}

fn length(text: &[u8]) -> Result<u64, Malformed> {
    let length = decimal(text).and_then(|length| u64::try_from(length).ok());
    length.filter(|length| *length <= LENGTH_MAX).ok_or(Malformed::Length)
}

#[cfg(test)]
mod tests;
