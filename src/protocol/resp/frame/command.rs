//! Where the requests of one connection start and end, and what their arguments are, as the bytes
//! stream by.

use std::ops::Range;

use super::inline;
use super::number::decimal;

pub use super::malformed::Malformed;

/// The most arguments of one command; the server closes on more.
pub const ARGUMENTS_MAX: i64 = i32::MAX as i64;
/// The most bytes of one argument; the server closes on more, unless it is told to take more.
pub const BULK_BYTES_MAX: i64 = 512 << 20;
/// The most bytes of an inline command, and of the line with a length; the server closes on more.
pub const INLINE_BYTES_MAX: usize = 64 << 10;
/// Places of arguments that an idle connection has room for.
const PLACES_KEPT: usize = 64;

/// A command, as far as it is shown. Offsets count the bytes of the direction from the start of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// Its first byte.
    pub start: u64,
    /// Behind its last byte; `None`: that is not known yet.
    pub end: Option<u64>,
    /// Whether it is a line of words.
    pub inline: bool,
    bytes: &'a [u8],
    places: &'a [Range<usize>],
    count: usize,
}

impl<'a> Command<'a> {
    /// Its arguments that are shown; the first is its name.
    pub fn arguments(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let Self { bytes, places, .. } = *self;
        places.iter().map(|place| &bytes[place.clone()])
    }

    /// One of them.
    #[must_use]
    pub fn argument(&self, index: usize) -> Option<&'a [u8]> {
        self.places.get(index).map(|place| &self.bytes[place.clone()])
    }

    /// Its name as it is written.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.argument(0).unwrap_or_default()
    }

    /// How many arguments are shown.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a command has a name")]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// How many it has.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }
}

