//! Operations by seed, and what they may see.
//!
//! Every caller owns a register and a counter, writes nobody else's, and reads everybody's. A value
//! says whose it is and which write made it; so a read is wrong when it has another register's
//! value, one that was never written, or one older than the last that was acknowledged before the
//! read began. (A node executes a request at once or never, and forgets all or nothing: a miss is
//! always legal, and an older value never.)

use parking_lot::Mutex;
use rand::RngExt;
use tokio::time::Instant;

use super::longest_call;
use crate::base::seed::Stream;
use crate::client::{Call, Client, Failure, Item, Store, Trace, Ttl};
use crate::protocol::memcached::frame::key::Key;

/// What all callers of a run know.
#[derive(Debug)]
pub(super) struct Oracle {
    registers: Vec<Mutex<Register>>,
    counters: Vec<Mutex<Counter>>,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Register {
    acknowledged: u64,
    attempted: u64,
}

/// Changes of one counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) acknowledged: u64,
    pub(super) in_doubt: u64,
}

/// What the calls of a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) calls: u64,
    pub(super) values: u64,
    pub(super) wrong: u64,
    pub(super) errors: u64,
    pub(super) in_doubt: u64,
    pub(super) shed: u64,
}

/// One caller.
#[derive(Debug)]
pub(super) struct Caller<'a> {
    pub(super) client: &'a Client,
    pub(super) oracle: &'a Oracle,
    /// Which register and counter are its own.
    pub(super) number: usize,
    pub(super) draws: Stream,
}

pub(super) fn register_key(number: usize) -> Key {
    Key::new(format!("r{number}")).unwrap()
}

pub(super) fn counter_key(number: usize) -> Key {
    Key::new(format!("c{number}")).unwrap()
}

impl Oracle {
    pub(super) fn new(callers: usize) -> Self {
        let registers = (0..callers).map(|_| Mutex::default()).collect();
        let counters = (0..callers).map(|_| Mutex::default()).collect();
        Self { registers, counters, seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock()
    }

    pub(super) fn counter(&self, number: usize) -> Counter {
        *self.counters[number].lock()
    }

    fn acknowledged(&self, number: usize) -> u64 {
        self.registers[number].lock().acknowledged
    }

    /// A read of the register `number` that began when `floor` had been acknowledged.
    fn read(&self, number: usize, floor: u64, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        let mut parts = text.split(':');
        let owner = parts.next().and_then(|key| key.strip_prefix('r'));
        let owner = owner.and_then(|owner| owner.parse::<usize>().ok());
        let sequence = parts.next().and_then(|sequence| sequence.parse::<u64>().ok());
        let whole = parts.next().is_some_and(|rest| rest.bytes().all(|byte| byte == b'x'));
        let attempted = self.registers[number].lock().attempted;
        let legal = owner == Some(number)
            && whole
            && sequence.is_some_and(|sequence| (floor..=attempted).contains(&sequence));
        let mut seen = self.seen.lock();
        seen.values += 1;
        seen.wrong += u64::from(!legal);
    }

    /// A change of the counter `number`.
    fn counted(&self, number: usize, result: &Result<Option<u64>, Failure>) {
        let mut counter = self.counters[number].lock();
        match result {
            Ok(Some(_)) => counter.acknowledged += 1,
            Err(Failure::Indeterminate(_)) => counter.in_doubt += 1,
            Ok(None) | Err(_) => {}
        }
    }

    fn tally<T>(&self, result: &Result<T, Failure>) {
        let mut seen = self.seen.lock();
        seen.calls += 1;
        match result {
            Ok(_) => {}
            Err(Failure::Shed) => seen.shed += 1,
            Err(Failure::Error(_)) => seen.errors += 1,
            Err(Failure::Indeterminate(_)) => seen.in_doubt += 1,
        }
    }
}

impl Caller<'_> {
    /// One operation; whether it was answered.
    pub(super) async fn call(&mut self) -> bool {
        let began = Instant::now();
        let (trace, good) = match self.draws.random_range(0..16) {
            0..6 => self.read().await,
            6..8 => self.several().await,
            8..11 => self.write().await,
            11 => self.exchange().await,
            12 => self.append().await,
            13 => self.remove().await,
            _ => self.count().await,
        };
        let took = began.elapsed();
        assert!(took <= longest_call(self.client.config()) * 2, "a call took {took:?}: {trace:?}");
        good
    }

