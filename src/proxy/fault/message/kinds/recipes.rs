//! The recipes: message faults with the settings that an operator has in mind.

use super::{
    CONNECTIONS, COUNT, EVERY, HOW, JITTER, KEY, MEMCACHED, PER, PROBABILITY, READS, SKIP, STORES,
    delay, drop_connection, error, message, rule, setting, status, when,
};
use crate::base::family::{Kind, Unit};
use crate::protocol::exchange::CannedReply;
use crate::proxy::fault::message::RuleSpec;
use crate::proxy::fault::message::action::Action;

pub(in crate::proxy::fault) const SERVER_ERROR: Kind<RuleSpec> = Kind {
    name: "memcached_server_error",
    summary: "recipe: the server has no memory left",
    settings: settings!(
        STORES,
        message("SERVER_ERROR out of memory storing object", "the line"),
        status()
    ),
    build: |settings| error(settings),
};

pub(in crate::proxy::fault) const CLIENT_ERROR: Kind<RuleSpec> = Kind {
    name: "memcached_client_error",
    summary: "recipe: the server takes requests for malformed",
    settings: settings!(
        READS,
        message("CLIENT_ERROR bad command line format", "the line"),
        status()
    ),
    build: |settings| error(settings),
};

pub(in crate::proxy::fault) const NOT_STORED: Kind<RuleSpec> = Kind {
    name: "memcached_not_stored",
    summary: "recipe: the condition of a conditional store does not hold",
    settings: settings!("add,replace,append,prepend,ms"),
    build: |settings| rule(settings, Action::Answer(CannedReply::NotStored)),
};

pub(in crate::proxy::fault) const EXISTS: Kind<RuleSpec> = Kind {
    name: "memcached_exists",
    summary: "recipe: somebody else was faster (a stale cas)",
    settings: settings!("cas,ms"),
    build: |settings| rule(settings, Action::Answer(CannedReply::Exists)),
};

pub(in crate::proxy::fault) const ITEM_TOO_LARGE: Kind<RuleSpec> = Kind {
    name: "memcached_item_too_large",
    summary: "recipe: the item is too large; its data are swallowed",
    settings: settings!(
        STORES,
        message("SERVER_ERROR object too large for cache", "the line"),
        status()
    ),
    build: |settings| error(settings),
};

pub(in crate::proxy::fault) const BUSY: Kind<RuleSpec> = Kind {
    name: "memcached_busy",
    summary: "recipe: the server turns requests away",
    settings: settings!("*", message("SERVER_ERROR busy", "the line"), status()),
    build: |settings| error(settings),
};

pub(in crate::proxy::fault) const SLOW_COMMAND: Kind<RuleSpec> = Kind {
    name: "memcached_slow_command",
    summary: "recipe: some commands take long",
    settings: settings!(
        READS,
        setting("delay", Unit::Milliseconds, "3s", "how late at least"),
        JITTER
    ),
    build: |settings| delay(settings, 0, MEMCACHED),
};

pub(in crate::proxy::fault) const CONNECTION_DROP: Kind<RuleSpec> = Kind {
    name: "memcached_connection_drop",
    summary: "recipe: the connection is lost once the command has run",
    settings: settings!("*", when("after"), HOW),
    build: |settings| drop_connection(settings, MEMCACHED),
};
