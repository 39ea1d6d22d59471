//! Counters, registers, logs and forgetting, by the calls that workers make.

use std::sync::Arc;

use super::*;
use crate::load::keyspace::Keyspace;
use crate::load::life::Life;

const HOME: Source = Source { served_by: Some(NodeIndex(0)), connection: Some(9), asked: None };
const ELSEWHERE: Source =
    Source { served_by: Some(NodeIndex(1)), connection: Some(9), asked: None };

fn oracle() -> Oracle {
    oracle_of(3)
}

fn oracle_of(run: u32) -> Oracle {
    let keyspace = Keyspace::new([2, 2, 2, 2], |_| NodeIndex(0));
    let config = OracleConfig { run, checks: true, nodes: 2, flags: true };
    Oracle::new(keyspace, config, Events::ignore())
}

/// What a node returned with the flags that belong to it.
fn whole(value: &[u8]) -> Content<'_> {
    Content { value, flags: Stamp::read(value).map_or(0, |stamp| stamp.flags()) }
}

/// The same of a counter or a log.
fn of_key<'a>(oracle: &Oracle, slot: Slot, value: &'a [u8]) -> Content<'a> {
    Content { value, flags: oracle.key_flags(slot) }
}

fn slot(oracle: &Oracle, space: Space) -> Slot {
    oracle.keyspace().any(space, 0)
}

/// Wrong, corrupt, stale, lost, doubled.
fn found(oracle: &Oracle) -> [u64; 5] {
    let data = oracle.totals();
    [data.wrong, data.corrupt, data.stale, data.acknowledged_but_lost, data.double_applied]
        .map(Option::unwrap)
}

/// Behind, ahead.
fn counters_off(oracle: &Oracle) -> [u64; 2] {
    let data = oracle.totals();
    [data.counter_behind, data.counter_ahead].map(Option::unwrap)
}

/// Catches a counter whose doubts excuse too much or too little.
#[test]
fn a_counter_stays_within_its_doubts() {
    let oracle = oracle();
    let counter = slot(&oracle, Space::Counters);
    let start = oracle.counter_start(counter);
    oracle.counter_stored(counter, HOME, Offset(1));
    let count = |change, value| {
        oracle.count_begun(counter, change);
        oracle.counted(counter, change, value, HOME, Offset(2))
    };
    assert_eq!(count(1, start + 1), None);
    // In doubt: it may have been executed, or be executed later.
    oracle.count_begun(counter, 1);
    assert_eq!(count(1, start + 2), None, "not executed yet");
    assert_eq!(count(1, start + 4), None, "executed late");
    assert_eq!(count(-1, start + 3), None);
    // Certainly not executed: excuses nothing.
    oracle.count_begun(counter, 1);
    oracle.count_failed(counter, 1);
    assert_eq!(count(1, start + 5), Some(ViolationKind::CounterAhead));
    assert_eq!(count(1, start + 6), None, "told once");
    assert_eq!(count(1, start + 2), Some(ViolationKind::CounterBehind));
    let mut elsewhere = oracle_of(4);
    assert_eq!(count(1, elsewhere.counter_start(counter)), Some(ViolationKind::Foreign));
    elsewhere = oracle_of(3);
    let other = elsewhere.counter_start(elsewhere.keyspace().any(Space::Counters, 1));
    assert_eq!(count(1, other), Some(ViolationKind::Wrong));
    assert_eq!((found(&oracle), counters_off(&oracle)), ([1, 0, 0, 0, 0], [1, 1]));
    assert_eq!(oracle.examples()[0].connection, Some(9));
}

/// Catches a decrement applied twice that is called a lost write, and a lost one that is called applied
/// twice: the sum only tells which way a counter is off.
#[test]
fn a_counter_is_named_by_the_way_it_is_off() {
    for (change, shown, expected) in [(-1, -2, [1, 0]), (-1, 0, [0, 1]), (1, 2, [0, 1])] {
        let oracle = oracle();
        let counter = slot(&oracle, Space::Counters);
        oracle.counter_stored(counter, HOME, Offset(1));
        oracle.count_begun(counter, change);
        let value = oracle.counter_start(counter).checked_add_signed(shown).unwrap();
        oracle.counted(counter, change, value, HOME, Offset(2));
        assert_eq!((found(&oracle), counters_off(&oracle)), ([0; 5], expected), "{change} {shown}");
    }
}

