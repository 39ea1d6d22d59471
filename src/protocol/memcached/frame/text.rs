//! The grammar of a text line: tokens, and where a classic request ends.
//!
//! A pure reading of one line. It never looks at a data block and never answers.

use super::command::Command;
use super::key::KEY_BYTES_MAX;
use super::meta;
use super::number;
use super::request::{Block, Due, Framing, KeySpan, Shape};
use super::version::{Parser, ServerVersion};

/// The last token of a request that wants no answer.
const NOREPLY: &[u8] = b"noreply";
/// What the shortest line holds that the new parser looks at, its LF included.
const NEW_LINE_BYTES_MIN: usize = 4;

/// The tokens of a line: separated by spaces and by nothing else.
#[must_use]
pub const fn tokens(line: &[u8]) -> Tokens<'_> {
    Tokens { line, at: 0 }
}

/// The tokens of a line, each with the position where it starts.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The next token and where it starts.
    pub fn next_at(&mut self) -> Option<(usize, &'a [u8])> {
        let rest = &self.line[self.at..];
        let start = self.at + rest.iter().position(|byte| *byte != b' ')?;
        // Most tokens are short: a plain loop beats a call of memchr.
        let length = self.line[start..].iter().position(|byte| *byte == b' ');
        self.at = length.map_or(self.line.len(), |length| start + length);
        Some((start, &self.line[start..self.at]))
    }

    /// What has not been looked at yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.next_at().map(|(_, token)| token)
    }
}

/// The line without its LF and without one CR before it.
#[must_use]
pub fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Reads the head of a text request, classic or meta. `line` may or may not have its line end.
///
/// With an unknown version both parsers are asked, and where they differ the answer says so.
#[must_use]
pub fn frame_request(line: &[u8], version: ServerVersion) -> Framing {
    let whole = line;
    let line = without_line_end(line);
    match version.parser() {
        Parser::Old => frame_old(line),
        Parser::New => frame_new(line, had_cr(whole)),
        Parser::Unknown => {
            let old = frame_old(line);
            if old.regular { old } else { Framing::merge(old, frame_new(line, had_cr(whole))) }
        }
    }
}

/// Whether the line ended with CRLF: the new parser counts the CR when it calls a line too short.
/// A line without a line end is one that had CRLF.
/// Frames the line of a login (`-Y`): a `set` of which the server reads the length alone, and always answers.
/// `None`: it is none.
pub fn frame_login(line: &[u8]) -> Option<Framing> {
    let line = &Line::read(without_line_end(line));
    let length = number::new_block(line.token(4)).filter(|_| line.token(0) == b"set")?;
    Some(Framing { block: Block::Bytes(length + 2), ..Framing::line(Command::Set) })
}

fn had_cr(line: &[u8]) -> bool {
    !line.ends_with(b"\n") || line.ends_with(b"\r\n")
}

/// The first tokens of a line and how many there are in all.
struct Line<'a> {
    tokens: [(usize, &'a [u8]); 6],
    count: usize,
    last: &'a [u8],
}

impl<'a> Line<'a> {
    /// Counts every token, which is linear in the line; a `get` is read without this.
    fn read(line: &'a [u8]) -> Self {
        let mut read = Self { tokens: [(0, &[]); 6], count: 0, last: &[] };
        let mut tokens = tokens(line);
        while let Some((at, token)) = tokens.next_at() {
            if let Some(slot) = read.tokens.get_mut(read.count) {
                *slot = (at, token);
            }
            read.count += 1;
            read.last = token;
        }
        read
    }

    fn token(&self, index: usize) -> &'a [u8] {
        self.tokens.get(index).map_or(&[], |(_, token)| token)
    }

    fn key(&self) -> KeySpan {
        span(self.tokens[1].0, self.token(1).len())
    }

    fn due(&self) -> Due {
        if self.last == NOREPLY { Due::Never } else { Due::Always }
    }
}

/// The span of one key; none when the line is beyond what a span can say.
pub(super) fn span(at: usize, length: usize) -> KeySpan {
    match (u32::try_from(at), u32::try_from(at + length)) {
        (Ok(from), Ok(to)) if to > from => KeySpan::One(from, to),
        _ => KeySpan::None,
    }
}

// === before 1.6.40 ===

fn frame_old(line: &[u8]) -> Framing {
    let cut = memchr::memchr(0, line);
    let mut framing = frame_old_cut(&line[..cut.unwrap_or(line.len())]);
    // The new parser has NUL as a byte like any other and refuses a leading space.
    framing.regular &= cut.is_none() && !line.starts_with(b" ");
    framing
}

