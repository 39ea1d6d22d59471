//! Streams with their replies, and what must be made of them.

use super::*;

/// What one connection came to: a line per event, in words.
fn watch(version: ServerVersion, exchange: &[(&[u8], &[u8])], piece: usize) -> Vec<String> {
    let mut observer = Observer::new(Options { version, protocol: Protocol::Detect });
    let mut seen = Vec::new();
    for (requests, replies) in exchange {
        for piece in requests.chunks(piece) {
            observer.on_request(piece, (), &mut |event| match event {
                RequestEvent::Request(request) => {
                    let end = request.end.map_or(-1, |end| i64::try_from(end).unwrap());
                    seen.push(format!(
                        "? {} {:?} {}..{end}",
                        request.paired.command, request.paired.due, request.start
                    ));
                }
                RequestEvent::Opaque(why) => seen.push(format!("? {}", why.name())),
            });
        }
        for piece in replies.chunks(piece) {
            observer.on_reply(piece, &mut |event| match event {
                ReplyEvent::Part(_) => {}
                ReplyEvent::Done(done) => seen.push(format!(
                    "! {} {} {}..{}",
                    done.request.sequence,
                    done.status.name(),
                    done.start,
                    done.end
                )),
                ReplyEvent::Unanswered { request, why } => {
                    seen.push(format!("! {} {why:?}", request.sequence));
                }
                ReplyEvent::Unsolicited { start, end, .. } => {
                    seen.push(format!("! unsolicited {start}..{end}"));
                }
                ReplyEvent::Opaque(why) => seen.push(format!("! {}", why.name())),
            });
        }
    }
    seen
}

/// Each reply as `sequence status`, after the whole exchange in one piece and byte by byte.
#[track_caller]
fn replies(version: ServerVersion, requests: &[u8], replies: &[u8]) -> Vec<String> {
    let whole = watch(version, &[(requests, replies)], usize::MAX);
    let bytes = watch(version, &[(requests, replies)], 1);
    assert_eq!(whole, bytes, "{}", requests.escape_ascii());
    let words = |line: String| line.rsplit_once(' ').map(|(words, _)| words.to_owned());
    whole
        .into_iter()
        .filter_map(|line| line.strip_prefix("! ").map(str::to_owned))
        .map(|line| if line.contains("..") { words(line).unwrap() } else { line })
        .collect()
}

const OLD: ServerVersion = ServerVersion::V1_6_18;
const NEW: ServerVersion = ServerVersion::V1_6_45;

/// One row: a name, the server, what the client sends, what comes back, what must be made of it.
type Row<'a> = (&'a str, ServerVersion, &'a [u8], &'a [u8], &'a [&'a str]);

