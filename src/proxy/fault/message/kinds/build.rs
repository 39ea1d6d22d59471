//! How the settings of message faults are made rules, for the faults of one protocol and of any.

use std::time::Duration;

use super::{Only, setting};
use crate::base::family::{Setting, SettingError, Settings, Unit};
use crate::protocol::exchange::{Change, Position};
use crate::proxy::close::CloseManner;
use crate::proxy::fault::message::RuleSpec;
use crate::proxy::fault::message::action::{Action, Ending, When};
use crate::proxy::fault::setting::{said, time};

/// How long one reply waits for another at most: clients wait longer.
const SWAP_WAIT_MAX: Duration = Duration::from_secs(1);

pub(super) const THEN: Setting = setting(
    "then",
    Unit::Choice(&["close", "reset", "stall"]),
    "close",
    "what follows: the end of the connection, or silence",
);
pub(super) const PART: Setting = setting(
    "part",
    Unit::Choice(&["value", "line"]),
    "value",
    "a byte of the value, or the whole first line of the reply",
);
pub(super) const PLACE: Setting = setting(
    "place",
    Unit::Choice(&["before", "after", "instead"]),
    "before",
    "before the reply, after it, or in its place; the command has run",
);
pub(super) const ACROSS: Setting = setting(
    "across",
    Unit::Choice(&["requests", "connections"]),
    "requests",
    "requests: with the reply to the next request of a pipeline; connections: with a reply of another \
     connection of the proxy",
);
pub(super) const WAIT: Setting = setting(
    "wait",
    Unit::Milliseconds,
    "100ms",
    "how long one waits for the other, a second at most; then it passes as it is",
);
pub(super) const LATE: Setting = setting("delay", Unit::Milliseconds, "1s", "how late at least");
pub(super) const AFTER_BYTES: Setting =
    setting("after_bytes", Unit::Bytes, "0B", "so many bytes of a message leave at once");

pub(super) const fn when(default: &'static str) -> Setting {
    setting(
        "when",
        Unit::Choice(&["before", "after", "mid_reply"]),
        default,
        "before the command runs, after it ran, or in the middle of its reply",
    )
}

pub(super) fn rule_of(
    settings: &Settings,
    action: Action,
    only: Only,
) -> Result<Box<RuleSpec>, SettingError> {
    RuleSpec::new(settings, action, only).map(Box::new)
}

pub(super) fn delay(
    settings: &Settings,
    after_bytes: u64,
    only: Only,
) -> Result<Box<RuleSpec>, SettingError> {
    let delay = time(settings, "delay", Unit::Milliseconds)?;
    let jitter = time(settings, "jitter", Unit::Milliseconds)?;
    rule_of(settings, Action::Delay { delay, jitter, after_bytes }, only)
}

pub(super) fn drop_connection(
    settings: &Settings,
    only: Only,
) -> Result<Box<RuleSpec>, SettingError> {
    let when = match settings.text("when")? {
        "after" => When::After,
        "mid_reply" => When::MidReply,
        _ => When::Before,
    };
    let how = match settings.text("how")? {
        "reset" => CloseManner::Reset,
        _ => CloseManner::Fin,
    };
    rule_of(settings, Action::Drop { when, how }, only)
}

pub(super) fn truncate(settings: &Settings, only: Only) -> Result<Box<RuleSpec>, SettingError> {
    let then = match settings.text("then")? {
        "stall" => Ending::Stall,
        "reset" => Ending::Close(CloseManner::Reset),
        _ => Ending::Close(CloseManner::Fin),
    };
    rule_of(settings, Action::Change(Change::Half, Some(then)), only)
}

pub(super) fn corrupt(settings: &Settings, only: Only) -> Result<Box<RuleSpec>, SettingError> {
    let change = match settings.text("part")? {
        "line" => Change::CorruptLine,
        _ => Change::CorruptValue,
    };
    rule_of(settings, Action::Change(change, None), only)
}

pub(super) fn say(settings: &Settings, only: Only) -> Result<Box<RuleSpec>, SettingError> {
    let position = match settings.text("place")? {
        "after" => Position::After,
        "instead" => Position::Instead,
        _ => Position::Before,
    };
    rule_of(settings, Action::Change(Change::Said(position, said(settings)?), None), only)
}

pub(super) fn swap(settings: &Settings, only: Only) -> Result<Box<RuleSpec>, SettingError> {
    let across = settings.text("across")? == "connections";
    let wait = time(settings, "wait", Unit::Milliseconds)?.min(SWAP_WAIT_MAX);
    rule_of(settings, Action::Swap { across, wait }, only)
}
