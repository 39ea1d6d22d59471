//! Twitter's public traces of caches, as CSV: time in seconds, key, its length, the value's length, client,
//! operation, time to live.
//!
//! ```text
//! 12,user:4711,9,143,7,get,0
//! ```
//! A key may hold commas, so the columns behind it are counted from the end. A read whose value has
//! no length has found nothing.

use super::EXPIRED;
use super::line::{Line, Told, bytes, life, number, shown};
use crate::event::Operation;

/// The columns behind the key.
const BEHIND_KEY: usize = 5;

pub(super) fn read(line: &[u8]) -> Result<Line, &'static str> {
    let mut behind: [&[u8]; BEHIND_KEY] = Default::default();
    let mut columns = line.rsplitn(BEHIND_KEY + 1, |byte| *byte == b',');
    for column in behind.iter_mut().rev() {
        *column = columns.next().ok_or(COLUMNS)?.trim_ascii();
    }
    let [_, length, _, operation, ttl] = behind;
    let head = columns.next().ok_or(COLUMNS)?;
    let comma = head.iter().position(|byte| *byte == b',').ok_or(COLUMNS)?;
    let (time, key) = (head[..comma].trim_ascii(), &head[comma + 1..]);
    let at_us = number(time).and_then(|seconds| seconds.checked_mul(1_000_000));
    let at_us = at_us.ok_or("does not begin with a time in whole seconds")?;
    let length = number(length).ok_or("has no length of the value in its fourth column")?;
    let life_s = match ttl.strip_prefix(b"-") {
        Some(passed) => number(passed).map(|_| EXPIRED),
        None => number(ttl).map(life),
    };
    let life_s = life_s.ok_or("does not end with a time to live in seconds")?;
    let Some(operation) = operation_of(operation) else { return Ok(Line::Other(shown(operation))) };
    Ok(Line::Request(Told {
        at_us,
        key: key.to_vec(),
        operation,
        bytes: bytes(length),
        life_s,
        found: length > 0,
        connection: 0,
    }))
}

const COLUMNS: &str = "has no seven columns: time, key, its length, the value's length, client, operation, \
                       time to live";

fn operation_of(word: &[u8]) -> Option<Operation> {
    Some(match word {
        // A swap reads its token itself.
        b"get" | b"gets" => Operation::Get,
        b"set" => Operation::Set,
        b"add" => Operation::Add,
        b"replace" => Operation::Replace,
        b"cas" => Operation::Cas,
        b"append" => Operation::Append,
        b"prepend" => Operation::Prepend,
        b"delete" => Operation::Delete,
        b"incr" => Operation::Incr,
        b"decr" => Operation::Decr,
        _ => return None,
    })
}