#[track_caller]
fn check(rows: &[Row<'_>]) {
    for (name, version, sent, came, expected) in rows {
        assert_eq!(replies(*version, sent, came), *expected, "{name}");
    }
}

/// Catches the ways existing fault proxies break: replies that do not come.
#[test]
fn a_request_without_a_reply_shifts_nothing() {
    check(&[
        (
            "noreply-set",
            OLD,
            b"set a 0 0 1 noreply\r\n1\r\nget a\r\n",
            b"VALUE a 0 1\r\n1\r\nEND\r\n",
            &["1 hit"],
        ),
        (
            "noreply-unknown",
            NEW,
            b"foo noreply\r\nversion\r\n",
            b"VERSION 1.6.45\r\n",
            &["1 version"],
        ),
        (
            "noreply-unknown",
            OLD,
            b"foo noreply\r\nversion\r\n",
            b"ERROR\r\nVERSION 1.6.18\r\n",
            &["0 error", "1 version"],
        ),
        (
            "noreply-unknown, no version",
            ServerVersion::UNKNOWN,
            b"foo noreply\r\nversion\r\n",
            b"VERSION 1.6.45\r\n",
            &["0 Silent", "1 version"],
        ),
        (
            "meta-get-quiet-miss",
            OLD,
            b"mg nosuch v q\r\nversion\r\n",
            b"VERSION 1.6.18\r\n",
            &["0 Silent", "1 version"],
        ),
        ("meta-set-quiet", OLD, b"ms a 1 q\r\nx\r\nmn\r\n", b"MN\r\n", &["0 Silent", "1 ok"]),
        ("meta-delete-quiet", OLD, b"md a q\r\nmn\r\n", b"NF\r\nMN\r\n", &["0 not_found", "1 ok"]),
        (
            "slabs-automove",
            OLD,
            b"slabs automove 0 noreply\r\nversion\r\n",
            b"VERSION 1.6.18\r\n",
            &["1 version"],
        ),
    ]);
}

/// Catches replies of more than one line, and values that look like replies.
#[test]
fn a_reply_ends_where_its_request_says() {
    check(&[
        (
            "gat",
            OLD,
            b"gat 0 a b c\r\nversion\r\n",
            b"VALUE a 0 1\r\nx\r\nVALUE b 0 2\r\nyz\r\nEND\r\nVERSION 1.6.18\r\n",
            &["0 hit", "1 version"],
        ),
        (
            "meta-get-value",
            OLD,
            b"mg a v\r\nversion\r\n",
            b"VA 3\r\nabc\r\nVERSION 1.6.18\r\n",
            &["0 hit", "1 version"],
        ),
        ("meta-zero-length", OLD, b"mg a v\r\nmn\r\n", b"VA 0\r\n\r\nMN\r\n", &["0 hit", "1 ok"]),
        (
            "stats",
            OLD,
            b"stats\r\nversion\r\n",
            b"STAT pid 1\r\nSTAT version 1.6.18\r\nEND\r\nVERSION 1.6.18\r\n",
            &["0 stat", "1 version"],
        ),
        (
            "stats reset, bad, detail",
            OLD,
            b"stats reset\r\nstats nosuch\r\nstats detail off\r\n",
            b"RESET\r\nERROR\r\nOK\r\n",
            &["0 ok", "1 error", "2 ok"],
        ),
        (
            "stats sizes_enable",
            OLD,
            b"stats sizes_enable\r\nversion\r\n",
            b"STAT sizes_status enabled\r\nVERSION 1.6.18\r\n",
            &["0 stat", "1 version"],
        ),
        (
            "metadump",
            OLD,
            b"lru_crawler metadump all\r\nversion\r\n",
            b"key=a exp=-1 la=1\nkey=b exp=-1\nEND\r\nVERSION 1.6.18\r\n",
            &["0 stat", "1 version"],
        ),
        (
            "metadump with OK",
            NEW,
            b"lru_crawler metadump all\r\nversion\r\n",
            b"OK\r\nkey=a exp=-1 la=1\nEND\r\nVERSION 1.6.45\r\n",
            &["0 stat", "1 version"],
        ),
        (
            "mgdump",
            NEW,
            b"lru_crawler mgdump all\r\nversion\r\n",
            b"mg a\r\nmg b\r\nEN\r\nVERSION 1.6.45\r\n",
            &["0 stat", "1 version"],
        ),
        (
            "metadump refused",
            NEW,
            b"lru_crawler metadump x\r\nversion\r\n",
            b"BADCLASS invalid class id\r\nVERSION 1.6.45\r\n",
            &["0 other", "1 version"],
        ),
        (
            "get-value-with-END",
            OLD,
            b"set a 0 0 12\r\nEND\r\nxEND\r\n!\r\nget a\r\nmn\r\n",
            b"STORED\r\nVALUE a 0 12\r\nEND\r\nxEND\r\n!\r\nEND\r\nMN\r\n",
            &["0 stored", "1 hit", "2 ok"],
        ),
        (
            "get-value-with-VALUE",
            OLD,
            b"get a\r\nmn\r\n",
            b"VALUE a 0 13\r\nVALUE a 0 100\r\nEND\r\nMN\r\n",
            &["0 hit", "1 ok"],
        ),
        (
            "get-error",
            OLD,
            b"get\r\nGET a\r\nversion\r\n",
            b"ERROR\r\nERROR\r\nVERSION 1.6.18\r\n",
            &["0 error", "1 error", "2 version"],
        ),
        (
            "incr",
            OLD,
            b"incr a 1\r\nincr b 1\r\n",
            b"12\r\nNOT_FOUND\r\n",
            &["0 number", "1 not_found"],
        ),
    ]);
}

/// Catches a data block taken for commands, and commands taken for a data block.
#[test]
fn after_every_error_the_next_request_is_found() {
    check(&[
        (
            "meta-set-data-like-command",
            OLD,
            b"ms x 9\r\nflush_all\r\nget y\r\n",
            b"HD\r\nEND\r\n",
            &["0 stored", "1 miss"],
        ),
        (
            "upper-set",
            OLD,
            b"SET a 0 0 5\r\nhello\r\n",
            b"ERROR\r\nERROR\r\n",
            &["0 error", "1 error"],
        ),
        (
            "bytes-minus-3",
            OLD,
            b"set a 0 0 -3\r\nversion\r\n",
            b"CLIENT_ERROR bad command line format\r\nVERSION 1.6.18\r\n",
            &["0 client_error", "1 version"],
        ),
        ("tab-is-not-a-space", OLD, b"set a\tb 0 0 5\r\nhello\r\n", b"STORED\r\n", &["0 stored"]),
        (
            "empty-line",
            OLD,
            b"\r\nversion\r\n",
            b"ERROR\r\nVERSION 1.6.18\r\n",
            &["0 error", "1 version"],
        ),
        (
            "bad-flags-arg, before",
            OLD,
            b"set a x 0 5\r\nhello\r\n",
            b"CLIENT_ERROR bad command line format\r\nERROR\r\n",
            &["0 client_error", "1 error"],
        ),
        (
            "bad-flags-arg, after",
            NEW,
            b"set a x 0 5\r\nhello\r\nmn\r\n",
            b"CLIENT_ERROR bad command line format\r\nMN\r\n",
            &["0 client_error", "1 ok"],
        ),
        (
            "bad-chunk-long",
            OLD,
            b"set a 0 0 5\r\nhello_world\r\n",
            b"CLIENT_ERROR bad data chunk\r\nERROR\r\n",
            &["0 client_error", "1 error"],
        ),
        (
            "bad-chunk-short",
            OLD,
            b"set a 0 0 5\r\nhi\r\nversion\r\n",
            b"CLIENT_ERROR bad data chunk\r\nERROR\r\n",
            &["0 client_error", "1 error"],
        ),
        (
            "too large",
            OLD,
            b"set a 0 0 5\r\nhello\r\nmn\r\n",
            b"SERVER_ERROR object too large for cache\r\nMN\r\n",
            &["0 server_error", "1 ok"],
        ),
    ]);
    let seen = watch(ServerVersion::UNKNOWN, &[(b"set a x 0 5\r\n", b"")], 1);
    assert_eq!(seen, ["? set Always 0..-1", "? next_request_unknown"]);
}

/// Catches a quiet hit given to the wrong request when an opaque or a key tells.
#[test]
fn an_opaque_or_a_key_tells_quiet_requests_apart() {
    check(&[
        (
            "opaque",
            OLD,
            b"mg a v q O1\r\nmg b v q O2\r\nmg c v q O3\r\nmn\r\n",
            b"VA 1 O2\r\nx\r\nMN\r\n",
            &["0 Silent", "1 hit", "2 Silent", "3 ok"],
        ),
        (
            "key",
            OLD,
            b"mg a v q k\r\nmg b v q k\r\nmn\r\n",
            b"VA 1 kb\r\nx\r\nMN\r\n",
            &["0 Silent", "1 hit", "2 ok"],
        ),
        (
            "base64 key asked for raw",
            OLD,
            b"mg a v q k\r\nmg foo v q k\r\nmn\r\n",
            b"VA 1 kZm9v b\r\nx\r\nMN\r\n",
            &["0 Silent", "1 hit", "2 ok"],
        ),
        (
            // memcached 1.6.18 ends the line at the NUL and repeats the opaque without it.
            "opaque with a NUL",
            OLD,
            b"mg a v q O\x14\0 a\r\nma n v\r\n",
            b"VA 1 O\x14\r\nx\r\nVA 1\r\n0\r\n",
            &["0 hit", "1 number"],
        ),
        (
            "code",
            OLD,
            b"mg a v q\r\nms b 1 q\r\nx\r\nmn\r\n",
            b"NS\r\nMN\r\n",
            &["0 Silent", "1 not_stored", "2 ok"],
        ),
        (
            "doubt is dispelled",
            OLD,
            b"mg a v q\r\nmg b v\r\nversion\r\n",
            b"VA 1\r\nx\r\nVERSION 1.6.18\r\n",
            &["0 hit", "1 Mistaken", "2 version"],
        ),
        (
            "an opaque behind doubt",
            OLD,
            b"ms a 1 q\r\nx\r\nfoo\r\nbar\r\nms b 1 MA q O7\r\nx\r\nms c 1 k\r\nx\r\n",
            b"ERROR\r\nERROR\r\nNS O7\r\nHD kc\r\n",
            &["0 error", "1 error", "2 Mistaken", "3 not_stored", "4 stored"],
        ),
    ]);
}

/// Catches replies that an over-long key wipes out, and the empty line behind its error.
#[test]
fn an_over_long_key_may_wipe_out_earlier_replies() {
    let mut sent = b"version\r\nget ".to_vec();
    sent.extend_from_slice(&[b'k'; 251]);
    sent.extend_from_slice(b"\r\nmn\r\n");
    let wiped = b"CLIENT_ERROR bad command line format\r\n\r\nMN\r\n";
    assert_eq!(replies(NEW, &sent, wiped), ["0 Lost", "1 client_error", "2 ok"]);
    let kept = b"VERSION 1.6.18\r\nCLIENT_ERROR bad command line format\r\nMN\r\n";
    assert_eq!(replies(OLD, &sent, kept), ["0 version", "1 client_error", "2 ok"]);
}

/// Catches a connection that stalls or guesses once the two directions disagree.
#[test]
fn what_cannot_be_understood_is_said_once() {
    check(&[
        ("watch", OLD, b"watch fetchers\r\n", b"OK\r\nts=1 gid=1\nERROR\n", &["0 ok", "watch"]),
        ("watch refused", OLD, b"watch x\r\nmn\r\n", b"ERROR\r\nMN\r\n", &["0 error", "1 ok"]),
        ("disagreement", OLD, b"get a\r\n", b"STORED\r\nEND\r\n", &["disagreement"]),
        ("unsolicited", OLD, b"", b"ERROR Too many open connections\r\n", &["unsolicited"]),
        (
            "unauthenticated",
            OLD,
            b"get a\r\nget b\r\n",
            b"CLIENT_ERROR unauthenticated\r\n",
            &["0 client_error", "unauthenticated"],
        ),
    ]);
    for hello in [
        &b"\x16\x03\x01\x02\0\x01"[..],
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
    ] {
        for piece in [usize::MAX, 1] {
            assert_eq!(watch(OLD, &[(hello, b"+PONG\r\n")], piece), ["? not_memcached"]);
        }
    }
    // What is only wrong is the server's to refuse.
    check(&[("wrong", OLD, b"GET a\r\n get a\r\n", b"ERROR\r\nEND\r\n", &["0 error", "1 miss"])]);
    let long = vec![b'x'; LINE_BYTES_MAX + 1];
    assert_eq!(watch(OLD, &[(&long, b"")], usize::MAX), ["? line_too_long"]);
    assert_eq!(watch(OLD, &[(&long, b"")], 1), ["? line_too_long"]);
}

/// Catches a client that waits and is taken for one that does not, because quiet requests stand before and
/// behind the one that it waits for.
#[test]
fn a_request_between_quiet_ones_is_due() {
    let mut observer = Observer::new(Options { version: NEW, protocol: Protocol::Text });
    let mut due = |requests: &str, replies: &str| {
        observer.on_request(requests.as_bytes(), (), &mut |_| {});
        observer.on_reply(replies.as_bytes(), &mut |_| {});
        let one = observer.one_due().map(|request| request.sequence);
        assert_eq!(one.is_some(), observer.due().next().is_some());
        one
    };
    assert_eq!(due("mg a v q\r\n", ""), None);
    assert_eq!(due("get b\r\nmg c v q\r\n", ""), Some(1));
    assert_eq!(due("", "END\r\n"), None);
    assert_eq!(due("mn\r\nget d\r\n", ""), Some(4));
    assert_eq!(due("", "MN\r\n"), Some(4));
}

/// Catches a length that no item can have and that makes positions count beyond their end.
#[test]
fn a_value_longer_than_any_item_is_no_reply() {
    for (request, reply) in [("get k\r\n", "VALUE k 0 "), ("mg k v\r\n", "VA ")] {
        let said = |length: &str| {
            let reply = format!("{reply}{length}\r\n");
            replies(NEW, request.as_bytes(), reply.as_bytes())
        };
        assert_eq!(said("2147483645"), Vec::<String>::new());
        for length in ["2147483646", "18446744073709551613", "18446744073709551615"] {
            assert_eq!(said(length), ["disagreement"], "{request:?} {length}");
        }
    }
}

/// Catches a bound that cuts a long multi-get: the reply is framed, and the request to its end.
#[test]
fn a_get_line_has_no_bound() {
    let mut sent = b"get".to_vec();
    for index in 0..10_000 {
        sent.extend_from_slice(format!(" key-{index:08}").as_bytes());
    }
    sent.extend_from_slice(b"\r\n");
    let all = sent.len();
    sent.extend_from_slice(b"mn\r\n");
    for piece in [usize::MAX, 1000, 1] {
        let seen = watch(OLD, &[(&sent, b"END\r\nMN\r\n")], piece);
        assert_eq!(seen[0], format!("? get Always 0..{all}"));
        assert_eq!(seen[2..], ["! 0 miss 0..5", "! 1 ok 5..9"]);
    }
}

/// Catches offsets that would make a fault cut the wrong bytes.
#[test]
fn offsets_are_those_of_the_stream() {
    let seen = watch(OLD, &[(b"set a 0 0 5\r\nhello\r\nget a\r\n", b"STORED\r\n")], 3);
    assert_eq!(seen, ["? set Always 0..20", "? get Always 20..27", "! 0 stored 0..8"]);
}
