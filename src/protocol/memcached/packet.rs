//! A question in the binary protocol, and its answer (memcached's doc/protocol-binary.txt).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::frame::binary::{HEADER_BYTES, Header, REPLY_MAGIC, REQUEST_MAGIC, STATS};
use crate::protocol::probe::{At, connect};

/// The longest of all that one packet of an answer carries.
const BODY_BYTES_MAX: u32 = 1024;

/// What a packet of an answer says.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) status: u16,
    pub(super) key: String,
    pub(super) value: String,
}

/// The bytes of a request without extras.
pub(super) fn request(opcode: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let header = Header {
        magic: REQUEST_MAGIC,
        opcode,
        key_bytes: u16::try_from(key.len()).unwrap_or(u16::MAX),
        extras_bytes: 0,
        status: 0,
        body_bytes: length(key).saturating_add(length(value)),
        opaque: 0,
        cas: 0,
    };
    [&header.bytes(), key, value].concat()
}

/// Reads one packet of an answer with at most `body_bytes_max` behind its header.
///
/// # Errors
/// How the connection broke, or that this is none.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    body_bytes_max: u32,
) -> io::Result<Packet> {
    let mut head = [0; HEADER_BYTES];
    stream.read_exact(&mut head).await?;
    let header = Header::read(&head).filter(|header| {
        header.magic == REPLY_MAGIC && header.body_bytes <= body_bytes_max && !header.is_malformed()
    });
    let Some(header) = header else {
        let what = format!("\"{}\" begins no answer", head.escape_ascii());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    };
    let mut body = vec![0; usize::try_from(header.body_bytes).unwrap_or_default()];
    stream.read_exact(&mut body).await?;
    let (_, body) = body.split_at(header.extras_bytes.into());
    let (key, value) = body.split_at(header.key_bytes.into());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Packet { status: header.status, key: text(key), value: text(value) })
}

/// Asks a node something; what it answers, statistics as lines of the text protocol, of `bytes_max` at most.
///
/// # Errors
/// A sentence that says what the node did instead.
pub(super) async fn ask(at: &At, opcode: u8, bytes_max: usize) -> Result<String, String> {
    let mut stream = connect(at).await?;
    let broken = |error: io::Error| format!("{} broke off: {error}", at.address);
    stream.write_all(&request(opcode, b"", b"")).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut lines = String::new();
    loop {
        let Packet { status, key, value } =
            read(&mut stream, BODY_BYTES_MAX).await.map_err(broken)?;
        match (status, opcode, key.as_str()) {
            (0, STATS, "") => return Ok(lines),
            (0, STATS, name) if lines.len() < bytes_max => {
                lines.extend(["STAT ", name, " ", &value, "\n"]);
            }
            (0, STATS, _) => return Err(format!("{} does not end its statistics", at.address)),
            (0, ..) => return Ok(value),
            _ => {
                let what = value.escape_debug();
                return Err(format!(
                    "{} answered \"{what}\" (status {status:#x}) to opcode {opcode:#04x}",
                    at.address
                ));
            }
        }
    }
}
