//! `harness route` against the placements of other clients.

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

use crate::memcached::Memcached;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn route(words: &[&str], stdin: &[u8]) -> (i32, Vec<u8>, String) {
    let output = Command::cargo_bin("harness")
        .unwrap()
        .arg("route")
        .args(words)
        .write_stdin(stdin)
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), output.stdout, stderr)
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect()
}

/// What must be printed when `map` says where the keys go.
fn expected(keys: &[&[u8]], servers: &[String], map: &Value) -> Vec<u8> {
    let map = map.as_array().unwrap();
    assert_eq!(keys.len(), map.len());
    let mut lines = Vec::new();
    for (key, node) in keys.iter().zip(map) {
        let node = usize::try_from(node.as_u64().unwrap()).unwrap();
        lines.extend([key, b"\t".as_slice(), servers[node].as_bytes(), b"\n"].concat());
    }
    lines
}

/// Catches a key that goes elsewhere than libmemcached, pylibmc, PHP and twemproxy send it, also
/// when it is no text, on each of the eight recorded rings.
#[test]
fn keys_go_where_libmemcached_sends_them() {
    let keys = std::fs::read(golden().join("ring-vectors/keys.txt")).unwrap();
    let lines: Vec<&[u8]> =
        keys.split(|&byte| byte == b'\n').filter(|key| !key.is_empty()).collect();
    let mut sets = 0;
    for servers in ["ports-3", "ports-5", "names-3", "names-5"] {
        for weights in ["equal", "weighted"] {
            let name = format!("ring-vectors/ketama-md5-160.{servers}-{weights}.json");
            let text = std::fs::read(golden().join(&name)).unwrap();
            let vector: Value = serde_json::from_slice(&text).unwrap();
            let (servers, weights) = (words(&vector["servers"]), words(&vector["weights"]));
            let line = ["-servers", &servers.join(","), "-weights", &weights.join(",")];
            let (code, stdout, stderr) = route(&line, &keys);
            assert_eq!((code, stderr.as_str()), (0, ""), "{name}");
            assert!(stdout == expected(&lines, &servers, &vector["map"]), "{name}");
            sets += 1;
        }
    }
    assert_eq!(sets, 8);
}

/// Catches a strategy or a hash that is not passed on, and one that balances badly without a word.
#[test]
fn other_strategies_and_hashes_are_those_of_their_clients() {
    let keys = std::fs::read(golden().join("ring-vectors/keys.txt")).unwrap();
    let is_plain = |key: &&[u8]| !key.is_empty() && key.iter().all(|b| (0x21..=0x7e).contains(b));
    let keys: Vec<&[u8]> = keys.split(|&byte| byte == b'\n').filter(is_plain).take(400).collect();
    for (file, warned) in [
        ("rendezvous", true),
        ("modulo-md5", false),
        ("modulo-one_at_a_time", false),
        ("modulo-crc32", true),
        ("modulo-fnv1a_64", true),
    ] {
        let text = std::fs::read(golden().join(format!("placement-vectors/{file}.json"))).unwrap();
        let vector: Value = serde_json::from_slice(&text).unwrap();
        let [strategy, hash] = ["strategy", "hash"].map(|name| vector[name].as_str().unwrap());
        for set in vector["sets"].as_array().unwrap() {
            let servers = words(&set["servers"]);
            let line = ["-servers", &servers.join(","), "-strategy", strategy, "-hash", hash];
            let (code, stdout, stderr) = route(&line, &keys.join(&b'\n'));
            assert_eq!((code, stderr.starts_with("warning: ")), (0, warned), "{file}: {stderr}");
            assert!(stdout == expected(&keys, &servers, &set["map"]), "{file}");
        }
    }
}

/// Catches a key that is read differently as an argument, a last line that needs its end, and bytes
/// that are taken for the end of a line.
#[test]
fn a_key_is_what_stands_between_the_ends_of_lines() {
    let servers = ["-servers", "a:1,b:1,c:1"];
    let by_word = route(&[&["user:1", "user:2"], &servers[..]].concat(), b"ignored\n");
    let by_line = route(&servers, b"user:1\nuser:2");
    assert_eq!(by_word, by_line);
    assert_eq!(by_word.1.iter().filter(|&&byte| byte == b'\n').count(), 2);
    let odd = route(&servers, b"a\tb\r\n\xff\x00 \n");
    assert!(odd.1.starts_with(b"a\tb\r\t") && odd.1.windows(4).any(|part| part == b"\xff\x00 \t"));
    assert_eq!(route(&["-servers", "a:1", "--", "-k"], b"").1, b"-k\ta:1\n");
    assert_eq!(route(&servers, b""), (0, Vec::new(), String::new()));
}

