//! `stats`: the counters that a node has, under memcached's names and in its order.

use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::admin::VERSION;
use super::counts::Count;
use super::number;
use super::reply::{self, END, ERROR};
use super::session::Context;
use super::store::Totals;
use super::words::Words;

/// The slab classes that memcached may have.
const SLAB_CLASSES: u32 = 64;

/// What a node knows about itself apart from its items.
#[derive(Debug, Default)]
pub struct Facts {
    /// The port it listens on.
    pub port: u16,
    /// The address it listens on.
    pub address: String,
    /// How many connections it takes.
    pub max_connections: u64,
    /// How many threads serve them.
    pub threads: u64,
    /// Connections open now.
    pub connections: AtomicU64,
    /// Connections taken since the start.
    pub connections_total: AtomicU64,
    /// Connections refused since the start.
    pub connections_rejected: AtomicU64,
    /// Bytes read.
    pub read_bytes: AtomicU64,
    /// Bytes written.
    pub written_bytes: AtomicU64,
}

impl Facts {
    pub(super) fn reset(&self) {
        for counter in [
            &self.connections_total,
            &self.connections_rejected,
            &self.read_bytes,
            &self.written_bytes,
        ] {
            counter.store(0, Relaxed);
        }
    }
}

/// Executes one `stats` line.
pub(super) fn execute(words: &Words<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
    match words.get(1) {
        b"" => general(out, context),
        b"settings" => settings(out, context),
        // Without slabs there are neither classes to list nor pages.
        b"slabs" => {
            stat(out, "active_slabs", 0);
            stat(out, "total_malloced", 0);
        }
        b"items" | b"extstore" => {}
        b"sizes" => stat(out, "sizes_status", "disabled"),
        b"conns" => conns(out, context),
        b"sizes_enable" => return stat(out, "sizes_status", "error"),
        b"sizes_disable" => return stat(out, "sizes_status", "disabled"),
        b"reset" => {
            context.store.reset_counts();
            context.facts.reset();
            return reply::line(out, "RESET");
        }
        b"detail" => return detail(words, out),
        b"cachedump" => return reply::line(out, cachedump(words)),
        _ => return reply::line(out, ERROR),
    }
    reply::line(out, END);
}

/// Nothing is counted by key prefix, so its dump is empty.
fn detail(words: &Words<'_>, out: &mut Vec<u8>) {
    reply::line(
        out,
        match words.get(2) {
            b"on" | b"off" => "OK",
            b"dump" => END,
            _ => "CLIENT_ERROR usage: stats detail on|off|dump",
        },
    );
}

