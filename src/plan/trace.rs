//! A recorded trace in a workload's file: which, how it is written, and how fast it is replayed.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::Duration;

use super::error::FileError;
use super::files::{Library, is_name};
use super::source::TomlValue;
use super::text::TomlText;
use super::traces::Wanted;
use crate::base::family::unknown;
use crate::base::file;
use crate::base::time::DurationText;
use crate::load::payload::HEADER_BYTES;
use crate::load::{
    RECORDED_KEY_BYTES_MAX, Recording, RecordingError, TraceFormat, TraceReplay, read_recording,
};

const KEYS: [&str; 4] = ["file", "format", "speed", "repeat"];

/// The slowest and the fastest replay: a day in an hour and a half, and one that takes a fortnight.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.05..=1000.0;

/// How much longer than the phases a load may run: what is under way at the end of the last.
const SLACK: Duration = Duration::from_secs(5);

/// Reads `trace = "requests.csv"`, or a table with more about it, and as much of the file as a run of this
/// length needs.
pub(super) fn read(node: &TomlValue<'_>, length: Duration) -> Result<TraceReplay, FileError> {
    if !node.is_table() {
        return recorded(node, None, 1.0, true, length);
    }
    let table = node.table()?;
    table.only("setting of trace", &KEYS)?;
    let file =
        table.need("file", "the trace, from where this file lies, such as \"requests.csv\"")?;
    let format = |node: &TomlValue<'_>| node.one_of("format", TraceFormat::ALL, TraceFormat::name);
    let format = table.optional("format", format)?;
    let speed = table.optional("speed", |node| {
        let speed = node.parsed::<f64>("a number such as 2.0")?;
        match SPEEDS.contains(&speed) {
            true => Ok(speed),
            false => {
                Err(node.error("`speed` must lie between 0.05 and 1000; 2.0 is twice as fast"))
            }
        }
    })?;
    let repeat = table.optional("repeat", TomlValue::flag)?.unwrap_or(true);
    recorded(&file, format, speed.unwrap_or(1.0), repeat, length)
}

fn recorded(
    node: &TomlValue<'_>,
    format: Option<TraceFormat>,
    speed: f64,
    repeat: bool,
    length: Duration,
) -> Result<TraceReplay, FileError> {
    let word = node.text()?;
    let length = (length + SLACK).mul_f64(speed);
    let (file, read) = if is_name(word) && !word.contains('.') {
        let text = built_in(node, word)?;
        (word.to_owned(), parse(text.as_bytes(), format, length).map(|it| (it.0, Arc::new(it.1))))
    } else {
        let path = node.path();
        let opened = file::open(&path).map_err(|source| {
            let meant = Library::traces().iter().map(|(name, _)| format!("`{name}`"));
            let meant: Vec<String> = meant.collect();
            node.error(format!(
                "cannot read the trace {}: {source}; write its path from where this file lies, or the name \
                 of one that is built in: {}",
                path.display(),
                meant.join(", ")
            ))
        })?;
        let wanted = Wanted { path: path.clone(), format, length };
        let read = || parse(BufReader::new(opened), format, length);
        let read = node.traces().get(wanted, read);
        (path.to_string_lossy().into_owned(), read)
    };
    let (format, recording) = read.map_err(|error| node.error(format!("{word}: {error}")))?;
    Ok(TraceReplay { file, format, speed, repeat, recording })
}

fn parse(
    from: impl BufRead,
    format: Option<TraceFormat>,
    length: Duration,
) -> Result<(TraceFormat, Recording), RecordingError> {
    read_recording(from, format, length)
}

fn built_in(node: &TomlValue<'_>, name: &str) -> Result<&'static str, FileError> {
    let traces = Library::traces();
    let found = traces.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let names: Vec<&str> = traces.iter().map(|(name, _)| *name).collect();
        let what = unknown("trace", name, &names);
        node.error(format!("{what} (built in; a file's path has an ending or a slash)"))
    })
}

/// Prints the table below `[path]`.
pub(super) fn print(text: &mut TomlText, path: &str, replay: &TraceReplay) {
    text.table(&format!("{path}.trace"));
    text.string("file", &replay.file);
    text.string("format", replay.format.name());
    text.value("speed", &format!("{:?}", replay.speed));
    text.value("repeat", &replay.repeat.to_string());
}

/// In words: what a trace is, and how it is replayed.
#[must_use]
pub fn words(replay: &TraceReplay) -> String {
    let TraceReplay { recording, format, .. } = replay;
    let length = |length: Duration| DurationText(Duration::from_millis(millis(length)));
    let (requests, keys) = (recording.requests(), recording.keys());
    let (recorded, replayed) = (length(recording.length()), length(replay.length()));
    let read = if recording.facts().cut { "of which this run needs" } else { "which has" };
    let speed = match replay.speed {
        1.0 => String::new(),
        speed => format!(", {speed} times as fast: in {replayed}"),
    };
    format!(
        "{} (as {} writes it), {read} {requests} requests of {keys} keys in {recorded}{speed}",
        replay.file,
        match format {
            TraceFormat::Twitter => "Twitter",
            TraceFormat::Memcached => "memcached",
        }
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What of a trace is not replayed as it was, one sentence each; `run`: in a run of this length.
pub(super) fn remarks(replay: &TraceReplay, run: Option<Duration>) -> Vec<String> {
    let facts = replay.recording.facts();
    let (mut remarks, length) = (Vec::new(), replay.length());
    let text = |time: Duration| DurationText(Duration::from_millis(millis(time)));
    match run {
        Some(run) if facts.cut => remarks.push(format!(
            "the trace goes on when the run of {} ends; what is later is not replayed",
            text(run)
        )),
        Some(run) if length < run => remarks.push(format!(
            "the trace is over after {}, before the run of {} is; {}",
            text(length),
            text(run),
            if replay.repeat { "it starts over" } else { "nothing is asked from then on" }
        )),
        _ => {}
    }
    let left_out = facts.left_out.iter().map(|(what, count)| format!("{count} `{what}`"));
    let left_out: Vec<String> = left_out.collect();
    if !left_out.is_empty() {
        remarks.push(format!("not replayed of the trace: {}", left_out.join(", ")));
    }
    let counted = [
        (facts.lost, "lines of the trace were lost when it was written".to_owned()),
        (
            facts.hashed_keys,
            format!(
                "keys of the trace are told by a hash: they are longer than {RECORDED_KEY_BYTES_MAX} bytes, or \
                 not of visible ASCII"
            ),
        ),
        (
            facts.sharing_keys,
            "counters, registers and logs of the trace share keys: 1000 of each are checked"
                .to_owned(),
        ),
        (
            facts.raised_values,
            format!(
                "stores of the trace are made {HEADER_BYTES} bytes long, by which reads are checked"
            ),
        ),
    ];
    let counted = counted.into_iter().filter(|(count, _)| *count > 0);
    remarks.extend(counted.map(|(count, what)| format!("{count} {what}")));
    remarks
}
