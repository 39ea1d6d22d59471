//! The classic text commands, and which command a line is.
//!
//! Arguments are counted before anything else, as 1.6.18 does: a wrong number of them is answered
//! even when the last is `noreply`.

use std::borrow::Cow;

use super::admin;
use super::counts::Count;
use super::entry::{COUNTER_BYTES_MAX, Delta};
use super::meta;
use super::meta_count;
use super::number;
use super::reply::{self, BAD_EXPIRY, BAD_FORMAT, ERROR};
use super::retrieval::Retrieval;
use super::session::{Context, Next};
use super::stats;
use super::storage::{Answer, Header, Mode};
use super::words::Words;
use crate::protocol::memcached::frame::command::Command;
use crate::protocol::memcached::frame::key::KEY_BYTES_MAX;
use crate::protocol::memcached::frame::number::{old_block, old_i32};
use crate::protocol::memcached::frame::text::{tokens, without_line_end};
use crate::protocol::node::output::Output;

/// The shortest command name.
const NAME_BYTES_MIN: usize = 2;
const DELETE_USAGE: &str = "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]";
const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";

/// Executes one line, its end included.
pub(super) fn execute<'a>(line: &'a [u8], out: &mut Output, context: &Context<'_>) -> Next<'a> {
    let line = without_line_end(line);
    // memcached looks at a line as a text that ends at the first NUL.
    let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
    let Some((at, name)) = tokens(line).next_at() else { return say(out.text(), ERROR) };
    let from = at + name.len();
    match Command::from_text(name) {
        Command::Get | Command::Bget => retrieve(line, from, false, out.text()),
        Command::Gets => retrieve(line, from, true, out.text()),
        Command::Gat => retrieve_and_touch(line, from, false, out.text(), context),
        Command::Gats => retrieve_and_touch(line, from, true, out.text(), context),
        command => execute_words(command, &Words::read(line), out, context),
    }
}

fn execute_words<'a>(
    command: Command,
    words: &Words<'a>,
    out: &mut Output,
    context: &Context<'_>,
) -> Next<'a> {
    if command == Command::MetaGet {
        meta::get(words, out, context);
        return Next::Line;
    }
    let out = out.text();
    match command {
        Command::Set => return store(Mode::Set, words, out, context),
        Command::Add => return store(Mode::Add, words, out, context),
        Command::Replace => return store(Mode::Replace, words, out, context),
        Command::Append => return store(Mode::Append, words, out, context),
        Command::Prepend => return store(Mode::Prepend, words, out, context),
        Command::Cas => return store(Mode::Cas, words, out, context),
        Command::Delete => delete(words, out, context),
        Command::Incr => count(true, words, out, context),
        Command::Decr => count(false, words, out, context),
        Command::Touch => touch(words, out, context),
        Command::MetaSet => return meta::set(words, out, context),
        Command::MetaDelete => meta::delete(words, out, context),
        Command::MetaArithmetic => meta_count::execute(words, out, context),
        Command::MetaDebug => meta::debug(words, out, context),
        Command::MetaNoop => reply::line(out, "MN"),
        Command::Stats => stats::execute(words, out, context),
        Command::Quit => return Next::Close,
        Command::Unknown if asks_for_http(words) => return Next::Close,
        command => admin::execute(command, words, out, context),
    }
    Next::Line
}

/// Writes a line and is done.
pub(super) fn say<'a>(out: &mut Vec<u8>, text: &str) -> Next<'a> {
    reply::line(out, text);
    Next::Line
}

/// An unknown command whose last word names HTTP: a browser or an attack. 1.6.18 looks for it only
/// behind first letters that it knows no command for.
fn asks_for_http(words: &Words<'_>) -> bool {
    let name = words.get(0);
    let known_letter = matches!(name.first(), Some(b'a' | b'c' | b'd' | b'g' | b'i' | b's' | b't'));
    let meta = name.len() == 2 && name[0] == b'm';
    let last = words.get(words.count().saturating_sub(1));
    name.len() >= NAME_BYTES_MIN && !known_letter && !meta && last.starts_with(b"HTTP/")
}

fn retrieve<'a>(line: &[u8], from: usize, with_cas: bool, out: &mut Vec<u8>) -> Next<'a> {
    let mut keys = tokens(&line[from..]).peekable();
    if keys.peek().is_none() {
        return say(out, ERROR);
    }
    // Nothing of a line with a key that is too long is answered.
    if line.len() > KEY_BYTES_MAX && keys.any(|key| key.len() > KEY_BYTES_MAX) {
        return say(out, BAD_FORMAT);
    }
    Next::Retrieve(Retrieval { from, to: line.len(), with_cas, touch: None })
}

