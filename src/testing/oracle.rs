//! Whether values that a client returns are the ones that were stored, for keys of a test's own.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::base::name::NodeIndex;
use crate::base::time::RunClock;
use crate::event::{Events, ViolationKind};
use crate::load::{
    self, Content, Effect, Keyspace, Lease, Life, OracleConfig, Record, Slot, Source, Space,
    WriteEnd,
};

/// Keys that one oracle can follow.
const KEYS_MAX: u64 = 4096;

/// Where every answer is taken to come from: a test asks a client, not a node.
const FROM: Source = Source { served_by: Some(NodeIndex(0)), connection: None, asked: None };

/// Knows what was written. Shared by reference between the tasks of a test.
#[derive(Debug)]
pub struct Oracle {
    oracle: load::Oracle,
    clock: RunClock,
    slots: Mutex<BTreeMap<String, u64>>,
}

/// A client returned what it must not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}")]
pub struct WrongData {
    /// The key.
    pub key: String,
    /// What is wrong with what was returned.
    pub what: &'static str,
}

impl Default for Oracle {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle {
    /// One that knows of no write yet. Everything is new to it: its keys must not be on the nodes.
    #[must_use]
    pub fn new() -> Self {
        let keyspace = Keyspace::new([KEYS_MAX, 0, 0, 0], |_| NodeIndex(0));
        let clock = RunClock::start();
        let run = load::run_number(crate::base::seed::Seed::from_system(), &clock);
        let config = OracleConfig { run, checks: true, nodes: 1, flags: false };
        let oracle = load::Oracle::new(keyspace, config, Events::ignore());
        Self { oracle, clock, slots: Mutex::default() }
    }

    /// A write of `key` begins; the value to be stored is this long, or as long as its header where that
    /// is longer. Two writes of a key at a time have no order that could be checked.
    ///
    /// # Panics
    /// When the key is being written, and beyond 4096 keys.
    #[must_use]
    pub fn write(&self, key: &str, bytes: usize) -> Write<'_> {
        let slot = self.slot(key);
        let lease = self.oracle.lease(slot, Effect::Store(Life::Forever), self.clock.now());
        let lease = lease.unwrap_or_else(|| panic!("{key} is being written already"));
        let mut value = Vec::new();
        self.oracle.value(slot, 0, lease.sequence(), bytes as u64, &mut value);
        Write { lease, value }
    }

    /// A delete of `key` begins.
    ///
    /// # Panics
    /// When the key is being written, and beyond 4096 keys.
    #[must_use]
    pub fn delete(&self, key: &str) -> Write<'_> {
        let lease = self.oracle.lease(self.slot(key), Effect::Delete, self.clock.now());
        let lease = lease.unwrap_or_else(|| panic!("{key} is being written already"));
        Write { lease, value: Vec::new() }
    }

    /// A read of `key` begins.
    ///
    /// # Panics
    /// Beyond 4096 keys.
    #[must_use]
    pub fn read(&self, key: &str) -> Read<'_> {
        let slot = self.slot(key);
        Read { oracle: self, key: key.to_owned(), slot, before: self.oracle.look(slot) }
    }

    /// The nodes lost their data, or may have: a miss is no violation any more.
    pub fn data_lost(&self) {
        self.oracle.forget(NodeIndex(0), self.clock.now());
    }

    fn slot(&self, key: &str) -> Slot {
        let mut slots = self.slots.lock();
        let next = slots.len() as u64;
        let rank = *slots.entry(key.to_owned()).or_insert(next);
        assert!(rank < KEYS_MAX, "an oracle follows {KEYS_MAX} keys");
        self.oracle.keyspace().any(Space::Values, rank)
    }
}

/// A write that is under way. Dropped, it is in doubt: it may have been executed, or may be still.
#[derive(Debug)]
pub struct Write<'a> {
    lease: Lease<'a>,
    value: Vec<u8>,
}

impl Write<'_> {
    /// What is to be stored.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The client says that it is done.
    pub fn acknowledged(self) {
        self.lease.end(WriteEnd::Acknowledged { at_home: true });
    }

    /// The client says that it was surely not done: refused, or never sent.
    pub fn not_done(self) {
        self.lease.end(WriteEnd::Unsent);
    }
}

/// A read that is under way.
#[derive(Debug)]
pub struct Read<'a> {
    oracle: &'a Oracle,
    key: String,
    slot: Slot,
    before: Record,
}

impl Read<'_> {
    /// Checks what the client returned: a value, or none.
    ///
    /// # Errors
    /// When it is another key's, damaged, older than the last acknowledged write, or none although there
    /// must be one. What follows from a write in doubt is none: it may have been executed, or not, or late.
    pub fn check(self, returned: Option<&[u8]>) -> Result<(), WrongData> {
        let Self { oracle, key, slot, before } = self;
        let content = returned.map(|value| Content { value, flags: 0 });
        let now = oracle.clock.now();
        let verdict = oracle.oracle.judge(slot, &before, content, FROM, now);
        match verdict.violation() {
            None | Some((ViolationKind::StaleUnacknowledged | ViolationKind::LateWrite, _)) => {
                Ok(())
            }
            Some((_, what)) => Err(WrongData { key, what }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a value of another key, an older one, a damaged one and a miss that pass, and a write in
    /// doubt whose value is called wrong.
    #[test]
    fn what_was_stored_is_what_is_returned() {
        let oracle = Oracle::new();
        let store = |key: &str| {
            let write = oracle.write(key, 64);
            let value = write.value().to_vec();
            write.acknowledged();
            value
        };
        let check = |key: &str, value: Option<&[u8]>| oracle.read(key).check(value);
        let (first, other) = (store("a"), store("b"));
        assert_eq!(check("a", Some(&first)), Ok(()));
        assert_eq!(check("nothing", None), Ok(()));
        let second = store("a");
        assert_eq!(check("a", Some(&second)), Ok(()));
        let what = |key, value| check(key, value).unwrap_err().to_string();
        assert_eq!(what("a", Some(&first)), "a: older than the last acknowledged write");
        assert_eq!(what("a", Some(&other)), "a: a value of another key, or one never written");
        assert!(what("a", Some(&second[..40])).contains("damaged"));
        assert!(what("a", None).contains("miss"), "{}", what("a", None));
        let doubtful = oracle.write("a", 64);
        let third = doubtful.value().to_vec();
        drop(doubtful);
        assert_eq!((check("a", Some(&second)), check("a", Some(&third))), (Ok(()), Ok(())));
        oracle.data_lost();
        assert_eq!(check("b", None), Ok(()));
    }
}