/// Catches counts of a node that stood in, charged to the home's copy.
#[test]
fn what_another_node_counts_is_left_out() {
    let oracle = oracle();
    let counter = slot(&oracle, Space::Counters);
    let start = oracle.counter_start(counter);
    oracle.counter_stored(counter, HOME, Offset(1));
    oracle.count_begun(counter, 1);
    assert_eq!(oracle.counted(counter, 1, 77, ELSEWHERE, Offset(2)), None);
    oracle.counter_missing(counter, ELSEWHERE, Offset(3));
    let text = start.to_string();
    oracle.audit_counter(counter, of_key(&oracle, counter, text.as_bytes()), HOME, Offset(4));
    assert_eq!(found(&oracle), [0; 5]);
    oracle.audit_counter(counter, of_key(&oracle, counter, b"1x"), HOME, Offset(5));
    assert_eq!(found(&oracle), [0, 1, 0, 0, 0]);
}

/// Catches a client that says where its keys live and tells a miss although it asked nobody.
#[test]
fn a_miss_of_nobody_is_a_false_one() {
    let oracle = oracle();
    let value = slot(&oracle, Space::Values);
    let lease = oracle.lease(value, Effect::Store(Life::Forever), Offset(10)).unwrap();
    lease.end(WriteEnd::Acknowledged { at_home: true });
    let nobody = Source { served_by: None, ..HOME };
    let before = oracle.look(value);
    assert_eq!(oracle.judge(value, &before, None, nobody, Offset(11)), Verdict::FalseMiss);
}

/// Catches a loss that is excused for ever after one restart, and one that is not excused at all.
#[test]
fn a_node_that_lost_its_data_is_excused_once() {
    let oracle = oracle();
    let value = slot(&oracle, Space::Values);
    let store = |at| {
        let lease = oracle.lease(value, Effect::Store(Life::Forever), Offset(at)).unwrap();
        lease.end(WriteEnd::Acknowledged { at_home: true });
    };
    let miss = |at| {
        let before = oracle.look(value);
        oracle.judge(value, &before, None, HOME, Offset(at))
    };
    store(10);
    assert_eq!(miss(11), Verdict::FalseMiss);
    oracle.forget(NodeIndex(1), Offset(12));
    assert_eq!(miss(13), Verdict::FalseMiss, "another node");
    oracle.forget(NodeIndex(0), Offset(14));
    assert_eq!(miss(15), Verdict::Miss);
    store(14);
    assert_eq!(miss(16), Verdict::Miss, "the write began before the loss was over");
    store(17);
    assert_eq!(miss(18), Verdict::FalseMiss);
    let counter = slot(&oracle, Space::Counters);
    oracle.counter_stored(counter, HOME, Offset(5));
    oracle.counter_missing(counter, HOME, Offset(19));
    assert_eq!(found(&oracle), [0; 5]);
    oracle.counter_stored(counter, HOME, Offset(20));
    oracle.counter_missing(counter, HOME, Offset(21));
    assert_eq!(found(&oracle), [0, 0, 0, 1, 0]);
}

