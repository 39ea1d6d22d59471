//! What a memcached is asked, and what it answers.

use std::net::SocketAddr;

use super::statistics::parse;
use crate::protocol::probe::exchange;
use crate::protocol::statistics::Statistics;

/// The longest answer to `version` that is read.
const ANSWER_BYTES_MAX: usize = 256;

/// The longest answer to `stats` that is read: ten times that of memcached 1.6.
const STATISTICS_BYTES_MAX: usize = 32 << 10;

/// Asks once for the version.
pub(in crate::protocol) async fn version(address: SocketAddr) -> Result<String, String> {
    let line = ask(address, b"version\r\n", ANSWER_BYTES_MAX, b"\n").await?;
    line.strip_prefix("VERSION ").map(str::to_owned).ok_or_else(|| {
        format!("{address} is no memcached: it answered \"{}\" to version", line.escape_debug())
    })
}

/// Empties the node.
pub(in crate::protocol) async fn flush_all(address: SocketAddr) -> Result<(), String> {
    match ask(address, b"flush_all\r\n", ANSWER_BYTES_MAX, b"\n").await?.as_str() {
        "OK" => Ok(()),
        line => Err(format!("{address} answered \"{}\" to flush_all", line.escape_debug())),
    }
}

/// Asks for the statistics.
pub(in crate::protocol) async fn statistics(address: SocketAddr) -> Result<Statistics, String> {
    let text = ask(address, b"stats\r\n", STATISTICS_BYTES_MAX, b"END\r\n").await?;
    parse(&text).ok_or_else(|| format!("{address} does not say what it dropped"))
}

/// Sends one command and reads until `end`, or until the answer is as long as any can be.
async fn ask(
    address: SocketAddr,
    command: &[u8],
    bytes_max: usize,
    end: &[u8],
) -> Result<String, String> {
    let answer = exchange(address, command, bytes_max, |answer| answer.ends_with(end)).await?;
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}
