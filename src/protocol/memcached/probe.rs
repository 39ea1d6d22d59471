//! Is a node up? Waits for an answer, never for a while.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::statistics::Statistics;

/// The pause between two attempts to connect to a node that refuses.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(5);

/// The longest answer to `version` that is read.
const ANSWER_BYTES_MAX: usize = 256;

/// The longest answer to `stats` that is read: ten times that of memcached 1.6.
const STATISTICS_BYTES_MAX: usize = 32 << 10;

/// Waits until the node at `address` answers `version`, as long as `alive` says that waiting makes
/// sense, and at most `limit`. Returns the version text.
///
/// # Errors
/// A sentence that says what the node did instead.
pub async fn answers(
    address: SocketAddr,
    limit: Duration,
    mut alive: impl FnMut() -> bool,
) -> Result<String, String> {
    let deadline = Instant::now() + limit;
    loop {
        let problem = match timeout_at(deadline, version(address)).await {
            Ok(Ok(version)) => return Ok(version),
            Ok(Err(problem)) => problem,
            Err(_) => format!("no answer from {address} within {limit:?}"),
        };
        if !alive() {
            return Err(format!("it ended before it answered on {address}"));
        }
        if Instant::now() + ATTEMPT_PAUSE >= deadline {
            return Err(problem);
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
}

/// Asks once for the version.
///
/// # Errors
/// A sentence that says what the node did instead.
pub async fn version(address: SocketAddr) -> Result<String, String> {
    let line = ask(address, b"version\r\n").await?;
    line.strip_prefix("VERSION ").map(str::to_owned).ok_or_else(|| {
        format!("{address} is no memcached: it answered \"{}\" to version", line.escape_debug())
    })
}

/// Empties the node.
///
/// # Errors
/// A sentence that says what the node did instead.
pub async fn flush_all(address: SocketAddr) -> Result<(), String> {
    match ask(address, b"flush_all\r\n").await?.as_str() {
        "OK" => Ok(()),
        line => Err(format!("{address} answered \"{}\" to flush_all", line.escape_debug())),
    }
}

/// Asks for the statistics.
///
/// # Errors
/// A sentence that says what the node did instead.
pub async fn statistics(address: SocketAddr) -> Result<Statistics, String> {
    let text = exchange(address, b"stats\r\n", STATISTICS_BYTES_MAX, b"END\r\n").await?;
    Statistics::parse(&text).ok_or_else(|| format!("{address} does not say what it dropped"))
}

/// Sends one command and reads one line.
async fn ask(address: SocketAddr, command: &[u8]) -> Result<String, String> {
    exchange(address, command, ANSWER_BYTES_MAX, b"\n").await
}

/// Sends one command and reads until `end`, or until the answer is as long as any can be.
async fn exchange(
    address: SocketAddr,
    command: &[u8],
    bytes_max: usize,
    end: &[u8],
) -> Result<String, String> {
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(|error| format!("cannot connect to {address}: {error}"))?;
    let broken = |error: std::io::Error| format!("{address} broke off: {error}");
    stream.write_all(command).await.map_err(broken)?;
    let mut answer = Vec::with_capacity(64);
    while !answer.ends_with(end) && answer.len() < bytes_max {
        let read = stream.read_buf(&mut answer).await.map_err(broken)?;
        if read == 0 {
            return Err(format!("{address} closed the connection without an answer"));
        }
    }
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}