/// There are no slab classes, so that each that memcached may have is empty.
fn cachedump(words: &Words<'_>) -> &'static str {
    if words.count() < 4 {
        return "CLIENT_ERROR bad command line";
    }
    match (number::unsigned_32(words.get(2)), number::unsigned_32(words.get(3))) {
        (Some(0..SLAB_CLASSES), Some(_)) => END,
        (Some(_), Some(_)) => "CLIENT_ERROR Illegal slab id",
        _ => "CLIENT_ERROR bad command line format",
    }
}

fn stat(out: &mut Vec<u8>, name: &str, value: impl Display) {
    // Writing into a vector cannot fail.
    let _ = write!(out, "STAT {name} {value}\r\n");
}

fn general(out: &mut Vec<u8>, context: &Context<'_>) {
    let facts = context.facts;
    stat(out, "pid", std::process::id());
    stat(out, "uptime", context.clock.uptime(context.now));
    stat(out, "time", context.clock.unix_seconds(context.now));
    stat(out, "version", VERSION);
    stat(out, "pointer_size", usize::BITS);
    stat(out, "max_connections", facts.max_connections);
    stat(out, "curr_connections", facts.connections.load(Relaxed));
    stat(out, "total_connections", facts.connections_total.load(Relaxed));
    stat(out, "rejected_connections", facts.connections_rejected.load(Relaxed));
    let totals = context.store.totals();
    commands(out, &totals);
    stat(out, "bytes_read", facts.read_bytes.load(Relaxed));
    stat(out, "bytes_written", facts.written_bytes.load(Relaxed));
    stat(out, "limit_maxbytes", totals.memory_bytes);
    stat(out, "accepting_conns", 1);
    stat(out, "threads", facts.threads);
    items(out, &totals);
}

fn commands(out: &mut Vec<u8>, totals: &Totals) {
    let count = |count| totals.counts.get(count);
    stat(out, "cmd_get", count(Count::GetHit) + count(Count::GetMiss));
    stat(out, "cmd_set", count(Count::Set));
    stat(out, "cmd_flush", count(Count::Flush));
    stat(out, "cmd_touch", count(Count::TouchHit) + count(Count::TouchMiss));
    stat(out, "cmd_meta", count(Count::Meta));
    for (name, number) in [
        ("get_hits", Count::GetHit),
        ("get_misses", Count::GetMiss),
        ("get_expired", Count::GetExpired),
        ("get_flushed", Count::GetFlushed),
        ("delete_misses", Count::DeleteMiss),
        ("delete_hits", Count::DeleteHit),
        ("incr_misses", Count::IncrMiss),
        ("incr_hits", Count::IncrHit),
        ("decr_misses", Count::DecrMiss),
        ("decr_hits", Count::DecrHit),
        ("cas_misses", Count::CasMiss),
        ("cas_hits", Count::CasHit),
        ("cas_badval", Count::CasBadValue),
        ("touch_hits", Count::TouchHit),
        ("touch_misses", Count::TouchMiss),
        ("store_too_large", Count::TooLarge),
        ("store_no_memory", Count::NoMemory),
    ] {
        stat(out, name, count(number));
    }
    stat(out, "auth_cmds", 0);
    stat(out, "auth_errors", 0);
}

fn items(out: &mut Vec<u8>, totals: &Totals) {
    stat(out, "bytes", totals.bytes);
    stat(out, "curr_items", totals.items);
    for (name, number) in [
        ("total_items", Count::Stored),
        ("expired_unfetched", Count::ExpiredUnfetched),
        ("evicted_unfetched", Count::EvictedUnfetched),
        ("evicted_active", Count::EvictedActive),
        ("evictions", Count::Evicted),
        ("reclaimed", Count::Reclaimed),
    ] {
        stat(out, name, totals.counts.get(number));
    }
}

fn settings(out: &mut Vec<u8>, context: &Context<'_>) {
    let facts = context.facts;
    stat(out, "maxbytes", context.store.totals().memory_bytes);
    stat(out, "maxconns", facts.max_connections);
    stat(out, "tcpport", facts.port);
    stat(out, "udpport", 0);
    stat(out, "inter", &facts.address);
    stat(out, "verbosity", 0);
    stat(out, "evictions", "on");
    stat(out, "domain_socket", "NULL");
    stat(out, "shutdown_command", "no");
    stat(out, "num_threads", facts.threads);
    stat(out, "detail_enabled", "no");
    stat(out, "cas_enabled", "yes");
    stat(out, "binding_protocol", "ascii");
    stat(out, "auth_enabled_sasl", "no");
    stat(out, "auth_enabled_ascii", "no");
    stat(out, "item_size_max", context.store.item_bytes());
    stat(out, "maxconns_fast", "yes");
    stat(out, "slab_reassign", "no");
    stat(out, "lru_crawler", "no");
    stat(out, "flush_enabled", "yes");
    stat(out, "dump_enabled", "no");
    stat(out, "ssl_enabled", "no");
}

/// Only the listener: connections are tasks and keep no descriptor number here.
fn conns(out: &mut Vec<u8>, context: &Context<'_>) {
    let Facts { address, port, .. } = context.facts;
    stat(out, "0:addr", format_args!("tcp:{address}:{port}"));
    stat(out, "0:state", "conn_listening");
}
