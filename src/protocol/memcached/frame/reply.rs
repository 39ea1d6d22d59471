//! Replies of our own making, as the server would say them, or silence where it would be silent.
//!
//! Used where a request is answered without asking the server. It renders one reply and no more:
//! where it goes in the pipeline is for the caller to know.

use super::binary::{self, Header, REPLY_MAGIC};
use super::command::{Command, Dialect};
use super::meta;
use super::request::{Due, Framing, Shape};
use super::text;

/// What to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// No such key: of a `get`, of all its keys.
    Miss,
    /// Done: stored, deleted, touched, or plainly `OK`.
    Done,
    /// Not stored, as the condition demanded.
    NotStored,
    /// Changed since it was read.
    Exists,
    /// The number that a counter came to.
    Number(u64),
    /// An error line without its line end, as `SERVER_ERROR out of memory storing object`.
    Error(&'a [u8]),
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    /// These bytes.
    Reply(Vec<u8>),
    /// Nothing: the client does not wait.
    Silence,
}

/// The command has no such reply: a client would not understand it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{command} is never answered so; choose an error, or a reply that it can have")]
pub struct NoSuchReply {
    /// The command.
    pub command: Command,
}

/// Renders an answer to a request. `head` is what the observer showed of it: the line without its
/// line end, or header, extras and key.
///
/// # Errors
/// When the command is never answered so.
pub fn render(framing: &Framing, head: &[u8], answer: Answer<'_>) -> Result<Rendered, NoSuchReply> {
    let refused = NoSuchReply { command: framing.command };
    if matches!(framing.shape, Shape::Close | Shape::Watch) {
        return Err(refused);
    }
    if framing.due == Due::Never {
        return Ok(Rendered::Silence);
    }
    let quiet = framing.due == Due::Maybe;
    match framing.dialect {
        Dialect::Binary => render_packet(framing, head, answer, quiet).ok_or(refused),
        Dialect::Meta => render_meta(framing, head, answer, quiet).ok_or(refused),
        Dialect::Text => {
            let line = text_line(framing.command, answer).ok_or(refused)?;
            Ok(Rendered::Reply(line))
        }
    }
}

fn line(words: &[u8]) -> Vec<u8> {
    [words, b"\r\n"].concat()
}

// === text ===

fn text_line(command: Command, answer: Answer<'_>) -> Option<Vec<u8>> {
    let words: &[u8] = match (answer, command) {
        (Answer::Error(error), _) => error,
        (Answer::Number(number), Command::Incr | Command::Decr) => {
            return Some(line(number.to_string().as_bytes()));
        }
        (Answer::Miss, _) if command.is_retrieval() => b"END",
        (
            Answer::Miss,
            Command::Delete | Command::Incr | Command::Decr | Command::Touch | Command::Cas,
        ) => b"NOT_FOUND",
        (Answer::Exists, Command::Cas) => b"EXISTS",
        (Answer::NotStored, _) if command.is_storage() => b"NOT_STORED",
        (Answer::Done, _) if command.is_storage() => b"STORED",
        (Answer::Done, Command::Delete) => b"DELETED",
        (Answer::Done, Command::Touch) => b"TOUCHED",
        (Answer::Done, Command::FlushAll | Command::Verbosity | Command::CacheMemlimit) => b"OK",
        _ => return None,
    };
    Some(line(words))
}

// === meta ===

fn render_meta(
    framing: &Framing,
    head: &[u8],
    answer: Answer<'_>,
    quiet: bool,
) -> Option<Rendered> {
    let command = framing.command;
    let asks = |name: u8| meta::request_flags(command, head).any(|flag| flag.name == name);
    let code: &[u8] = match (answer, command) {
        (Answer::Error(error), _) => return Some(Rendered::Reply(line(error))),
        (Answer::Done, Command::MetaNoop) => return Some(Rendered::Reply(line(b"MN"))),
        (Answer::Miss, Command::MetaDebug) => return Some(Rendered::Reply(line(b"EN"))),
        (Answer::Miss, Command::MetaGet) if quiet => return Some(Rendered::Silence),
        (Answer::Miss, Command::MetaGet) => b"EN",
        (Answer::Done, Command::MetaSet | Command::MetaDelete) if quiet => {
            return Some(Rendered::Silence);
        }
        (Answer::Number(_), Command::MetaArithmetic) if quiet => return Some(Rendered::Silence),
        (Answer::Number(number), Command::MetaArithmetic) if asks(b'v') => {
            return Some(Rendered::Reply(meta_number(framing, head, number)));
        }
        (Answer::Number(_), Command::MetaArithmetic) => b"HD",
        (Answer::Done, Command::MetaSet | Command::MetaDelete) => b"HD",
        (Answer::Miss, Command::MetaSet | Command::MetaDelete | Command::MetaArithmetic) => b"NF",
        // A store in the mode of a plain `set` has no condition that could fail.
        (Answer::NotStored, Command::MetaSet) if is_conditional(head) => b"NS",
        (Answer::NotStored, Command::MetaArithmetic) => b"NS",
        (Answer::Exists, Command::MetaSet | Command::MetaDelete | Command::MetaArithmetic)
            if asks(b'C') =>
        {
            b"EX"
        }
        _ => return None,
    };
    let mut reply = code.to_vec();
    push_flags(framing, head, &mut reply);
    Some(Rendered::Reply(line(&reply)))
}

