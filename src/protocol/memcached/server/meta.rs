//! The meta commands, apart from `ma`.
//!
//! The flags of a line are all read before anything is done, so an error changes nothing. The one
//! exception is memcached's own: a too long opaque token of `mg` is noticed while the flags are
//! carried out.

use std::borrow::Cow;

use super::base64_key;
use super::classic::say;
use super::clock::NEVER;
use super::counts::Count;
use super::entry::{Attributes, Entry, Incoming};
use super::flags::{Flags, OPAQUE_TOO_LONG};
use super::item::{Item, class, weight};
use super::number;
use super::reply::{self, BAD_FORMAT, ERROR};
use super::session::{Context, Next};
use super::storage::{Answer, Header, MetaAnswer, Mode, OPAQUE_BYTES_MAX, write_key};
use super::words::Words;
use crate::protocol::memcached::frame::key::KEY_BYTES_MAX;
use crate::protocol::memcached::frame::number::old_block;
use crate::protocol::node::output::Output;

/// The most words of a meta line.
const WORDS_MAX: usize = 19;
/// What all but `mg` answer to more.
pub(super) const TOO_MANY_FLAGS: &str = "CLIENT_ERROR options flags too long";
/// What `md` and `ma` answer to any flag that they cannot read.
pub(super) const BAD_FLAG: &str = "CLIENT_ERROR invalid or duplicate flag";

/// What a meta line begins with, checked.
pub(super) fn check(words: &Words<'_>, too_many: &'static str) -> Result<(), &'static str> {
    match words.count() {
        0..=1 => Err(ERROR),
        _ if words.get(1).len() > KEY_BYTES_MAX => Err(BAD_FORMAT),
        count if count > WORDS_MAX => Err(too_many),
        _ => Ok(()),
    }
}

/// `mg`: read.
pub(super) fn get(words: &Words<'_>, out: &mut Output, context: &Context<'_>) {
    let start = out.text().len();
    if let Err(error) = try_get(words, out, context) {
        // Nothing fails behind a value, so only text is taken back.
        out.text().truncate(start);
        reply::line(out.text(), error);
    }
}

fn try_get(words: &Words<'_>, out: &mut Output, context: &Context<'_>) -> Result<(), &'static str> {
    // Here, and only here, 1.6.18 says "are".
    check(words, "CLIENT_ERROR options flags are too long")?;
    let flags = Flags::read(words.from(2), words.get(1), context)?;
    let room = match flags.create {
        Some(_) => context.store.room(weight(flags.key.len(), 0, 0), context.now),
        None => None,
    };
    let mut entry = context.store.entry(&flags.key, context.now);
    let mut created = false;
    if let (None, Some(room)) = (entry.item(), room) {
        entry.put(
            Incoming::Borrowed(b""),
            Attributes { deadline: NEVER, ..Attributes::default() },
            room,
        );
        created = true;
    }
    if entry.item().is_none() {
        entry.count(Count::GetMiss);
        drop(entry);
        let out = out.text();
        let start = out.len();
        miss("EN", words, &flags, out)?;
        if flags.quiet {
            out.truncate(start);
        }
        return Ok(());
    }
    let won = write_hit(words, &flags, &mut entry, created, out, context)?;
    if won && let Some(item) = entry.edit() {
        item.marks.token_sent = true;
    }
    entry.count(if flags.deadline.is_some() { Count::TouchHit } else { Count::GetHit });
    if !flags.no_bump {
        entry.bump();
    }
    Ok(())
}