/// Catches a mistake that ends with another code than 2, or does not say what to write instead; and
/// answers that are lost because a later key is wrong.
#[test]
fn mistakes_are_named() {
    let long = [b"good\n".as_slice(), &[b'x'; 251], b"\n"].concat();
    for (line, stdin, cause) in [
        (vec!["k"], b"".as_slice(), "--servers"),
        (vec!["k", "-servers", "a"], b"", "there is no port"),
        (vec!["k", "-servers", "a:1,a:1"], b"", "\"a:1\" is listed twice"),
        (vec!["k", "-servers", "a:1,b:1", "-weights", "1"], b"", "1 weights for 2 servers"),
        (
            vec!["k", "-servers", "a:1", "-weights", "0"],
            b"",
            "no whole number from 1 to 4294967295",
        ),
        (vec!["k", "-servers", "a:1", "-strategy", "ketma"], b"", "did you mean `ketama`?"),
        (vec!["k", "-servers", "a:1", "-hash", "md4"], b"", "did you mean `md5`?"),
        (vec!["-servers", "a:1"], b"good\n\n", "line 2 is empty; a key has 1 to 250 bytes"),
        (vec!["-servers", "a:1"], &long, "line 2 is too long; a key has 1 to 250 bytes"),
    ] {
        let (code, stdout, stderr) = route(&line, stdin);
        assert_eq!(code, 2, "{line:?}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(cause), "{line:?}: {stderr}");
        let right = if stdin.is_empty() { b"".as_slice() } else { b"good\ta:1\n" };
        assert_eq!(stdout, right, "{line:?}");
    }
}

/// Asks published clients where they send each key, over real nodes, and compares every one.
fn live(client: &str, strategy: &str, weights: &[u32]) {
    let nodes: Vec<Memcached> = weights.iter().map(|_| Memcached::start()).collect();
    let servers: Vec<&str> = nodes.iter().map(Memcached::upstream).collect();
    let keys: String = (0..3000).map(|number| format!("user:{number}:name\n")).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/placement.py");
    let asked = Command::new("harness-python-clients")
        .arg(script)
        .arg(client)
        .args(servers.iter().zip(weights).map(|(server, weight)| format!("{server}={weight}")))
        .write_stdin(keys.as_str())
        .output()
        .unwrap();
    let trouble = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{client}: {trouble}");
    let (servers, weights) = (servers.join(","), weights.iter().map(u32::to_string));
    let weights = weights.collect::<Vec<_>>().join(",");
    let line = ["-strategy", strategy, "-servers", &servers, "-weights", &weights];
    let (code, routed, stderr) = route(&line, keys.as_bytes());
    assert_eq!((code, stderr.as_str()), (0, ""), "{client}");
    assert!(routed == asked.stdout, "{client} places keys elsewhere on {servers} ({weights})");
}

/// Catches a key that pylibmc, and so libmemcached, sends to another node: asked live, with the ports
/// of this run, so that no recorded vector can be out of date.
#[test]
#[cfg_attr(
    not(all(real_memcached, real_python_clients)),
    ignore = "needs memcached and harness-python-clients on PATH"
)]
fn pylibmc_agrees_on_every_key() {
    for weights in [[1; 3].as_slice(), &[1, 2, 3], &[1; 5], &[1, 1, 2, 3, 5]] {
        live("pylibmc", "ketama", weights);
    }
}

/// Catches a key that pymemcache's `HashClient` sends to another node. It knows no weights.
#[test]
#[cfg_attr(
    not(all(real_memcached, real_python_clients)),
    ignore = "needs memcached and harness-python-clients on PATH"
)]
fn pymemcache_agrees_on_every_key() {
    for weights in [[1; 3].as_slice(), &[1; 5]] {
        live("pymemcache", "rendezvous", weights);
    }
}