fn retrieve_and_touch<'a>(
    line: &[u8],
    from: usize,
    with_cas: bool,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) -> Next<'a> {
    let Some((at, expiry)) = tokens(&line[from..]).next_at() else { return say(out, ERROR) };
    let Some(expiry) = old_i32(expiry) else { return say(out, BAD_EXPIRY) };
    let from = from + at + tokens(&line[from + at..]).next().map_or(0, <[u8]>::len);
    if tokens(&line[from..]).any(|key| key.len() > KEY_BYTES_MAX) {
        return say(out, BAD_FORMAT);
    }
    let touch = Some(context.clock.deadline(expiry, context.now));
    Next::Retrieve(Retrieval { from, to: line.len(), with_cas, touch })
}

fn store<'a>(mode: Mode, words: &Words<'a>, out: &mut Vec<u8>, context: &Context<'_>) -> Next<'a> {
    let needed = if mode == Mode::Cas { 6 } else { 5 };
    if words.count() != needed && words.count() != needed + 1 {
        return say(out, ERROR);
    }
    let noreply = words.noreply();
    let Some(header) = storage_header(mode, words, noreply, context) else {
        reply::line_unless(noreply, out, BAD_FORMAT);
        return Next::Line;
    };
    let block_bytes = header.block_bytes() as u64;
    if header.admit(context) {
        return Next::Block(header);
    }
    reply::line_unless(noreply, out, reply::TOO_LARGE);
    Next::Swallow(block_bytes)
}

fn storage_header<'a>(
    mode: Mode,
    words: &Words<'a>,
    noreply: bool,
    context: &Context<'_>,
) -> Option<Header<'a>> {
    let key = words.get(1);
    if key.len() > KEY_BYTES_MAX {
        return None;
    }
    let flags = number::unsigned_32(words.get(2))?;
    let expiry = old_i32(words.get(3))?;
    let value_bytes = usize::try_from(old_block(words.get(4))?).ok()?;
    let cas = if mode == Mode::Cas { number::unsigned(words.get(5))? } else { 0 };
    Some(Header {
        mode,
        key: Cow::Borrowed(key),
        flags,
        deadline: context.clock.deadline(expiry, context.now),
        value_bytes,
        cas,
        stale_allowed: false,
        key_encoded: false,
        answer: Answer::Classic { noreply },
    })
}

fn delete(words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    if !(2..=4).contains(&words.count()) {
        return reply::line(out, ERROR);
    }
    // A key may be called `noreply`, so only a word behind the key counts.
    let noreply = words.count() > 2 && words.noreply();
    let zero = words.get(2) == b"0";
    let fits = match words.count() {
        2 => true,
        3 => zero || noreply,
        _ => zero && noreply,
    };
    let answer = if !fits {
        DELETE_USAGE
    } else if words.get(1).len() > KEY_BYTES_MAX {
        BAD_FORMAT
    } else {
        let mut entry = context.store.entry(words.get(1), context.now);
        if entry.item().is_some() {
            entry.count(Count::DeleteHit);
            entry.remove();
            "DELETED"
        } else {
            entry.count(Count::DeleteMiss);
            "NOT_FOUND"
        }
    };
    reply::line_unless(noreply, out, answer);
}

fn touch(words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    if words.count() != 3 && words.count() != 4 {
        return reply::line(out, ERROR);
    }
    let answer = match (words.get(1), old_i32(words.get(2))) {
        (key, _) if key.len() > KEY_BYTES_MAX => BAD_FORMAT,
        (_, None) => BAD_EXPIRY,
        (key, Some(expiry)) => {
            let deadline = context.clock.deadline(expiry, context.now);
            let mut entry = context.store.entry(key, context.now);
            entry.bump();
            if let Some(item) = entry.edit() {
                item.deadline = deadline;
                entry.count(Count::TouchHit);
                "TOUCHED"
            } else {
                entry.count(Count::TouchMiss);
                "NOT_FOUND"
            }
        }
    };
    reply::line_unless(words.noreply(), out, answer);
}

fn count(up: bool, words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    if words.count() != 3 && words.count() != 4 {
        return reply::line(out, ERROR);
    }
    let noreply = words.noreply();
    let answer = match (words.get(1), number::unsigned(words.get(2))) {
        (key, _) if key.len() > KEY_BYTES_MAX => BAD_FORMAT,
        (_, None) => BAD_DELTA,
        (key, Some(by)) => match change(up, key, by, context) {
            Delta::Done { number, .. } => {
                if !noreply {
                    number::write(out, number);
                    out.extend_from_slice(b"\r\n");
                }
                return;
            }
            Delta::NotNumber => reply::NOT_NUMBER,
            Delta::NoMemory => "SERVER_ERROR out of memory",
            Delta::NotFound | Delta::Exists => "NOT_FOUND",
        },
    };
    reply::line_unless(noreply, out, answer);
}

fn change(up: bool, key: &[u8], by: u64, context: &Context<'_>) -> Delta {
    let room = context.store.room(COUNTER_BYTES_MAX, context.now);
    let mut entry = context.store.entry(key, context.now);
    let delta = entry.delta(up, by, 0, room);
    if delta == Delta::NotFound {
        entry.count(if up { Count::IncrMiss } else { Count::DecrMiss });
    }
    delta
}
