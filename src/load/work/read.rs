//! Reads of values: get, gat, multi-get.

use super::write::may_still_come;
use super::{Done, Fill, Hands, Part, asked, over, read_failed};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::client::{Call, Failure, Item, Trace};
use crate::event::{ErrorClass, KeyCounts, Outcome};
use crate::load::keyspace::Slot;
use crate::load::life::Life;
use crate::load::oracle::{Content, Record, Source, Verdict};
use crate::protocol::memcached::frame::key::Key;

impl Hands {
    pub(super) async fn get(&mut self, slot: Slot) -> Done {
        let before = self.oracle.look(slot);
        let call = self.cache.get(self.oracle.keyspace().key(slot)).await;
        self.read(slot, &before, &call)
    }

    pub(super) async fn gat(&mut self, slot: Slot) -> Done {
        let before = self.oracle.look(slot);
        self.oracle.touching(slot);
        let expiry = self.expiry(Life::longest(&self.lives));
        let call = self.cache.gat(self.oracle.keyspace().key(slot), expiry).await;
        if !may_still_come(&call.result, &call.trace) {
            self.oracle.touched(slot);
        }
        self.read(slot, &before, &call)
    }

    fn read(&mut self, slot: Slot, before: &Record, call: &Call<Option<Item>>) -> Done {
        let (from, now) = (asked(&call.trace, &self.clock), over(&call.trace, &self.clock));
        let outcome = self.judge(slot, before, &call.result, from, now);
        Done { outcome: told_by_a_node(outcome, call.trace.is_unanswered), trace: call.trace }
    }

    /// Reads the first key and others that are drawn. The ticket has one outcome: that of the key
    /// that came off worst. Each key is judged at its own node, which has a part of the ticket, with the
    /// worst outcome of its own keys. Every key is counted, and every violation for its own key.
    pub(super) async fn multi_get(&mut self, first: Slot) -> Done {
        let more = self.multi_get_keys.saturating_sub(1);
        let mut slots = vec![first];
        slots.extend((0..more).map(|_| self.drafter.draw_value_slot()));
        // A key asked for twice would come twice: once is what an application asks for.
        slots.sort_unstable();
        slots.dedup();
        let before: Vec<Record> = slots.iter().map(|slot| self.oracle.look(*slot)).collect();
        let keys: Vec<Key> = slots.iter().map(|slot| self.key(*slot)).collect();
        self.note_under_way(&slots);
        let call = self.cache.get_multi(&keys).await;
        let now = over(&call.trace, &self.clock);
        let mut worst = Outcome::Hit;
        self.under_way.clear();
        let asked_for = slots.iter().zip(&before);
        for ((slot, before), (entry, answer)) in
            asked_for.zip(call.entries.iter().zip(&call.answers))
        {
            let home = self.home(*slot);
            let known = call.traces.iter().find(|trace| trace.home == home);
            let part = known.unwrap_or(&call.trace);
            let mut from = Source { served_by: answer.served_by, ..asked(part, &self.clock) };
            if known.is_none() && self.oracle.roams() {
                // Which of several nodes has answered for this key is not known.
                from.served_by = None;
            }
            let outcome = self.judge(*slot, before, entry, from, now);
            let came = told_by_a_node(outcome, answer.is_unanswered);
            if badness(came) > badness(worst) {
                worst = came;
            }
            // Of the key itself it is unknown whether it is missing.
            self.part(home, came, part).add(outcome, answer.is_sure);
        }
        let mut trace = call.trace;
        trace.home = self.home(first);
        Done { outcome: worst, trace }
    }

    /// Notes what each node has to do with the multi-get, for when it is cut off.
    fn note_under_way(&mut self, slots: &[Slot]) {
        self.under_way.clear();
        for slot in slots {
            let home = self.home(*slot);
            match self.under_way.iter_mut().find(|(node, _)| *node == home) {
                Some((_, keys)) => *keys += 1,
                None => self.under_way.push((home, 1)),
            }
        }
    }

    /// The counts of a node's part of the multi-get, which is as bad as its worst key.
    fn part(&mut self, home: NodeIndex, outcome: Outcome, trace: &Trace) -> &mut KeyCounts<u16> {
        let known = self.parts.iter().position(|part| part.done.trace.home == home);
        let place = known.unwrap_or_else(|| {
            let done = Done { outcome, trace: Trace { home, ..*trace } };
            self.parts.push(Part { done, keys: KeyCounts::default() });
            self.parts.len() - 1
        });
        let Part { done, keys } = &mut self.parts[place];
        if badness(outcome) > badness(done.outcome) {
            done.outcome = outcome;
        }
        keys
    }

    /// What one key of a read came to. A key that is absent is noted, to be stored again.
    fn judge(
        &mut self,
        slot: Slot,
        before: &Record,
        result: &Result<Option<Item>, Failure>,
        from: Source,
        now: Offset,
    ) -> Outcome {
        let item = match result {
            Err(failure) => return read_failed(*failure),
            Ok(item) => item.as_ref(),
        };
        let content = item.map(|item| Content { value: &item.value, flags: item.flags });
        let verdict = self.oracle.judge(slot, before, content, from, now);
        // What another run has left there is of no more use than nothing.
        if (item.is_none() || verdict == Verdict::Foreign) && self.fill_after_miss {
            self.absent.push(Fill::Value(slot));
        }
        match verdict {
            // Counted by the oracle; the caller got a value that it may get.
            Verdict::Hit | Verdict::StaleUnacknowledged => Outcome::Hit,
            Verdict::Miss => Outcome::Miss,
            Verdict::FalseMiss => Outcome::FalseMiss,
            Verdict::Stale | Verdict::StaleByLateWrite => Outcome::Stale,
            Verdict::Corrupt => Outcome::Corrupt,
            Verdict::Contradiction(_) => Outcome::Contradiction,
            Verdict::Foreign => Outcome::Foreign,
            Verdict::Wrong => Outcome::Wrong,
        }
    }
}

/// A miss is what a node says. What a client makes of no answer is an error, whatever its caller does then.
const fn told_by_a_node(outcome: Outcome, is_unanswered: bool) -> Outcome {
    match outcome {
        Outcome::Miss if is_unanswered => Outcome::Error(ErrorClass::Unanswered),
        told => told,
    }
}

/// How bad an outcome of one key is for a multi-get as a whole.
const fn badness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Wrong => 9,
        Outcome::Corrupt => 8,
        Outcome::Contradiction => 7,
        Outcome::Stale => 6,
        Outcome::Foreign => 5,
        Outcome::Error(_) => 4,
        Outcome::Shed => 3,
        Outcome::FalseMiss => 2,
        Outcome::Miss => 1,
        _ => 0,
    }
}
