//! Reads a trace line by line, and keeps what a run of some length replays of it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead, Read};
use std::time::Duration;

use md5::{Digest, Md5};

use super::format::TraceFormat;
use super::line::{Line, Told};
use super::memcached::Lookups;
use super::{
    RECORDED_KEY_BYTES_MAX, RECORDED_REQUESTS_MAX, Recording, RecordingFacts, Request, Stored,
};
use crate::event::Operation;
use crate::load::keys::KEY_COUNT_MAX;
use crate::load::keyspace::{AUDITED_KEYS_MAX, Space, space_of};
use crate::load::payload::HEADER_BYTES;
use crate::protocol::memcached::frame::key::Key;

/// The longest line.
const LINE_BYTES_MAX: usize = 4096;

/// How much earlier than the line before a line may be, and is then taken for as late: the threads of a
/// server do not write in the order of their clocks.
const BACKWARDS_MAX_US: u64 = 1_000_000;

/// How many kinds of lines that are no request are named; the others are counted together.
const LEFT_OUT_NAMED_MAX: usize = 8;

/// What compressed files begin with, and who makes them readable.
const COMPRESSED: [(&[u8], &str, &str); 4] = [
    (b"\x1f\x8b", "gzip", "gzip -dk"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstd -d"),
    (b"\xfd7zXZ\0", "xz", "xz -dk"),
    (b"BZh", "bzip2", "bzip2 -dk"),
];

/// Why a file is no trace that can be replayed, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// It could not be read.
    #[error("it cannot be read behind line {line}: {source}")]
    Read {
        /// The last line that was read.
        line: u64,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is compressed.
    #[error("it is compressed by {by}; `{command}` makes it a file that can be read")]
    Compressed {
        /// By what.
        by: &'static str,
        /// What undoes it.
        command: &'static str,
    },
    /// Its first line says nothing about its format.
    #[error(
        "line {line} looks like no trace: neither seven columns with commas (time, key, its length, the \
         value's length, client, operation, time to live) nor a line of memcached's log (ts=... gid=... \
         type=...); where the first lines are not typical, write `format = \"twitter\"` or \"memcached\""
    )]
    Format {
        /// Which.
        line: u64,
    },
    /// A line is none of the format.
    #[error("line {line} {what}; take it out, or name the other `format`")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A line is too long.
    #[error("line {line} is longer than 4096 bytes; no request of a trace is")]
    Long {
        /// Which, from 1.
        line: u64,
    },
    /// A line is much earlier than the one before.
    #[error("line {line} is {seconds} s earlier than the one before; sort the file by time")]
    Backwards {
        /// Which, from 1.
        line: u64,
        /// How much.
        seconds: u64,
    },
    /// There is nothing to replay.
    #[error("it has no request that can be replayed{left_out}")]
    Empty {
        /// What it has instead.
        left_out: String,
    },
    /// Too many requests.
    #[error(
        "more than 10000000 of its requests fall into the run (line {line}); lower `speed`, or -duration, \
         or take a part of its keys"
    )]
    Requests {
        /// The first that is too many.
        line: u64,
    },
    /// Too many keys.
    #[error(
        "more than 1000000 of its keys fall into the run (line {line}); lower `speed`, or -duration, or take \
         a part of its keys"
    )]
    Keys {
        /// The first that is too many.
        line: u64,
    },
}

/// Reads as much of a trace as a replay of this length needs, in `format`, or the one that the first line
/// is in. The file is never in memory, only what is replayed.
///
/// # Errors
/// When it cannot be read, is no trace, or is too much.
pub fn read(
    from: impl BufRead,
    format: Option<TraceFormat>,
    length: Duration,
) -> Result<(TraceFormat, Recording), RecordingError> {
    let mut lines = Lines { from, text: Vec::new(), number: 0 };
    let mut builder = Builder::new(length);
    let mut known = format;
    let mut lookups = Lookups::default();
    let mut is_open = true;
    while is_open && lines.next()? {
        let (text, line) = (lines.text(), lines.number);
        if line == 1 {
            refuse_compressed(text)?;
        }
        if text.is_empty() {
            continue;
        }
        let format = match known {
            Some(format) => format,
            None => TraceFormat::of(text).ok_or(RecordingError::Format { line })?,
        };
        known = Some(format);
        let said = format.read(text).map_err(|what| RecordingError::Line { line, what })?;
        let told = match said {
            Line::Request(told) if format == TraceFormat::Memcached => lookups.push(told, line),
            Line::Request(told) => Some((told, line)),
            Line::Other(what) => {
                builder.leave_out(what);
                None
            }
            Line::Lost(count) => {
                builder.facts.lost = builder.facts.lost.saturating_add(count);
                None
            }
            Line::Nothing => None,
        };
        // What was held back stood in a line before this one.
        if let Some((told, line)) = told {
            is_open = builder.add(told, line)?;
        }
    }
    for (told, line) in lookups.rest() {
        is_open = is_open && builder.add(told, line)?;
    }
    let format = known.ok_or_else(|| RecordingError::Empty { left_out: String::new() })?;
    Ok((format, builder.finish(format)?))
}