fn frame_old_cut(line: &[u8]) -> Framing {
    let mut all = tokens(line);
    let Some(name) = all.next() else { return Framing::malformed(Command::Unknown) };
    let command = Command::from_text(name);
    match command {
        _ if command.is_retrieval() => frame_retrieval(command, all, line, 0),
        _ if command.is_meta() => meta::frame_old(command, line),
        _ if command.is_storage() => frame_old_storage(command, &Line::read(line)),
        _ => frame_old_other(command, name, &Line::read(line)),
    }
}

fn frame_old_storage(command: Command, line: &Line<'_>) -> Framing {
    let needed = if command == Command::Cas { 6 } else { 5 };
    if line.count != needed && line.count != needed + 1 {
        return Framing::malformed(command);
    }
    let due = line.due();
    let refused = Framing { due, ..Framing::malformed(command) };
    if line.token(1).len() > KEY_BYTES_MAX
        || !number::old_is_unsigned(line.token(2))
        || number::old_i32(line.token(3)).is_none()
        || (command == Command::Cas && !number::old_is_unsigned(line.token(5)))
    {
        return refused;
    }
    let Some(length) = number::old_block(line.token(4)) else { return refused };
    Framing {
        due,
        block: Block::Bytes(length + 2),
        keys: line.key(),
        regular: new_accepts_storage(command, line) && (due == Due::Always || line.count > needed),
        ..Framing::line(command)
    }
}

/// Whether the new parser, too, takes every argument of a storage line that the old one takes.
fn new_accepts_storage(command: Command, line: &Line<'_>) -> bool {
    let digits = |index: usize| line.token(index).iter().all(u8::is_ascii_digit);
    digits(2)
        && number::new_i32(line.token(3)).is_some()
        && number::new_block(line.token(4)) == number::old_block(line.token(4))
        && (command != Command::Cas || digits(5))
}

fn frame_old_other(command: Command, name: &[u8], line: &Line<'_>) -> Framing {
    let keyed = Framing { keys: line.key(), ..Framing::line(command) };
    let counts = |from: usize, to: usize| (from..=to).contains(&line.count);
    let noreply = |framing: Framing, fits: bool, regular: bool| match fits {
        true => Framing { due: line.due(), regular, ..framing },
        false => Framing::malformed(command),
    };
    match command {
        Command::Delete if line.count == 2 => {
            Framing { regular: line.due() != Due::Never && line.key_fits(), ..keyed }
        }
        Command::Delete => noreply(keyed, counts(2, 4), line.key_fits()),
        Command::Incr | Command::Decr | Command::Touch => {
            let fits = counts(3, 4);
            noreply(keyed, fits, line.key_fits() && (line.count == 4 || line.due() == Due::Always))
        }
        Command::FlushAll => noreply(Framing::line(command), counts(1, 3), true),
        Command::CacheMemlimit => noreply(Framing::line(command), counts(2, 3), true),
        Command::Verbosity => noreply(Framing::line(command), counts(2, 3), true),
        Command::Lru | Command::Extstore => noreply(Framing::line(command), line.count > 1, true),
        Command::Slabs if line.token(1) == b"automove" && line.count > 2 => {
            noreply(Framing::line(command), true, true)
        }
        Command::LruCrawler if line.count == 3 => {
            Framing { regular: line.due() != Due::Never, ..frame_dump(line.token(1), false) }
        }
        Command::Stats => frame_stats(line),
        Command::Watch => Framing {
            shape: Shape::Watch,
            due: if line.due() == Due::Never { Due::Maybe } else { Due::Always },
            ..Framing::line(command)
        },
        Command::Quit => close(Command::Quit),
        Command::Unknown if old_closes(name, line.last) => close(Command::Http),
        Command::Unknown => unknown(line),
        _ => Framing { regular: line.due() != Due::Never, ..Framing::line(command) },
    }
}

impl Line<'_> {
    fn key_fits(&self) -> bool {
        self.token(1).len() <= KEY_BYTES_MAX
    }
}

/// An unknown command that asks for HTTP closes, unless its first letter leads the old parser into
/// a branch that answers `ERROR` by itself.
fn old_closes(name: &[u8], last: &[u8]) -> bool {
    last.starts_with(b"HTTP/")
        && name.len() >= 2
        && !matches!(name[0], b'a' | b'c' | b'd' | b'g' | b'i' | b's' | b't')
        && !(name[0] == b'm' && name.len() == 2)
}

// === from 1.6.40 ===

fn frame_new(line: &[u8], had_cr: bool) -> Framing {
    if line.len() + 1 + usize::from(had_cr) < NEW_LINE_BYTES_MIN {
        return Framing::malformed(Command::from_text(line));
    }
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let name = &line[..end];
    let mut all = tokens(line);
    all.next();
    match Command::from_text(name) {
        Command::Bget => frame_new_other(Command::Unknown, line),
        command if command.is_retrieval() => {
            frame_retrieval(command, all, line, usize::from(is_gat(command)))
        }
        command if command.is_meta() => meta::frame_new(command, line),
        command if command.is_storage() => frame_new_storage(command, &Line::read(line)),
        command => frame_new_other(command, line),
    }
}

