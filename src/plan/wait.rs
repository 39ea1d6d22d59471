//! What a fault waits for where it has no time (`after` and `then`), and what ends it before its time (`until`).

use super::error::FileError;
use super::model::{FaultPlan, Plan, Who};
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::lab::Network;
use crate::lab::fault::FAULTS;
use crate::lab::timeline::{After, Awaited};
use crate::protocol::speech::Matcher;

/// The most requests that can be waited for: more than any run has.
const REQUESTS_MAX: u64 = 1_000_000_000_000;

const EXAMPLES: &str = "{ requests = 1000 }, { command = \"set\", key = \"k:7\" }, { event = \"name\" } or \
                        { breaker = \"open\" }";

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
    table.only("thing to wait for", &["requests", "command", "key", "event", "breaker"])?;
    let mut things = table.iter();
    match (things.next(), things.next()) {
        (Some(thing), None) if thing.key() == "event" => Ok(After::Event(thing.name()?.to_owned())),
        (Some(thing), None) if thing.key() == "breaker" => {
            thing.word("state of a breaker", &[("open", After::BreakerOpen)])
        }
        (Some(_), _) if ["event", "breaker"].iter().all(|key| table.get(key).is_none()) => {
            read_awaited(&table).map(After::Requests)
        }
        _ => Err(node.error(format!("a fault waits for one thing: {EXAMPLES}"))),
    }
}

/// Requests, all of them or those of a command or for a key; the first, unless it says how many.
fn read_awaited(table: &TomlTable<'_>) -> Result<Awaited, FileError> {
    let glob = |key| {
        let glob = table.optional(key, TomlValue::text)?;
        Ok(glob.unwrap_or(Awaited::ANY).to_owned())
    };
    let (command, key) = (glob("command")?, glob("key")?);
    if let (Some(node), Err(what)) = (table.get("key"), Matcher::check_key(&key, None)) {
        return Err(node.error(what));
    }
    if let Err(what) = Matcher::new(&command, &key, None) {
        let node = table.get("command");
        return Err(node.map_or_else(|| table.error(&what), |node| node.error(&what)));
    }
    let count = table.optional("requests", |node| node.count(1..=REQUESTS_MAX))?;
    Ok(Awaited { count: count.unwrap_or(1), command, key })
}

/// After how many operations that it has touched the fault ends, if it does before its time.
pub(super) fn read_until(
    table: &TomlTable<'_>,
    kind: &TomlValue<'_>,
) -> Result<Option<u64>, FileError> {
    let Some(node) = table.get("until") else { return Ok(None) };
    let until = node.table()?;
    until.only("end of a fault", &["touched"])?;
    let touched = until.need("touched", "how many operations, such as 100")?;
    if FAULTS.find(kind.key()).is_some() {
        return Err(node.error_at_key(format!(
            "nobody counts what `{}` touches while it lasts; leave `until` out, and write `for`",
            kind.key()
        )));
    }
    touched.count(1..=REQUESTS_MAX).map(Some)
}

/// Whether this stands behind the name of a fault that is repeated, as in `a-2`.
fn is_number_of_round(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|round| round.parse::<u32>().is_ok())
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
                let repeated = |it: &&&str| it.strip_prefix(name).is_some_and(is_number_of_round);
                return Err(node.error(match names.iter().rfind(repeated) {
                    Some(last) => {
                        format!("`{name}` is repeated; say which is followed, such as `{last}`")
                    }
                    None => crate::base::family::unknown("fault", name, &names),
                }));
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
        After::Requests(Awaited { count, command, key }) => {
            let mut words = vec![format!("requests = {count}")];
            for (name, glob) in [("command", command), ("key", key)] {
                if glob != Awaited::ANY {
                    words.push(format!("{name} = {}", string(glob)));
                }
            }
            text.value("after", &format!("{{ {} }}", words.join(", ")));
        }
        After::Event(name) => text.value("after", &format!("{{ event = {} }}", string(name))),
        After::BreakerOpen => text.value("after", "{ breaker = \"open\" }"),
        After::Healed(name) => text.string("then", name),
    }
}

impl Plan {
    /// Whether anybody sees what its faults wait for, and what ends them.
    ///
    /// # Errors
    /// The fault that would never begin, and why.
    pub fn can_wait(&self) -> Result<(), (&FaultPlan, String)> {
        let uncounted = |fault: &FaultPlan| {
            let touched = fault.spec.until_touched?;
            let why = match () {
                () if self.elsewhere.is_some() => "proxies elsewhere do not tell it",
                () if self.network == Network::Kernel => "the kernel tells it at the end",
                () => return None,
            };
            Some(format!("it lasts until it has touched {touched} operations, and {why}"))
        };
        let unseen = |fault: &FaultPlan| {
            let after = fault.spec.after.as_ref()?;
            let why = match after {
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
            Some(format!("it waits until {after}, and {why}"))
        };
        let why = |fault| uncounted(fault).or_else(|| unseen(fault));
        let never = self.faults.iter().find_map(|fault| Some((fault, why(fault)?)));
        never.map_or(Ok(()), Err)
    }
}
