//! Replies of every type, in whole and in pieces, and what is none.

use proptest::prelude::*;

use super::*;

/// What is found in a stream that comes in pieces of these lengths.
fn found(stream: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut scanner = Scanner::new();
    let (mut told, mut rest, mut cuts) = (Vec::new(), stream, cuts.iter().cycle());
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        rest = behind;
        loop {
            match scanner.next(&mut piece) {
                Ok(Some(Scanned::Head(Head { start, end, line, data }))) => {
                    told.push(format!("{start}..{end} {} {data:?}", line.escape_ascii()));
                }
                Ok(Some(Scanned::End(End { start, end, push, filled }))) => {
                    told.push(format!("{start}..{end} push {push} filled {filled}"));
                }
                Ok(None) => break,
                Err(why) => {
                    told.push(format!("{why:?}"));
                    return told;
                }
            }
        }
        assert!(piece.is_empty() && scanner.held_bytes() <= LINE_BYTES_KEPT);
    }
    told.push(format!("{} at {}", scanner.is_at_boundary(), scanner.position()));
    told
}

/// Catches a type whose end is another, a push or an attribute that is taken for a reply, and a nil that
/// counts as something.
#[test]
fn every_type_ends_where_it_ends() {
    let replies: &[(&[u8], &str)] = &[
        (b"+OK\r\n", "filled true"),
        (b"-ERR no\r\n", "filled true"),
        (b":12\r\n", "filled true"),
        (b"$-1\r\n", "filled false"),
        (b"$0\r\n\r\n", "filled true"),
        (b"$4\r\na\r\nb\r\n", "filled true"),
        (b"*-1\r\n", "filled false"),
        (b"*0\r\n", "filled false"),
        (b"*2\r\n$-1\r\n*1\r\n_\r\n", "filled false"),
        (b"*2\r\n$-1\r\n*1\r\n:1\r\n", "filled true"),
        (b"_\r\n", "filled false"),
        (b"#t\r\n", "filled true"),
        (b",1.5\r\n", "filled true"),
        (b"(3492890328409238509324850943850943825024385\r\n", "filled true"),
        (b"!5\r\nERR x\r\n", "filled true"),
        (b"=7\r\ntxt:abc\r\n", "filled true"),
        (b"%1\r\n+a\r\n~2\r\n:1\r\n:2\r\n", "filled true"),
        (b"|1\r\n+ttl\r\n:5\r\n$-1\r\n", "filled false"),
        (b"*1\r\n|1\r\n+a\r\n+b\r\n$1\r\nx\r\n", "filled true"),
        (b"$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n", "filled true"),
        (b"*?\r\n:1\r\n%?\r\n+a\r\n:2\r\n.\r\n.\r\n", "filled true"),
        (b">2\r\n+message\r\n+x\r\n", "push true"),
    ];
    for (reply, expected) in replies {
        let stream = [reply, &b"+next\r\n"[..]].concat();
        for cut in [1, 2, 5, 100] {
            let found = found(&stream, &[cut]);
            let shown = reply.escape_ascii();
            assert_eq!(found.len(), 5, "{shown}: {found:?}");
            assert!(found[1].starts_with(&format!("0..{} ", reply.len())), "{shown}: {found:?}");
            assert!(found[1].contains(expected), "{shown}: {found:?}");
            assert!(found[2].contains("+next Some(0)") && found[4].starts_with("true"), "{shown}");
        }
    }
}

/// Catches a nesting or a length without bound, and bytes that are taken for a reply.
#[test]
fn what_is_no_reply_is_malformed() {
    let deep = "*1\r\n".repeat(DEPTH_MAX + 1);
    for (stream, why) in [
        (deep.as_str(), "Depth"),
        ("HTTP/1.1", "Type(72)"),
        ("$x\r\n", "Length"),
        ("*281474976710657\r\n", "Length"),
        ("*1\r\n.\r\n", "Type(46)"),
        ("+OK\n", "LineEnd"),
        ("$?\r\n:1\r\n", "Length"),
    ] {
        for cut in [1, 3, 1 << 20] {
            assert_eq!(found(stream.as_bytes(), &[cut]).last().unwrap(), why, "{stream}");
        }
    }
    let bearable = format!("{}:1\r\n", "*1\r\n".repeat(DEPTH_MAX));
    assert!(found(bearable.as_bytes(), &[3]).last().unwrap().starts_with("true"));
    let long = format!("+{}\r\n", "x".repeat(1 << 20));
    let found = found(long.as_bytes(), &[1000]);
    assert_eq!(found[1], format!("0..{} push false filled true", long.len()));
}

proptest! {
    /// Catches a cut between two chunks that changes what is found, and a panic on bytes of any kind.
    #[test]
    fn chunks_change_nothing(
        stream in proptest::collection::vec(
            prop_oneof![
                "[+:,#(-][a-z0-9]{0,5}\r\n", "[*%~>|][0-3?]\r\n", "[$=!;][0-4]\r\n", "[a-z]{0,4}\r\n",
                Just("$?\r\n".to_owned()), Just(".\r\n".to_owned()), "\\PC{0,3}",
            ],
            0..14,
        ),
        cuts in proptest::collection::vec(1_usize..7, 1..9),
    ) {
        let stream = stream.concat();
        let whole = found(stream.as_bytes(), &[usize::MAX]);
        prop_assert_eq!(found(stream.as_bytes(), &cuts), whole);
    }
}
