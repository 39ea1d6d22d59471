//! The commands: what each is called, how many arguments it takes, what it does.

mod connection;
mod counters;
mod lives;
mod server;
mod set;
mod strings;

use super::answer::Answer;
use super::refusal::Refusal;
use super::state::{Context, State};
use super::store::Data;
use crate::protocol::resp::frame::command::Command;
use crate::protocol::resp::frame::number::decimal;

/// How much of a command is quoted in an error.
const QUOTED_BYTES_MAX: usize = 128;

/// A command that is being carried out.
pub(super) struct Call<'a> {
    /// Its name as the table has it.
    pub(super) name: &'static str,
    pub(super) command: Command<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) state: &'a mut State,
    pub(super) answer: Answer<'a>,
}

impl<'a> Call<'a> {
    /// The argument at this place; its name is at 0.
    pub(super) fn word(&self, place: usize) -> &'a [u8] {
        self.command.argument(place).unwrap_or_default()
    }

    /// How many there are, with its name.
    pub(super) const fn count(&self) -> usize {
        self.command.len()
    }

    /// Whether an argument is this word, in any case.
    pub(super) fn is(&self, place: usize, word: &str) -> bool {
        place < self.count() && self.word(place).eq_ignore_ascii_case(word.as_bytes())
    }

    pub(super) fn integer(&self, place: usize) -> Result<i64, Refusal> {
        decimal(self.word(place)).ok_or(Refusal::NO_INTEGER)
    }

    /// The arguments from this place on.
    pub(super) fn words(&self, from: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.command.arguments().skip(from)
    }

    /// The items, for as long as this command takes.
    pub(super) fn data(&self) -> Data<'a> {
        self.context.store.lock(self.context.now)
    }
}

type Done = Result<(), Refusal>;

/// A command that there is.
struct Row {
    name: &'static str,
    /// How many words it has with its name; below zero: so many at least.
    words: i32,
    run: fn(&mut Call<'_>) -> Done,
}

const fn row(name: &'static str, words: i32, run: fn(&mut Call<'_>) -> Done) -> Row {
    Row { name, words, run }
}

/// Looked through from the first to the last; most differ in their length already.
const ROWS: [Row; 47] = [
    row("append", 3, strings::append),
    row("auth", -2, connection::auth),
    row("client", -2, connection::client),
    row("command", -1, server::command),
    row("dbsize", 1, server::dbsize),
    row("decr", 2, counters::decr),
    row("decrby", 3, counters::decr_by),
    row("del", -2, strings::del),
    row("echo", 2, connection::echo),
    row("exists", -2, strings::exists),
    row("expire", -3, lives::expire),
    row("expireat", -3, lives::expire_at),
    row("expiretime", 2, lives::expire_time),
    row("flushall", -1, server::flush),
    row("flushdb", -1, server::flush),
    row("get", 2, strings::get),
    row("getdel", 2, strings::get_del),
    row("getex", -2, lives::get_ex),
    row("getset", 3, set::get_set),
    row("hello", -1, connection::hello),
    row("incr", 2, counters::incr),
    row("incrby", 3, counters::incr_by),
    row("info", -1, server::info),
    row("mget", -2, strings::get_many),
    row("mset", -3, set::set_many),
    row("msetnx", -3, set::set_many_new),
    row("persist", 2, lives::persist),
    row("pexpire", -3, lives::expire_ms),
    row("pexpireat", -3, lives::expire_at_ms),
    row("pexpiretime", 2, lives::expire_time_ms),
    row("ping", -1, connection::ping),
    row("psetex", 4, set::set_ex_ms),
    row("pttl", 2, lives::ttl_ms),
    row("quit", -1, connection::quit),
    row("reset", 1, connection::reset),
    row("select", 2, connection::select),
    row("set", -3, set::set),
    row("setex", 4, set::set_ex),
    row("setnx", 3, set::set_new),
    row("strlen", 2, strings::length),
    row("substr", 4, strings::range),
    row("getrange", 4, strings::range),
    row("touch", -2, strings::touch),
    row("ttl", 2, lives::ttl),
    row("type", 2, strings::kind),
    row("unlink", -2, strings::del),
    row("time", 1, server::time),
];

/// Carries out a command, or says why not.
pub(super) fn execute(
    command: Command<'_>,
    context: &Context<'_>,
    state: &mut State,
    answer: Answer<'_>,
) {
    let name = command.name();
    let row = ROWS.iter().find(|row| name.eq_ignore_ascii_case(row.name.as_bytes()));
    let mut call = Call { name: row.map_or("", |row| row.name), command, context, state, answer };
    let done = match row {
        None => Err(unknown(&call)),
        Some(row) if !takes(row.words, call.count()) => Err(Refusal::arguments(row.name)),
        Some(row) => (row.run)(&mut call),
    };
    if let Err(refusal) = done {
        call.answer.error(&refusal);
    }
}

fn takes(words: i32, count: usize) -> bool {
    let needed = words.unsigned_abs() as usize;
    if words < 0 { count >= needed } else { count == needed }
}

/// The text as C prints it: up to its first zero, and no longer than this.
fn quoted(text: &[u8], bytes_max: usize) -> &[u8] {
    let text = &text[..text.len().min(bytes_max)];
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn unknown(call: &Call<'_>) -> Refusal {
    let mut arguments = Vec::new();
    for word in call.words(1) {
        if arguments.len() >= QUOTED_BYTES_MAX {
            break;
        }
        let room = QUOTED_BYTES_MAX - arguments.len();
        arguments.extend_from_slice(b"'");
        arguments.extend_from_slice(quoted(word, room));
        arguments.extend_from_slice(b"' ");
    }
    let name = quoted(call.command.name(), QUOTED_BYTES_MAX);
    let parts: [&[u8]; 4] =
        [b"ERR unknown command '", name, b"', with args beginning with: ", &arguments];
    Refusal::saying(parts.concat())
}

/// A command whose second word, here the first of `call`, is none of its own.
fn unknown_second(call: &Call<'_>, name: &str) -> Refusal {
    let second = quoted(call.word(1), QUOTED_BYTES_MAX);
    let name = name.to_uppercase();
    let parts: [&[u8]; 5] =
        [b"ERR unknown subcommand '", second, b"'. Try ", name.as_bytes(), b" HELP."];
    Refusal::saying(parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a command that is listed twice.
    #[test]
    fn every_command_is_there_once() {
        let mut names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