/// Catches a loss that is charged to a node which makes room, and one that making room cannot explain: a
/// hole in the middle of a log, and a counter that went back.
#[test]
fn making_room_explains_what_is_gone_and_nothing_else() {
    let oracle = oracle();
    let (value, log) = (slot(&oracle, Space::Values), slot(&oracle, Space::Logs));
    let counters: Vec<Slot> = oracle.keyspace().slots(Space::Counters).collect();
    let lease = oracle.lease(value, Effect::Store(Life::Forever), Offset(1)).unwrap();
    lease.end(WriteEnd::Acknowledged { at_home: true });
    oracle.log_starting(log);
    let records: Vec<u64> = (0..3).map(|_| oracle.next_record(log)).collect();
    oracle.log_started(log, records[0], HOME, Offset(1));
    oracle.recorded(log, records[1], HOME);
    oracle.recorded(log, records[2], HOME);
    for counter in &counters {
        oracle.counter_stored(*counter, HOME, Offset(1));
    }
    oracle.drops_items(NodeIndex(0));
    let before = oracle.look(value);
    for at in [2, 3] {
        assert_eq!(oracle.judge(value, &before, None, HOME, Offset(at)), Verdict::Miss);
    }
    oracle.counter_missing(counters[0], HOME, Offset(4));
    assert_eq!((found(&oracle), oracle.totals().false_misses), ([0; 5], Some(0)));
    assert_eq!(oracle.gone()[0], Gone { excused: 2, ..Gone::default() });
    let (mut all, mut one) = (Vec::new(), Vec::new());
    for record in [records[0], records[2]] {
        oracle.value(log, 0, record, 40, &mut one);
        all.extend_from_slice(&one);
    }
    oracle.audit_log(log, of_key(&oracle, log, &all), HOME, Offset(5));
    oracle.check_counter(counters[1], oracle.counter_start(counters[1]) - 1, HOME, Offset(6));
    assert_eq!((found(&oracle), counters_off(&oracle)), ([0, 0, 0, 1, 0], [1, 0]));
    assert_eq!(oracle.gone()[0].lost, 0, "certain, whatever the node did");
}

/// Catches a lease that is given twice, and a dropped one that claims to know how its write ended.
#[test]
fn a_dropped_lease_leaves_its_write_in_doubt() {
    let oracle = Arc::new(oracle());
    let value = slot(&oracle, Space::Values);
    let first = oracle.lease(value, Effect::Delete, Offset(1)).unwrap();
    assert!(oracle.lease(value, Effect::Store(Life::Forever), Offset(1)).is_none());
    drop(first);
    let second = oracle.lease(value, Effect::Store(Life::Forever), Offset(2)).unwrap();
    assert_eq!(second.sequence(), 2);
    second.end(WriteEnd::Acknowledged { at_home: true });
    let before = oracle.look(value);
    assert_eq!((before.failed(), before.acknowledged()), (1, 2));
    let verdict = oracle.judge(value, &before, None, HOME, Offset(3));
    assert_eq!(verdict, Verdict::Miss, "the delete may be executed late");
}

/// Catches a late write of which nobody knows when it began, and one that counts as two.
#[test]
fn a_late_write_is_known_by_its_beginning() {
    let oracle = oracle();
    let slot = slot(&oracle, Space::Values);
    for (at, end) in [(10, WriteEnd::InDoubt), (20, WriteEnd::Acknowledged { at_home: true })] {
        oracle.lease(slot, Effect::Store(Life::Forever), Offset(at)).unwrap().end(end);
    }
    let mut late = Vec::new();
    oracle.value(slot, 0, 1, 60, &mut late);
    for _ in 0..2 {
        let before = oracle.look(slot);
        let verdict = oracle.judge(slot, &before, Some(whole(&late)), HOME, Offset(30));
        assert_eq!(verdict, Verdict::StaleByLateWrite);
    }
    let data = oracle.totals();
    let expected = LateWrite { node: NodeIndex(0), begun: Offset(10), reads: 2 };
    assert_eq!((data.stale_by_late_write, data.late_writes), (Some(2), vec![expected]));
}

