//! Message faults on RESP, by command and key.

use super::*;

/// A kind, its settings, what is told, and what is answered: lines with blanks for their ends.
type Case =
    (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str], &'static str);

/// `GET k` would be answered `$3 old`, `GET j` `$5 other`.
const CASES: &[Case] = &[
    ("error", &[("key", "k")], &["GET k", "GET j"], "-ERR injected fault|$5 other"),
    (
        "error",
        &[("command", "set"), ("message", "READONLY no writes here")],
        &["SET k new", "GET k"],
        "-READONLY no writes here|$3 old",
    ),
    ("error", &[("key", "j")], &["MGET k j", "GET k"], "-ERR injected fault|$3 old"),
    ("error", &[("command", "hello")], &["HELLO 3", "GET k"], "-ERR injected fault|$3 old"),
    ("respond", &[], &["GET k", "MGET k j", "SET k x"], "$-1|*2 $-1 $-1|+OK"),
    ("respond", &[("response", "value"), ("text", "lie")], &["GET k"], "$3 lie"),
    ("respond", &[("response", "done"), ("command", "del")], &["DEL k j", "GET k"], ":2|$3 old"),
    ("respond", &[("response", "bytes"), ("text", "+odd\r\n")], &["GET k"], "+odd"),
    ("truncate", &[("key", "j")], &["GET k", "GET j", "GET k"], "$3 old|$5 ot"),
    ("short_length", &[("key", "j")], &["GET j"], "$2 other"),
    ("wrong_value", &[("key", "?")], &["GET k", "GET j", "GET k"], "$3 old|$3 old|$5 other"),
    ("duplicate", &[("key", "k")], &["GET k", "GET j"], "$3 old|$3 old|$5 other"),
    ("unsolicited", &[("key", "k")], &["GET k"], "-ERR injected fault|$3 old"),
    ("lose", &[("key", "k")], &["GET k", "GET j"], "$5 other"),
    ("interject", &[("key", "k"), ("place", "after"), ("text", "+x\r\n")], &["GET k"], "$3 old|+x"),
    ("swap", &[("command", "get")], &["GET k", "GET j"], "$5 other|$3 old"),
    ("drop", &[("key", "j")], &["GET k", "GET j", "GET k"], "$3 old"),
    ("drop", &[("key", "j"), ("when", "mid_reply")], &["GET j"], "$5 ot"),
    ("memcached_error", &[], &["GET k"], "$3 old"),
];

/// Catches a fault that means another request, says it in other words, or puts the replies behind it out of
/// step.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
async fn faults_act_by_command_and_key() {
    let proxied = Proxied::new(None).await;
    for (kind, settings, told, expected) in CASES {
        let begin = [said("SET k old"), said("SET j other"), said("PING")];
        talk(proxied.connect().await, begin.to_vec(), b"+PONG\r\n").await;
        proxied.proxies.add_toxic("p", toxic(kind, settings)).await.unwrap();
        let mut end = expected.rsplit('|').next().unwrap().replace(' ', "\r\n");
        if end.starts_with('-') {
            end = expected.rsplit('|').next().unwrap().to_owned();
        }
        // A connection that is closed in the middle of a reply has no end of a line there.
        let whole =
            !matches!(*kind, "truncate") && settings.iter().all(|(_, at)| *at != "mid_reply");
        let closes = matches!(*kind, "drop" | "truncate");
        let line_end = if whole { "\r\n" } else { "" };
        let told: Vec<_> = told.iter().map(|line| said(line)).collect();
        let until = if closes { "nothing".to_owned() } else { format!("{end}{line_end}") };
        let heard = talk(proxied.connect().await, vec![told.concat()], until.as_bytes()).await;
        let replies = expected.split('|').map(|reply| match reply.starts_with('-') {
            true => reply.to_owned(),
            false => reply.replace(' ', "\r\n"),
        });
        let expected = replies.collect::<Vec<_>>().join("\r\n") + line_end;
        assert_eq!(String::from_utf8_lossy(&heard), expected, "{kind} {settings:?}");
        proxied.proxies.remove_toxic("p", "rule").await.unwrap();
    }
    proxied.end().await;
}

fn toxic(kind: &str, settings: &[(&str, &str)]) -> ToxicConfig {
    let mut attributes = Settings::default();
    for (name, value) in settings {
        attributes.insert(*name, Value::Text((*value).to_owned()));
    }
    ToxicConfig {
        name: Some("rule".into()),
        kind: kind.into(),
        stream: Stream::Downstream,
        toxicity: 1.0,
        attributes,
    }
}

/// Catches a long request that is let go because its end is not known, one that reaches the server in part,
/// and a message that is no push, or is one on a connection that knows none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
async fn long_requests_are_meant_too() {
    let proxied = Proxied::new(None).await;
    let long = vec![b'x'; 200_000];
    let set = command(&[b"SET", b"k", &long, b"EX", b"1000"]);
    let rule = toxic("error", &[("command", "set"), ("message", "OOM command not allowed")]);
    proxied.proxies.add_toxic("p", rule).await.unwrap();
    for cut in [100, 10_000, usize::MAX] {
        let told = [&set[..], &said("EXISTS k"), &set, &said("PING")].concat();
        let pieces = told.chunks(cut.min(told.len())).map(<[u8]>::to_vec).collect();
        let heard = talk(proxied.connect().await, pieces, b"+PONG\r\n").await;
        let refused = "-OOM command not allowed\r\n";
        assert_eq!(String::from_utf8_lossy(&heard), format!("{refused}:0\r\n{refused}+PONG\r\n"));
    }
    proxied.proxies.remove_toxic("p", "rule").await.unwrap();
    let message =
        toxic("unsolicited", &[("form", "message"), ("message", "hi"), ("command", "ping")]);
    proxied.proxies.add_toxic("p", message).await.unwrap();
    let heard = talk(proxied.connect().await, vec![said("PING")], b"+PONG\r\n").await;
    assert_eq!(heard, b"*3\r\n$7\r\nmessage\r\n$7\r\nharness\r\n$2\r\nhi\r\n+PONG\r\n");
    let mut stream = proxied.connect().await;
    talk(&mut stream, vec![said("HELLO 3"), said("GET none")], b"_\r\n").await;
    let heard = talk(&mut stream, vec![said("PING")], b"+PONG\r\n").await;
    assert_eq!(heard, b">3\r\n$7\r\nmessage\r\n$7\r\nharness\r\n$2\r\nhi\r\n+PONG\r\n");
    proxied.end().await;
}
