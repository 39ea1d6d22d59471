//! A reply in the server's place.

use bytes::Bytes;

use crate::protocol::exchange::{CannedReply, Change, Position};
use crate::protocol::resp::commands::Command;
use crate::protocol::resp::frame::value::Value;
use crate::protocol::resp::frame::version::Version;

/// The reply of ours. `None`: the command is never answered so.
pub(crate) fn answered(
    command: &Command,
    keys: usize,
    version: Version,
    reply: &CannedReply,
) -> Option<Bytes> {
    let value = match reply {
        CannedReply::Error { line, .. } => return Some(error(line)),
        CannedReply::Bytes(bytes) => return Some(bytes.clone()),
        CannedReply::Value(value) => Value::Bulk(value.clone()),
        CannedReply::Nil => Value::Null,
        CannedReply::Miss => miss(command, keys)?,
        CannedReply::Empty => match miss(command, keys) {
            Some(list @ (Value::Array(_) | Value::Set(_) | Value::Map(_))) if keys < 2 => list,
            _ => Value::Bulk(Bytes::new()),
        },
        CannedReply::Done => done(command, keys)?,
        CannedReply::NotStored => not_stored(command)?,
        // Somebody else was faster than a transaction that watches.
        CannedReply::Exists if command.verb.word.name == "exec" => Value::NullArray,
        CannedReply::Exists => return None,
    };
    let mut out = Vec::new();
    value.write(version, &mut out);
    Some(out.into())
}

/// An error line: as it is when it begins with a word for programs, else behind the one for anything.
pub(crate) fn error(line: &[u8]) -> Bytes {
    let line = line.strip_suffix(b"\r\n").unwrap_or(line);
    let line = line.strip_prefix(b"-").unwrap_or(line);
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_code =
        word.len() > 1 && word.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
    let before: &[u8] = if is_code { b"-" } else { b"-ERR " };
    [before, line, b"\r\n"].concat().into()
}

/// What the server says when there is nothing of that name.
fn miss(command: &Command, keys: usize) -> Option<Value> {
    Some(match command.verb.word.name {
        "get" | "getdel" | "getex" | "getset" | "hget" | "lpop" | "rpop" | "lindex" | "lmove"
        | "rpoplpush" | "blmove" | "brpoplpush" | "spop" | "srandmember" | "zscore" | "zrank"
        | "zrevrank" | "dump" | "randomkey" | "geodist" | "hrandfield" | "zrandmember" => {
            Value::Null
        }
        "mget" => Value::Array(vec![Value::Null; keys]),
        "lrange" | "hkeys" | "hvals" | "zrange" | "zrevrange" | "zrangebyscore"
        | "zrevrangebyscore" | "zrangebylex" | "zrevrangebylex" | "zpopmin" | "zpopmax"
        | "xrange" | "xrevrange" | "keys" | "sort" | "sort_ro" | "geosearch" => {
            Value::Array(Vec::new())
        }
        "hgetall" => Value::Map(Vec::new()),
        "smembers" | "sinter" | "sunion" | "sdiff" => Value::Set(Vec::new()),
        "blpop" | "brpop" | "bzpopmin" | "bzpopmax" | "blmpop" | "bzmpop" | "lmpop" | "zmpop"
        | "xread" | "xreadgroup" => Value::NullArray,
        "exists" | "del" | "unlink" | "touch" | "expire" | "pexpire" | "expireat" | "pexpireat"
        | "persist" | "strlen" | "hexists" | "hlen" | "hdel" | "llen" | "lrem" | "scard"
        | "srem" | "sismember" | "zcard" | "zrem" | "zcount" | "xlen" | "getbit" | "bitcount" => {
            Value::Integer(0)
        }
        "ttl" | "pttl" | "expiretime" | "pexpiretime" => Value::Integer(-2),
        "type" => Value::Simple(Bytes::from_static(b"none")),
        "getrange" | "substr" => Value::Bulk(Bytes::new()),
        _ => return None,
    })
}

