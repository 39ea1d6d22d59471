//! The commands: what each asks for, and where it has its keys.
//!
//! The places are the server's own, as `COMMAND` tells them; a test compares the two. What a newer server has
//! besides is a command without a name here and without keys.

use std::sync::LazyLock;

use super::keys::Keys;
use crate::protocol::exchange::{Kind, Verb, Word};

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    pub(crate) keys: Keys,
}

/// The longest name.
const NAME_BYTES_MAX: usize = 20;

/// What a command is that is not in the table.
pub(crate) static UNKNOWN: Command = Command {
    verb: Verb { word: Word { name: "unknown", place: ROWS.len() }, kind: Kind::Other },
    keys: Keys::NONE,
};

/// The command of this name, which is written in any case.
pub(crate) fn find(name: &[u8]) -> &'static Command {
    known(name).unwrap_or(&UNKNOWN)
}

/// The same; what came before on the connection is looked at first, as most of them repeat themselves.
pub(crate) fn find_after(last: &'static Command, name: &[u8]) -> &'static Command {
    let is_same = last.verb.word.name.as_bytes().eq_ignore_ascii_case(name);
    if is_same { last } else { find(name) }
}

/// The command of this name, if it is in the table.
pub(crate) fn known(name: &[u8]) -> Option<&'static Command> {
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let found = BY_NAME.binary_search_by(|place| named(*place).as_bytes().cmp(lower)).ok()?;
    Some(&COMMANDS[usize::from(BY_NAME[found])])
}

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter()
}

fn named(place: u8) -> &'static str {
    ROWS[usize::from(place)].0
}

/// Their places in the order of their names.
static BY_NAME: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut places: Vec<u8> = (0..=u8::MAX).take(ROWS.len()).collect();
    places.sort_unstable_by_key(|place| named(*place));
    places
});

static COMMANDS: [Command; ROWS.len()] = {
    const NONE: Command = Command {
        verb: Verb { word: Word { name: "", place: 0 }, kind: Kind::Other },
        keys: Keys::NONE,
    };
    let mut commands = [NONE; ROWS.len()];
    let mut place = 0;
    while place < ROWS.len() {
        let (name, kind, keys) = ROWS[place];
        commands[place] = Command { verb: Verb { word: Word { name, place }, kind }, keys };
        place += 1;
    }
    commands
};

const _: () = assert!(ROWS.len() <= 256, "a place is a byte");

use Kind::{Other, Ping, Read, Write};