fn refuse_compressed(first: &[u8]) -> Result<(), RecordingError> {
    let known = COMPRESSED.iter().find(|(magic, ..)| first.starts_with(magic));
    known.map_or(Ok(()), |(_, by, command)| Err(RecordingError::Compressed { by, command }))
}

/// The lines of a file, one at a time.
struct Lines<R> {
    from: R,
    text: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Reads the next line; `false` at the end.
    fn next(&mut self) -> Result<bool, RecordingError> {
        self.text.clear();
        let mut bounded = self.from.by_ref().take(LINE_BYTES_MAX as u64 + 1);
        let read = bounded.read_until(b'\n', &mut self.text);
        let read = read.map_err(|source| RecordingError::Read { line: self.number, source })?;
        self.number += 1;
        if read > LINE_BYTES_MAX {
            // What is compressed has no lines.
            if self.number == 1 {
                refuse_compressed(&self.text)?;
            }
            return Err(RecordingError::Long { line: self.number });
        }
        Ok(read > 0)
    }

    fn text(&self) -> &[u8] {
        self.text.trim_ascii_end()
    }
}

/// What becomes a recording.
struct Builder {
    length_us: u64,
    first_us: Option<u64>,
    last_us: u64,
    requests: Vec<Request>,
    /// The place of each key, by its kind and the hash of its bytes. That two of a million have the same
    /// hash of 64 bits is next to impossible; they would be one key, and no read wrong for it.
    places: BTreeMap<(u8, u64), u32>,
    names: [Vec<Key>; Space::ALL.len()],
    stored: Vec<Stored>,
    counts: [u64; Operation::ALL.len()],
    facts: RecordingFacts,
}

impl Builder {
    fn new(length: Duration) -> Self {
        Self {
            length_us: u64::try_from(length.as_micros()).unwrap_or(u64::MAX),
            first_us: None,
            last_us: 0,
            requests: Vec::new(),
            places: BTreeMap::new(),
            names: Default::default(),
            stored: Vec::new(),
            counts: [0; Operation::ALL.len()],
            facts: RecordingFacts::default(),
        }
    }

    fn leave_out(&mut self, what: String) {
        let known = &mut self.facts.left_out;
        if let Some((_, count)) = known.iter_mut().find(|(name, _)| *name == what) {
            *count += 1;
        } else if known.len() < LEFT_OUT_NAMED_MAX {
            known.push((what, 1));
        } else if let Some((name, count)) = known.last_mut() {
            "others".clone_into(name);
            *count += 1;
        }
    }

    /// Adds a request; `false` when the run is over before it comes.
    fn add(&mut self, told: Told, line: u64) -> Result<bool, RecordingError> {
        let first_us = *self.first_us.get_or_insert(told.at_us);
        let due_us = match told.at_us.checked_sub(first_us) {
            Some(due_us) if due_us >= self.last_us => due_us,
            due_us => {
                let due_us = due_us.unwrap_or_default();
                let back_us = (first_us + self.last_us).saturating_sub(told.at_us);
                if back_us > BACKWARDS_MAX_US {
                    let seconds = back_us / 1_000_000;
                    return Err(RecordingError::Backwards { line, seconds });
                }
                due_us.max(self.last_us)
            }
        };
        if due_us >= self.length_us {
            self.facts.cut = true;
            return Ok(false);
        }
        self.last_us = due_us;
        if self.requests.len() == RECORDED_REQUESTS_MAX {
            return Err(RecordingError::Requests { line });
        }
        let key = self.place(&told, line)?;
        let Told { operation, bytes, life_s, .. } = told;
        self.counts[operation as usize] += 1;
        if !operation.is_read() && has_value(operation) && (bytes as usize) < HEADER_BYTES {
            self.facts.raised_values += 1;
        }
        self.requests.push(Request { due_us, key, bytes, life_s, operation });
        Ok(true)
    }

