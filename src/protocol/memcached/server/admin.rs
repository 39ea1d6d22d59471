//! The commands that manage a server.
//!
//! What needs machinery that a node lacks (slab pages, an LRU crawler, a log stream, dumps) is
//! answered as by a memcached in which it is switched off.

use super::number;
use super::reply::{self, BAD_EXPIRY, BAD_FORMAT, ERROR};
use super::session::Context;
use super::words::Words;
use crate::protocol::memcached::frame::command::Command;
use crate::protocol::memcached::frame::number::old_i32;

/// What `version` answers: that of the memcached whose behaviour this is. Clients choose their
/// dialect by it, and some read nothing but digits and dots, so nothing is added to it.
pub(super) const VERSION: &str = "1.6.18";
const MEBIBYTE: u64 = 1024 * 1024;
const MEMLIMIT_MEBIBYTES_MIN: u32 = 8;
const MEMLIMIT_MEBIBYTES_MAX: u32 = 1_000_000_000;
/// What may be asked of `lru tune` at most, in percent for the hot and warm part together.
const LRU_PERCENT_MAX: u64 = 80;

pub(super) fn execute(
    command: Command,
    words: &Words<'_>,
    out: &mut Vec<u8>,
    context: &Context<'_>,
) {
    let mut quiet = words.noreply();
    let answer = match command {
        Command::FlushAll if words.count() <= 3 => flush_all(words, context),
        Command::Verbosity if matches!(words.count(), 2 | 3) => verbosity(words),
        Command::CacheMemlimit if matches!(words.count(), 2 | 3) => memlimit(words, context),
        Command::Lru if words.count() >= 2 => lru(words),
        Command::Slabs if words.get(1) == b"automove" && words.count() >= 3 => automove(words),
        Command::Watch => "CLIENT_ERROR watch commands not allowed",
        command => {
            quiet = false;
            match command {
                Command::Version => return reply::line(out, &format!("VERSION {VERSION}")),
                Command::Shutdown => "ERROR: shutdown not enabled",
                Command::RefreshCerts => "Error TLS not enabled",
                Command::Slabs => slabs(words),
                Command::LruCrawler => lru_crawler(words),
                _ => ERROR,
            }
        }
    };
    reply::line_unless(quiet, out, answer);
}

fn flush_all(words: &Words<'_>, context: &Context<'_>) -> &'static str {
    let plain = if words.noreply() { 2 } else { 1 };
    let delay = if words.count() == plain { Some(0) } else { old_i32(words.get(1)) };
    let Some(delay) = delay else {
        context.store.count(super::counts::Count::Flush);
        return BAD_EXPIRY;
    };
    let until = (delay > 0).then(|| context.clock.deadline(delay, context.now));
    context.store.flush(until, context.now);
    "OK"
}

fn verbosity(words: &Words<'_>) -> &'static str {
    if number::unsigned_32(words.get(1)).is_some() { "OK" } else { BAD_FORMAT }
}

fn memlimit(words: &Words<'_>, context: &Context<'_>) -> &'static str {
    match number::unsigned_32(words.get(1)) {
        None => ERROR,
        Some(0..MEMLIMIT_MEBIBYTES_MIN) => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
        Some(mebibytes @ ..=MEMLIMIT_MEBIBYTES_MAX) => {
            context.store.set_memory_bytes(u64::from(mebibytes) * MEBIBYTE, context.now);
            "OK"
        }
        Some(_) => "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
    }
}

fn lru(words: &Words<'_>) -> &'static str {
    match words.get(1) {
        b"tune" if words.count() >= 6 => lru_tune(words),
        b"mode" if words.count() >= 3 => match words.get(2) {
            b"flat" | b"segmented" => "OK",
            _ => ERROR,
        },
        b"temp_ttl" if words.count() >= 3 && old_i32(words.get(2)).is_some() => "OK",
        _ => ERROR,
    }
}

fn lru_tune(words: &Words<'_>) -> &'static str {
    let percent = |index| number::unsigned_32(words.get(index)).map(u64::from);
    let factor = |index| std::str::from_utf8(words.get(index)).ok()?.parse::<f64>().ok();
    match (percent(2), percent(3), factor(4), factor(5)) {
        (Some(hot), Some(warm), Some(hot_factor), Some(factor)) => {
            if hot + warm > LRU_PERCENT_MAX {
                "ERROR hot and warm pcts must not exceed 80"
            } else if hot_factor <= 0.0 || factor <= 0.0 {
                "ERROR hot/warm age factors must be greater than 0"
            } else {
                "OK"
            }
        }
        _ => ERROR,
    }
}

fn slabs(words: &Words<'_>) -> &'static str {
    match words.get(1) {
        b"reassign" if words.count() == 4 => "CLIENT_ERROR slab reassignment disabled",
        _ => ERROR,
    }
}

fn automove(words: &Words<'_>) -> &'static str {
    if words.get(2) == b"ratio" {
        let ratio =
            std::str::from_utf8(words.get(3)).ok().and_then(|text| text.parse::<f64>().ok());
        return if ratio.is_some() { "OK" } else { ERROR };
    }
    match number::unsigned_32(words.get(2)) {
        None => BAD_FORMAT,
        Some(0..=2) => "OK",
        Some(_) => ERROR,
    }
}

fn lru_crawler(words: &Words<'_>) -> &'static str {
    match (words.get(1), words.count()) {
        (b"crawl" | b"metadump", 3) => "CLIENT_ERROR lru crawler disabled",
        (b"tocrawl", 3) if number::unsigned_32(words.get(2)).is_some() => "OK",
        (b"tocrawl", 3) => BAD_FORMAT,
        (b"sleep", 3) => match number::unsigned_32(words.get(2)) {
            None => BAD_FORMAT,
            Some(1_000_001..) => "CLIENT_ERROR sleep must be one second or less",
            Some(_) => "OK",
        },
        (b"enable", 2) => "ERROR failed to start lru crawler thread",
        (b"disable", 2) => "OK",
        _ => ERROR,
    }
}
