//! What a fault waits for where it has no time: `after` and `then`.

use super::error::FileError;
use super::model::{FaultPlan, Plan, Who};
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::lab::timeline::After;

/// The most requests that can be waited for: more than any run has.
const REQUESTS_MAX: u64 = 1_000_000_000_000;

const EXAMPLES: &str = "{ requests = 1000 }, { event = \"name\" } or { breaker = \"open\" }";

/// What the fault waits for, if it does.
pub(super) fn read(table: &TomlTable<'_>) -> Result<Option<After>, FileError> {
    let (node, after) = match (table.get("after"), table.get("then")) {
        (None, None) => return Ok(None),
        (Some(node), Some(_)) => {
            return Err(node.error_at_key("`after` and `then`: a fault waits for one thing"));
        }
        (Some(node), None) => (node.clone(), read_after(&node)?),
        (None, Some(node)) => (node.clone(), After::Healed(node.name()?.to_owned())),
    };
    match ["at", "times", "every"].into_iter().find_map(|key| table.get(key)) {
        Some(other) => Err(other.error_at_key(format!(
            "`{}` is for a fault with a time of its own; this one has `{}`",
            other.key(),
            node.key()
        ))),
        None => Ok(Some(after)),
    }
}

fn read_after(node: &TomlValue<'_>) -> Result<After, FileError> {
    let table = node.table()?;
    table.only("thing to wait for", &["requests", "event", "breaker"])?;
    let mut things = table.iter();
    match (things.next(), things.next()) {
        (Some(thing), None) => match thing.key() {
            "requests" => Ok(After::Requests(thing.count(1..=REQUESTS_MAX)?)),
            "event" => Ok(After::Event(thing.name()?.to_owned())),
            _ => thing.word("state of a breaker", &[("open", After::BreakerOpen)]),
        },
        _ => Err(node.error(format!("a fault waits for one thing: {EXAMPLES}"))),
    }
}

/// Whether every fault that follows another has one to follow, and none follows itself.
pub(super) fn check(list: &TomlValue<'_>, faults: &[FaultPlan]) -> Result<(), FileError> {
    let leader = |name: &str| faults.iter().find(|fault| fault.spec.name == name);
    for follower in list.list()? {
        let Some(node) = follower.table()?.get("then") else { continue };
        let mut name = node.text()?;
        for _ in 0..=faults.len() {
            let Some(fault) = leader(name) else {
                let names: Vec<&str> = faults.iter().map(|it| it.spec.name.as_str()).collect();
                return Err(node.error(crate::base::family::unknown("fault", name, &names)));
            };
            match &fault.spec.after {
                Some(After::Healed(before)) => name = before,
                _ => name = "",
            }
            if name.is_empty() {
                break;
            }
        }
        if !name.is_empty() {
            return Err(node.error(format!(
                "`{}` follows itself and would never begin; give one of the faults an `at`",
                node.text()?
            )));
        }
    }
    Ok(())
}

/// Prints what a fault waits for.
pub(super) fn print(text: &mut TomlText, after: &After) {
    match after {
        After::Requests(count) => text.value("after", &format!("{{ requests = {count} }}")),
        After::Event(name) => text.value("after", &format!("{{ event = {} }}", string(name))),
        After::BreakerOpen => text.value("after", "{ breaker = \"open\" }"),
        After::Healed(name) => text.string("then", name),
    }
}

impl Plan {
    /// Whether anybody sees what its faults wait for.
    ///
    /// # Errors
    /// The fault that would never begin, and why.
    pub fn can_wait(&self) -> Result<(), (&FaultPlan, String)> {
        let unseen = |fault: &FaultPlan| {
            let why = match fault.spec.after.as_ref()? {
                After::Requests(_) if self.direct => {
                    "-direct leaves out the proxies that count them"
                }
                After::Requests(_) if self.elsewhere.is_some() => {
                    "proxies elsewhere do not tell how many; leave them out"
                }
                After::Event(_) if self.elsewhere.is_some() => {
                    "events come through our own control API; leave out the proxies elsewhere"
                }
                After::BreakerOpen if self.who() != Who::Own => {
                    "only the built-in client shows its breaker"
                }
                _ => return None,
            };
            Some(why.to_owned())
        };
        match self.faults.iter().find_map(|fault| Some((fault, unseen(fault)?))) {
            None => Ok(()),
            Some((fault, why)) => {
                let after = fault.spec.after.as_ref().map(ToString::to_string).unwrap_or_default();
                Err((fault, format!("it waits until {after}, and {why}")))
            }
        }
    }
}