    /// The place of its key in the range of its operation.
    fn place(&mut self, told: &Told, line: u64) -> Result<u32, RecordingError> {
        let space = space_of(told.operation);
        let mut hasher = DefaultHasher::new();
        told.key.hash(&mut hasher);
        let mark = (space as u8, hasher.finish());
        if let Some(place) = self.places.get(&mark) {
            if let (Space::Values, Some(stored)) = (space, self.stored.get_mut(*place as usize)) {
                stored.bytes = if stored.bytes == 0 { told.bytes } else { stored.bytes };
            }
            return Ok(*place);
        }
        if self.places.len() as u64 == KEY_COUNT_MAX {
            return Err(RecordingError::Keys { line });
        }
        let names = &mut self.names[space as usize];
        let place = if space != Space::Values && names.len() as u64 == AUDITED_KEYS_MAX {
            self.facts.sharing_keys += 1;
            mark.1 % AUDITED_KEYS_MAX
        } else {
            let (key, is_hashed) = name(space, &told.key);
            self.facts.hashed_keys += u64::from(is_hashed);
            names.push(key);
            names.len() as u64 - 1
        };
        let place = u32::try_from(place).expect("KEY_COUNT_MAX fits");
        self.places.insert(mark, place);
        if space == Space::Values {
            self.stored.push(Stored { bytes: told.bytes, was_there: was_there(told) });
        }
        Ok(place)
    }

    fn finish(mut self, format: TraceFormat) -> Result<Recording, RecordingError> {
        let Some(last) = self.requests.last() else {
            let left_out = &self.facts.left_out;
            let left_out: Vec<String> =
                left_out.iter().map(|(what, count)| format!("{count} `{what}`")).collect();
            let left_out = match left_out.is_empty() {
                true => String::new(),
                false => format!(": there are {}", left_out.join(", ")),
            };
            return Err(RecordingError::Empty { left_out });
        };
        let length_us = match format {
            // The last second is one, too.
            TraceFormat::Twitter => last.due_us + 1_000_000,
            TraceFormat::Memcached => {
                let gaps = (self.requests.len() as u64 - 1).max(1);
                // A few requests of one moment are not asked again a million times a second.
                (last.due_us + last.due_us / gaps).max(1_000_000)
            }
        };
        if format == TraceFormat::Twitter {
            spread(&mut self.requests);
        }
        let counts =
            Operation::ALL.iter().map(|operation| (*operation, self.counts[*operation as usize]));
        self.facts.operations = counts.filter(|(_, count)| *count > 0).collect();
        self.facts.peak = peak(&self.requests);
        Ok(Recording {
            requests: self.requests,
            names: self.names,
            stored: self.stored,
            length: Duration::from_micros(length_us),
            facts: self.facts,
        })
    }
}

/// Whether an operation brings a value of its own.
const fn has_value(operation: Operation) -> bool {
    !matches!(operation, Operation::Delete | Operation::Incr | Operation::Decr)
}

/// Whether the first request of a key shows that it had been stored before.
fn was_there(told: &Told) -> bool {
    match told.operation {
        Operation::Set | Operation::Add => false,
        Operation::Get => told.found,
        _ => true,
    }
}

/// What a recorded key is called here, and whether that is its hash.
fn name(space: Space, key: &[u8]) -> (Key, bool) {
    let letter = space.prefix();
    let whole = [format!("{letter}:").as_bytes(), key].concat();
    // Behind a hash stands no recorded key, so that none is called like one.
    let own = Key::new(&whole).ok();
    let own = own.filter(|_| (1..=RECORDED_KEY_BYTES_MAX).contains(&key.len()) && key[0] != b'#');
    match own {
        Some(name) => (name, false),
        None => {
            let hash: String = Md5::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
            let name = Key::new(format!("{letter}:#{hash}")).expect("a short ASCII name");
            (name, true)
        }
    }
}

/// Spreads the requests of each second evenly over it: the trace says no more than the second.
fn spread(requests: &mut [Request]) {
    for second in requests.chunk_by_mut(|one, next| one.due_us == next.due_us) {
        let count = second.len() as u64;
        for (place, request) in second.iter_mut().enumerate() {
            request.due_us += place as u64 * 1_000_000 / count;
        }
    }
}

/// The most requests of one second of the trace.
pub(super) fn peak(requests: &[Request]) -> u64 {
    let seconds = requests.chunk_by(|one, next| one.due_us / 1_000_000 == next.due_us / 1_000_000);
    seconds.map(|second| second.len() as u64).max().unwrap_or_default()
}
