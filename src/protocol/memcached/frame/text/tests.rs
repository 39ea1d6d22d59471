//! Lines, and what each of the two parsers makes of them.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const LONG: &str = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
    kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\
    kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";

/// The bytes after a line, `-1` for none, `-2` for unknown, and whether it is answered.
type Reading = (i64, Due);

fn read(line: &str, version: ServerVersion) -> Reading {
    let framing = frame_request(line.as_bytes(), version);
    let block = match framing.block {
        Block::None => -1,
        Block::Bytes(length) => i64::try_from(length).unwrap(),
        Block::Unknown => -2,
    };
    (block, framing.due)
}

/// Catches a data block taken for a command or a command taken for a data block: the rows of
/// the table of malformed lines, for both parsers and for an unknown version.
#[test]
fn where_a_request_ends_depends_on_the_parser() {
    use Due::{Always, Maybe, Never};
    let long_set = format!("set {LONG} 0 0 5");
    let long_ms = format!("ms {LONG} 5");
    let cases: &[(&str, Reading, Reading)] = &[
        ("set a 0 0 5", (7, Always), (7, Always)),
        ("set a 0 0 5 noreply", (7, Never), (7, Never)),
        ("set a 0 0 0", (2, Always), (2, Always)),
        ("  set a 0 0 5", (7, Always), (-1, Always)),
        ("set  a  0  0  5  ", (7, Always), (7, Always)),
        ("cas a 0 0 5 9", (7, Always), (7, Always)),
        ("cas a 0 0 5 9 noreply", (7, Never), (7, Never)),
        ("SET a 0 0 5", (-1, Always), (-1, Always)),
        ("set a 0 0", (-1, Always), (-1, Always)),
        ("set a 0 noreply", (-1, Always), (-1, Always)),
        ("set a 0 0 noreply", (-1, Never), (-1, Always)),
        ("set a 0 0 5 x", (7, Always), (7, Always)),
        ("set a 0 0 5 x y", (-1, Always), (7, Always)),
        ("set a 0 0 5 x noreply", (-1, Always), (7, Never)),
        ("set a 0 0 -3", (-1, Always), (-1, Always)),
        ("set a 0 0 abc", (-1, Always), (-1, Always)),
        ("set a 0 0 2147483646", (-1, Always), (-1, Always)),
        ("set a 0 0 2147483645", (2_147_483_647, Always), (2_147_483_647, Always)),
        ("set a 0 0 +5", (7, Always), (-1, Always)),
        ("set a 0 0 5abc", (-1, Always), (-1, Always)),
        ("set a 0 0 4294967296", (2, Always), (-1, Always)),
        ("set a x 0 5", (-1, Always), (7, Always)),
        ("set a 0 x 5", (-1, Always), (7, Always)),
        ("set a 0 x 5 noreply", (-1, Never), (7, Never)),
        (&long_set, (-1, Always), (7, Always)),
        ("cas a 0 0 5", (-1, Always), (7, Always)),
        ("cas a 0 0 5 x", (-1, Always), (7, Always)),
        ("set a\tb 0 0 5", (7, Always), (7, Always)),
        ("set a\u{a0}b 0 0 5", (7, Always), (7, Always)),
        ("set a\0b 0 0 5", (-1, Always), (7, Always)),
        ("ms a 3", (5, Always), (5, Always)),
        ("ms a 3 q", (5, Maybe), (5, Maybe)),
        ("ms a -3", (-1, Always), (-1, Always)),
        ("ms a", (-1, Always), (-1, Always)),
        ("ms a S3", (-1, Always), (-1, Always)),
        ("ms a 3 !", (5, Always), (-1, Always)),
        (&long_ms, (-1, Always), (7, Always)),
        ("mg a v q", (-1, Maybe), (-1, Maybe)),
        ("me a q", (-1, Always), (-1, Always)),
        ("mn q", (-1, Always), (-1, Always)),
        ("delete a", (-1, Always), (-1, Always)),
        ("delete a noreply", (-1, Never), (-1, Never)),
        ("delete a 0 noreply", (-1, Never), (-1, Never)),
        ("delete noreply", (-1, Always), (-1, Never)),
        ("incr a 1 noreply", (-1, Never), (-1, Never)),
        ("incr a", (-1, Always), (-1, Always)),
        ("touch a 0 noreply", (-1, Never), (-1, Never)),
        ("flush_all noreply", (-1, Never), (-1, Never)),
        ("flush_all 0 noreply", (-1, Never), (-1, Never)),
        ("verbosity 1 noreply", (-1, Never), (-1, Never)),
        ("slabs automove 0 noreply", (-1, Never), (-1, Never)),
        ("lru_crawler enable noreply", (-1, Always), (-1, Never)),
        ("version noreply", (-1, Always), (-1, Always)),
        ("stats noreply", (-1, Always), (-1, Always)),
        ("get noreply", (-1, Always), (-1, Always)),
        ("foo noreply", (-1, Always), (-1, Never)),
        ("", (-1, Always), (-1, Always)),
        ("   ", (-1, Always), (-1, Always)),
    ];
    for (line, old, new) in cases {
        assert_eq!(read(line, ServerVersion::V1_6_18), *old, "old: {line:?}");
        assert_eq!(read(line, ServerVersion::V1_6_45), *new, "new: {line:?}");
        let block = if old.0 == new.0 { old.0 } else { -2 };
        let due = if old.1 == new.1 { old.1 } else { Maybe };
        assert_eq!(read(line, ServerVersion::UNKNOWN), (block, due), "unknown: {line:?}");
    }
}

