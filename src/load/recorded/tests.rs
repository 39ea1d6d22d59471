//! Traces of both formats, read and replayed; the log is what the real server printed.

use std::sync::Arc;

use proptest::prelude::*;

use super::line::Told;
use super::memcached::Lookups;
use super::*;
use crate::base::seed::Seed;
use crate::load::arrival::{ArrivalSpec, Pace};

/// What the real server printed.
const LOG: &str = include_str!("../../../tests/golden/traces/memcached.log");

const LONG: Duration = Duration::from_secs(3600);

fn recording(text: &str) -> Result<(TraceFormat, Recording), String> {
    read(text.as_bytes(), None, LONG).map_err(|error| error.to_string())
}

/// Due times in microseconds, operations and the names of keys.
fn requests(recording: &Recording) -> Vec<(u64, &'static str, String)> {
    let told = |request: &Request| {
        let space = crate::load::keyspace::space_of(request.operation);
        let name = &recording.names[space as usize][request.key as usize];
        (request.due_us, request.operation.name(), name.as_str().to_owned())
    };
    recording.requests.iter().map(told).collect()
}

fn dues_us(replay: &TraceReplay, count: usize) -> Vec<u128> {
    let Pace::Open(mut arrival) = replay.start(Seed::new(1).stream()) else {
        panic!("a trace has intended starts")
    };
    (0..count).map_while(|_| arrival.next_due()).map(|due| due.as_micros()).collect()
}

/// Catches a column that is taken for another, requests of a second that all come at its start, and a key
/// with a comma that is cut.
#[test]
fn lines_of_twitter_are_read() {
    let text = "10,a:1,3,100,7,get,0\n10,a,b,3,200,7,set,60\r\n\n10,c,1,0,7,incr,0\n11,a:1,3,0,8,gets,0\n\
                11,a:1,3,0,8,delete,0\n11,x,1,0,8,flush,0\n11,d,1,9,8,append,-1\n";
    let (format, recording) = recording(text).unwrap();
    assert_eq!(format, TraceFormat::Twitter);
    let asked: Vec<(u64, &str, &str)> = vec![
        (0, "get", "k:a:1"),
        (333_333, "set", "k:a,b"),
        (666_666, "incr", "c:c"),
        (1_000_000, "get", "k:a:1"),
        (1_333_333, "delete", "k:a:1"),
        (1_666_666, "append", "a:d"),
    ];
    let told = requests(&recording);
    let told: Vec<(u64, &str, &str)> =
        told.iter().map(|(at, what, key)| (*at, *what, &**key)).collect();
    assert_eq!(told, asked);
    let given: Vec<Given> = recording.requests.iter().map(Request::given).collect();
    assert_eq!(given[1], Given { bytes: 200, life: Life::For(Duration::from_secs(60)) });
    assert_eq!(given[5].life, Life::Expired);
    let facts = recording.facts();
    assert_eq!(facts.left_out, [("flush".to_owned(), 1)]);
    assert_eq!((facts.peak, facts.raised_values, facts.cut), (3, 1, false));
    assert_eq!(recording.length(), Duration::from_secs(2));
}

/// Catches a key that is stored before although the trace finds it absent, or the reverse, and one that is
/// stored with a length of nothing.
#[test]
fn what_was_there_is_stored_before() {
    let text = "1,hit,1,70,7,get,0\n1,miss,1,0,7,get,0\n1,miss,1,80,7,set,0\n1,new,1,9,7,add,0\n\
                2,old,1,0,7,delete,0\n2,old,1,50,7,set,0\n";
    let (_, recording) = recording(text).unwrap();
    let there: Vec<(bool, u64)> =
        (0..4).map(|key| (recording.was_there(key), recording.bytes_of(key))).collect();
    assert_eq!(there, [(true, 70), (false, 80), (false, 9), (true, 50)]);
}

/// Catches a look-up of a store that is replayed as a read, a read that is taken for one, microseconds that
/// are read as a fraction, and a key that stays encoded.
#[test]
fn the_log_of_the_real_server_is_read() {
    let (format, recording) = recording(LOG).unwrap();
    assert_eq!(format, TraceFormat::Memcached);
    let told = requests(&recording);
    let words: Vec<String> = told.iter().map(|(_, what, key)| format!("{what} {key}")).collect();
    let hashed = "k:#3d20ba78a68fd2e8dd91d7ff22aac3c7";
    let hashed = words[17].strip_prefix("set ").filter(|key| key.len() == hashed.len()).unwrap();
    assert_eq!(
        words,
        [
            "get k:foo",
            "set k:foo",
            "get k:foo",
            "get k:foo",
            "get k:bar",
            "add k:foo",
            "add k:bar",
            "replace k:bar",
            "append a:bar",
            "prepend a:nope",
            "cas x:bar",
            "set k:n",
            // An increment, a touch and a delete: the log says no more of them.
            "get k:n",
            "get k:foo",
            "get k:foo",
            "get k:foo",
            "set k:a%b=c",
            &format!("set {hashed}"),
            "set k:gone",
            "get k:gone",
        ]
    );
    assert_eq!(told[1].0, 3424 - 2251, "microseconds since the first line");
    assert_eq!(recording.requests[18].given().life, Life::Expired);
    assert_eq!(recording.facts().hashed_keys, 1);
    assert!(!recording.was_there(0), "the first read of foo found nothing");
}

