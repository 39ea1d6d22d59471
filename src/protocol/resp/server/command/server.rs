//! What is asked of the server as a whole.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

use super::{Call, Done, ROWS, Refusal, unknown_second};
use crate::protocol::resp::frame::value::Value;
use crate::protocol::resp::server::VERSION;

pub(super) fn flush(call: &mut Call<'_>) -> Done {
    let is_known =
        call.count() == 1 || call.count() == 2 && (call.is(1, "ASYNC") || call.is(1, "SYNC"));
    if !is_known {
        return Err(Refusal::SYNTAX);
    }
    call.data().flush();
    call.answer.ok();
    Ok(())
}

pub(super) fn dbsize(call: &mut Call<'_>) -> Done {
    let count = call.data().item_count();
    call.answer.integer(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) fn time(call: &mut Call<'_>) -> Done {
    let ms = call.context.now.ms;
    call.answer.array(2);
    for number in [ms / 1000, ms % 1000 * 1000] {
        call.answer.bytes(number.to_string().as_bytes());
    }
    Ok(())
}

/// Clients that ask for the list of commands use it for those of other kinds.
pub(super) fn command(call: &mut Call<'_>) -> Done {
    if call.count() == 1 || call.is(1, "LIST") {
        call.answer.array(0);
    } else if call.is(1, "DOCS") {
        call.answer.say(&Value::Map(Vec::new()));
    } else if call.is(1, "INFO") {
        call.answer.array(call.count() - 2);
        for _ in call.words(2) {
            call.answer.say(&Value::NullArray);
        }
    } else if call.is(1, "COUNT") {
        call.answer.integer(i64::try_from(ROWS.len()).unwrap_or(i64::MAX));
    } else {
        return Err(unknown_second(call, "command"));
    }
    Ok(())
}

/// A part of `INFO`: its name, whether it comes when none is asked for by name, and its lines.
type Part = (&'static str, bool, fn(&Call<'_>, &mut Lines));

const PARTS: [Part; 7] = [
    ("Server", true, server),
    ("Clients", true, clients),
    ("Memory", true, memory),
    ("Stats", true, stats),
    ("Replication", true, replication),
    ("Commandstats", false, commands),
    ("Keyspace", true, keys),
];

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn tell(&mut self, name: &str, value: impl Display) {
        // Writing into memory cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
}

pub(super) fn info(call: &mut Call<'_>) -> Done {
    let is_any = |words: &[&str]| {
        (1..call.count()).any(|place| words.iter().any(|word| call.is(place, word)))
    };
    let (all, usual) = (is_any(&["all", "everything"]), call.count() == 1 || is_any(&["default"]));
    let mut lines = Lines::default();
    for (name, is_usual, tell) in PARTS {
        if all || (usual && is_usual) || is_any(&[name]) {
            let between = if lines.0.is_empty() { "" } else { "\r\n" };
            let _ = write!(lines.0, "{between}# {name}\r\n");
            tell(call, &mut lines);
        }
    }
    call.answer.say(&Value::Verbatim(*b"txt", lines.0.into()));
    Ok(())
}

fn server(call: &Call<'_>, lines: &mut Lines) {
    lines.tell("redis_version", VERSION);
    lines.tell("redis_mode", "standalone");
    lines.tell("process_id", std::process::id());
    lines.tell("tcp_port", call.context.facts.port);
    let uptime = call.context.clock.uptime(call.context.now);
    lines.tell("uptime_in_seconds", uptime);
}

fn clients(call: &Call<'_>, lines: &mut Lines) {
    lines.tell("connected_clients", call.context.facts.connections.load(Relaxed));
    lines.tell("maxclients", call.context.facts.max_connections);
}

fn memory(call: &Call<'_>, lines: &mut Lines) {
    lines.tell("used_memory", call.data().bytes());
    lines.tell("maxmemory", call.context.store.memory_bytes());
    lines.tell("maxmemory_policy", "allkeys-lru");
}

fn stats(call: &Call<'_>, lines: &mut Lines) {
    let (facts, counts) = (call.context.facts, call.data().counts());
    lines.tell("total_connections_received", facts.connections_total.load(Relaxed));
    lines.tell("total_commands_processed", facts.commands.load(Relaxed));
    lines.tell("total_net_input_bytes", facts.read_bytes.load(Relaxed));
    lines.tell("total_net_output_bytes", facts.written_bytes.load(Relaxed));
    lines.tell("rejected_connections", facts.connections_rejected.load(Relaxed));
    lines.tell("expired_keys", counts.expired);
    lines.tell("evicted_keys", counts.evicted);
    lines.tell("keyspace_hits", counts.hits);
    lines.tell("keyspace_misses", counts.misses);
}

fn replication(_: &Call<'_>, lines: &mut Lines) {
    lines.tell("role", "master");
    lines.tell("connected_slaves", 0);
}

fn commands(call: &Call<'_>, lines: &mut Lines) {
    let flushes = call.data().counts().flushes;
    if flushes > 0 {
        lines.tell("cmdstat_flushall", format_args!("calls={flushes}"));
    }
}

fn keys(call: &Call<'_>, lines: &mut Lines) {
    let count = call.data().item_count();
    if count > 0 {
        lines.tell("db0", format_args!("keys={count}"));
    }
}