fn frame_new_storage(command: Command, line: &Line<'_>) -> Framing {
    let length = (line.count >= 5).then(|| number::new_block(line.token(4))).flatten();
    match length {
        Some(length) => Framing {
            due: line.due(),
            block: Block::Bytes(length + 2),
            keys: line.key(),
            ..Framing::line(command)
        },
        None => Framing::malformed(command),
    }
}

fn frame_new_other(command: Command, text: &[u8]) -> Framing {
    let line = &Line::read(text);
    let keyed = Framing { keys: line.key(), due: line.due(), ..Framing::line(command) };
    match command {
        Command::Delete if line.count < 2 => Framing::malformed(command),
        Command::Incr | Command::Decr | Command::Touch if line.count < 3 => {
            Framing::malformed(command)
        }
        Command::Delete | Command::Incr | Command::Decr | Command::Touch => keyed,
        Command::Version => Framing::line(command),
        Command::Stats => frame_stats(line),
        Command::Watch => Framing { shape: Shape::Watch, ..Framing::line(command) },
        Command::Quit => close(Command::Quit),
        _ => frame_new_admin(line),
    }
}

fn frame_new_admin(line: &Line<'_>) -> Framing {
    let command = Command::from_prefix(line.token(0));
    let framing = match command {
        Command::LruCrawler if line.count == 3 => frame_dump(line.token(1), true),
        Command::Unknown if line.count > 1 && line.last.starts_with(b"HTTP/") => {
            return close(Command::Http);
        }
        Command::Unknown => unknown(line),
        _ => Framing::line(command),
    };
    Framing { due: line.due(), ..framing }
}

// === both ===

/// A line that every server answers with an error, whatever it asks for.
fn unknown(line: &Line<'_>) -> Framing {
    let words = [line.token(0), line.token(1), line.token(2)];
    match line.count {
        3 if words == [&b"config"[..], b"get", b"cluster"] => Framing::line(Command::Config),
        _ => Framing::malformed(Command::Unknown),
    }
}

const fn is_gat(command: Command) -> bool {
    matches!(command, Command::Gat | Command::Gats)
}

/// `get` and its kin. `keys_min` is what a `gat` needs beyond its exptime. Reads only the first
/// tokens: a line may hold ten thousand keys, and who wants them iterates.
fn frame_retrieval(
    command: Command,
    mut rest: Tokens<'_>,
    line: &[u8],
    keys_min: usize,
) -> Framing {
    if is_gat(command) && rest.next().is_none() {
        return Framing::malformed(command);
    }
    let mut first = rest.clone();
    let first = first.next_at();
    match first {
        None if !is_gat(command) || keys_min > 0 => Framing::malformed(command),
        None => Framing { shape: Shape::Get, regular: false, ..Framing::line(command) },
        Some((at, _)) => Framing {
            shape: Shape::Get,
            keys: u32::try_from(at).map_or(KeySpan::None, KeySpan::From),
            regular: command != Command::Bget,
            wipes_earlier: has_long_key(&line[at..]),
            ..Framing::line(command)
        },
    }
}

/// Whether any token is longer than a key may be. Short lines, the common case, cost nothing.
fn has_long_key(keys: &[u8]) -> bool {
    keys.len() > KEY_BYTES_MAX && tokens(keys).any(|key| key.len() > KEY_BYTES_MAX)
}

fn frame_dump(subcommand: &[u8], by_prefix: bool) -> Framing {
    let is = |name: &[u8]| match by_prefix {
        // `crawl` comes first, but nothing that begins with `m` is a prefix of it.
        true => !subcommand.is_empty() && name.starts_with(subcommand),
        false => name == subcommand,
    };
    let (command, shape) = if is(b"metadump") {
        (Command::Metadump, Shape::Dump)
    } else if is(b"mgdump") {
        (Command::Mgdump, Shape::Dump)
    } else {
        (Command::LruCrawler, Shape::Line)
    };
    Framing { shape, ..Framing::line(command) }
}

fn frame_stats(line: &Line<'_>) -> Framing {
    let sizes = matches!(line.token(1), b"sizes_enable" | b"sizes_disable");
    Framing {
        shape: if sizes { Shape::Line } else { Shape::Stats },
        ..Framing::line(Command::Stats)
    }
}

const fn close(command: Command) -> Framing {
    Framing {
        shape: Shape::Close,
        due: Due::Never,
        regular: matches!(command, Command::Quit),
        ..Framing::line(command)
    }
}

#[cfg(test)]
mod tests;