/// Catches a register that loses an update, goes back, or takes another's value.
#[test]
fn a_register_counts_its_swaps() {
    let oracle = oracle();
    let register = slot(&oracle, Space::Registers);
    let base = oracle.register_base(register);
    oracle.register_stored(register, base, HOME, Offset(1));
    for sequence in [base + 1, base + 2] {
        oracle.swap_attempted(register, sequence, 0);
        oracle.swapped(register, sequence, HOME, Offset(1));
    }
    let read = |sequence| {
        let mut bytes = Vec::new();
        oracle.value(register, 0, sequence, 60, &mut bytes);
        oracle.read_register(register, base + 2, (whole(&bytes), None), HOME, Offset(2))
    };
    assert_eq!(read(base + 2), Register::At(base + 2));
    assert_eq!(read(base + 1), Register::Stale);
    assert_eq!(read(base + 3), Register::Wrong);
    let damaged = oracle.read_register(register, 0, (whole(b"junk"), None), HOME, Offset(2));
    assert_eq!(damaged, Register::Corrupt);
    assert_eq!(found(&oracle), [1, 1, 1, 0, 0]);
    // A second winner for the same token: three swaps acknowledged, two visible.
    oracle.swapped(register, base + 2, HOME, Offset(2));
    let mut bytes = Vec::new();
    oracle.value(register, 0, base + 2, 60, &mut bytes);
    oracle.audit_register(register, whole(&bytes), HOME, Offset(3));
    assert_eq!(found(&oracle), [1, 1, 1, 1, 0]);
    assert_eq!(oracle.totals().contradictions, Some(1), "two winners for one token");
}

/// Catches a record that is lost, doubled or damaged unnoticed, and a late start that is no excuse.
#[test]
fn a_log_has_every_record_once() {
    let audit = |records: &[u64], start_in_doubt: bool| {
        let oracle = oracle();
        let log = slot(&oracle, Space::Logs);
        assert!(oracle.log_must_start(log));
        oracle.log_starting(log);
        let first = oracle.next_record(log);
        oracle.log_started(log, first, HOME, Offset(1));
        for _ in 0..2 {
            let record = oracle.next_record(log);
            oracle.recorded(log, record, HOME);
        }
        if start_in_doubt {
            oracle.log_starting(log);
            let again = oracle.next_record(log);
            oracle.log_starting(log);
            oracle.log_started(log, again, HOME, Offset(2));
        }
        let mut all = Vec::new();
        let mut one = Vec::new();
        for record in records {
            oracle.value(log, 0, *record, 40, &mut one);
            all.extend_from_slice(&one);
        }
        oracle.audit_log(log, of_key(&oracle, log, &all), HOME, Offset(3));
        found(&oracle)
    };
    assert_eq!(audit(&[1, 2, 3], false), [0; 5]);
    assert_eq!(audit(&[3, 1, 2], false), [0; 5], "put before the others");
    assert_eq!(audit(&[1, 3], false), [0, 0, 0, 1, 0]);
    assert_eq!(audit(&[1, 2, 3, 2], false), [0, 0, 0, 0, 1]);
    assert_eq!(audit(&[1, 2, 3, 9], false), [1, 0, 0, 0, 0]);
    assert_eq!(audit(&[1], true), [0; 5], "a start in doubt may have wiped the log");
}

/// What a load calls contradictions, and how many there are.
fn contradictions(oracle: &Oracle) -> u64 {
    oracle.totals().contradictions.unwrap()
}

/// Catches answers that cannot be, by what the same node acknowledged before: each of them passed once.
/// And the same answers where they can be.
#[test]
fn answers_that_cannot_be_are_contradictions() {
    // Whether there was something, by the answer; whether a node that drops items explains it.
    for (deleted, was_there, is_contradiction) in
        [(false, true, false), (false, false, true), (true, true, true), (true, false, false)]
    {
        let oracle = oracle();
        let value = slot(&oracle, Space::Values);
        let acknowledged = WriteEnd::Acknowledged { at_home: true };
        oracle.lease(value, Effect::Store(Life::Forever), Offset(1)).unwrap().end(acknowledged);
        if deleted {
            oracle.lease(value, Effect::Delete, Offset(2)).unwrap().end(acknowledged);
        }
        let lease = oracle.lease(value, Effect::Store(Life::Forever), Offset(3)).unwrap();
        let told = oracle.contradicts(&lease, was_there, "an answer", HOME, Offset(4));
        assert_eq!(
            (told, contradictions(&oracle)),
            (is_contradiction, u64::from(is_contradiction))
        );
        assert!(!oracle.contradicts(&lease, was_there, "an answer", ELSEWHERE, Offset(4)));
        let gone = oracle.gone()[0].contradictions;
        assert_eq!(gone, u64::from(is_contradiction && !was_there), "evictions may explain it");
    }
}