/// Name, what it does, where its keys are. Those that are asked for most come first: a connection counts up to
/// the last that it saw.
#[rustfmt::skip]
const ROWS: &[(&str, Kind, Keys)] = &[
    ("get", Read, Keys::ONE),
    ("set", Write, Keys::ONE),
    ("mget", Read, Keys::ALL),
    ("mset", Write, Keys::EVERY_OTHER),
    ("del", Write, Keys::ALL),
    ("exists", Read, Keys::ALL),
    ("expire", Write, Keys::ONE),
    ("ttl", Read, Keys::ONE),
    ("incr", Write, Keys::ONE),
    ("incrby", Write, Keys::ONE),
    ("decr", Write, Keys::ONE),
    ("decrby", Write, Keys::ONE),
    ("setex", Write, Keys::ONE),
    ("psetex", Write, Keys::ONE),
    ("setnx", Write, Keys::ONE),
    ("getset", Write, Keys::ONE),
    ("getdel", Write, Keys::ONE),
    ("getex", Write, Keys::ONE),
    ("append", Write, Keys::ONE),
    ("strlen", Read, Keys::ONE),
    ("unlink", Write, Keys::ALL),
    ("hget", Read, Keys::ONE),
    ("hset", Write, Keys::ONE),
    ("hgetall", Read, Keys::ONE),
    ("hmget", Read, Keys::ONE),
    ("hdel", Write, Keys::ONE),
    ("lpush", Write, Keys::ONE),
    ("rpush", Write, Keys::ONE),
    ("lpop", Write, Keys::ONE),
    ("rpop", Write, Keys::ONE),
    ("lrange", Read, Keys::ONE),
    ("sadd", Write, Keys::ONE),
    ("srem", Write, Keys::ONE),
    ("smembers", Read, Keys::ONE),
    ("sismember", Read, Keys::ONE),
    ("zadd", Write, Keys::ONE),
    ("zrange", Read, Keys::ONE),
    ("zscore", Read, Keys::ONE),
    ("zrem", Write, Keys::ONE),
    ("publish", Other, Keys::NONE),
    ("eval", Write, Keys::counted(2)),
    ("evalsha", Write, Keys::counted(2)),
    ("multi", Other, Keys::NONE),
    ("exec", Other, Keys::NONE),
    ("discard", Other, Keys::NONE),
    ("watch", Write, Keys::ALL),
    ("unwatch", Other, Keys::NONE),
    ("ping", Ping, Keys::NONE),
    ("hello", Ping, Keys::NONE),
    ("auth", Ping, Keys::NONE),
    ("select", Ping, Keys::NONE),
    ("client", Ping, Keys::NONE),
    ("info", Ping, Keys::NONE),
    ("config", Other, Keys::NONE),
    ("command", Ping, Keys::NONE),
    ("acl", Other, Keys::NONE),
    ("asking", Other, Keys::NONE),
    ("bgrewriteaof", Other, Keys::NONE),
    ("bgsave", Other, Keys::NONE),
    ("bitcount", Read, Keys::ONE),
    ("bitfield", Write, Keys::ONE),
    ("bitfield_ro", Read, Keys::ONE),
    ("bitop", Write, Keys::FROM_SECOND),
    ("bitpos", Read, Keys::ONE),
    ("blmove", Write, Keys::TWO),
    ("blmpop", Write, Keys::counted(2)),
    ("blpop", Write, Keys::ALL_BUT_LAST),
    ("brpop", Write, Keys::ALL_BUT_LAST),
    ("brpoplpush", Write, Keys::TWO),
    ("bzmpop", Write, Keys::counted(2)),
    ("bzpopmax", Write, Keys::ALL_BUT_LAST),
    ("bzpopmin", Write, Keys::ALL_BUT_LAST),
    ("cluster", Other, Keys::NONE),
    ("copy", Write, Keys::TWO),
    ("dbsize", Other, Keys::NONE),
    ("debug", Other, Keys::NONE),
    ("dump", Read, Keys::ONE),
    ("echo", Other, Keys::NONE),
    ("eval_ro", Read, Keys::counted(2)),
    ("evalsha_ro", Read, Keys::counted(2)),
    ("expireat", Write, Keys::ONE),
    ("expiretime", Read, Keys::ONE),
    ("failover", Other, Keys::NONE),
    ("fcall", Write, Keys::counted(2)),
    ("fcall_ro", Read, Keys::counted(2)),
    ("flushall", Other, Keys::NONE),
    ("flushdb", Other, Keys::NONE),
    ("function", Other, Keys::NONE),
    ("geoadd", Write, Keys::ONE),
    ("geodist", Read, Keys::ONE),
    ("geohash", Read, Keys::ONE),
    ("geopos", Read, Keys::ONE),
    ("georadius", Write, Keys::STORES),
    ("georadius_ro", Read, Keys::ONE),
    ("georadiusbymember", Write, Keys::STORES),
    ("georadiusbymember_ro", Read, Keys::ONE),
    ("geosearch", Read, Keys::ONE),
    ("geosearchstore", Write, Keys::TWO),
    ("getbit", Read, Keys::ONE),
    ("getrange", Read, Keys::ONE),
    ("hexists", Read, Keys::ONE),
    ("hincrby", Write, Keys::ONE),
    ("hincrbyfloat", Write, Keys::ONE),
    ("hkeys", Read, Keys::ONE),
    ("hlen", Read, Keys::ONE),
    ("hmset", Write, Keys::ONE),
    ("hrandfield", Read, Keys::ONE),
    ("hscan", Read, Keys::ONE),
    ("hsetnx", Write, Keys::ONE),
    ("hstrlen", Read, Keys::ONE),
    ("hvals", Read, Keys::ONE),
    ("incrbyfloat", Write, Keys::ONE),
    ("keys", Other, Keys::NONE),
    ("lastsave", Other, Keys::NONE),
    ("latency", Other, Keys::NONE),
    ("lcs", Read, Keys::TWO),
    ("lindex", Read, Keys::ONE),
    ("linsert", Write, Keys::ONE),
    ("llen", Read, Keys::ONE),
    ("lmove", Write, Keys::TWO),
    ("lmpop", Write, Keys::counted(1)),
    ("lolwut", Other, Keys::NONE),
    ("lpos", Read, Keys::ONE),
    ("lpushx", Write, Keys::ONE),
    ("lrem", Write, Keys::ONE),
    ("lset", Write, Keys::ONE),
    ("ltrim", Write, Keys::ONE),
    ("memory", Read, Keys::ONE_OF_SUBCOMMAND),
    ("migrate", Write, Keys::MIGRATE),
    ("module", Other, Keys::NONE),
    ("monitor", Other, Keys::NONE),
    ("move", Write, Keys::ONE),
    ("msetnx", Write, Keys::EVERY_OTHER),
    ("object", Read, Keys::ONE_OF_SUBCOMMAND),
    ("persist", Write, Keys::ONE),
    ("pexpire", Write, Keys::ONE),
    ("pexpireat", Write, Keys::ONE),
    ("pexpiretime", Read, Keys::ONE),
    ("pfadd", Write, Keys::ONE),
    ("pfcount", Read, Keys::ALL),
    ("pfdebug", Write, Keys::ONE_OF_SUBCOMMAND),
    ("pfmerge", Write, Keys::ALL),
    ("pfselftest", Other, Keys::NONE),
    ("psubscribe", Other, Keys::NONE),
    ("psync", Other, Keys::NONE),
    ("pttl", Read, Keys::ONE),
    ("pubsub", Other, Keys::NONE),
    ("punsubscribe", Other, Keys::NONE),
    ("quit", Other, Keys::NONE),
    ("randomkey", Other, Keys::NONE),
    ("readonly", Ping, Keys::NONE),
    ("readwrite", Other, Keys::NONE),
    ("rename", Write, Keys::TWO),
    ("renamenx", Write, Keys::TWO),
    ("replconf", Other, Keys::NONE),
    ("replicaof", Other, Keys::NONE),
    ("reset", Other, Keys::NONE),
    ("restore", Write, Keys::ONE),
    ("restore-asking", Write, Keys::ONE),
    ("role", Other, Keys::NONE),
    ("rpoplpush", Write, Keys::TWO),
    ("rpushx", Write, Keys::ONE),
    ("save", Other, Keys::NONE),
    ("scan", Other, Keys::NONE),
    ("scard", Read, Keys::ONE),
    ("script", Other, Keys::NONE),
    ("sdiff", Read, Keys::ALL),
    ("sdiffstore", Write, Keys::ALL),
    ("setbit", Write, Keys::ONE),
    ("setrange", Write, Keys::ONE),
    ("shutdown", Other, Keys::NONE),
    ("sinter", Read, Keys::ALL),
    ("sintercard", Read, Keys::counted(1)),
    ("sinterstore", Write, Keys::ALL),
    ("slaveof", Other, Keys::NONE),
    ("slowlog", Other, Keys::NONE),
    ("smismember", Read, Keys::ONE),
    ("smove", Write, Keys::TWO),
    ("sort", Write, Keys::STORES),
    ("sort_ro", Read, Keys::ONE),
    ("spop", Write, Keys::ONE),
    ("spublish", Write, Keys::ONE),
    ("srandmember", Read, Keys::ONE),
    ("sscan", Read, Keys::ONE),
    ("ssubscribe", Write, Keys::ALL),
    ("subscribe", Other, Keys::NONE),
    ("substr", Read, Keys::ONE),
    ("sunion", Read, Keys::ALL),
    ("sunionstore", Write, Keys::ALL),
    ("sunsubscribe", Write, Keys::ALL),
    ("swapdb", Other, Keys::NONE),
    ("sync", Other, Keys::NONE),
    ("time", Other, Keys::NONE),
    ("touch", Read, Keys::ALL),
    ("type", Read, Keys::ONE),
    ("unsubscribe", Other, Keys::NONE),
    ("wait", Other, Keys::NONE),
    ("xack", Write, Keys::ONE),
    ("xadd", Write, Keys::ONE),
    ("xautoclaim", Write, Keys::ONE),
    ("xclaim", Write, Keys::ONE),
    ("xdel", Write, Keys::ONE),
    ("xgroup", Write, Keys::ONE_OF_SUBCOMMAND),
    ("xinfo", Read, Keys::ONE_OF_SUBCOMMAND),
    ("xlen", Read, Keys::ONE),
    ("xpending", Read, Keys::ONE),
    ("xrange", Read, Keys::ONE),
    ("xread", Read, Keys::STREAMS),
    ("xreadgroup", Write, Keys::STREAMS),
    ("xrevrange", Read, Keys::ONE),
    ("xsetid", Write, Keys::ONE),
    ("xtrim", Write, Keys::ONE),
    ("zcard", Read, Keys::ONE),
    ("zcount", Read, Keys::ONE),
    ("zdiff", Read, Keys::counted(1)),
    ("zdiffstore", Write, Keys::DESTINATION_AND_COUNTED),
    ("zincrby", Write, Keys::ONE),
    ("zinter", Read, Keys::counted(1)),
    ("zintercard", Read, Keys::counted(1)),
    ("zinterstore", Write, Keys::DESTINATION_AND_COUNTED),
    ("zlexcount", Read, Keys::ONE),
    ("zmpop", Write, Keys::counted(1)),
    ("zmscore", Read, Keys::ONE),
    ("zpopmax", Write, Keys::ONE),
    ("zpopmin", Write, Keys::ONE),
    ("zrandmember", Read, Keys::ONE),
    ("zrangebylex", Read, Keys::ONE),
    ("zrangebyscore", Read, Keys::ONE),
    ("zrangestore", Write, Keys::TWO),
    ("zrank", Read, Keys::ONE),
    ("zremrangebylex", Write, Keys::ONE),
    ("zremrangebyrank", Write, Keys::ONE),
    ("zremrangebyscore", Write, Keys::ONE),
    ("zrevrange", Read, Keys::ONE),
    ("zrevrangebylex", Read, Keys::ONE),
    ("zrevrangebyscore", Read, Keys::ONE),
    ("zrevrank", Read, Keys::ONE),
    ("zscan", Read, Keys::ONE),
    ("zunion", Read, Keys::counted(1)),
    ("zunionstore", Write, Keys::DESTINATION_AND_COUNTED),
];

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Stdio};

    use bytes::Bytes;

    use super::*;
    use crate::protocol::resp::frame::command::{self, Commands, Event};
    use crate::protocol::resp::frame::value::Value;

    /// Catches a table that is out of order, so that a command is not found.
    #[test]
    fn every_command_is_found_by_its_name() {
        for command in all() {
            let name = command.verb.word.name;
            assert!(std::ptr::eq(find(name.to_ascii_uppercase().as_bytes()), command), "{name}");
            assert!(name.len() <= NAME_BYTES_MAX);
        }
        assert!(known(b"nosuch").is_none() && known(&[b'x'; 100]).is_none());
    }

    /// Catches a connection of the run's own that is taken for somebody else's, because it begins by saying
    /// who asks.
    #[test]
    fn a_greeting_is_no_operation() {
        for name in ["HELLO", "AUTH", "SELECT", "CLIENT", "PING"] {
            assert_eq!(find(name.as_bytes()).verb.kind, Ping, "{name}");
        }
    }

    /// A real server that ends with this, and a connection to it.
    struct Real(Child, UnixStream, #[expect(dead_code, reason = "held")] tempfile::TempDir);

    impl Real {
        fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let socket = folder.path().join("socket");
            let mut child = std::process::Command::new("redis-server")
                .args(["--port", "0", "--save", "", "--unixsocket"])
                .arg(&socket)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            loop {
                if let Ok(stream) = UnixStream::connect(&socket) {
                    return Self(child, stream, folder);
                }
                assert_eq!(child.try_wait().unwrap(), None, "redis-server did not start");
                std::thread::yield_now();
            }
        }

        fn ask(&mut self, words: &[&str]) -> Value {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let mut request = Vec::new();
            command::write_command(&mut request, &words);
            self.1.write_all(&request).unwrap();
            let mut heard = Vec::new();
            let mut chunk = vec![0; 1 << 16];
            loop {
                let count = self.1.read(&mut chunk).unwrap();
                heard.extend_from_slice(&chunk[..count]);
                assert!(count > 0, "closed");
                if chunk[..count].ends_with(b"\r\n")
                    && let Some((value, _)) = Value::read(&Bytes::copy_from_slice(&heard))
                {
                    return value;
                }
            }
        }
    }

    impl Drop for Real {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn text(value: &Value) -> String {
        let (Value::Bulk(text) | Value::Simple(text)) = value else { panic!("{value:?}") };
        String::from_utf8_lossy(text).into_owned()
    }

    fn list(value: Value) -> Vec<Value> {
        let Value::Array(list) = value else { panic!("{value:?}") };
        list
    }

    /// Catches a command of the server's that is not in the table, and a key that the server sees in another
    /// place.
    #[test]
    #[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
    fn keys_are_where_the_server_has_them() {
        let mut server = Real::start();
        let mut seen = 0;
        for row in list(server.ask(&["COMMAND"])) {
            let row = list(row);
            let name = text(&row[0]);
            let Some(command) = known(name.as_bytes()) else { panic!("{name} is missing") };
            let [first, last, step] = [&row[3], &row[4], &row[5]].map(|number| match number {
                Value::Integer(number) => *number,
                other => panic!("{other:?}"),
            });
            let is_moving = list(row[2].clone()).iter().any(|flag| text(flag) == "movablekeys");
            let subcommands = row.get(9).cloned().map(list).unwrap_or_default();
            if is_moving || !subcommands.is_empty() {
                continue;
            }
            let expected = match first {
                0 => Keys::NONE,
                first => Keys::Range {
                    first: first.unsigned_abs() as usize,
                    last: last as isize,
                    step: step.unsigned_abs() as usize,
                },
            };
            assert_eq!(command.keys, expected, "{name}");
            seen += 1;
        }
        assert!(seen > 150, "{seen}");
        for line in MOVING {
            let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('"')).collect();
            let asked: Vec<&str> =
                ["COMMAND", "GETKEYS"].into_iter().chain(words.clone()).collect();
            let mut expected: Vec<String> = list(server.ask(&asked)).iter().map(text).collect();
            let mut request = Vec::new();
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            command::write_command(&mut request, &words);
            let mut parser = Commands::new(usize::MAX);
            let Ok(Some(Event::Command(said))) = parser.next(&mut &request[..]) else { panic!() };
            let keys = find(said.name()).keys.of(said);
            let mut keys: Vec<_> =
                keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect();
            // In whatever order.
            expected.sort();
            keys.sort();
            assert_eq!(keys, expected, "{line}");
        }
    }

    /// One of each command whose keys are found by what it says.
    const MOVING: &[&str] = &[
        "BLMPOP 0 2 a b LEFT",
        "BZMPOP 0 2 a b MIN",
        "EVAL script 2 a b v",
        "EVAL_RO script 1 a v",
        "EVALSHA sha 2 a b",
        "EVALSHA_RO sha 1 a",
        "FCALL f 2 a b v",
        "FCALL_RO f 1 a",
        "GEORADIUS a 1 2 3 km STORE b",
        "GEORADIUS a 1 2 3 km STOREDIST b",
        "GEORADIUSBYMEMBER a m 3 km STORE b",
        "LMPOP 2 a b LEFT",
        "MIGRATE h 1 k 0 1",
        "MIGRATE h 1 \"\" 0 1 KEYS a b",
        "MEMORY USAGE a",
        "OBJECT ENCODING a",
        "SINTERCARD 2 a b",
        "SORT a BY nosort STORE b",
        "SORT_RO a BY nosort",
        "XGROUP CREATE a g 0",
        "XINFO STREAM a",
        "XREAD COUNT 2 STREAMS a b 0-0 0-0",
        "XREADGROUP GROUP g c STREAMS a b 0-0 0-0",
        "ZDIFF 2 a b",
        "ZDIFFSTORE d 2 a b",
        "ZINTER 2 a b",
        "ZINTERCARD 2 a b",
        "ZINTERSTORE d 2 a b",
        "ZMPOP 2 a b MIN",
        "ZUNION 2 a b",
        "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
    ];
}
