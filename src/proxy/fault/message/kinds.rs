//! The message faults by name: first what can be done to a message, then the recipes, which are the
//! same with the settings that an operator has in mind.

use strum::VariantNames as _;

use super::action::Action;
use super::spec::RuleSpec;
use crate::base::family::{Kind, Setting, SettingError, Settings, Unit, unknown};
use crate::protocol::Protocol;
use crate::protocol::exchange::{CannedReply, Change, Field};
use crate::protocol::speech::{is_memcached_error, largest};
use crate::proxy::fault::setting::{BASE64, HEX, TEXT, connections, line, size};

/// Whose requests a fault means: of one protocol, or `None`: of any.
type Only = Option<Protocol>;
const MEMCACHED: Only = Some(Protocol::Memcached);

const KEY: Setting = setting(
    "key",
    Unit::Text,
    "*",
    "which keys, as a glob; any key of a multi-get; * also means requests without a key",
);
const PROBABILITY: Setting =
    setting("probability", Unit::Ratio, "100%", "how often, drawn for each matching request");
const SKIP: Setting = setting("skip", Unit::Count, "0", "how many matching requests are spared");
const EVERY: Setting = setting("every", Unit::Count, "1", "of the rest, only every so many-th");
const COUNT: Setting = setting("count", Unit::Count, "0", "how often at most; 0: no bound");
const PER: Setting = setting(
    "per",
    Unit::Choice(&["proxy", "connection"]),
    "proxy",
    "what counts: all connections together, or each for itself",
);
const CONNECTIONS: Setting = connections("all");
const HOW: Setting =
    setting("how", Unit::Choice(&["fin", "reset"]), "fin", "how the connection is closed");
const JITTER: Setting =
    setting("jitter", Unit::Milliseconds, "0s", "up to so much later, evenly spread");

const fn setting(
    name: &'static str,
    unit: Unit,
    default: &'static str,
    summary: &'static str,
) -> Setting {
    Setting { name, unit, default: Some(default), summary }
}

const fn message(default: &'static str, summary: &'static str) -> Setting {
    setting("message", Unit::Text, default, summary)
}

const fn status() -> Setting {
    let summary = "the status of a packet; 0: the one that says what `message` says";
    setting("status", Unit::Count, "0", summary)
}

/// What every rule has, and what this one has besides.
macro_rules! settings {
    ($command:expr $(, $own:expr)*) => {
        &[
            setting(
                "command",
                Unit::Text,
                $command,
                "which commands, as globs with commas between them, in any case",
            ),
            KEY,
            PROBABILITY,
            SKIP,
            EVERY,
            COUNT,
            PER,
            CONNECTIONS,
            $($own,)*
        ]
    };
}

pub(in crate::proxy::fault) mod any;
mod build;
mod recipes;
use build::{
    ACROSS, AFTER_BYTES, LATE, PART, PLACE, THEN, WAIT, corrupt, delay, drop_connection, rule_of,
    say, swap, truncate, when,
};
pub(in crate::proxy::fault) use recipes::{
    BUSY, CLIENT_ERROR, CONNECTION_DROP, EXISTS, ITEM_TOO_LARGE, NOT_STORED, SERVER_ERROR,
    SLOW_COMMAND,
};

const READS: &str = "get,gets,gat,gats,mg";
const STORES: &str = "set,add,replace,append,prepend,cas,ms";

pub(in crate::proxy::fault) const ERROR: Kind<RuleSpec> = Kind {
    name: "memcached_error",
    summary: "answer requests with an error line; the server does not see them",
    settings: settings!("*", message("SERVER_ERROR injected fault", "the line"), status()),
    build: |settings| error(settings),
};

pub(in crate::proxy::fault) const RESPONSE: Kind<RuleSpec> = Kind {
    name: "memcached_response",
    summary: "answer requests as a server would that has nothing, or will not",
    settings: settings!(
        READS,
        setting(
            "response",
            Unit::Choice(&["miss", "not_found", "not_stored", "exists", "done"]),
            "miss",
            "what to answer, in the words of the command; what cannot be answered so passes",
        )
    ),
    build: |settings| {
        let reply = match settings.text("response")? {
            "not_stored" => CannedReply::NotStored,
            "exists" => CannedReply::Exists,
            "done" => CannedReply::Done,
            _ => CannedReply::Miss,
        };
        rule(settings, Action::Answer(reply))
    },
};

pub(in crate::proxy::fault) const DELAY: Kind<RuleSpec> = Kind {
    name: "memcached_delay",
    summary: "delay messages: replies, or with stream upstream requests, and all that follow",
    settings: settings!("*", LATE, JITTER, AFTER_BYTES),
    build: |settings| delay(settings, size(settings, "after_bytes")?, MEMCACHED),
};

pub(in crate::proxy::fault) const HOLD: Kind<RuleSpec> = Kind {
    name: "memcached_hold",
    summary: "keep messages back, and all that follow, until the toxic is removed",
    settings: settings!("*"),
    build: |settings| rule(settings, Action::Hold),
};

pub(in crate::proxy::fault) const DROP: Kind<RuleSpec> = Kind {
    name: "memcached_drop",
    summary: "close the connection at a request; none that was sent behind it runs",
    settings: settings!("*", when("before"), HOW),
    build: |settings| drop_connection(settings, MEMCACHED),
};

