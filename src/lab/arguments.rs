//! The arguments that a scenario may give a node: those of memcached that leave the lab in order.

use super::LabConfig;
use super::backend::embedded;
use super::config::{Backend, NodeProgram, Nodes};
use super::error::LabError;
use crate::base::name::NodeIndex;
use crate::base::units::ByteSize;
use crate::protocol::Protocol;
use crate::protocol::memcached::server::config::NodeConfig;
use crate::protocol::resp::server::config::NodeConfig as RespConfig;

/// The most words that a node is given.
const WORDS_MAX: usize = 64;

/// The longest word.
const WORD_BYTES_MAX: usize = 256;

/// memcached's flags that a node may be given, and whether a value follows.
const FLAGS: [(char, bool); 13] = [
    ('c', true),
    ('m', true),
    ('I', true),
    ('o', true),
    ('t', true),
    ('n', true),
    ('f', true),
    ('R', true),
    ('b', true),
    ('M', false),
    ('L', false),
    ('k', false),
    ('C', false),
];

/// Those that would break the lab, and why.
const REFUSED: [(&str, &str); 9] = [
    ("plUsa", "the lab chooses where its nodes listen"),
    ("dPru", "the lab watches over the processes of its nodes"),
    ("Z", "the lab makes the certificates that its nodes show; write tls = true in [nodes]"),
    ("S", "the lab says who is let in; write sasl = true in [nodes]"),
    ("Y", "the lab says who is let in; write auth = true in [nodes]"),
    ("AF", "the lab stops and empties its nodes itself"),
    (
        "B",
        "the lab asks its nodes in text, or, with sasl = true in [nodes], in the binary protocol",
    ),
    ("eXWD", "it changes what the lab reads of a node, or a file of this machine"),
    ("vhiV", "nobody would read what it prints"),
];

/// Extended options (`-o`) that would, by what they begin with.
const EXTENDED_REFUSED: [(&str, &str); 4] = [
    ("ssl_", "the lab makes the certificates that its nodes show; write tls = true in [nodes]"),
    ("ext_path", "a file from somewhere else does not say what is written on this machine"),
    ("proxy_", "a node of the lab is no proxy"),
    ("sock_cookie", "it is about firewalls of this machine"),
];

/// Checks the arguments of a node.
///
/// # Errors
/// Which word cannot be followed, and why.
pub fn check_arguments(words: &[String]) -> Result<(), (usize, String)> {
    if words.len() > WORDS_MAX {
        return Err((WORDS_MAX, format!("a node is given at most {WORDS_MAX} words")));
    }
    let mut places = words.iter().enumerate();
    while let Some((place, word)) = places.next() {
        let (flag, attached) = flag(word).map_err(|what| (place, what))?;
        let takes_value = FLAGS.iter().find(|(known, _)| *known == flag).map(|(_, value)| *value);
        match takes_value {
            None => return Err((place, refusal(flag))),
            Some(false) if attached.is_empty() => {}
            Some(false) => {
                let what = format!("`-{flag}` has no value; write each flag as a word of its own");
                return Err((place, what));
            }
            Some(true) if attached.is_empty() => {
                let (place, value) = places
                    .next()
                    .ok_or_else(|| (place, format!("`-{flag}` needs a value behind it")))?;
                check_value(flag, value).map_err(|what| (place, what))?;
            }
            Some(true) => check_value(flag, attached).map_err(|what| (place, what))?,
        }
    }
    Ok(())
}

fn flag(word: &str) -> Result<(char, &str), String> {
    if word.len() > WORD_BYTES_MAX {
        return Err(format!("a word has at most {WORD_BYTES_MAX} bytes"));
    }
    if word.starts_with("--") {
        return Err(format!("`{word}`: write the short form, such as \"-c\", \"64\""));
    }
    let mut rest = word.strip_prefix('-').unwrap_or_default().chars();
    match rest.next() {
        Some(flag) => Ok((flag, rest.as_str())),
        None => {
            Err(format!("\"{}\" stands where a flag belongs, such as \"-c\"", word.escape_debug()))
        }
    }
}

fn refusal(flag: char) -> String {
    let all: Vec<String> = FLAGS.iter().map(|(flag, _)| format!("-{flag}")).collect();
    let reason = REFUSED.iter().find(|(flags, _)| flags.contains(flag)).map(|(_, reason)| *reason);
    let reason = reason.unwrap_or("it is none of memcached's that the lab knows");
    format!("`-{}` is refused: {reason}; a node takes {}", flag.escape_debug(), all.join(" "))
}

fn check_value(flag: char, value: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._,=:+%-".contains(c);
    let fits = (1..=WORD_BYTES_MAX).contains(&value.len()) && value.chars().all(is_plain);
    if !fits || value.starts_with('-') {
        let start: String = value.chars().take(20).collect();
        return Err(format!("\"{}\" is no value of `-{flag}`", start.escape_debug()));
    }
    let extended = value.split(',').filter(|_| flag == 'o');
    for option in extended {
        let refused = EXTENDED_REFUSED.iter().find(|(start, _)| option.starts_with(start));
        if let Some((_, reason)) = refused {
            return Err(format!("`-o {option}` is refused: {reason}"));
        }
    }
    Ok(())
}