/// Catches a look-up that is looked for on another connection, or so far away that it never ends.
#[test]
fn only_the_line_before_of_the_same_connection_is_a_look_up() {
    let told = |operation, key: &str, connection| Told {
        at_us: 0,
        key: key.as_bytes().to_vec(),
        operation,
        bytes: 0,
        life_s: 0,
        found: false,
        connection,
    };
    let mut lookups = Lookups::default();
    let mut asked = Vec::new();
    for told in [
        told(Operation::Get, "a", 1),
        told(Operation::Get, "a", 2),
        told(Operation::Set, "a", 1),
        told(Operation::Set, "b", 2),
    ] {
        asked.extend(lookups.push(told, 1));
    }
    for _ in 0..100 {
        asked.extend(lookups.push(told(Operation::Get, "c", 3), 1));
    }
    asked.extend(lookups.rest());
    let first: Vec<(Operation, u64)> =
        asked.iter().map(|(told, _)| (told.operation, told.connection)).take(3).collect();
    assert_eq!(first, [(Operation::Get, 2), (Operation::Set, 1), (Operation::Set, 2)]);
    assert_eq!(asked.len(), 103);
}

/// Catches a client that is said to be asked as much as the whole trace has, or for whose sake keys are stored that
/// it is never asked for.
#[test]
fn what_a_client_cannot_do_leaves_nothing_behind() {
    let lines = ["1,a,1,40,3,get,0", "1,n,1,2,3,incr,0", "1,n,1,2,3,incr,0", "2,b,1,40,3,get,0"];
    let whole = recording(&lines.join("\n")).unwrap().1;
    assert_eq!((whole.facts().peak, whole.keys()), (3, 3));
    let kept = whole.only(|operation| operation == Operation::Get);
    assert_eq!((kept.requests(), kept.keys(), kept.facts().peak), (2, 2, 1));
    assert_eq!(kept.facts().operations, [(Operation::Get, 2)]);
    let of = |name: &str| -> Vec<_> {
        requests(&whole).into_iter().filter(|(_, operation, _)| *operation == name).collect()
    };
    assert_eq!(requests(&kept), of("get"));
    let counted = whole.only(|operation| operation == Operation::Incr);
    assert_eq!((counted.keys(), counted.stored.len()), (1, 0));
    assert_eq!(requests(&counted), of("incr"));
}

/// Catches an error in a log of memcached's that names a line far behind: requests are held back there until it is
/// known whether they are look-ups.
#[test]
fn what_was_held_back_names_its_own_line() {
    let line = |seconds: u64| {
        format!(
            "ts={seconds}.000000 gid=1 type=item_get key=a status=found clsid=1 cfd=27 size=8\n"
        )
    };
    let text: String = [100, 100, 50].into_iter().chain([100; 200]).map(line).collect();
    let error = recording(&text).map(drop).unwrap_err();
    assert!(error.starts_with("line 3 is 50 s earlier"), "{error}");
}

/// Catches a mistake without its line or without what to do, and a compressed file that is read as text.
#[test]
fn what_is_wrong_names_its_line() {
    let error = |text: &str| recording(text).map(drop).unwrap_err();
    for (text, part) in [
        ("hello\n", "line 1 looks like no trace"),
        ("5,a,1,2,3,get,0\n\n5,a,1\n", "line 3 has no seven columns"),
        ("5,a,1,2,3,get,0\nx,a,1,2,3,get,0\n", "line 2 does not begin with a time"),
        ("5,a,1,2,3,get,0\n5,a,1,-2,3,get,0\n", "line 2 has no length"),
        ("5,a,1,2,3,get,0\n5,a,1,2,3,get,soon\n", "line 2 does not end with a time to live"),
        ("9,a,1,2,3,get,0\n5,a,1,2,3,get,0\n", "line 2 is 4 s earlier than the one before; sort"),
        ("5,a,1,2,3,quit,0\n", "no request that can be replayed: there are 1 `quit`"),
        ("", "no request that can be replayed"),
        ("ts=1.2 gid=1 type=item_get size=3\n", "line 1 has no key"),
        ("ts=1.2 gid=1 type=item_store key=a\n", "line 1 has no command"),
        ("\u{1f}\u{8b}", "looks like no trace"),
    ] {
        assert!(error(text).contains(part), "{text}: {}", error(text));
    }
    let packed = read(&b"\x1f\x8b\x08\0"[..], None, LONG).unwrap_err().to_string();
    assert_eq!(packed, "it is compressed by gzip; `gzip -dk` makes it a file that can be read");
    let long = "x".repeat(5000);
    assert!(error(&long).contains("line 1 is longer than 4096 bytes"));
    assert!(error(&format!("5,a,1,2,3,get,0\n{long}")).contains("line 2 is longer"));
}

