//! The checks that are a row of operations, each with its answers: a table, in the order in which it
//! is gone through.

use super::step::Step;
use crate::driver::speech::Answer;
use crate::protocol::Protocol;

/// What every key of a check begins with.
pub(super) const PREFIX: &str = "check:";

/// The size of a large value. With base64 it is most of a megabyte; a driver's pipe must take it.
const LARGE_BYTES: usize = 500_000;

/// Keys of one read that has to ask all nodes.
const MANY: usize = 100;

/// The longest key that memcached takes.
const KEY_BYTES_MAX: usize = 250;

/// A row of operations with one name.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// What beside its operations the driver must say that it has.
    pub(super) needs_flags: bool,
    pub(super) steps: Vec<Step>,
}

impl Case {
    /// The operation that is not among these, if one is missing.
    pub(super) fn lacks(&self, operations: &[String]) -> Option<&'static str> {
        let missing = |op: &&str| !operations.iter().any(|known| known == op);
        self.steps.iter().map(Step::op).find(missing)
    }
}

fn case(name: &'static str, steps: impl Into<Vec<Step>>) -> Case {
    Case { name, needs_flags: false, steps: steps.into() }
}

/// All bytes there are, in turn.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|position| u8::try_from(position % 256).unwrap_or_default()).collect()
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn set(name: &str, value: &[u8]) -> Step {
    Step::write("set", key(name), value, Answer::Stored)
}

fn get(name: &str, value: &[u8]) -> Step {
    Step::read("get", key(name), value)
}

fn miss(name: &str) -> Step {
    Step::new("get", key(name), Answer::Miss)
}

fn write(op: &'static str, name: &str, value: &[u8], expected: Answer) -> Step {
    Step::write(op, key(name), value, expected)
}

/// A write that its condition forbids.
fn held_back(op: &'static str, name: &str, value: &[u8]) -> Step {
    write(op, name, value, Answer::NotStored)
        .differs(Answer::Stored, "tells `stored` although nothing was stored")
}

fn gets(name: &str, value: &[u8]) -> Step {
    Step::read("gets", key(name), value)
}

fn cas(name: &str, value: &[u8], expected: Answer) -> Step {
    let step = write("cas", name, value, expected.clone()).token();
    if expected == Answer::Stored {
        return step;
    }
    [
        (Answer::Exists, "tells `exists`, whatever the reason was"),
        (Answer::NotFound, "tells `not_found`, whatever the reason was"),
        (Answer::NotStored, "does not tell why it was not stored"),
        (Answer::Stored, "tells `stored` although nothing was stored"),
    ]
    .into_iter()
    .filter(|(answer, _)| *answer != expected)
    .fold(step, |step, (answer, why)| step.differs(answer, why))
}

/// A change of what is not there.
fn not_found(op: &'static str, name: &str, done: Answer) -> Step {
    Step::new(op, key(name), Answer::NotFound)
        .differs(
            done,
            "says the same of an absent key: list it in `cannot_tell`, or runs contradict it",
        )
        .or_error(Some("tells an absent key as an error"))
}

/// A count of what is not there. Some clients ask the server to begin it.
fn no_counter(op: &'static str, name: &str) -> Step {
    let step = Step::new(op, key(name), Answer::NotFound).by(1);
    let begun = [0, 1].map(Answer::Counted).into_iter();
    begun
        .fold(step, |step, answer| {
            step.ends(answer, "creates the counter: leave it out, or runs call such values wrong")
        })
        .or_error(Some("tells an absent key as an error"))
}

fn count(op: &'static str, name: &str, by: u64, value: u64) -> Step {
    Step::new(op, key(name), Answer::Counted(value)).by(by)
}

/// What memcached makes of a counter that is not there, or would go below zero.
const OF_MEMCACHED: [&str; 3] = ["decr below zero", "incr, absent", "decr, absent"];

/// Every case for nodes of this protocol.
pub(super) fn all_of(protocol: Protocol) -> Vec<Case> {
    let mut all = all();
    if protocol == Protocol::Resp {
        // There it begins at zero; below zero are numbers for which a driver has no words.
        all.retain(|case| !OF_MEMCACHED.contains(&case.name));
        all.push(case("a counter that begins", [count("incr", "n6", 1, 1), get("n6", b"1")]));
    }
    all
}