    fn end<T>(&self, call: Call<T>) -> (Trace, Option<T>) {
        self.oracle.tally(&call.result);
        (call.trace, call.result.ok())
    }

    async fn read(&mut self) -> (Trace, bool) {
        // One of them is read more than the others.
        let number = self.draws.random_range(0..2 * self.oracle.registers.len());
        let number = if number < self.oracle.registers.len() { number } else { 0 };
        let (key, floor) = (register_key(number), self.oracle.acknowledged(number));
        let call = match self.draws.random_range(0..4) {
            0 => self.client.gets(&key).await,
            1 => self.client.gat(&key, Ttl::Never).await,
            _ => self.client.get(&key).await,
        };
        let (trace, item) = self.end(call);
        if let Some(Some(Item { value, .. })) = &item {
            self.oracle.read(number, floor, value);
        }
        (trace, item.is_some())
    }

    async fn several(&mut self) -> (Trace, bool) {
        let numbers = 0..self.oracle.registers.len();
        let floors: Vec<u64> =
            numbers.clone().map(|number| self.oracle.acknowledged(number)).collect();
        let keys: Vec<Key> = numbers.clone().map(register_key).collect();
        let call = self.client.get_multi(&keys).await;
        for ((entry, floor), number) in call.entries.iter().zip(floors).zip(numbers) {
            self.oracle.tally(entry);
            if let Ok(Some(item)) = entry {
                self.oracle.read(number, floor, &item.value);
            }
        }
        (call.trace, call.entries.iter().all(Result::is_ok))
    }

    /// The next value of its own register.
    fn next_value(&mut self) -> (u64, Vec<u8>) {
        let mut register = self.oracle.registers[self.number].lock();
        register.attempted += 1;
        let padding = "x".repeat(self.draws.random_range(0..200));
        let value = format!("r{}:{}:{padding}", self.number, register.attempted);
        (register.attempted, value.into_bytes())
    }

    fn stored(&self, sequence: u64, store: Option<Store>) {
        if store == Some(Store::Stored) {
            self.oracle.registers[self.number].lock().acknowledged = sequence;
        }
    }

    async fn write(&mut self) -> (Trace, bool) {
        let (sequence, value) = self.next_value();
        let call = self.client.set(&register_key(self.number), &value, Ttl::Never).await;
        let (trace, store) = self.end(call);
        self.stored(sequence, store);
        (trace, store.is_some())
    }

    async fn exchange(&mut self) -> (Trace, bool) {
        let key = register_key(self.number);
        let floor = self.oracle.acknowledged(self.number);
        let call = self.client.gets(&key).await;
        let (trace, item) = self.end(call);
        let Some(Some(Item { value, cas: Some(unique), .. })) = item else {
            return (trace, item.is_some());
        };
        self.oracle.read(self.number, floor, &value);
        let (sequence, value) = self.next_value();
        let call = self.client.cas(&key, &value, Ttl::Never, unique).await;
        let (trace, store) = self.end(call);
        self.stored(sequence, store);
        (trace, store.is_some())
    }

    async fn append(&mut self) -> (Trace, bool) {
        let call = self.client.append(&register_key(self.number), b"x", Ttl::Never).await;
        let (trace, store) = self.end(call);
        (trace, store.is_some())
    }

    async fn remove(&mut self) -> (Trace, bool) {
        let call = self.client.delete(&register_key(self.number)).await;
        let (trace, removed) = self.end(call);
        (trace, removed.is_some())
    }

    /// Adds to its own counter, and starts it where it is missing.
    async fn count(&mut self) -> (Trace, bool) {
        let key = counter_key(self.number);
        let call = self.client.incr(&key, 1).await;
        self.oracle.counted(self.number, &call.result);
        let (trace, number) = self.end(call);
        if number == Some(None) {
            let call = self.client.add(&key, b"0", Ttl::Never).await;
            let (trace, store) = self.end(call);
            return (trace, store.is_some());
        }
        (trace, number.is_some())
    }
}
