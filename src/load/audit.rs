//! What can only be checked when nothing is under way any more: counters, registers and logs
//! against what was acknowledged.
//!
//! A key that cannot be read says nothing, and what rests on it is then not judged. So each is read in
//! one way after the other, again and again, for as long as any key of its node is read at all: a node that
//! refuses plain reads, or comes back late, hides nothing. That a key is gone is believed only when two ways of
//! reading say so; where a client has one way only, it is asked twice.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::cache::Cache;
use super::keyspace::{Slot, Space};
use super::oracle::{Content, Oracle, Source};
use crate::base::name::NodeIndex;
use crate::base::time::RunClock;
use crate::client::{Failure, Item, Trace, join};

/// How long no key of a node may be read before its others are given up: one that is still broken must not hold up
/// the report.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the keys of a node are read at most: one of them now and then would be read for hours.
const LONGEST: Duration = Duration::from_secs(60);

/// The pause before keys that could not be read are read in the next way.
const ROUND_PAUSE: Duration = Duration::from_millis(100);

/// Keys that are read at the same time, on all nodes together, so that a thousand of them at a long round trip take no longer
/// than a few dozen would one by one.
const AT_A_TIME: usize = 16;

/// One way to read a key: each asks the node with another command.
#[derive(Clone, Copy, Debug)]
enum Way {
    Get,
    Gets,
    Several,
}

impl Way {
    /// Those that the client has: what a driver does not list is not asked of it.
    fn of(cache: &Cache) -> Vec<Self> {
        let all = [(Self::Get, "get"), (Self::Gets, "gets"), (Self::Several, "get_many")];
        all.into_iter().filter(|(_, verb)| cache.lists(verb)).map(|(way, _)| way).collect()
    }
}

/// How much was checked at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Keys that were read and checked.
    pub audited: u64,
    /// Counters that could not be read. Nothing is known about them.
    pub counters: u64,
    /// Registers that could not.
    pub registers: u64,
    /// Logs that could not.
    pub logs: u64,
}

impl Audit {
    /// Keys that could not be read.
    #[must_use]
    pub const fn unaudited(&self) -> u64 {
        self.counters + self.registers + self.logs
    }

    /// Nothing was read: the workers never came to rest.
    pub(super) fn of_nothing(oracle: &Oracle) -> Self {
        let mut audit = Self::default();
        auditable(oracle).for_each(|(space, _)| audit.leave(space));
        audit
    }

    fn leave(&mut self, space: Space) {
        match space {
            Space::Values => {}
            Space::Counters => self.counters += 1,
            Space::Registers => self.registers += 1,
            Space::Logs => self.logs += 1,
        }
    }
}

/// Every key that has something to be checked.
fn auditable(oracle: &Oracle) -> impl Iterator<Item = (Space, Slot)> {
    let spaces = [Space::Counters, Space::Registers, Space::Logs].into_iter();
    let slots =
        spaces.flat_map(|space| oracle.keyspace().slots(space).map(move |slot| (space, slot)));
    slots.filter(|(space, slot)| oracle.is_auditable(*space, *slot))
}

/// Reads every key that has something to be checked.
///
/// A read that has not ended after `hung_after` has no answer: not every client has a deadline of its own.
pub(super) async fn run(
    cache: &Cache,
    oracle: &Oracle,
    clock: RunClock,
    hung_after: Duration,
) -> Audit {
    if let Cache::Service(_) = cache {
        return Audit::of_nothing(oracle);
    }
    let mut homes = BTreeMap::<Option<NodeIndex>, Vec<(Space, Slot)>>::new();
    for (space, slot) in auditable(oracle) {
        homes.entry(oracle.keyspace().known_home(slot)).or_default().push((space, slot));
    }
    let at_a_time = (AT_A_TIME / homes.len().max(1)).max(1);
    let of_home = |keys| {
        let ways = Way::of(cache);
        let reader = move |space, slot| Reader { cache, oracle, clock, space, slot };
        read_home(keys, at_a_time, ways, reader, hung_after)
    };
    let parts = join(homes.into_values().map(of_home).collect()).await;
    let mut audit = Audit::default();
    for (read, left) in parts {
        audit.audited += read;
        left.into_iter().for_each(|space| audit.leave(space));
    }
    audit
}

