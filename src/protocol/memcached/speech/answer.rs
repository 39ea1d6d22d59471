//! A reply in the server's place, in the words of the request's dialect.

use bytes::Bytes;

use crate::protocol::exchange::{CannedReply, Change};
use crate::protocol::memcached::frame::command::Dialect;
use crate::protocol::memcached::frame::reply::{Answer, Rendered, render};
use crate::protocol::memcached::frame::request::Framing;
use crate::protocol::memcached::frame::text;

/// What an error line begins with.
const ERRORS: [&[u8]; 3] = [b"SERVER_ERROR ", b"CLIENT_ERROR ", b"ERROR"];

/// The reply of ours; `None` inside: silence. `None`: the command is never answered so.
pub(crate) fn answered(
    framing: &Framing,
    head: &[u8],
    reply: &CannedReply,
) -> Option<Option<Bytes>> {
    let worded;
    let reply = match reply {
        CannedReply::Error { line, status } if !is_error(line) => {
            let line = [&b"SERVER_ERROR "[..], line].concat().into();
            worded = CannedReply::Error { line, status: *status };
            &worded
        }
        reply => reply,
    };
    let answer = match reply {
        CannedReply::Bytes(bytes) => return Some(Some(bytes.clone())),
        CannedReply::Empty | CannedReply::Value(_) => return None,
        CannedReply::Miss | CannedReply::Nil => Answer::Miss,
        CannedReply::NotStored => Answer::NotStored,
        CannedReply::Exists => Answer::Exists,
        CannedReply::Done => Answer::Done,
        CannedReply::Error { line, .. } => Answer::Error(text::without_line_end(line)),
    };
    let mut bytes = match render(framing, head, answer).ok()? {
        Rendered::Silence => return Some(None),
        Rendered::Reply(bytes) => bytes,
    };
    match reply {
        // One line for all of them: they may wait by the thousand.
        CannedReply::Error { line, .. } if framing.dialect != Dialect::Binary => {
            return Some(Some(line.clone()));
        }
        CannedReply::Error { status: status @ 1.., .. } => {
            bytes[6..8].copy_from_slice(&status.to_be_bytes());
        }
        _ => {}
    }
    Some(Some(bytes.into()))
}

/// Whether a line is one that a client of memcached takes for an error.
pub(crate) fn is_error(line: &[u8]) -> bool {
    ERRORS.iter().any(|word| line.starts_with(word))
}

/// The change in the words of the request's dialect: a line that nobody asked for is a packet on a
/// binary connection.
pub(crate) fn spoken(framing: &Framing, head: &[u8], change: Change) -> Option<Change> {
    let line = match change {
        Change::Unsolicited(line) => line,
        Change::Message(_) => return None,
        change => return Some(change),
    };
    if framing.dialect != Dialect::Binary {
        return Some(Change::Unsolicited([&line[..], b"\r\n"].concat().into()));
    }
    match render(framing, head, Answer::Error(&line)).ok()? {
        Rendered::Reply(packet) => Some(Change::Unsolicited(packet.into())),
        Rendered::Silence => None,
    }
}
