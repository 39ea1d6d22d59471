//! What a memcached is asked, and what it answers.

use super::frame::binary::{FLUSH_ALL, STATS, VERSION};
use super::packet;
use super::statistics::parse;
use crate::protocol::probe::{At, exchange};
use crate::protocol::statistics::Statistics;

/// The longest answer to `version` that is read.
const ANSWER_BYTES_MAX: usize = 256;

/// The longest answer to `stats` that is read: ten times that of memcached 1.6.
const STATISTICS_BYTES_MAX: usize = 32 << 10;

/// Asks once for the version.
pub(in crate::protocol) async fn version(at: &At) -> Result<String, String> {
    if at.entry.sasl {
        return packet::ask(at, VERSION, ANSWER_BYTES_MAX).await;
    }
    let line = ask(at, b"version\r\n", ANSWER_BYTES_MAX, b"\n").await?;
    line.strip_prefix("VERSION ").map(str::to_owned).ok_or_else(|| {
        format!(
            "{} is no memcached: it answered \"{}\" to version",
            at.address,
            line.escape_debug()
        )
    })
}

/// Empties the node.
pub(in crate::protocol) async fn flush_all(at: &At) -> Result<(), String> {
    if at.entry.sasl {
        return packet::ask(at, FLUSH_ALL, ANSWER_BYTES_MAX).await.map(drop);
    }
    match ask(at, b"flush_all\r\n", ANSWER_BYTES_MAX, b"\n").await?.as_str() {
        "OK" => Ok(()),
        line => Err(format!("{} answered \"{}\" to flush_all", at.address, line.escape_debug())),
    }
}

/// Has it read its certificate and key again, for connections from now on.
pub(in crate::protocol) async fn refresh_certificates(at: &At) -> Result<(), String> {
    match ask(at, b"refresh_certs\r\n", ANSWER_BYTES_MAX, b"\n").await?.as_str() {
        "OK" => Ok(()),
        line => {
            Err(format!("{} answered \"{}\" to refresh_certs", at.address, line.escape_debug()))
        }
    }
}

/// Asks for the statistics.
pub(in crate::protocol) async fn statistics(at: &At) -> Result<Statistics, String> {
    let text = match at.entry.sasl {
        true => packet::ask(at, STATS, STATISTICS_BYTES_MAX).await?,
        false => ask(at, b"stats\r\n", STATISTICS_BYTES_MAX, b"END\r\n").await?,
    };
    parse(&text).ok_or_else(|| format!("{} does not say what it dropped", at.address))
}

/// Sends one command and reads until `end`, or until the answer is as long as any can be.
async fn ask(at: &At, command: &[u8], bytes_max: usize, end: &[u8]) -> Result<String, String> {
    let answer = exchange(at, command, bytes_max, |answer| answer.ends_with(end)).await?;
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}
