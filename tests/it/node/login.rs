//! What a node that asks for a password says, beside a real memcached with `-Y`.

use std::net::SocketAddr;
use std::sync::Arc;

use harness::base::scope::Scope;
use harness::protocol::memcached::server::config::NodeConfig;
use harness::protocol::memcached::server::serve::Node;
use harness::protocol::node::gate::Gate;
use harness::secure::account::Account;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::{Memcached, PATIENCE, connect};

const RIGHT: &str = "set k 0 0 10\r\nuser right\r\n";
const WRONG: &str = "set k 0 0 10\r\nuser wrong\r\n";

/// What is said to it on a connection, one piece after the answer to the other: to lines that come in one piece before
/// it knows who asks, memcached 1.6.18 has one answer in all.
const SAID: &[&[&str]] = &[
    &["version\r\n", "get a\r\n", "mg a v\r\n", "mn\r\n", "quit\r\n", "\r\n", RIGHT, "mn\r\n"],
    &[WRONG, "version\r\n", WRONG, RIGHT, "get k\r\n", WRONG],
    &["set _ _ _ 10\r\nuser right\r\n", "version\r\n"],
    &["set k 0 0 10 noreply\r\nuser right\r\n", "version\r\n"],
    &["set k 0 0 3\r\nabc\r\n", "set k 0 0 0\r\n\r\n", "set k 0 0\r\n", "set k 0 0 x\r\n"],
    &["set k 0 0 10x\r\n", "set k 0 0 10\r\nuser rightXX", RIGHT, "mn\r\n"],
    &["set k 0 0 16\r\nuser right extra\r\n", "mn\r\n"],
    &["set k 0 0 11\r\nuser  right\r\n", "mn\r\n"],
    &["add k 0 0 10\r\n", " set  k  0 0  10\r\nuser right\r\n", "mn\r\n"],
];

/// What it answers to each piece, a line each.
async fn answers(address: SocketAddr, said: &[&str]) -> Vec<String> {
    let mut stream = BufReader::new(connect(address).await);
    let mut answers = Vec::new();
    for piece in said {
        stream.write_all(piece.as_bytes()).await.unwrap();
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await;
        assert!(read.is_ok_and(|read| read.is_ok()), "{piece:?}: {answers:?}");
        answers.push(line);
    }
    answers
}

/// Catches a node that lets in whom memcached keeps out, or says so in other words.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn it_asks_who_is_there_as_memcached_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts");
    std::fs::write(&file, "user:right\n").unwrap();
    let memcached = Memcached::start_with(&["-u", "root", "-Y", file.to_str().unwrap()]);
    let scope = Scope::current("test");
    let gate = Arc::new(Gate::default());
    let account = Account { user: "user".to_owned(), password: "right".to_owned() };
    *gate.account.lock() = Some(account);
    let node = Node::start_behind(&NodeConfig::default(), gate, &scope).await.unwrap();
    for said in SAID {
        let real = answers(memcached.address, said).await;
        assert_eq!(answers(node.address(), said).await, real, "{said:?}");
    }
}