/// What a piece of the request direction held.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A whole command.
    Command(Command<'a>),
    /// The beginning of one that is longer than what is kept.
    Begun(Command<'a>),
    /// Its end.
    Ended {
        /// Behind its last byte.
        end: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before a command.
    Start,
    /// In a command that is a line.
    Inline,
    /// In the line with the number of arguments.
    Count,
    /// In the line with the length of an argument.
    Length,
    /// So many bytes of an argument and its line end are still to come.
    Body(u64),
}

/// What a line or a stretch of an argument came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The chunk has ended.
    More,
    /// The command goes on.
    On,
    /// There was none.
    Nothing,
    /// It has ended.
    Whole,
    /// It is longer than what is kept.
    TooLong,
}

/// The request direction of one connection: keeps at most one unfinished command.
#[derive(Clone, Debug)]
pub struct Commands {
    keep: usize,
    state: State,
    inline: bool,
    /// The bytes of the command under way that came in earlier chunks; once it was shown, those of a line.
    kept: Vec<u8>,
    /// Where the line under way begins, from the first byte that is kept, or of the chunk.
    line: usize,
    /// Arguments that are still to come.
    left: usize,
    count: usize,
    places: Vec<Range<usize>>,
    /// The words of an inline command.
    words: Vec<u8>,
    start: u64,
    position: u64,
    /// The command under way was shown already.
    is_shown: bool,
    /// What is kept was shown.
    is_done: bool,
}

impl Commands {
    /// A connection on which nothing has passed yet. Of a command that is longer than `keep` only the
    /// beginning is shown.
    #[must_use]
    pub const fn new(keep: usize) -> Self {
        Self {
            keep,
            state: State::Start,
            inline: false,
            kept: Vec::new(),
            line: 0,
            left: 0,
            count: 0,
            places: Vec::new(),
            words: Vec::new(),
            start: 0,
            position: 0,
            is_shown: false,
            is_done: false,
        }
    }

    /// The next thing in `bytes`, which is moved behind what was taken. `None`: all of it was taken and more
    /// is needed.
    ///
    /// # Errors
    /// When the server answers with an error and closes. Nothing more can be read then.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        bytes: &mut &'b [u8],
    ) -> Result<Option<Event<'a>>, Malformed> {
        if std::mem::take(&mut self.is_done) {
            self.forget();
        }
        // Begins with the command, if nothing of that is kept.
        let (mut chunk, mut at) = (*bytes, 0);
        let step = loop {
            match self.step(chunk, &mut at)? {
                Step::More => {
                    self.keep_of(&chunk[..at]);
                    *bytes = &[];
                    return Ok(None);
                }
                Step::On if !self.is_shown => {}
                Step::On | Step::Nothing => {
                    (chunk, at, self.line) = (&chunk[at..], 0, 0);
                    self.kept.clear();
                }
                step @ (Step::Whole | Step::TooLong) => break step,
            }
        };
        *bytes = &chunk[at..];
        self.is_done = true;
        let ended = step == Step::Whole;
        if ended && std::mem::take(&mut self.is_shown) {
            return Ok(Some(Event::Ended { end: self.position }));
        }
        self.is_shown = !ended;
        let end = match self.state {
            State::Body(length) if !ended => (self.left == 1).then_some(self.position + length),
            _ => Some(self.position),
        };
        let bytes = if self.inline { &self.words } else { base(&self.kept, &chunk[..at]) };
        let Self { start, inline, ref places, count, .. } = *self;
        let command = Command { start, end, inline, bytes, places, count };
        Ok(Some(if ended { Event::Command(command) } else { Event::Begun(command) }))
    }

    /// What was shown is not needed any more.
    fn forget(&mut self) {
        // An idle connection must not keep the room that a large command needed.
        self.kept.clear();
        self.kept.shrink_to(INLINE_BYTES_MAX);
        self.places.clear();
        self.places.shrink_to(PLACES_KEPT);
        self.words.clear();
        self.words.shrink_to(INLINE_BYTES_MAX);
        self.line = 0;
    }

    /// The chunk has ended: keeps what is still needed of it.
    fn keep_of(&mut self, taken: &[u8]) {
        let passes = self.is_shown && matches!(self.state, State::Body(_));
        if self.kept.is_empty() && !passes {
            self.kept.extend_from_slice(taken);
        }
    }

    /// Takes one line, or a stretch of an argument.
    fn step(&mut self, chunk: &[u8], at: &mut usize) -> Result<Step, Malformed> {
        match self.state {
            State::Start => {
                let Some(first) = chunk.first() else { return Ok(Step::More) };
                self.inline = *first != b'*';
                self.state = if self.inline { State::Inline } else { State::Count };
                self.start = self.position;
                Ok(Step::On)
            }
            State::Inline => self.take_inline(chunk, at),
            State::Count => {
                let Some(line) = self.take_line(chunk, at) else {
                    return self.line_goes_on(chunk, at, Malformed::BigCount);
                };
                let count = decimal(line.get(1..).unwrap_or_default());
                let count = count.filter(|count| *count <= ARGUMENTS_MAX);
                self.count = usize::try_from(count.ok_or(Malformed::MultibulkLength)?).unwrap_or(0);
                self.left = self.count;
                // A command without a name is none, and has no reply.
                self.state = if self.left == 0 { State::Start } else { State::Length };
                Ok(if self.left == 0 { Step::Nothing } else { Step::On })
            }
            State::Length => {
                let Some(line) = self.take_line(chunk, at) else {
                    return self.line_goes_on(chunk, at, Malformed::BigBulkCount);
                };
                let first = *line.first().unwrap_or(&b'\r');
                if first != b'$' {
                    return Err(Malformed::ExpectedDollar(first));
                }
                let length = decimal(&line[1..]).and_then(|length| u64::try_from(length).ok());
                let length = length.filter(|length| *length <= BULK_BYTES_MAX.unsigned_abs());
                Ok(self.argument_begins(length.ok_or(Malformed::BulkLength)?, *at))
            }
            State::Body(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len() - *at);
                self.take(chunk, at, taken);
                let left = left - taken as u64;
                if left > 0 {
                    self.state = State::Body(left);
                    return Ok(Step::More);
                }
                self.left -= 1;
                self.state = if self.left == 0 { State::Start } else { State::Length };
                Ok(if self.left == 0 { Step::Whole } else { Step::On })
            }
        }
    }

    fn take_inline(&mut self, chunk: &[u8], at: &mut usize) -> Result<Step, Malformed> {
        let Some(end) = memchr::memchr(b'\n', &chunk[*at..]) else {
            return self.line_goes_on(chunk, at, Malformed::BigInline);
        };
        let place = self.take(chunk, at, end + 1);
        let line = &base(&self.kept, chunk)[place];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        inline::split(line, &mut self.words, &mut self.places)
            .map_err(|_| Malformed::UnbalancedQuotes)?;
        self.state = State::Start;
        self.count = self.places.len();
        Ok(if self.count == 0 { Step::Nothing } else { Step::Whole })
    }

    /// The length of an argument was read.
    fn argument_begins(&mut self, length: u64, at: usize) -> Step {
        self.state = State::Body(length + 2);
        if self.is_shown {
            return Step::On;
        }
        let start = if self.kept.is_empty() { at } else { self.kept.len() };
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        match end.filter(|end| *end <= self.keep) {
            Some(end) => {
                self.places.push(start..end);
                Step::On
            }
            None => Step::TooLong,
        }
    }

    /// A line with a number, without its line end: two bytes, of which only the first is looked at, as the
    /// server does. `None`: it does not end in this chunk.
    fn take_line<'a>(&'a mut self, chunk: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
        let rest = &chunk[*at..];
        let is_ending = self.kept.len() > self.line && self.kept.last() == Some(&b'\r');
        let end = if is_ending { 1 } else { memchr::memchr(b'\r', rest)? + 2 };
        if end > rest.len() {
            return None;
        }
        let place = self.take(chunk, at, end);
        Some(&base(&self.kept, chunk)[place.start..place.end - 2])
    }

    /// A line does not end in this chunk.
    fn line_goes_on(
        &mut self,
        chunk: &[u8],
        at: &mut usize,
        endless: Malformed,
    ) -> Result<Step, Malformed> {
        let rest = chunk.len() - *at;
        let line = self.line;
        let place = self.take(chunk, at, rest);
        self.line = line;
        if place.len() > INLINE_BYTES_MAX { Err(endless) } else { Ok(Step::More) }
    }

    /// Takes so many bytes of the chunk and says where the line stands that they end.
    fn take(&mut self, chunk: &[u8], at: &mut usize, count: usize) -> Range<usize> {
        let (from, line) = (*at, self.line);
        *at += count;
        self.position += count as u64;
        if self.kept.is_empty() {
            self.line = *at;
        } else {
            self.kept.extend_from_slice(&chunk[from..*at]);
            self.line = self.kept.len();
        }
        line..self.line
    }

    /// How many bytes of an unfinished command are kept.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        if self.is_done { 0 } else { self.kept.len() }
    }

    /// Whether nothing of a command is under way.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        self.state == State::Start
    }

    /// How many bytes were taken.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }
}

/// What places are counted from: what is kept, or the chunk.
const fn base<'a>(kept: &'a [u8], chunk: &'a [u8]) -> &'a [u8] {
    if kept.is_empty() { chunk } else { kept }
}

/// A command as a client sends it, appended to `out`: an array of bulk strings.
pub fn write_command(out: &mut Vec<u8>, arguments: &[&[u8]]) {
    write_number(out, b'*', arguments.len());
    for argument in arguments {
        write_number(out, b'$', argument.len());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

pub(super) fn write_number(out: &mut Vec<u8>, sort: u8, number: usize) {
    use std::io::Write as _;
    out.push(sort);
    // Writing into memory cannot fail.
    let _ = write!(out, "{number}\r\n");
}

#[cfg(test)]
mod tests;