/// Writes the reply of a hit and carries out the flags on the way, in their order. Returns whether
/// the reader was told to fetch a new value.
fn write_hit(
    words: &Words<'_>,
    flags: &Flags<'_>,
    entry: &mut Entry<'_>,
    created: bool,
    output: &mut Output,
    context: &Context<'_>,
) -> Result<bool, &'static str> {
    let Some(item) = entry.edit() else { return Ok(false) };
    let out = output.text();
    begin(out, flags.value.then_some(item.value.byte_count()));
    let mut won = false;
    for word in words.from(2) {
        match word[0] {
            b'T' => item.deadline = flags.deadline.unwrap_or(item.deadline),
            b'N' if created => {
                item.deadline = flags.create.unwrap_or(item.deadline);
                won = true;
            }
            b'R' => won |= may_recache(item, flags, created),
            b's' => reply::flag(out, b's', item.value.byte_count() as u64),
            b'f' => reply::flag(out, b'f', u64::from(item.flags)),
            b'l' => reply::flag(
                out,
                b'l',
                u64::from(context.now.seconds - item.used.min(context.now.seconds)),
            ),
            b'h' => reply::flag(out, b'h', u64::from(item.marks.fetched)),
            b'k' => write_key(out, &item.key, item.marks.key_encoded),
            _ => write_common(word, item, out, context)?,
        }
    }
    if item.marks.token_sent {
        out.extend_from_slice(b" Z");
    }
    if item.marks.stale {
        out.extend_from_slice(b" X");
        won |= !item.marks.token_sent;
    }
    if won {
        out.extend_from_slice(b" W");
    }
    out.extend_from_slice(b"\r\n");
    if flags.value {
        output.push(&item.value);
        output.text().extend_from_slice(b"\r\n");
    }
    Ok(won)
}

/// `R`: an item that expires soon is fetched anew by the first reader that learns of it.
fn may_recache(item: &Item, flags: &Flags<'_>, created: bool) -> bool {
    let soon = flags.recache.is_some_and(|recache| item.deadline < recache);
    !item.marks.token_sent && !created && item.deadline != NEVER && soon
}

/// The flags that `mg` and `ma` answer alike.
pub(super) fn write_common(
    word: &[u8],
    item: &Item,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) -> Result<(), &'static str> {
    match word[0] {
        b't' => match item.time_to_live(context.now) {
            ttl @ 0.. => reply::flag(out, b't', ttl.unsigned_abs()),
            _ => out.extend_from_slice(b" t-1"),
        },
        b'c' => reply::flag(out, b'c', item.cas),
        b'O' => write_opaque(word, out)?,
        _ => {}
    }
    Ok(())
}

fn write_opaque(word: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    if word.len() > OPAQUE_BYTES_MAX {
        return Err(OPAQUE_TOO_LONG);
    }
    out.push(b' ');
    out.extend_from_slice(word);
    Ok(())
}

/// The code of a success, with the length when a value follows.
pub(super) fn begin(out: &mut Vec<u8>, value_bytes: Option<usize>) {
    match value_bytes {
        Some(bytes) => {
            out.extend_from_slice(b"VA ");
            number::write(out, bytes as u64);
        }
        None => out.extend_from_slice(b"HD"),
    }
}