pub(in crate::proxy::fault) const TRUNCATE: Kind<RuleSpec> = Kind {
    name: "memcached_truncate",
    summary: "send half of a value, then nothing more",
    settings: settings!(READS, THEN),
    build: |settings| truncate(settings, MEMCACHED),
};

pub(in crate::proxy::fault) const SHORT_LENGTH: Kind<RuleSpec> = Kind {
    name: "memcached_short_length",
    summary: "announce half of a value and send the whole",
    settings: settings!(READS),
    build: |settings| rule(settings, Action::Change(Change::ShortLength, None)),
};

pub(in crate::proxy::fault) const CORRUPT: Kind<RuleSpec> = Kind {
    name: "memcached_corrupt",
    summary: "change a byte of a value, or replies into garbage",
    settings: settings!(READS, PART),
    build: |settings| corrupt(settings, MEMCACHED),
};

pub(in crate::proxy::fault) const WRONG_KEY: Kind<RuleSpec> = Kind {
    name: "memcached_wrong_key",
    summary: "give a value out under another key",
    settings: settings!(READS),
    build: |settings| rule(settings, Action::Change(Change::WrongKey, None)),
};

pub(in crate::proxy::fault) const WRONG_VALUE: Kind<RuleSpec> = Kind {
    name: "memcached_wrong_value",
    summary: "give the value of another key out under the right key",
    settings: settings!(READS),
    build: |settings| rule(settings, Action::Change(Change::WrongValue, None)),
};

pub(in crate::proxy::fault) const DUPLICATE: Kind<RuleSpec> = Kind {
    name: "memcached_duplicate",
    summary: "send replies twice",
    settings: settings!("*"),
    build: |settings| rule(settings, Action::Change(Change::Duplicate, None)),
};

pub(in crate::proxy::fault) const UNSOLICITED: Kind<RuleSpec> = Kind {
    name: "memcached_unsolicited",
    summary: "send a line that nobody asked for before a reply",
    settings: settings!("*", message("SERVER_ERROR unsolicited", "the line")),
    build: |settings| {
        rule(settings, Action::Change(Change::Unsolicited(line(settings, "message")?), None))
    },
};

pub(in crate::proxy::fault) const SAY: Kind<RuleSpec> = Kind {
    name: "memcached_say",
    summary: "say any bytes before, after or instead of a reply",
    settings: settings!("*", TEXT, BASE64, HEX, PLACE),
    build: |settings| say(settings, MEMCACHED),
};

pub(in crate::proxy::fault) const FIELD: Kind<RuleSpec> = Kind {
    name: "memcached_field",
    summary: "set a field in the header of a binary reply",
    settings: settings!(
        "*",
        setting(
            "field",
            Unit::Choice(Field::VARIANTS),
            "opaque",
            "which; the first header of a reply"
        ),
        setting(
            "value",
            Unit::Count,
            "0",
            "what it says then, the largest that it holds at most; a reply that says so already passes"
        )
    ),
    build: |settings| {
        let field: Field = settings.text("field")?.parse().map_err(|_| {
            let what =
                unknown("choice", settings.text("field").unwrap_or_default(), Field::VARIANTS);
            SettingError::at("field", format!("`field`: {what}"))
        })?;
        let value = size(settings, "value")?.min(largest(field));
        rule(settings, Action::Change(Change::Field(field, value), None))
    },
};

pub(in crate::proxy::fault) const SWAP: Kind<RuleSpec> = Kind {
    name: "memcached_swap",
    summary: "let two replies change places",
    settings: settings!(READS, ACROSS, WAIT),
    build: |settings| swap(settings, MEMCACHED),
};

fn rule(settings: &Settings, action: Action) -> Result<Box<RuleSpec>, SettingError> {
    rule_of(settings, action, MEMCACHED)
}

fn error(settings: &Settings) -> Result<Box<RuleSpec>, SettingError> {
    let status = u16::try_from(size(settings, "status")?).unwrap_or(u16::MAX);
    let line = line(settings, "message")?;
    if !is_memcached_error(&line) {
        let what = "`message` must be an error line: SERVER_ERROR, CLIENT_ERROR or ERROR first";
        return Err(SettingError::at("message", what));
    }
    let line = [&line[..], b"\r\n"].concat().into();
    rule(settings, Action::Answer(CannedReply::Error { line, status }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::family::Value;

    fn refused(kind: &Kind<RuleSpec>, name: &str, text: &str) -> String {
        let mut settings = Settings::default();
        settings.insert(name, Value::Text(text.into()));
        kind.make(&settings).unwrap_err().what
    }

    /// Catches a message that would be two lines on the wire, or no error that any client knows.
    #[test]
    fn what_would_put_a_client_out_of_step_is_refused() {
        for text in ["", "a\r\nb", "a\nb", &"x".repeat(2000)] {
            let what = refused(&UNSOLICITED, "message", text);
            assert!(what.starts_with("`message` must be one line"), "{what}");
        }
        let what = refused(&ERROR, "message", "NOT_FOUND");
        assert!(what.contains("error line"), "{what}");
        let what = refused(&ERROR, "command", "quit");
        assert!(what.starts_with("unknown command `quit`"), "{what}");
        let what = refused(&ERROR, "key", "");
        assert!(what.contains("no request has an empty key"), "{what}");
    }
}
