//! What our figures are held against: memcaslap, and the least that anything must do.

use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::rig::{Cost, Cpu, Node, WORKERS};

/// Set to get 1 to 2, values of 100 bytes, as the plain workload has them.
const MEMCASLAP: &str = "key\n16 16 1\nvalue\n100 100 1\ncmd\n0 0.33\n1 0.67\n";

/// The cost of an operation of memcaslap, a closed loop on two threads; `None` when it is not installed.
pub(super) fn memcaslap(length: Duration) -> Option<Cost> {
    let nodes: Vec<Node> = (0..3).map(|_| Node::start()).collect();
    let servers: Vec<&str> = nodes.iter().map(|node| node.1.as_str()).collect();
    let config = std::env::temp_dir().join(format!("memcaslap-{}.cnf", std::process::id()));
    std::fs::write(&config, MEMCASLAP).expect("the temporary directory takes a file");
    let before = Cpu::of_children();
    let output = Command::new("memcaslap")
        .args(["-s", &servers.join(","), "-T", "2", "-c", &WORKERS.to_string()])
        .args(["-t", &format!("{}s", length.as_secs()), "-F"])
        .arg(&config)
        .stderr(Stdio::null())
        .output();
    let cpu = Cpu::of_children() - before;
    // Left-overs in the temporary directory are only untidy.
    let _ = std::fs::remove_file(&config);
    let output = match output {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("memcaslap: {error}"),
    };
    let operations = output.rsplit_once("Ops: ")?.1.split_ascii_whitespace().next()?;
    Some(Cost::of(cpu, operations.parse().ok()?))
}

/// The cost of an operation of a loop that writes a request and reads its reply, on each connection in turn: no ring, pool, deadline,
/// breaker, oracle, ticket or histogram. Nobody can do with less on this runtime.
pub(super) async fn ping_pong(length: Duration, nodes: usize, players: u32) -> Cost {
    let nodes: Vec<Node> = (0..nodes).map(|_| Node::start()).collect();
    let operations = Arc::<AtomicU64>::default();
    let mut streams = Vec::new();
    for number in 0..players as usize {
        let stream = TcpStream::connect(&nodes[number % nodes.len()].1).await;
        streams.push(stream.expect("memcached takes connections"));
    }
    let before = Cpu::own();
    let end = Instant::now() + length;
    let mut playing = tokio::task::JoinSet::new();
    for (number, stream) in streams.into_iter().enumerate() {
        let operations = Arc::clone(&operations);
        playing.spawn(async move {
            let played = play(stream, number, end).await.expect("memcached answers");
            operations.fetch_add(played, Ordering::Relaxed);
        });
    }
    while let Some(played) = playing.join_next().await {
        played.expect("no player panics");
    }
    Cost::of(Cpu::own() - before, operations.load(Ordering::Relaxed) as f64)
}

async fn play(mut stream: TcpStream, number: usize, end: Instant) -> std::io::Result<u64> {
    stream.set_nodelay(true)?;
    let set = format!("set key-{number:08} 0 0 100\r\n{:0100}\r\n", 7);
    let get = format!("get key-{number:08}\r\n");
    let mut reply = [0_u8; 512];
    let mut played = 0;
    while Instant::now() < end {
        let (request, last) =
            if played % 3 == 0 { (&set, "STORED\r\n") } else { (&get, "END\r\n") };
        stream.write_all(request.as_bytes()).await?;
        let mut length = 0;
        while !reply[..length].ends_with(last.as_bytes()) {
            match stream.read(&mut reply[length..]).await? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => length += read,
            }
        }
        played += 1;
    }
    Ok(played)
}

/// Sends a signal to every node.
pub(super) fn signal(nodes: &[Node], name: &str) {
    for node in nodes {
        let sent = Command::new("kill").args([name, &node.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    }
}

/// Stops `nodes` for 200 ms in every second, until it is dropped: they may be stopped then.
pub(super) async fn stall(nodes: &[Node]) {
    loop {
        tokio::time::sleep(Duration::from_millis(800)).await;
        signal(nodes, "-STOP");
        tokio::time::sleep(Duration::from_millis(200)).await;
        signal(nodes, "-CONT");
    }
}
