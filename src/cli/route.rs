//! `harness route`: which node owns a key, so that anyone can hold it against their own fleet.

use std::ffi::OsString;
use std::io::{self, BufRead, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;

use super::exit::Exit;
use super::{output, values};
use crate::base::family::{Chosen, Settings, unknown};
use crate::base::terminal::Text;
use crate::client::selector::{KeyHash, SELECTORS, Selector};
use crate::client::{AddressError, ClientConfig, Server, place};
use crate::protocol::memcached::frame::key::KEY_BYTES_MAX;

/// The strategies that hash keys in their own way, whatever `-hash` says.
const OWN_HASH: &[&str] = &["rendezvous"];

/// Print each key's node, as a line of key, tab and address. Keys are taken from stdin, one a line
/// and any bytes, when none is given here.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The keys; `--` before one that begins with a dash
    #[arg(value_name = "KEY")]
    keys: Vec<OsString>,
    /// The nodes as the client is given them, and in that order where the strategy minds it
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', required = true, value_parser = server)]
    servers: Vec<Server>,
    /// Their shares of the keys, in the same order [default: 1 each]
    #[arg(long, value_name = "NUMBER", value_delimiter = ',',
          value_parser = values::count(1..=u32::MAX))]
    weights: Vec<u32>,
    /// How nodes are found; `harness list hash-strategies` shows all [default: ketama]
    #[arg(long, value_name = "NAME", value_parser = strategy)]
    strategy: Option<Chosen>,
    /// How keys become numbers: md5, fnv1a_64, one_at_a_time or crc32 [default: md5]
    #[arg(long, value_name = "NAME", value_parser = key_hash)]
    hash: Option<KeyHash>,
}

fn server(address: &str) -> Result<Server, AddressError> {
    Server::new(address)
}

fn strategy(name: &str) -> Result<Chosen, String> {
    SELECTORS.find(name).ok_or_else(|| SELECTORS.unknown(name))?;
    Ok(Chosen { kind: name.to_owned(), settings: Settings::default() })
}

fn key_hash(name: &str) -> Result<KeyHash, String> {
    KeyHash::find(name).ok_or_else(|| unknown("key hash", name, KeyHash::NAMES))
}

/// Why there is no answer for every key.
enum Stop {
    /// The reader has seen enough.
    Enough,
    /// Something to complain about.
    Problem(String, Exit),
}

/// Prints the node of every key.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let (servers, selector) = match arguments.place() {
        Ok(placed) => placed,
        Err(problem) => {
            output::complain(&problem);
            return Exit::Usage;
        }
    };
    if let Some(warning) = arguments.warning() {
        output::remark(&format!("warning: {warning}"));
    }
    let out = BufWriter::new(io::stdout().lock());
    let is_shown = io::stdout().is_terminal();
    let mut printer = Printer { servers, selector, out, is_shown };
    let done = if arguments.keys.is_empty() {
        printer.lines(io::stdin().lock())
    } else {
        printer.words(&arguments.keys)
    };
    match done.and_then(|()| printer.out.flush().map_err(|error| unwritten(&error))) {
        Ok(()) | Err(Stop::Enough) => Exit::Pass,
        Err(Stop::Problem(what, exit)) => {
            // What came before the problem is right, and is not held back.
            let _ = printer.out.flush();
            output::complain(&what);
            exit
        }
    }
}

impl Arguments {
    fn place(&self) -> Result<(Vec<Server>, Box<dyn Selector>), String> {
        let mut servers = self.servers.clone();
        if !self.weights.is_empty() {
            if self.weights.len() != servers.len() {
                let (weights, servers) = (self.weights.len(), servers.len());
                return Err(format!(
                    "{weights} weights for {servers} servers; write one for each server"
                ));
            }
            for (server, weight) in servers.iter_mut().zip(&self.weights) {
                server.weight = *weight;
            }
        }
        let mut config = ClientConfig::default();
        if let Some(selector) = &self.strategy {
            config.selector = selector.clone();
        }
        config.hash = self.hash.unwrap_or_default();
        let selector = place(&servers, &config).map_err(|error| error.to_string())?;
        Ok((servers, selector))
    }

    /// What to know about the hash that was chosen.
    fn warning(&self) -> Option<String> {
        let hash = self.hash?;
        match &self.strategy {
            Some(strategy) if OWN_HASH.contains(&strategy.kind.as_str()) => {
                Some(format!("{} has a hash of its own; -hash has no effect", strategy.kind))
            }
            _ => hash.warning().map(str::to_owned),
        }
    }
}

struct Printer<W: Write> {
    servers: Vec<Server>,
    selector: Box<dyn Selector>,
    out: BufWriter<W>,
    /// Whether a terminal shows it.
    is_shown: bool,
}

impl<W: Write> Printer<W> {
    fn words(&mut self, keys: &[OsString]) -> Result<(), Stop> {
        for (number, key) in (1..).zip(keys) {
            self.print(key.as_bytes(), "key", number)?;
        }
        Ok(())
    }

    /// Reads no more of a line than a key may hold.
    fn lines(&mut self, mut input: impl BufRead) -> Result<(), Stop> {
        let mut line = Vec::with_capacity(KEY_BYTES_MAX + 1);
        for number in 1.. {
            line.clear();
            let most = KEY_BYTES_MAX as u64 + 1;
            (&mut input).take(most).read_until(b'\n', &mut line).map_err(|error| unread(&error))?;
            if line.is_empty() {
                break;
            }
            let key = line.strip_suffix(b"\n").unwrap_or(&line);
            self.print(key, "line", number)?;
        }
        Ok(())
    }

    fn print(&mut self, key: &[u8], place: &str, number: u64) -> Result<(), Stop> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let wrong = if key.is_empty() { "is empty" } else { "is too long" };
            return Err(Stop::Problem(
                format!("{place} {number} {wrong}; a key has 1 to {KEY_BYTES_MAX} bytes"),
                Exit::Usage,
            ));
        }
        let address = &self.servers[self.selector.home(key).position()].address;
        // A program gets the key's own bytes, a terminal none that it would obey.
        let shown = self.is_shown.then(|| Text::from(&*String::from_utf8_lossy(key)));
        let key = shown.as_ref().map_or(key, |text| text.as_str().as_bytes());
        let parts = [key, b"\t", address.as_bytes(), b"\n"];
        parts.into_iter().try_for_each(|part| self.out.write_all(part)).map_err(|e| unwritten(&e))
    }
}

fn unread(error: &io::Error) -> Stop {
    Stop::Problem(format!("cannot read stdin: {error}"), Exit::Usage)
}

fn unwritten(error: &io::Error) -> Stop {
    match error.kind() {
        ErrorKind::BrokenPipe => Stop::Enough,
        _ => Stop::Problem(format!("cannot write to stdout: {error}"), Exit::Internal),
    }
}