/// Catches a reply read with the wrong grammar.
#[test]
fn the_shape_of_the_reply() {
    let cases: &[(&str, Command, Shape, Shape)] = &[
        ("get a", Command::Get, Shape::Get, Shape::Get),
        ("get", Command::Get, Shape::Line, Shape::Line),
        ("gat 0", Command::Gat, Shape::Get, Shape::Line),
        ("gat 0 a", Command::Gat, Shape::Get, Shape::Get),
        ("mg a v", Command::MetaGet, Shape::Value, Shape::Value),
        ("ma a v", Command::MetaArithmetic, Shape::Value, Shape::Value),
        ("stats", Command::Stats, Shape::Stats, Shape::Stats),
        ("stats sizes_enable", Command::Stats, Shape::Line, Shape::Line),
        ("lru_crawler metadump all", Command::Metadump, Shape::Dump, Shape::Dump),
        ("lru_crawler mgdump all", Command::Mgdump, Shape::Dump, Shape::Dump),
        ("lru_crawler crawl all", Command::LruCrawler, Shape::Line, Shape::Line),
        ("watch fetchers", Command::Watch, Shape::Watch, Shape::Watch),
        ("quit now", Command::Quit, Shape::Close, Shape::Close),
        ("POST / HTTP/1.1", Command::Http, Shape::Close, Shape::Close),
    ];
    for (line, command, old, new) in cases {
        let framing = frame_request(line.as_bytes(), ServerVersion::V1_6_18);
        assert_eq!((framing.command, framing.shape), (*command, *old), "old: {line}");
        let framing = frame_request(line.as_bytes(), ServerVersion::V1_6_45);
        assert_eq!((framing.command, framing.shape), (*command, *new), "new: {line}");
    }
    let framing = frame_request(b"get / HTTP/1.1", ServerVersion::V1_6_18);
    assert_eq!(framing.shape, Shape::Get);
    let framing = frame_request(b"lru_c m all", ServerVersion::V1_6_45);
    assert_eq!((framing.command, framing.shape), (Command::Metadump, Shape::Dump));
    let framing = frame_request(b"bget a", ServerVersion::V1_6_45);
    assert_eq!((framing.command, framing.regular), (Command::Unknown, false));
}

/// Catches a rule that looks at the wrong token, or at one key of many.
#[test]
fn keys_are_whole_tokens_and_all_of_them() {
    let cases: &[(&str, &[&str])] = &[
        ("get a b  c", &["a", "b", "c"]),
        ("gat 0 a b", &["a", "b"]),
        ("set a\tb 0 0 5", &["a\tb"]),
        ("mg Zm9v b v", &["Zm9v"]),
        ("delete noreply", &["noreply"]),
        ("version", &[]),
        ("flush_all 10", &[]),
        ("get", &[]),
    ];
    for (line, keys) in cases {
        let framing = frame_request(line.as_bytes(), ServerVersion::UNKNOWN);
        let found: Vec<_> = framing.keys(line.as_bytes()).collect();
        let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        assert_eq!(found, keys, "{line}");
    }
}

/// Catches line ends: one CR belongs to them, a second one is part of the key.
#[test]
fn one_cr_belongs_to_the_line_end() {
    assert_eq!(without_line_end(b"get a\r\n"), b"get a");
    assert_eq!(without_line_end(b"get a\n"), b"get a");
    assert_eq!(without_line_end(b"get a\rb\r\r\n"), b"get a\rb\r");
    // Three bytes are too few for the new parser, with a bare LF too.
    let new = |line: &[u8]| frame_request(line, ServerVersion::V1_6_45).regular;
    assert!(new(b"mn\r\n"));
    assert!(!new(b"mn\n"));
}

/// Catches the question for the list of nodes that is known to one parser only, and any other line that is taken
/// for it.
#[test]
fn only_one_line_asks_for_the_list_of_nodes() {
    for version in [ServerVersion::V1_6_18, ServerVersion::V1_6_45, ServerVersion::UNKNOWN] {
        let framing = |line: &str| frame_request(line.as_bytes(), version);
        assert_eq!(framing("config get cluster"), Framing::line(Command::Config));
        let others = ["config", "config get", "config get cluster x", "config set cluster 0 2"];
        for line in others.into_iter().chain(["config get clusters", "conf get cluster"]) {
            assert_eq!(framing(line), Framing::malformed(Command::Unknown), "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Catches a panic on an odd line, a key outside of it, and an unknown version that claims more
    /// than both parsers say.
    #[test]
    fn any_line_is_read(
        words in vec(prop_oneof![
            3 => prop::sample::select(&["set", "ms", "get", "gat", "mg", "a", "0", "5", "noreply"][..])
                .prop_map(|word| word.as_bytes().to_vec()),
            1 => vec(any::<u8>().prop_filter("ends the line", |byte| *byte != b'\n'), 0..6),
        ], 0..9),
    ) {
        let line = words.join(&b' ');
        let old = frame_request(&line, ServerVersion::V1_6_18);
        let new = frame_request(&line, ServerVersion::V1_6_45);
        let unknown = frame_request(&line, ServerVersion::UNKNOWN);
        for framing in [old, new, unknown] {
            let bytes: usize = framing.keys(&line).map(<[u8]>::len).sum();
            prop_assert!(bytes <= line.len());
        }
        if unknown.block != Block::Unknown {
            prop_assert_eq!(unknown.block, old.block);
            prop_assert_eq!(unknown.block, new.block);
        }
        if unknown.due != Due::Maybe {
            prop_assert_eq!(unknown.due, old.due);
            prop_assert_eq!(unknown.due, new.due);
        }
    }
}