/// Whether an `ms` stores only over something, or only where there is nothing.
fn is_conditional(head: &[u8]) -> bool {
    meta::request_flags(Command::MetaSet, head)
        .any(|flag| flag.name == b'M' && !flag.argument.eq_ignore_ascii_case(b"S"))
}

fn meta_number(framing: &Framing, head: &[u8], number: u64) -> Vec<u8> {
    let number = number.to_string();
    let mut reply = format!("VA {}", number.len()).into_bytes();
    push_flags(framing, head, &mut reply);
    [reply.as_slice(), b"\r\n", number.as_bytes(), b"\r\n"].concat()
}

/// The flags that every reply repeats, in the order of the request: the opaque, the key, and of a
/// store the cas, which of an item that is not there is 0.
fn push_flags(framing: &Framing, head: &[u8], reply: &mut Vec<u8>) {
    let flags = || meta::request_flags(framing.command, head);
    let is_base64 = flags().any(|flag| flag.name == b'b');
    for flag in flags() {
        match flag.name {
            b'O' => {
                reply.extend_from_slice(b" O");
                reply.extend_from_slice(flag.argument);
            }
            b'k' => {
                reply.extend_from_slice(b" k");
                reply.extend_from_slice(framing.keys(head).next().unwrap_or_default());
            }
            b'c' if framing.command == Command::MetaSet => reply.extend_from_slice(b" c0"),
            _ => {}
        }
    }
    let repeats_key = flags().any(|flag| flag.name == b'k');
    if is_base64 && repeats_key {
        reply.extend_from_slice(b" b");
    }
}

// === binary ===

fn render_packet(
    framing: &Framing,
    head: &[u8],
    answer: Answer<'_>,
    quiet: bool,
) -> Option<Rendered> {
    let request = Header::read(head)?;
    let reads = matches!(framing.command, Command::Get | Command::Gat);
    let silent = match answer {
        Answer::Miss => reads,
        Answer::Done | Answer::Number(_) => !reads,
        Answer::NotStored | Answer::Exists | Answer::Error(_) => false,
    };
    let with_key = binary::operation(request.opcode).with_key;
    let key = framing.keys(head).next().filter(|_| with_key && answer == Answer::Miss);
    let number;
    let (status, text): (u16, &[u8]) = match (answer, framing.command) {
        (Answer::Error(error), _) => (error_status(error), error_text(error)),
        (Answer::Number(value), Command::Incr | Command::Decr) => {
            number = value.to_be_bytes();
            (0, &number)
        }
        (Answer::Number(_), _) => return None,
        (Answer::Done, _) if reads => return None,
        (Answer::Done, Command::Incr | Command::Decr | Command::Touch) => return None,
        (Answer::Done, Command::Version | Command::Stats | Command::Sasl) => return None,
        (Answer::Done, _) => (0, b""),
        (Answer::Miss, _) if key.is_some() => (1, b""),
        (Answer::Miss, _) => (1, b"Not found"),
        (Answer::Exists, _) => (2, b"Data exists for key."),
        (Answer::NotStored, _) => (5, b"Not stored."),
    };
    if quiet && silent {
        return Some(Rendered::Silence);
    }
    let key = key.unwrap_or_default();
    let header = Header {
        magic: REPLY_MAGIC,
        key_bytes: u16::try_from(key.len()).ok()?,
        extras_bytes: 0,
        status,
        body_bytes: u32::try_from(key.len() + text.len()).ok()?,
        cas: 0,
        ..request
    };
    Some(Rendered::Reply([header.bytes().as_slice(), key, text].concat()))
}

/// The status that says what an error line says.
fn error_status(error: &[u8]) -> u16 {
    match error {
        _ if error.starts_with(b"SERVER_ERROR object too large") => 3,
        _ if error.starts_with(b"SERVER_ERROR busy") => 0x85,
        _ if error.starts_with(b"SERVER_ERROR") => 0x82,
        _ if error.starts_with(b"CLIENT_ERROR") => 4,
        _ => 0x81,
    }
}