/// Catches a trace of gigabytes that is read to its end for a run of a minute, and a clock of another thread
/// that ends the reading.
#[test]
fn only_what_a_run_needs_is_read() {
    let text =
        "1,a,1,9,7,get,0\n3,a,1,9,7,get,0\n2,b,1,9,7,get,0\n6,a,1,9,7,get,0\nno trace from here";
    let (_, recording) = read(text.as_bytes(), None, Duration::from_secs(5)).unwrap();
    let told = requests(&recording);
    assert_eq!(told.iter().map(|(at, ..)| *at).collect::<Vec<_>>(), [0, 2_000_000, 2_500_000]);
    assert!(recording.facts().cut);
}

/// Catches a key that becomes another's, or that no node would take.
#[test]
fn keys_keep_their_identity() {
    let long = "l".repeat(101);
    let text = format!(
        "1,{long},1,9,7,get,0\n1,a b,3,9,7,get,0\n1,#x,2,9,7,get,0\n1,{long},1,9,7,set,0\n1,,0,9,7,get,0\n"
    );
    let (_, recording) = recording(&text).unwrap();
    let names: std::collections::BTreeSet<String> =
        recording.names[0].iter().map(|key| key.as_str().to_owned()).collect();
    assert_eq!((names.len(), recording.keys(), recording.facts().hashed_keys), (4, 4, 4));
    assert!(names.iter().all(|name| name.starts_with("k:#") && name.len() == 35), "{names:?}");
    let counters: String = (0..1005).map(|key| format!("1,{key},1,0,7,incr,0\n")).collect();
    let (_, many) = super::read(counters.as_bytes(), None, LONG).unwrap();
    assert_eq!((many.keys(), many.facts().sharing_keys), (1000, 5));
}

/// Catches a replay that loses its rhythm, its speed, its end, or the pause before it starts over; and a
/// request that is not the one whose time it is.
#[test]
fn a_recording_is_kept_and_repeated() {
    let (format, recording) =
        recording("1,a,1,9,7,get,0\n1,b,1,9,7,get,0\n3,c,1,9,7,set,0\n").unwrap();
    let recording = Arc::new(recording);
    let mut replay =
        TraceReplay { file: "t".to_owned(), format, speed: 2.0, repeat: true, recording };
    assert_eq!(dues_us(&replay, 5), [0, 250_000, 1_000_000, 1_500_000, 1_750_000]);
    assert_eq!(replay.length(), Duration::from_millis(1500));
    assert_eq!(replay.rate().unwrap().as_per_second(), 4.0);
    assert_eq!((replay.request(2).operation, replay.request(4).key), (Operation::Set, 1));
    replay.repeat = false;
    assert_eq!(dues_us(&replay, 5).len(), 3);
    replay.only(|operation| operation == Operation::Set);
    assert_eq!(dues_us(&replay, 5), [1_000_000]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Catches bytes that make the reader panic or run on, a due time that steps back, and a key that is
    /// none: whatever the file holds.
    #[test]
    fn any_bytes_are_a_trace_or_an_error(
        head in prop::sample::select(vec!["", "5,a,1,9,7,get,0\n", LOG]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        words in prop::collection::vec(prop::sample::select(vec![
            "ts=", "1795915838.3424", " type=item_get", " type=item_store", " key=%", " cmd=set",
            " size=1", " cfd=9", ",", "18446744073709551615", "get", "\n", "-1", "skipped=7",
        ]), 0..60),
    ) {
        let text = [head.as_bytes(), words.concat().as_bytes(), &bytes].concat();
        for format in [None, Some(TraceFormat::Twitter), Some(TraceFormat::Memcached)] {
            let Ok((_, recording)) = read(&text[..], format, LONG) else { continue };
            prop_assert!(recording.requests.is_sorted_by_key(|request| request.due_us));
            let names = recording.names();
            for request in &recording.requests {
                let space = crate::load::keyspace::space_of(request.operation);
                prop_assert!((request.key as usize) < names[space as usize].len());
            }
        }
    }
}
