//! `ma`: the meta command that counts.
//!
//! As in memcached, the number is changed before the flags of the reply are carried out.

use super::counts::Count;
use super::entry::{Attributes, COUNTER_BYTES_MAX, Delta, Entry, Incoming};
use super::flags::Flags;
use super::item::weight;
use super::meta::{BAD_FLAG, TOO_MANY_FLAGS, begin, check, miss, write_common};
use super::number;
use super::reply;
use super::session::Context;
use super::storage::write_key;
use super::words::Words;

/// Executes one `ma` line.
pub(super) fn execute(words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    let start = out.len();
    if let Err(error) = try_arithmetic(words, out, context) {
        out.truncate(start);
        reply::line(out, error);
    }
}

fn try_arithmetic(
    words: &Words<'_>,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) -> Result<(), &'static str> {
    check(words, TOO_MANY_FLAGS)?;
    let flags = Flags::read(words.from(2), words.get(1), context).map_err(|_| BAD_FLAG)?;
    let up = match flags.mode {
        None | Some(b'I' | b'+') => true,
        Some(b'D' | b'-') => false,
        Some(_) => return Err("CLIENT_ERROR invalid mode for ma M token"),
    };
    let bytes = weight(flags.key.len(), 0, COUNTER_BYTES_MAX);
    let room = context.store.room(bytes, context.now);
    let mut entry = context.store.entry(&flags.key, context.now);
    let created = flags.create.is_some() && entry.item().is_none();
    let (number, grown) = if created {
        let room = room.ok_or("SERVER_ERROR Out of memory allocating new item")?;
        let mut digits = [0; COUNTER_BYTES_MAX];
        let digits = number::format(flags.initial, &mut digits);
        entry.put(Incoming::Borrowed(digits), Attributes::default(), room);
        (flags.initial, false)
    } else {
        match entry.delta(up, flags.delta, flags.cas.unwrap_or(0), room) {
            Delta::Done { number, grown } => (number, grown),
            Delta::NotNumber => return Err(reply::NOT_NUMBER),
            Delta::NoMemory => return Err("SERVER_ERROR out of memory"),
            Delta::Exists => return miss("EX", words, &flags, out),
            Delta::NotFound => {
                entry.count(if up { Count::IncrMiss } else { Count::DecrMiss });
                return miss("NF", words, &flags, out);
            }
        }
    };
    let counted = Counted { number, grown, created };
    let start = out.len();
    write_counted(words, &flags, &mut entry, counted, out, context)?;
    if flags.quiet && !created {
        out.truncate(start);
    }
    Ok(())
}

/// What `ma` did.
#[derive(Clone, Copy)]
struct Counted {
    number: u64,
    grown: bool,
    created: bool,
}

fn write_counted(
    words: &Words<'_>,
    flags: &Flags<'_>,
    entry: &mut Entry<'_>,
    counted: Counted,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) -> Result<(), &'static str> {
    let Some(item) = entry.edit() else { return Ok(()) };
    let mut digits = [0; COUNTER_BYTES_MAX];
    let digits = number::format(counted.number, &mut digits);
    begin(out, flags.value.then_some(digits.len()));
    let kept = item.deadline;
    for word in words.from(2) {
        match word[0] {
            b'T' => item.deadline = flags.deadline.unwrap_or(item.deadline),
            b'N' if counted.created => item.deadline = flags.create.unwrap_or(item.deadline),
            b'k' => write_key(out, &flags.key, flags.key_encoded),
            _ => write_common(word, item, out, context)?,
        }
    }
    if counted.grown {
        // 1.6.18 sets the expiry of the item that the longer number has just replaced.
        item.deadline = kept;
    }
    out.extend_from_slice(b"\r\n");
    if flags.value {
        out.extend_from_slice(digits);
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}
