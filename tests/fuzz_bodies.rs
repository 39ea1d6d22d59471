//! What the fuzzer runs for minutes, for a moment in every run of the tests: the seeds in the tree,
//! mutations of them and random bytes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

#[path = "../fuzz/bodies/mod.rs"]
pub mod bodies;

use bodies::BODIES;

/// Random inputs a body; all bodies together take a few seconds.
const CASES: u32 = 150;

/// Bytes that mean something to one parser or another.
const WORDS: &[&[u8]] = &[
    b"\r\n",
    b" ",
    b"\n",
    b"0",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551613",
    b"4294967295",
    b"1e308",
    b"noreply",
    b"q",
    b"\x80",
    b"\x81",
    b"\xfd",
    b"\xfe",
    b"\"",
    b"{",
    b"[",
    b"null",
    b"\\u0000",
    b"%2F",
    b"..",
    b"/",
    b"1h",
    b"\xff",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// The seeds of a body, in the order of their names.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("seeds").join(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name} has seeds: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it is read").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("it is read")).collect()
}

/// An input, shown as it is written in a source.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Repeat(Index, usize),
    /// From here on as another seed has it.
    Splice(Index, Index, Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
        match self {
            Self::Set(at, byte) => {
                let at = place(at, bytes);
                bytes.get_mut(at).into_iter().for_each(|old| *old = *byte);
            }
            Self::Insert(at, word) => {
                let at = place(at, bytes);
                bytes.splice(at..at, word.iter().copied());
            }
            Self::Remove(at, count) => {
                let at = place(at, bytes);
                bytes.drain(at..bytes.len().min(at + count));
            }
            Self::Repeat(at, count) => {
                let at = place(at, bytes);
                let again = bytes[at..bytes.len().min(at + count)].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Splice(at, from, other) => {
                bytes.truncate(place(at, bytes));
                bytes.extend_from_slice(&other[place(from, other)..]);
            }
        }
    }
}

fn input(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Input> {
    let change = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<Index>(), select(WORDS)).prop_map(|(at, word)| Change::Insert(at, word)),
        (any::<Index>(), 1..12_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<Index>(), 1..60_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        (any::<Index>(), any::<Index>(), select(seeds.clone()))
            .prop_map(|(at, from, other)| Change::Splice(at, from, other)),
    ];
    let mutated = (select(seeds), vec(change, 1..6)).prop_map(|(mut bytes, changes)| {
        changes.iter().for_each(|change| change.apply(&mut bytes));
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..300), 5 => mutated].prop_map(Input)
}

fn check(name: &str) {
    let body = BODIES.into_iter().find(|(body, _)| *body == name);
    let (name, run) = body.unwrap_or_else(|| panic!("there is no body {name}"));
    let seeds = seeds(name);
    seeds.iter().for_each(|seed| run(seed));
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    // The same inputs every time: what is new is for the fuzzer to find, not for whoever changes
    // something else.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(&input(seeds), |Input(bytes)| {
        run(&bytes);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{name}: {error}"));
}

macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        /// The bodies that have a test.
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        $(
            /// Catches a parser that panics on hostile bytes, reads them otherwise in other pieces, or
            /// sets memory aside because a peer says that it will need it.
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*
    };
}

tests!(control_body, control_path, observe, plan, replies, requests, resp, session, stored, trace);

/// Catches a body that no test runs and no fuzzer can be started for.
#[test]
fn every_body_has_a_test_and_a_target() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("it is read");
    let readme = fs::read_to_string(root().join("README.md")).expect("it is read");
    for (name, _) in BODIES {
        assert!(TESTED.contains(&name), "{name}");
        let target = fs::read_to_string(root().join(format!("fuzz_targets/{name}.rs")));
        assert!(target.is_ok_and(|text| text.contains(&format!("{name}::run"))), "{name}");
        assert!(manifest.contains(&format!("fuzz_targets/{name}.rs")), "{name}");
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}
