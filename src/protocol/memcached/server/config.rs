//! What a node is started with, and memcached's own flags for it.

use super::lie::LieSpec;
use crate::base::seed::Seed;
use crate::base::units::ByteSize;
use crate::protocol::memcached::program::PORT;

const KIBIBYTE: u64 = 1024;
const MEBIBYTE: u64 = 1024 * KIBIBYTE;
const GIBIBYTE: u64 = 1024 * MEBIBYTE;
/// The smallest and the largest item limit that memcached takes.
const MAX_ITEM_RANGE: std::ops::RangeInclusive<u64> = KIBIBYTE..=GIBIBYTE;
/// The least that `-m` takes here: room for one item of the default limit.
const MEMORY_MEBIBYTES_MIN: u64 = 1;

/// What a node is started with. The default is memcached's, on a free port of the loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Where to listen: `host:port`; port 0 for a free one.
    pub listen: String,
    /// The most that all items may weigh together.
    pub memory: ByteSize,
    /// How many connections are taken; a further one is told so and closed.
    pub max_connections: u32,
    /// The most that one item may weigh, its key and header included.
    pub max_item: ByteSize,
    /// The lies that it tells; of an honest one there are none.
    pub lies: Vec<LieSpec>,
    /// What its lies are drawn from: the same requests in the same order are lied about alike.
    pub seed: Seed,
}

/// A flag that memcached would not take, or that a node cannot follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct FlagError {
    /// The flag.
    pub flag: String,
    /// What is wrong with it and what to write instead.
    pub what: String,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            memory: ByteSize(64 * MEBIBYTE),
            max_connections: 1024,
            max_item: ByteSize(MEBIBYTE),
            lies: Vec::new(),
            seed: Seed::new(0),
        }
    }
}

impl NodeConfig {
    /// Reads memcached's own flags: `-l` address, `-p` port (11211 when not given), `-m` mebibytes,
    /// `-c` connections, `-I` item limit with `k`, `m` or `g`, and `-U 0`. A value may follow as the
    /// next word or at once (`-p11211`).
    ///
    /// # Errors
    /// At a flag that is unknown or whose value cannot be used.
    pub fn from_flags<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, FlagError> {
        let mut config = Self::default();
        let (mut host, mut port) = ("127.0.0.1".to_owned(), PORT);
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (flag, attached) = word.split_at_checked(2).unwrap_or((word, ""));
            let mut value = || {
                let value = if attached.is_empty() { words.next() } else { Some(attached) };
                value.ok_or_else(|| error(flag, "needs a value behind it"))
            };
            match flag {
                "-l" => value()?.clone_into(&mut host),
                "-p" => port = number(flag, value()?, "a port from 0 to 65535")?,
                "-m" => config.memory = memory(flag, value()?)?,
                "-c" => config.max_connections = connections(flag, value()?)?,
                "-I" => config.max_item = max_item(flag, value()?)?,
                "-U" if value()? == "0" => {}
                "-U" => return Err(error(flag, "must be 0: a node does not speak UDP")),
                _ => return Err(error(word, "is unknown; a node takes -l -p -m -c -I and -U 0")),
            }
        }
        config.listen =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Ok(config)
    }
}

fn error(flag: &str, what: &str) -> FlagError {
    FlagError { flag: flag.to_owned(), what: format!("`{flag}` {what}") }
}

fn number<T: std::str::FromStr>(flag: &str, text: &str, wanted: &str) -> Result<T, FlagError> {
    text.parse().map_err(|_| error(flag, &format!("must be {wanted}, not \"{text}\"")))
}

fn memory(flag: &str, text: &str) -> Result<ByteSize, FlagError> {
    let wanted = "a number of mebibytes, at least 1";
    let mebibytes: u32 = number(flag, text, wanted)?;
    if u64::from(mebibytes) < MEMORY_MEBIBYTES_MIN {
        return Err(error(flag, &format!("must be {wanted}")));
    }
    Ok(ByteSize(u64::from(mebibytes) * MEBIBYTE))
}

fn connections(flag: &str, text: &str) -> Result<u32, FlagError> {
    let wanted = "a number of connections, at least 1";
    match number(flag, text, wanted)? {
        0 => Err(error(flag, &format!("must be {wanted}"))),
        count => Ok(count),
    }
}

fn max_item(flag: &str, text: &str) -> Result<ByteSize, FlagError> {
    let wanted = "a size from 1k to 1g, such as 512k or 2m";
    let (digits, unit) = match text.strip_suffix(|last: char| last.is_ascii_alphabetic()) {
        Some(digits) => (digits, text[digits.len()..].to_ascii_lowercase()),
        None => (text, String::new()),
    };
    let scale = match unit.as_str() {
        "" => 1,
        "k" => KIBIBYTE,
        "m" => MEBIBYTE,
        "g" => GIBIBYTE,
        _ => return Err(error(flag, &format!("must be {wanted}, not \"{text}\""))),
    };
    let bytes = number::<u32>(flag, digits, wanted).map(|count| u64::from(count) * scale)?;
    if !MAX_ITEM_RANGE.contains(&bytes) {
        return Err(error(flag, &format!("must be {wanted}, not \"{text}\"")));
    }
    Ok(ByteSize(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<NodeConfig, String> {
        NodeConfig::from_flags(line.split_whitespace()).map_err(|error| error.to_string())
    }

    /// Catches a flag that means something else than for memcached.
    #[test]
    fn flags_mean_what_they_mean_for_memcached() {
        let config = read("-m 128 -p 11311 -l 0.0.0.0 -c 5000 -I 2m -U 0").unwrap();
        assert_eq!(config.listen, "0.0.0.0:11311");
        assert_eq!(config.memory, ByteSize(128 << 20));
        assert_eq!((config.max_connections, config.max_item), (5000, ByteSize(2 << 20)));
        assert_eq!(read("-p0 -l ::1").unwrap().listen, "[::1]:0");
        assert_eq!(read("").unwrap().listen, "127.0.0.1:11211");
        assert_eq!(read("-I 512k").unwrap().max_item, ByteSize(512 << 10));
    }

    /// Catches a wrong flag that is taken, or refused without saying what to write.
    #[test]
    fn a_wrong_flag_is_named_with_a_correction() {
        for (line, message) in [
            ("-p", "`-p` needs a value behind it"),
            ("-p 70000", "`-p` must be a port from 0 to 65535, not \"70000\""),
            ("-m 0", "`-m` must be a number of mebibytes, at least 1"),
            ("-c 0", "`-c` must be a number of connections, at least 1"),
            ("-I 2t", "`-I` must be a size from 1k to 1g, such as 512k or 2m, not \"2t\""),
            ("-I 100", "`-I` must be a size from 1k to 1g, such as 512k or 2m, not \"100\""),
            ("-U 11211", "`-U` must be 0: a node does not speak UDP"),
            ("-t 4", "`-t` is unknown; a node takes -l -p -m -c -I and -U 0"),
        ] {
            assert_eq!(read(line).unwrap_err(), message);
        }
    }
}
