//! Answers as the crate reads them: the first one at the start of a buffer, with its length. Pure.

use async_memcached::{ErrorKind, MetaValue, Response, Status, Value};

/// The first answer and its bytes; `None` until all of it has come.
pub(super) type Parsed<T> = Result<Option<(usize, T)>, ErrorKind>;

/// Which meta command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    Get,
    Set,
    Delete,
    Count,
}

/// The answer to a meta command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum MetaAnswer {
    /// Without a flag.
    Status(Status),
    /// With flags, or a value.
    Value(MetaValue),
}

/// The first line without its end, and the bytes that it takes.
fn line(buffer: &[u8]) -> Option<(&[u8], usize)> {
    let end = buffer.windows(2).position(|pair| pair == b"\r\n")?;
    Some((&buffer[..end], end + 2))
}

/// A block of `length` bytes and its line end; `None` until all of it has come.
fn block(buffer: &[u8], length: usize) -> Result<Option<&[u8]>, ErrorKind> {
    match buffer.get(length..length + 2) {
        None => Ok(None),
        Some(b"\r\n") => Ok(Some(&buffer[..length])),
        Some(_) => Err(broken()),
    }
}

pub(super) fn broken() -> ErrorKind {
    ErrorKind::Protocol(None)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number<T: std::str::FromStr>(word: Option<&[u8]>) -> Result<T, ErrorKind> {
    let word = word.and_then(|word| std::str::from_utf8(word).ok());
    word.and_then(|word| word.parse().ok()).ok_or_else(broken)
}

fn error_line(line: &[u8]) -> Option<Status> {
    let kind = if line == b"ERROR" {
        ErrorKind::NonexistentCommand
    } else if let Some(rest) = line.strip_prefix(b"CLIENT_ERROR ") {
        ErrorKind::Client(text(rest))
    } else {
        ErrorKind::Server(text(line.strip_prefix(b"SERVER_ERROR ")?))
    };
    Some(Status::Error(kind))
}

/// The answer to a classic command.
pub(super) fn classic(buffer: &[u8]) -> Parsed<Response> {
    let Some((first, bytes)) = line(buffer) else { return Ok(None) };
    let status = match first {
        b"STORED" => Some(Status::Stored),
        b"NOT_STORED" => Some(Status::NotStored),
        b"DELETED" => Some(Status::Deleted),
        b"TOUCHED" => Some(Status::Touched),
        b"EXISTS" => Some(Status::Exists),
        b"NOT_FOUND" => Some(Status::NotFound),
        other => error_line(other),
    };
    if let Some(status) = status {
        return Ok(Some((bytes, Response::Status(status))));
    }
    if !first.is_empty() && first.iter().all(u8::is_ascii_digit) {
        return Ok(Some((bytes, Response::IncrDecr(number(Some(first))?))));
    }
    values(buffer)
}

fn values(buffer: &[u8]) -> Parsed<Response> {
    let (mut values, mut at) = (Vec::new(), 0);
    loop {
        let Some((head, bytes)) = line(&buffer[at..]) else { return Ok(None) };
        at += bytes;
        if head == b"END" {
            let values = (!values.is_empty()).then_some(values);
            return Ok(Some((at, Response::Data(values))));
        }
        let mut words = head.split(|&byte| byte == b' ');
        let (Some(b"VALUE"), Some(key)) = (words.next(), words.next()) else {
            return Err(broken());
        };
        let flags = Some(number(words.next())?);
        let length = number(words.next())?;
        let Some(data) = block(&buffer[at..], length)? else { return Ok(None) };
        at += length + 2;
        values.push(Value { key: key.to_vec(), cas: None, flags, data: Some(data.to_vec()) });
    }
}

/// The answer to a meta command.
pub(super) fn meta(buffer: &[u8], command: Meta) -> Parsed<MetaAnswer> {
    let Some((head, mut at)) = line(buffer) else { return Ok(None) };
    if let Some(status) = error_line(head) {
        return Ok(Some((at, MetaAnswer::Status(status))));
    }
    let (code, rest) = head.split_at(head.len().min(2));
    let status = match (code, command) {
        (b"MN", _) if rest.is_empty() => Status::NoOp,
        (b"VA", Meta::Get | Meta::Count) => Status::Value,
        (b"HD", Meta::Get) => Status::Exists,
        (b"EN", Meta::Get) | (b"NF", Meta::Set | Meta::Delete | Meta::Count) => Status::NotFound,
        (b"HD", Meta::Set | Meta::Count) => Status::Stored,
        (b"HD", Meta::Delete) => Status::Deleted,
        (b"NS", Meta::Set | Meta::Count) => Status::NotStored,
        (b"EX", Meta::Set | Meta::Delete | Meta::Count) => Status::Exists,
        _ => return Err(broken()),
    };
    let mut words = rest.split(|&byte| byte == b' ').skip(1).filter(|word| !word.is_empty());
    let mut value = MetaValue { status: Some(status.clone()), ..MetaValue::default() };
    if status == Status::Value {
        let length: usize = number(words.next())?;
        let Some(data) = block(&buffer[at..], length)? else { return Ok(None) };
        at += length + 2;
        value.data = (length > 0 || command == Meta::Count).then(|| data.to_vec());
    } else if words.clone().next().is_none() {
        return if rest.is_empty() {
            Ok(Some((at, MetaAnswer::Status(status))))
        } else {
            Err(broken())
        };
    }
    for word in words {
        flag(word, &mut value)?;
    }
    Ok(Some((at, MetaAnswer::Value(value))))
}

/// Notes one flag of an answer.
fn flag(word: &[u8], value: &mut MetaValue) -> Result<(), ErrorKind> {
    let (name, rest) = word.split_at(1);
    match name {
        b"k" => value.key = Some(rest.to_vec()),
        b"O" => value.opaque_token = Some(rest.to_vec()),
        b"c" => value.cas = Some(number(Some(rest))?),
        b"f" => value.flags = Some(number(Some(rest))?),
        _ => {}
    }
    Ok(())
}