/// Reads the keys that live on one node: how many were read, and of what kind the others are. A node that hangs
/// holds up nobody but itself, and not for long.
async fn read_home<'a>(
    mut pending: Vec<(Space, Slot)>,
    at_a_time: usize,
    ways: Vec<Way>,
    reader: impl Fn(Space, Slot) -> Reader<'a>,
    hung_after: Duration,
) -> (u64, Vec<Space>) {
    let begun = Instant::now();
    let mut last = begun;
    let is_over = |last: Instant| last.elapsed() >= PATIENCE || begun.elapsed() >= LONGEST;
    let (mut audited, mut round) = (0, 0);
    loop {
        let mut left = Vec::new();
        for keys in pending.chunks(at_a_time) {
            if is_over(last) {
                left.extend_from_slice(keys);
                continue;
            }
            let checks = keys.iter().map(|(space, slot)| {
                let reader = reader(*space, *slot);
                let way = |round: usize| ways[round % ways.len()];
                let (first, second) = (way(round), way(round + 1));
                async move { timeout(hung_after, reader.check(first, second)).await == Ok(true) }
            });
            let done = join(checks.collect()).await;
            if done.contains(&true) {
                last = Instant::now();
            }
            left.extend(keys.iter().zip(done).filter(|(_, done)| !done).map(|(key, _)| *key));
        }
        audited += (pending.len() - left.len()) as u64;
        pending = left;
        if pending.is_empty() || is_over(last) {
            break;
        }
        round += 1;
        sleep(ROUND_PAUSE).await;
    }
    (audited, pending.into_iter().map(|(space, _)| space).collect())
}

/// Reads one key.
struct Reader<'a> {
    cache: &'a Cache,
    oracle: &'a Oracle,
    clock: RunClock,
    space: Space,
    slot: Slot,
}

impl Reader<'_> {
    /// Reads the key in the first way, and where it is gone in the second, and checks it; `false` when there
    /// was no answer, or none from its home.
    async fn check(self, first: Way, second: Way) -> bool {
        let Some((first, source)) = self.read(first).await else { return false };
        if let Some(item) = first {
            self.audit(Some(&item), source);
            return true;
        }
        let Some((second, source)) = self.read(second).await else { return false };
        if second.is_some() {
            self.oracle.denied(self.slot, source, self.clock.now());
        }
        self.audit(second.as_ref(), source);
        true
    }

    /// What the home answers, in this way: a value or none; `None` when it does not answer.
    async fn read(&self, way: Way) -> Option<(Option<Item>, Source)> {
        let key = self.oracle.keyspace().key(self.slot);
        let (result, trace) = match way {
            Way::Get => {
                let call = self.cache.get(key).await;
                (call.result, call.trace)
            }
            Way::Gets => {
                let call = self.cache.gets(key).await;
                (call.result, call.trace)
            }
            Way::Several => {
                let mut call = self.cache.get_multi(std::slice::from_ref(key)).await;
                let entry: Result<Option<Item>, Failure> = call.entries.pop()?;
                (entry, call.trace)
            }
        };
        let Trace { served_by, connection, .. } = trace;
        let source = Source { served_by, connection, asked: None };
        let item = result.ok().filter(|_| self.oracle.is_home(self.slot, source))?;
        Some((item, source))
    }

    fn audit(&self, item: Option<&Item>, source: Source) {
        let content = item.map(|item| Content { value: &item.value, flags: item.flags });
        let Self { oracle, slot, .. } = *self;
        let now = self.clock.now();
        match (self.space, content) {
            (Space::Values, _) => {}
            (Space::Counters, None) => oracle.counter_missing(slot, source, now),
            (Space::Registers, None) => oracle.register_missing(slot, source, now),
            (Space::Logs, None) => oracle.log_missing(slot, source, now),
            (Space::Counters, Some(content)) => oracle.audit_counter(slot, content, source, now),
            (Space::Registers, Some(content)) => oracle.audit_register(slot, content, source, now),
            (Space::Logs, Some(content)) => oracle.audit_log(slot, content, source, now),
        }
    }
}
