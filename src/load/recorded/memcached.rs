//! memcached's own log of requests, as it prints it after `watch fetchers mutations`.
//!
//! ```text
//! ts=1795915100.247485 gid=9 type=item_get key=foo status=found clsid=1 cfd=13 size=20
//! ts=1795915100.247486 gid=10 type=item_store key=foo status=not_stored cmd=add ttl=60 clsid=1 cfd=13 size=5
//! ```
//! The digits behind the point are microseconds as a plain number: `.41` is 41 of them. Keys are
//! percent-encoded. A store looks its key up first, and that look-up is a line of its own, like a read's:
//! [`Lookups`] takes it out again. Increments, deletes and touches leave a look-up only, so they are
//! reads here; the log does not tell them apart.

use std::collections::VecDeque;

use super::EXPIRED;
use super::line::{Line, Told, bytes, life, number, shown};
use crate::event::Operation;

/// What stands in a number of 32 bits for a time to live that had passed.
const TTL_PASSED: u64 = 1 << 31;

/// Whether this can be the first line of a log.
pub(super) fn is_first(line: &[u8]) -> bool {
    line == b"OK" || line.starts_with(b"ts=") || line.starts_with(b"skipped=")
}

pub(super) fn read(line: &[u8]) -> Result<Line, &'static str> {
    if line == b"OK" {
        return Ok(Line::Nothing);
    }
    if let Some(count) = line.strip_prefix(b"skipped=") {
        return number(count).map(Line::Lost).ok_or("does not say how many lines were skipped");
    }
    let at_us = field(line, b"ts").and_then(time_us);
    let at_us = at_us.ok_or("has no time such as ts=1616516140.157366")?;
    let kind = field(line, b"type").ok_or("has no type such as type=item_get")?;
    let status = field(line, b"status").unwrap_or_default();
    let operation = match kind {
        b"item_get" => Operation::Get,
        b"item_store" => {
            let command = field(line, b"cmd").ok_or("has no command such as cmd=set")?;
            let Some(operation) = stores(command) else { return Ok(Line::Other(shown(command))) };
            operation
        }
        other => return Ok(Line::Other(shown(other))),
    };
    let key = field(line, b"key").ok_or("has no key such as key=foo")?;
    let ttl = field(line, b"ttl").map_or(Some(0), number).ok_or("has a ttl that is no number")?;
    let length = field(line, b"size").and_then(number).ok_or("has no size such as size=20")?;
    Ok(Line::Request(Told {
        at_us,
        key: decoded(key),
        operation,
        bytes: bytes(length),
        life_s: if ttl >= TTL_PASSED { EXPIRED } else { life(ttl) },
        found: status == b"found",
        connection: field(line, b"cfd").and_then(number).unwrap_or_default(),
    }))
}

/// The value of a field: a line is `name=value` with blanks between.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut fields = line.split(|byte| *byte == b' ');
    fields.find_map(|field| field.strip_prefix(name)?.strip_prefix(b"="))
}

/// Seconds and, as a plain number, microseconds.
fn time_us(text: &[u8]) -> Option<u64> {
    let point = text.iter().position(|byte| *byte == b'.')?;
    let (seconds, micros) = (number(&text[..point])?, number(&text[point + 1..])?);
    let micros = Some(micros).filter(|micros| *micros < 1_000_000)?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

fn stores(command: &[u8]) -> Option<Operation> {
    Some(match command {
        b"set" => Operation::Set,
        b"add" => Operation::Add,
        b"replace" => Operation::Replace,
        b"append" => Operation::Append,
        b"prepend" => Operation::Prepend,
        b"cas" => Operation::Cas,
        _ => return None,
    })
}

/// A key as it was before it was percent-encoded; what is no encoding stays as it is.
fn decoded(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((&first, behind)) = rest.split_first() {
        let pair = behind.get(..2).filter(|_| first == b'%');
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        let pair = pair.filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

/// How many requests are held back until it is known whether they are look-ups: lines of other threads
/// stand between a look-up and its store. One that is farther away stays a read.
const HELD_MAX: usize = 64;

/// Takes the look-ups of stores out of a log.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// With the line that each stood in.
    held: VecDeque<(Told, u64)>,
}

impl Lookups {
    /// The next request of the log; what it pushes out is a request for sure.
    pub(super) fn push(&mut self, told: Told, line: u64) -> Option<(Told, u64)> {
        if told.operation != Operation::Get {
            let last = self.held.iter().rposition(|(held, _)| held.connection == told.connection);
            let is_lookup = |held: &Told| held.operation == Operation::Get && held.key == told.key;
            if let Some(place) = last.filter(|place| is_lookup(&self.held[*place].0)) {
                self.held.remove(place);
            }
        }
        self.held.push_back((told, line));
        if self.held.len() > HELD_MAX { self.held.pop_front() } else { None }
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = (Told, u64)> + '_ {
        self.held.drain(..)
    }
}