/// The line without its first word.
fn error_text(error: &[u8]) -> &[u8] {
    let mut tokens = text::tokens(error);
    tokens.next();
    tokens.rest().strip_prefix(b" ").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::memcached::frame::version::ServerVersion;

    fn answered(request: &str, answer: Answer<'_>) -> Result<String, NoSuchReply> {
        let framing = text::frame_request(request.as_bytes(), ServerVersion::V1_6_18);
        render(&framing, request.as_bytes(), answer).map(|rendered| match rendered {
            Rendered::Reply(bytes) => String::from_utf8(bytes).unwrap(),
            Rendered::Silence => String::new(),
        })
    }

    /// Catches a reply where the client expects none, which puts it off by one for ever.
    #[test]
    fn who_does_not_wait_gets_nothing() {
        let error = Answer::Error(b"SERVER_ERROR injected");
        assert_eq!(answered("set x 0 0 1 noreply", error).unwrap(), "");
        assert_eq!(answered("delete x noreply", Answer::Miss).unwrap(), "");
        assert_eq!(answered("mg x v q", Answer::Miss).unwrap(), "");
        assert_eq!(answered("ms x 1 q", Answer::Done).unwrap(), "");
        assert_eq!(answered("md x q", Answer::Done).unwrap(), "");
        assert_eq!(answered("ma x q", Answer::Number(1)).unwrap(), "");
        // But these are sent, quiet or not.
        assert_eq!(answered("md x q", Answer::Miss).unwrap(), "NF\r\n");
        assert_eq!(answered("ms x 1 q ME", Answer::NotStored).unwrap(), "NS\r\n");
        assert_eq!(answered("mg x v q", error).unwrap(), "SERVER_ERROR injected\r\n");
    }

    /// Catches a reply that the command never has.
    #[test]
    fn a_reply_must_be_one_that_the_command_has() {
        assert_eq!(answered("get b", Answer::Miss).unwrap(), "END\r\n");
        let none = |request, answer| answered(request, answer).is_err();
        assert!(none("get b", Answer::Done));
        assert!(none("set b 0 0 1", Answer::Miss));
        assert!(none("set b 0 0 1", Answer::Exists));
        // What an `ms` can be answered depends on what it is: a set, an append, a cas.
        assert_eq!(answered("ms b 1 MA", Answer::NotStored).unwrap(), "NS\r\n");
        assert_eq!(answered("ms b 1 C7", Answer::Exists).unwrap(), "EX\r\n");
        for (request, answer) in [
            ("ms b 1", Answer::NotStored),
            ("ms b 1 MS", Answer::NotStored),
            ("ms b 1 C7", Answer::NotStored),
            ("ms b 1 ME", Answer::Exists),
            ("md b", Answer::Exists),
        ] {
            assert!(none(request, answer), "{request}");
        }
        assert!(none("version", Answer::Done));
        assert!(none("quit", Answer::Error(b"SERVER_ERROR injected")));
        assert!(none("watch", Answer::Error(b"SERVER_ERROR injected")));
    }

    /// Catches a quiet packet that is answered, and an error without its opaque.
    #[test]
    fn a_packet_repeats_opcode_and_opaque() {
        let request = |opcode| Header {
            magic: binary::REQUEST_MAGIC,
            opcode,
            key_bytes: 1,
            extras_bytes: 0,
            status: 0,
            body_bytes: 1,
            opaque: 0xdead_beef,
            cas: 9,
        };
        let answer = |opcode, answer| {
            let head = [request(opcode).bytes().as_slice(), b"k"].concat();
            let framing = binary::frame_request(&request(opcode), &head);
            match render(&framing, &head, answer).unwrap() {
                Rendered::Reply(bytes) => Some((Header::read(&bytes).unwrap(), bytes)),
                Rendered::Silence => None,
            }
        };
        assert!(answer(0x09, Answer::Miss).is_none());
        assert!(answer(0x14, Answer::Done).is_none());
        let (header, bytes) = answer(0x14, Answer::Miss).unwrap();
        assert_eq!((header.status, header.opcode, header.opaque), (1, 0x14, 0xdead_beef));
        assert_eq!((header.cas, &bytes[24..]), (0, &b"Not found"[..]));
        let (header, bytes) = answer(0x09, Answer::Error(b"SERVER_ERROR no memory")).unwrap();
        assert_eq!((header.status, &bytes[24..]), (0x82, &b"no memory"[..]));
    }
}
