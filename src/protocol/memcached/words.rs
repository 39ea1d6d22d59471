//! What memcached's commands and replies are called, for whoever counts them.

use super::frame::command::Command;
use super::frame::response::Status;
use crate::protocol::exchange::{Kind, Verb, Word};

/// What a command asks for.
pub(crate) fn verb(command: Command) -> &'static Verb {
    &VERBS[command.position()]
}

/// What a reply says.
pub(crate) fn status(status: Status) -> &'static Word {
    &STATUSES[status.position()]
}

static VERBS: [Verb; Command::ALL.len()] = {
    const NONE: Verb = Verb { word: Word { name: "", place: 0 }, kind: Kind::Other };
    let mut verbs = [NONE; Command::ALL.len()];
    let mut place = 0;
    while place < verbs.len() {
        let command = Command::ALL[place];
        verbs[place] = Verb { word: Word { name: command.name(), place }, kind: kind(command) };
        place += 1;
    }
    verbs
};

static STATUSES: [Word; Status::ALL.len()] = {
    const NONE: Word = Word { name: "", place: 0 };
    let mut words = [NONE; Status::ALL.len()];
    let mut place = 0;
    while place < words.len() {
        words[place] = Word { name: Status::ALL[place].name(), place };
        place += 1;
    }
    words
};

const fn kind(command: Command) -> Kind {
    match command {
        Command::Get
        | Command::Gets
        | Command::Gat
        | Command::Gats
        | Command::Bget
        | Command::MetaGet => Kind::Read,
        Command::Set
        | Command::Add
        | Command::Replace
        | Command::Append
        | Command::Prepend
        | Command::Cas
        | Command::Delete
        | Command::Incr
        | Command::Decr
        | Command::Touch
        | Command::MetaSet
        | Command::MetaDelete
        | Command::MetaArithmetic => Kind::Write,
        // A login is of a connection, and of no operation.
        Command::Version | Command::Sasl => Kind::Ping,
        Command::MetaNoop | Command::Noop => Kind::Barrier,
        _ => Kind::Other,
    }
}
