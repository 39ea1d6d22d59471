//! The message faults that mean requests of any protocol: each connection hears them in its own words. Their names
//! are none of Toxiproxy's, and none of a fault of bytes.

use bytes::Bytes;

use super::build::{
    ACROSS, PART, THEN, WAIT, corrupt, delay, drop_connection, rule_of, say, swap, truncate,
};
use super::{CONNECTIONS, COUNT, EVERY, KEY, Only, PER, PROBABILITY, SKIP, message, setting};
use crate::base::family::{Kind, Unit};
use crate::protocol::exchange::{CannedReply, Change, Position};
use crate::proxy::fault::message::RuleSpec;
use crate::proxy::fault::message::action::Action;
use crate::proxy::fault::setting::{BASE64, HEX, TEXT, line, said, size};

/// What reads a value, in every protocol.
const READS: &str = "get,gets,gat,gats,mg,mget,getex,getdel,getrange,hget,hmget";
const ANY: Only = None;

pub(in crate::proxy::fault) const ERROR: Kind<RuleSpec> = Kind {
    name: "error",
    summary: "answer requests with an error; the server does not see them",
    settings: settings!(
        "*",
        message(
            "injected fault",
            "the line; what begins with no word for programs (READONLY, SERVER_ERROR) comes behind ERR \
             or SERVER_ERROR"
        )
    ),
    build: |settings| rule_of(settings, Action::Answer(error(&line(settings, "message")?)), ANY),
};

fn error(line: &[u8]) -> CannedReply {
    CannedReply::Error { line: [line, b"\r\n"].concat().into(), status: 0 }
}

pub(in crate::proxy::fault) const RESPOND: Kind<RuleSpec> = Kind {
    name: "respond",
    summary: "answer requests in the server's place, as if there were nothing or with anything",
    settings: settings!(
        READS,
        setting(
            "response",
            Unit::Choice(&[
                "miss",
                "nil",
                "empty",
                "done",
                "not_stored",
                "exists",
                "value",
                "bytes"
            ]),
            "miss",
            "what to answer, in the words of the command; value and bytes: what is said here; what cannot \
             be answered so passes"
        ),
        TEXT,
        BASE64,
        HEX
    ),
    build: |settings| {
        let reply = match settings.text("response")? {
            "nil" => CannedReply::Nil,
            "empty" => CannedReply::Empty,
            "done" => CannedReply::Done,
            "not_stored" => CannedReply::NotStored,
            "exists" => CannedReply::Exists,
            "value" => CannedReply::Value(said(settings)?),
            "bytes" => CannedReply::Bytes(said(settings)?),
            _ => CannedReply::Miss,
        };
        rule_of(settings, Action::Answer(reply), ANY)
    },
};

pub(in crate::proxy::fault) const DELAY: Kind<RuleSpec> = Kind {
    name: "delay",
    build: |settings| delay(settings, size(settings, "after_bytes")?, ANY),
    ..super::DELAY
};

pub(in crate::proxy::fault) const HOLD: Kind<RuleSpec> =
    Kind { name: "hold", build: |settings| rule_of(settings, Action::Hold, ANY), ..super::HOLD };

pub(in crate::proxy::fault) const DROP: Kind<RuleSpec> =
    Kind { name: "drop", build: |settings| drop_connection(settings, ANY), ..super::DROP };

pub(in crate::proxy::fault) const TRUNCATE: Kind<RuleSpec> = Kind {
    name: "truncate",
    settings: settings!(READS, THEN),
    build: |settings| truncate(settings, ANY),
    ..super::TRUNCATE
};

pub(in crate::proxy::fault) const SHORT_LENGTH: Kind<RuleSpec> = Kind {
    name: "short_length",
    settings: settings!(READS),
    build: |settings| rule_of(settings, Action::Change(Change::ShortLength, None), ANY),
    ..super::SHORT_LENGTH
};

pub(in crate::proxy::fault) const CORRUPT_VALUE: Kind<RuleSpec> = Kind {
    name: "corrupt_value",
    settings: settings!(READS, PART),
    build: |settings| corrupt(settings, ANY),
    ..super::CORRUPT
};

pub(in crate::proxy::fault) const WRONG_VALUE: Kind<RuleSpec> = Kind {
    name: "wrong_value",
    summary: "give the value of another key out for the right key",
    settings: settings!(READS),
    build: |settings| rule_of(settings, Action::Change(Change::WrongValue, None), ANY),
};

pub(in crate::proxy::fault) const DUPLICATE: Kind<RuleSpec> = Kind {
    name: "duplicate",
    build: |settings| rule_of(settings, Action::Change(Change::Duplicate, None), ANY),
    ..super::DUPLICATE
};

pub(in crate::proxy::fault) const UNSOLICITED: Kind<RuleSpec> = Kind {
    name: "unsolicited",
    summary: "send an error, a miss or a message that nobody asked for before a reply",
    settings: settings!(
        "*",
        message("injected fault", "the line of an error; the words of a message"),
        setting(
            "form",
            Unit::Choice(&["error", "miss", "message"]),
            "error",
            "what it is, in the words of the command; message: as to a subscriber, where there are such"
        )
    ),
    build: |settings| {
        let line = line(settings, "message")?;
        let change = match settings.text("form")? {
            "message" => Change::Message(line),
            "miss" => Change::Extra(CannedReply::Miss),
            _ => Change::Extra(error(&line)),
        };
        rule_of(settings, Action::Change(change, None), ANY)
    },
};

pub(in crate::proxy::fault) const LOSE: Kind<RuleSpec> = Kind {
    name: "lose",
    summary: "lose replies: the command has run, the next reply comes in the place of its own",
    settings: settings!("*"),
    build: |settings| {
        let nothing = Change::Said(Position::Instead, Bytes::new());
        rule_of(settings, Action::Change(nothing, None), ANY)
    },
};

pub(in crate::proxy::fault) const INTERJECT: Kind<RuleSpec> =
    Kind { name: "interject", build: |settings| say(settings, ANY), ..super::SAY };

pub(in crate::proxy::fault) const SWAP: Kind<RuleSpec> = Kind {
    name: "swap",
    settings: settings!(READS, ACROSS, WAIT),
    build: |settings| swap(settings, ANY),
    ..super::SWAP
};