/// What the server says when it has done what was asked.
fn done(command: &Command, keys: usize) -> Option<Value> {
    const OK: Value = Value::Simple(Bytes::from_static(b"OK"));
    Some(match command.verb.word.name {
        "set" | "mset" | "setex" | "psetex" | "hmset" | "lset" | "ltrim" | "rename" | "restore"
        | "flushall" | "flushdb" | "select" | "auth" | "watch" | "unwatch" | "multi"
        | "discard" | "swapdb" | "quit" => OK,
        "ping" => Value::Simple(Bytes::from_static(b"PONG")),
        "del" | "unlink" | "touch" | "exists" => Value::Integer(i64::try_from(keys).unwrap_or(0)),
        "setnx" | "msetnx" | "expire" | "pexpire" | "expireat" | "pexpireat" | "persist"
        | "hset" | "hsetnx" | "hdel" | "sadd" | "srem" | "zadd" | "zrem" | "lpush" | "rpush"
        | "copy" | "move" | "renamenx" => Value::Integer(1),
        _ => return None,
    })
}

/// What the server says when a condition does not hold.
fn not_stored(command: &Command) -> Option<Value> {
    Some(match command.verb.word.name {
        "set" | "zadd" => Value::Null,
        "setnx" | "msetnx" | "hsetnx" | "renamenx" | "copy" | "move" | "expire" | "pexpire"
        | "expireat" | "pexpireat" | "lpushx" | "rpushx" => Value::Integer(0),
        _ => return None,
    })
}

/// The change in the words of the protocol. `None`: it is not said so there.
pub(crate) fn spoken(version: Version, change: Change) -> Option<Change> {
    Some(match change {
        // A push, or before there were such an array.
        Change::Message(words) => {
            let text = |text: &[u8]| Value::Bulk(Bytes::copy_from_slice(text));
            let message = Value::Push(vec![text(b"message"), text(b"harness"), text(&words)]);
            let mut out = Vec::new();
            message.write(version, &mut out);
            Change::Said(Position::Before, out.into())
        }
        Change::Field(..) => return None,
        change => change,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::resp::commands::find;

    fn said(name: &str, version: Version, reply: &CannedReply) -> Option<String> {
        let bytes = answered(find(name.as_bytes()), 2, version, reply)?;
        Some(String::from_utf8_lossy(&bytes).replace("\r\n", " "))
    }

    /// Catches an answer in the other version, a list where a value is asked for, and one that the command
    /// never has.
    #[test]
    fn each_command_is_answered_in_its_own_words() {
        use Version::{Resp2, Resp3};
        let old = |name, reply: CannedReply| said(name, Resp2, &reply);
        assert_eq!(old("get", CannedReply::Miss).unwrap(), "$-1 ");
        assert_eq!(said("get", Resp3, &CannedReply::Nil).unwrap(), "_ ");
        assert_eq!(old("mget", CannedReply::Miss).unwrap(), "*2 $-1 $-1 ");
        assert_eq!(old("hgetall", CannedReply::Miss).unwrap(), "*0 ");
        assert_eq!(said("hgetall", Resp3, &CannedReply::Miss).unwrap(), "%0 ");
        assert_eq!(old("del", CannedReply::Done).unwrap(), ":2 ");
        assert_eq!(old("set", CannedReply::NotStored).unwrap(), "$-1 ");
        assert_eq!(old("exec", CannedReply::Exists).unwrap(), "*-1 ");
        assert_eq!(old("get", CannedReply::Empty).unwrap(), "$0  ");
        assert_eq!(old("get", CannedReply::Value("x".into())).unwrap(), "$1 x ");
        assert_eq!((old("incr", CannedReply::Miss), old("get", CannedReply::Done)), (None, None));
        let error = |line: &'static str| {
            old("get", CannedReply::Error { line: line.into(), status: 0 }).unwrap()
        };
        assert_eq!(error("READONLY You can't write.\r\n"), "-READONLY You can't write. ");
        assert_eq!(error("-MOVED 1 a:1\r\n"), "-MOVED 1 a:1 ");
        assert_eq!(error("injected fault\r\n"), "-ERR injected fault ");
    }

    /// Catches a push on a connection that knows none, and a message that is none of its version.
    #[test]
    fn a_message_is_a_push_where_there_are_such() {
        for (version, begins) in [(Version::Resp2, b'*'), (Version::Resp3, b'>')] {
            let message = Change::Message((*b"hi").into());
            let Some(Change::Said(_, said)) = spoken(version, message) else { panic!() };
            assert_eq!(said[0], begins);
            assert_eq!(said[1..], *b"3\r\n$7\r\nmessage\r\n$7\r\nharness\r\n$2\r\nhi\r\n");
        }
    }
}