/// Catches a refused swap that was done all the same, one that was refused without a change and is called
/// impossible when it is done at the next attempt, and unique numbers that start again; and a node that was
/// restarted, whose numbers may.
#[test]
fn a_register_shows_no_refused_swap_and_no_older_number() {
    let oracle = oracle();
    let register = slot(&oracle, Space::Registers);
    let base = oracle.register_base(register);
    oracle.register_stored(register, base, HOME, Offset(1));
    let read = |sequence, writer, unique, at| {
        let mut bytes = Vec::new();
        oracle.value(register, writer, sequence, 60, &mut bytes);
        oracle.read_register(register, 0, (whole(&bytes), Some(unique)), HOME, Offset(at))
    };
    oracle.swap_attempted(register, base + 4, 5);
    oracle.swap_refused(register, base + 1, 4, HOME);
    oracle.swap_attempted(register, base + 1, 4);
    assert_eq!(read(base + 1, 4, 10, 2), Register::At(base + 1));
    oracle.swap_refused(register, base + 1, 4, HOME);
    assert_eq!(read(base + 1, 5, 10, 2), Register::At(base + 1));
    assert_eq!(read(base + 1, 4, 10, 2), Register::Contradiction);
    assert_eq!(read(base + 2, 5, 11, 3), Register::At(base + 2));
    assert_eq!(read(base + 3, 5, 11, 4), Register::Contradiction);
    assert_eq!(contradictions(&oracle), 2);
    oracle.forget(NodeIndex(0), Offset(5));
    assert_eq!(read(base + 4, 5, 1, 6), Register::At(base + 4));
    let mut bytes = Vec::new();
    oracle.value(register, 5, base + 4, 60, &mut bytes);
    let other_flags = Content { value: &bytes, flags: 0 };
    let verdict = oracle.read_register(register, 0, (other_flags, None), HOME, Offset(7));
    assert_eq!((verdict, contradictions(&oracle)), (Register::Contradiction, 3));
}

/// Catches a counter that is said to be gone and is there, an `add` without an answer, given up by a client or
/// hanging, that makes it look as if changes were lost, one with an answer that excuses a loss, and wrong flags.
#[test]
fn a_counter_that_was_there_contradicts_its_absence() {
    let oracle = oracle();
    let counter = slot(&oracle, Space::Counters);
    oracle.counter_stored(counter, HOME, Offset(1));
    oracle.count_begun(counter, 1);
    let start = oracle.counter_start(counter);
    oracle.counted(counter, 1, start + 1, HOME, Offset(2));
    oracle.counter_was_there(counter, HOME, Offset(3));
    assert_eq!(contradictions(&oracle), 1);
    oracle.counter_add_begun(counter);
    oracle.counter_was_there(counter, HOME, Offset(4));
    assert_eq!(contradictions(&oracle), 1, "the first `add` may have stored it");
    assert_eq!(oracle.check_counter(counter, start, HOME, Offset(5)), None, "it started again");
    let text = start.to_string();
    let other_flags = Content { value: text.as_bytes(), flags: 0 };
    oracle.audit_counter(counter, other_flags, HOME, Offset(6));
    assert_eq!((contradictions(&oracle), found(&oracle)), (2, [0; 5]));
    oracle.counter_add_begun(counter);
    oracle.counter_add_ended(counter);
    oracle.count_begun(counter, 1);
    oracle.counted(counter, 1, start + 1, HOME, Offset(7));
    let behind = Some(ViolationKind::CounterBehind);
    assert_eq!(oracle.check_counter(counter, start, HOME, Offset(8)), behind);
}