/// What an embedded node is, started with such arguments.
///
/// # Errors
/// What it cannot be.
pub fn embedded(words: &[String]) -> Result<NodeConfig, String> {
    NodeConfig::from_flags(words.iter().map(String::as_str)).map_err(|error| {
        format!("{error}; an embedded node follows -c, -m and -I alone: name a real memcached")
    })
}

/// What a node that speaks RESP is, started with such arguments: of memcached's, those that it has too. Its
/// memory in MiB, and how many connections it takes.
///
/// # Errors
/// What it cannot be.
pub(super) fn of_resp(words: &[String]) -> Result<(u32, u32), String> {
    let of_items = words.iter().find(|word| word.starts_with("-I"));
    let config = match of_items {
        Some(_) => Err("`-I` is refused: RESP has no limit of an item".to_owned()),
        None => NodeConfig::from_flags(words.iter().map(String::as_str))
            .map_err(|error| error.to_string()),
    };
    let config =
        config.map_err(|what| format!("{what}; a node of RESP follows -c and -m alone"))?;
    Ok((u32::try_from(config.memory.0 >> 20).unwrap_or(u32::MAX), config.max_connections))
}

/// What an embedded node is that speaks this.
pub(super) fn to_be(protocol: Protocol, words: &[String]) -> Result<embedded::NodeConfig, String> {
    Ok(match protocol {
        Protocol::Memcached => embedded::NodeConfig::Memcached(embedded(words)?),
        Protocol::Resp => {
            let (memory_mib, max_connections) = of_resp(words)?;
            let memory = ByteSize(u64::from(memory_mib) << 20);
            let config = RespConfig { memory, max_connections, ..RespConfig::default() };
            embedded::NodeConfig::Resp(config)
        }
    })
}

impl Nodes {
    /// What the node is to be, and how it is started.
    #[must_use]
    pub fn of(&self, node: NodeIndex) -> (&Backend, &NodeProgram) {
        match self.others.get(&node) {
            Some(other) => (&other.backend, &other.program),
            None => (&self.backend, &self.program),
        }
    }

    /// All of them.
    pub fn indices(&self) -> impl Iterator<Item = NodeIndex> + use<> {
        (0..self.count).map(NodeIndex)
    }
}

impl LabConfig {
    /// Whether every node can be started as it is to be.
    pub(super) fn can_start(&self) -> Result<(), LabError> {
        self.nodes.indices().try_for_each(|node| {
            let (_, program) = self.nodes.of(node);
            let is_real = self.real_server(node)?.is_some();
            let is_told = is_real && self.nodes.protocol == Protocol::Memcached;
            if is_told || self.nodes.is_given() {
                return Ok(());
            }
            let to_be = to_be(self.nodes.protocol, &program.args);
            to_be.map(drop).map_err(|what| LabError::Arguments { node, what })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<(), (usize, String)> {
        check_arguments(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    /// Catches an argument that takes a node away from the lab, in any of the forms that memcached reads.
    #[test]
    fn what_would_break_the_lab_is_refused_by_name() {
        assert_eq!(of("-c 64 -m16 -I 8m -o idle_timeout=5,no_lru_crawler -M -f 1.25"), Ok(()));
        for (line, place, why) in [
            (
                "-p 11211",
                0,
                "`-p` is refused: the lab chooses where its nodes listen; a node takes -c",
            ),
            ("-c 64 -l0.0.0.0", 2, "`-l` is refused"),
            ("-d", 0, "`-d` is refused"),
            ("-U 0", 0, "`-U` is refused"),
            ("-Z", 0, "tls = true"),
            ("-S", 0, "sasl = true"),
            ("-vv", 0, "nobody would read"),
            ("-Md", 0, "`-M` has no value"),
            ("--port=1", 0, "write the short form"),
            ("-c", 0, "`-c` needs a value behind it"),
            ("-c -p", 1, "\"-p\" is no value of `-c`"),
            ("64", 0, "\"64\" stands where a flag belongs"),
            ("-", 0, "stands where a flag belongs"),
            ("-q", 0, "none of memcached's"),
            ("-Y", 0, "auth = true"),
            ("-o ssl_key=x", 1, "tls = true"),
            ("-o idle_timeout=5,ext_path=x:1g", 1, "`-o ext_path=x:1g` is refused"),
            ("-o ext_path=/etc/x", 1, "is no value of `-o`"),
            ("-m 5\u{0}", 1, "\"5\\0\" is no value of `-m`"),
            ("-m 5\n", 1, "\"5\\n\" is no value of `-m`"),
            ("-\u{e4}", 0, "`-\u{e4}` is refused"),
        ] {
            let (at, what) = of(line).unwrap_err();
            assert!(at == place && what.contains(why), "{line:?}: {at}: {what}");
        }
        let long = format!("-m {}", "5".repeat(300));
        assert!(of(&long).is_err() && of(&"-M ".repeat(70)).is_err());
    }

    /// Catches an embedded node that is asked for more than it does and comes up all the same.
    #[test]
    fn an_embedded_node_follows_what_it_can() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(embedded(&words("-c 64 -m 16")).unwrap().max_connections, 64);
        assert!(embedded(&words("-o idle_timeout=5")).unwrap_err().contains("a real memcached"));
    }
}