/// Every case for memcached.
pub(super) fn all() -> Vec<Case> {
    let mut all = values();
    all.extend(conditions());
    all.extend(unique_numbers());
    all.extend(changes());
    all.extend(several());
    all.extend(keys());
    all
}

fn values() -> Vec<Case> {
    let stored_and_read = |name, value: &[u8]| case(name, [set(name, value), get(name, value)]);
    let empty = get("empty", b"").differs(Answer::Miss, "an empty value is read as a miss");
    let too_large = Some("does not take a value of 500 kB");
    let flagged = [set("flags", b"value").flags(5), get("flags", b"value").flags(5)];
    vec![
        stored_and_read("text", b"some value"),
        case("a value of no bytes", [set("empty", b""), empty]),
        case("a value of one byte", [set("one", b"\0"), get("one", b"\0")]),
        case("1000 bytes of all values", [set("all", &bytes(1000)), get("all", &bytes(1000))]),
        case(
            "500 kB",
            [
                set("large", &bytes(LARGE_BYTES)).or_error(too_large),
                get("large", &bytes(LARGE_BYTES)),
            ],
        ),
        case("a key that is absent", [miss("absent")]),
        case(
            "a value that is replaced",
            [set("twice", b"1"), set("twice", b"2"), get("twice", b"2")],
        ),
        Case { needs_flags: true, ..case("flags", flagged) },
    ]
}

fn conditions() -> Vec<Case> {
    vec![
        case("add, absent", [write("add", "a1", b"1", Answer::Stored), get("a1", b"1")]),
        case("add, present", [set("a2", b"1"), held_back("add", "a2", b"2"), get("a2", b"1")]),
        case(
            "replace, present",
            [set("r1", b"1"), write("replace", "r1", b"2", Answer::Stored), get("r1", b"2")],
        ),
        case("replace, absent", [held_back("replace", "r2", b"1"), miss("r2")]),
        case(
            "append, present",
            [
                set("p1", b"ab"),
                write("append", "p1", b"\xffc", Answer::Stored),
                get("p1", b"ab\xffc"),
            ],
        ),
        case("append, absent", [held_back("append", "p2", b"1"), miss("p2")]),
        case(
            "prepend, present",
            [set("p3", b"ab"), write("prepend", "p3", b"\0c", Answer::Stored), get("p3", b"\0cab")],
        ),
        case("prepend, absent", [held_back("prepend", "p4", b"1"), miss("p4")]),
    ]
}

fn unique_numbers() -> Vec<Case> {
    vec![
        case("gets, absent", [Step::new("gets", key("c0"), Answer::Miss)]),
        case(
            "cas, as it was read",
            [set("c1", b"1"), gets("c1", b"1"), cas("c1", b"2", Answer::Stored), get("c1", b"2")],
        ),
        case(
            "cas, changed since",
            [
                set("c2", b"1"),
                gets("c2", b"1"),
                set("c2", b"2"),
                cas("c2", b"3", Answer::Exists),
                get("c2", b"2"),
            ],
        ),
        case(
            "cas, used twice",
            [
                set("c3", b"1"),
                gets("c3", b"1"),
                cas("c3", b"2", Answer::Stored),
                cas("c3", b"3", Answer::Exists),
                get("c3", b"2"),
            ],
        ),
        case(
            "cas, absent",
            [
                set("c4", b"1"),
                gets("c4", b"1"),
                Step::new("delete", key("c4"), Answer::Deleted),
                cas("c4", b"2", Answer::NotFound),
                miss("c4"),
            ],
        ),
    ]
}

