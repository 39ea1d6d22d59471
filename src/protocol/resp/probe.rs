//! What a Redis or a Valkey is asked, and what it answers.

use std::net::SocketAddr;

use bytes::Bytes;

use super::frame::value::Value;
use super::statistics::{parse, version_of};
use crate::protocol::probe::exchange;
use crate::protocol::statistics::Statistics;

/// The longest answer that is read: ten times the `INFO` of Redis 7.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Asks once for the version.
pub(in crate::protocol) async fn version(address: SocketAddr) -> Result<String, String> {
    let text = info(address, "INFO server").await?;
    version_of(&text).ok_or_else(|| format!("{address} does not say which version it is"))
}

/// Empties the node.
pub(in crate::protocol) async fn flush_all(address: SocketAddr) -> Result<(), String> {
    match ask(address, "FLUSHALL").await? {
        Value::Simple(word) if word == "OK" => Ok(()),
        other => Err(format!("{address} answered {other:?} to FLUSHALL")),
    }
}

/// Asks for the statistics.
pub(in crate::protocol) async fn statistics(address: SocketAddr) -> Result<Statistics, String> {
    let text = info(address, "INFO all").await?;
    parse(&text).ok_or_else(|| format!("{address} does not say what it dropped"))
}

async fn info(address: SocketAddr, command: &str) -> Result<String, String> {
    match ask(address, command).await? {
        Value::Bulk(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        other => Err(format!("{address} answered {other:?} to {command}")),
    }
}

/// Sends one command and reads its answer.
async fn ask(address: SocketAddr, command: &str) -> Result<Value, String> {
    let read = |answer: &[u8]| Value::read(&Bytes::copy_from_slice(answer)).map(|(said, _)| said);
    let request = format!("{command}\r\n");
    let is_whole = |answer: &[u8]| read(answer).is_some();
    let answer = exchange(&address.into(), request.as_bytes(), ANSWER_BYTES_MAX, is_whole).await?;
    read(&answer).ok_or_else(|| {
        let start = answer[..answer.len().min(80)].escape_ascii();
        format!("{address} speaks no RESP: it answered \"{start}\" to {command}")
    })
}