/// A reply without an item: only `O` and `k` are answered.
pub(super) fn miss(
    code: &str,
    words: &Words<'_>,
    flags: &Flags<'_>,
    out: &mut Vec<u8>,
) -> Result<(), &'static str> {
    out.extend_from_slice(code.as_bytes());
    for word in words.from(2) {
        match word[0] {
            b'O' => write_opaque(word, out)?,
            b'k' => write_key(out, &flags.key, flags.key_encoded),
            _ => {}
        }
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// `ms`: store.
pub(super) fn set<'a>(words: &Words<'a>, out: &mut Vec<u8>, context: &Context<'_>) -> Next<'a> {
    let length = match check(words, TOO_MANY_FLAGS) {
        Ok(()) => old_block(words.get(2)).ok_or(BAD_FORMAT),
        Err(error) => Err(error),
    };
    let length = match length {
        Ok(length) => length,
        Err(error) => return say(out, error),
    };
    match set_header(words, length, context) {
        Ok(header) => Next::Block(header),
        Err(error) => {
            reply::line(out, error);
            Next::Swallow(length + 2)
        }
    }
}

fn set_header<'a>(
    words: &Words<'a>,
    length: u64,
    context: &Context<'_>,
) -> Result<Header<'a>, &'static str> {
    let flags = Flags::read(words.from(3), words.get(1), context)?;
    let mut answer = MetaAnswer::default();
    answer.quiet = flags.quiet;
    let mut opaque_fits = true;
    for word in words.from(3).iter().filter(|word| matches!(word[0], b'O' | b'k' | b'c')) {
        opaque_fits &= answer.push(word);
    }
    let mode = match (flags.mode, flags.cas) {
        (None | Some(b'S'), None) => Mode::Set,
        (Some(b'R'), None) => Mode::Replace,
        (None | Some(b'S' | b'R'), Some(_)) => Mode::Cas,
        (Some(b'E'), _) => Mode::Add,
        (Some(b'A'), _) => Mode::Append,
        (Some(b'P'), _) => Mode::Prepend,
        _ => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    if !opaque_fits {
        return Err(OPAQUE_TOO_LONG);
    }
    let value_bytes = usize::try_from(length).map_err(|_| reply::TOO_LARGE)?;
    let header = Header {
        mode,
        flags: flags.client_flags,
        deadline: flags.deadline.unwrap_or(NEVER),
        value_bytes,
        cas: flags.cas.unwrap_or(0),
        stale_allowed: flags.invalidate,
        key_encoded: flags.key_encoded,
        answer: Answer::Meta(answer),
        key: flags.key,
    };
    if header.admit(context) { Ok(header) } else { Err(reply::TOO_LARGE) }
}

/// `md`: remove, or invalidate.
pub(super) fn delete(words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    let start = out.len();
    if let Err(error) = try_delete(words, out, context) {
        out.truncate(start);
        reply::line(out, error);
    }
}

fn try_delete(
    words: &Words<'_>,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) -> Result<(), &'static str> {
    check(words, TOO_MANY_FLAGS)?;
    let flags = Flags::read(words.from(2), words.get(1), context).map_err(|_| BAD_FLAG)?;
    if words.from(2).iter().any(|word| word[0] == b'O' && word.len() > OPAQUE_BYTES_MAX) {
        return Err(OPAQUE_TOO_LONG);
    }
    let mut entry = context.store.entry(&flags.key, context.now);
    let code = match entry.item() {
        None => {
            entry.count(Count::DeleteMiss);
            "NF"
        }
        Some(item) if flags.cas.is_some_and(|cas| cas != item.cas) => {
            entry.count(Count::DeleteMiss);
            "EX"
        }
        Some(_) if flags.invalidate => {
            entry.invalidate(flags.deadline);
            "HD"
        }
        Some(_) => {
            entry.count(Count::DeleteHit);
            entry.remove();
            "HD"
        }
    };
    drop(entry);
    if code == "HD" && flags.quiet { Ok(()) } else { miss(code, words, &flags, out) }
}

/// `me`: tell about an item.
pub(super) fn debug(words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    if words.count() < 2 || words.get(1).len() > KEY_BYTES_MAX {
        return reply::line(out, BAD_FORMAT);
    }
    let mut key = Cow::Borrowed(words.get(1));
    if words.get(2) == b"b" {
        match base64_key::decode(&key) {
            Some(decoded) => key = Cow::Owned(decoded),
            None => return reply::line(out, BAD_FORMAT),
        }
    }
    let mut entry = context.store.entry(&key, context.now);
    entry.count(Count::Meta);
    match entry.item() {
        Some(item) => write_debug(item, out, context),
        None => reply::line(out, "EN"),
    }
}

fn write_debug(item: &Item, out: &mut Vec<u8>, context: &Context<'_>) {
    out.extend_from_slice(b"ME ");
    if item.marks.key_encoded {
        base64_key::encode(out, &item.key);
    } else {
        out.extend_from_slice(&item.key);
    }
    let now = context.now.seconds;
    let expiry = match item.deadline {
        NEVER => -1,
        deadline => i64::from(now) - i64::from(deadline),
    };
    let fetched = if item.marks.fetched { "yes" } else { "no" };
    let (used, cas, weight) = (now.saturating_sub(item.used), item.cas, item.weight());
    let class = class(weight);
    reply::line(
        out,
        &format!(" exp={expiry} la={used} cas={cas} fetch={fetched} cls={class} size={weight}"),
    );
}