fn changes() -> Vec<Case> {
    let new = |op, name| Step::new(op, key(name), Answer::Miss);
    vec![
        case(
            "delete, present",
            [set("d1", b"1"), Step::new("delete", key("d1"), Answer::Deleted), miss("d1")],
        ),
        case("delete, absent", [not_found("delete", "d2", Answer::Deleted)]),
        case(
            "touch, present",
            [
                set("t1", b"1"),
                Step::new("touch", key("t1"), Answer::Touched).ttl_s(600),
                get("t1", b"1"),
            ],
        ),
        case("touch, absent", [not_found("touch", "t2", Answer::Touched).ttl_s(600)]),
        case(
            "gat, present",
            [set("g1", b"1"), Step::read("gat", key("g1"), "1").ttl_s(600), get("g1", b"1")],
        ),
        case("gat, absent", [new("gat", "g2").ttl_s(600).or(Answer::NotFound)]),
        case("incr", [set("n1", b"5"), count("incr", "n1", 3, 8), get("n1", b"8")]),
        case("decr", [set("n2", b"5"), count("decr", "n2", 3, 2)]),
        case("decr below zero", [set("n3", b"5"), count("decr", "n3", 7, 0)]),
        case("incr, absent", [no_counter("incr", "n4"), miss("n4")]),
        case("decr, absent", [no_counter("decr", "n5"), miss("n5")]),
    ]
}

fn several() -> Vec<Case> {
    let few = ["m1", "m2", "m3", "m4"].map(key).to_vec();
    let found = [(key("m1"), b"1".to_vec()), (key("m3"), bytes(256))];
    let names: Vec<String> = (0..MANY).map(|number| format!("many:{number}")).collect();
    let value = |name: &str| name.as_bytes().to_vec();
    let mut many: Vec<Step> = names.iter().map(|name| set(name, &value(name))).collect();
    let entries: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| (key(name), value(name))).collect();
    many.push(Step::many(names.iter().map(|name| key(name)).collect(), entries));
    let absent = ["m5", "m6"].map(key).to_vec();
    vec![
        case(
            "get_many, some absent",
            [set("m1", b"1"), set("m3", &bytes(256)), Step::many(few, found)],
        ),
        case("get_many, all absent", [Step::many(absent, [])]),
        case("get_many, 100 keys", many),
    ]
}

fn keys() -> Vec<Case> {
    let longest = format!("{PREFIX}{}", "k".repeat(KEY_BYTES_MAX - PREFIX.len()));
    let too_long = Some("does not take a key of 250 bytes");
    let words = format!("{PREFIX}schlüssel");
    let stored = |key: &str, why| {
        Step::write("set", key.as_bytes(), *b"value", Answer::Stored).or_error(why)
    };
    let read = |key: &str| Step::read("get", key.as_bytes(), *b"value");
    vec![
        case("a key of 250 bytes", [stored(&longest, too_long), read(&longest)]),
        case("a key that is not ASCII", [stored(&words, None), read(&words).or_error(None)]),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::event::Operation;

    /// Catches an operation of the protocol that no case asks for, two cases of one name, and a
    /// name that does not fit beside its outcome.
    #[test]
    fn every_operation_is_asked_for() {
        let all = all();
        let asked: BTreeSet<&str> = all.iter().flat_map(|case| &case.steps).map(Step::op).collect();
        for verb in crate::driver::speech::VERBS {
            assert!(asked.contains(verb), "no case asks for {verb}");
        }
        for operation in Operation::ALL {
            assert!(asked.contains(crate::driver::speech::verb(*operation)), "{operation:?}");
        }
        let names: BTreeSet<&str> = all.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), all.len());
        assert!(names.iter().all(|name| name.len() <= 24));
    }

    /// Catches a client of Redis that is held to what only memcached does, and a rule that names no case.
    #[test]
    fn resp_begins_counters_at_zero() {
        let names = |protocol| all_of(protocol).iter().map(|case| case.name).collect::<Vec<_>>();
        let (memcached, resp) = (names(Protocol::Memcached), names(Protocol::Resp));
        assert!(OF_MEMCACHED.iter().all(|name| memcached.contains(name) && !resp.contains(name)));
        assert_eq!(resp.len(), memcached.len() - OF_MEMCACHED.len() + 1);
    }

    /// Catches a case that expects what its operation cannot come to: every driver would fail it.
    #[test]
    fn what_is_expected_can_come() {
        let listed = |op: &str| vec![op.to_owned()];
        for case in all() {
            for step in &case.steps {
                assert!(step.can_come(), "{}: {}", case.name, step.wanted());
                assert_eq!(case.lacks(&listed("none")), Some(case.steps[0].op()));
            }
        }
    }
}
