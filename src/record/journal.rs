//! `DIR/<scenario>/<UTC time>-<seed>/`: what a run leaves behind, written while it goes on.
//!
//! The plan comes first, events and intervals follow line by line, reports last. A crash loses at
//! most one interval. Whole files appear complete or not at all. Writing blocks: call it from where
//! that may happen a few times a second.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::seed::Seed;
use crate::base::time::Wall;

/// The resolved plan, runnable again.
pub const PLAN: &str = "plan.toml";
/// Every event, one JSON object a line.
pub const EVENTS: &str = "events.ndjson";
/// Every interval, one JSON object a line.
pub const INTERVALS: &str = "intervals.ndjson";
/// The link to the newest run.
pub const LATEST: &str = "latest";

/// How much one line file may hold. A soak of weeks stays below; what comes after is counted.
const LINES_MAX_BYTES: u64 = 512 * 1024 * 1024;

/// Runs of one scenario with one seed that may begin within the same second.
const SAME_SECOND_MAX: u32 = 1000;

/// Where a journal could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct JournalError {
    /// The file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The files of one run, open.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    events: Lines,
    intervals: Lines,
}

/// One file that grows by lines.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
    lines: u64,
    refused: u64,
}

impl Journal {
    /// Makes the folder, writes the plan and points `latest` at it.
    ///
    /// # Errors
    /// When something cannot be written; it says what.
    pub fn create(
        out: &Path,
        scenario: &str,
        started: Wall,
        seed: &Seed,
        plan: &str,
    ) -> Result<Self, JournalError> {
        let scenario = file_name(scenario);
        let parent = out.join(&scenario);
        fs::create_dir_all(&parent).map_err(at(&parent))?;
        let name = format!("{}-{}", started.file_stamp(), file_name(&seed.to_string()));
        let (folder, name) = new_folder(&parent, &name)?;
        let journal = Self {
            events: Lines::create(folder.join(EVENTS))?,
            intervals: Lines::create(folder.join(INTERVALS))?,
            folder,
        };
        journal.write(PLAN, plan.as_bytes())?;
        point(out, &Path::new(&scenario).join(name))?;
        Ok(journal)
    }

    /// The folder of the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn event(&mut self, event: &impl Serialize) -> Result<(), JournalError> {
        self.events.add(event)
    }

    /// Adds an interval, and makes everything so far safe from a crash of this process.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn interval(&mut self, interval: &impl Serialize) -> Result<(), JournalError> {
        self.intervals.add(interval)?;
        self.flush()
    }

    /// Hands everything so far to the operating system.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.events.flush()?;
        self.intervals.flush()
    }

    /// Lines that found no room in a full file.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.events.refused + self.intervals.refused
    }

    /// Lines that lie beyond the first `shown` of their file.
    #[must_use]
    pub const fn beyond(&self, shown: u64) -> u64 {
        self.events.lines.saturating_sub(shown) + self.intervals.lines.saturating_sub(shown)
    }

    /// Writes a whole file of the run: complete, or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), JournalError> {
        write_whole(&self.folder.join(name), content)
    }
}

/// Writes a file beside its place and moves it there: nobody ever sees half of it.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), JournalError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = fs::write(&part, content).and_then(|()| fs::rename(&part, path));
    written.map_err(|source| {
        // Left-overs are only untidy; the error that matters is the first.
        let _ = fs::remove_file(&part);
        JournalError { path: path.to_owned(), source }
    })
}

impl Lines {
    fn create(path: PathBuf) -> Result<Self, JournalError> {
        let file =
            OpenOptions::new().create_new(true).write(true).open(&path).map_err(at(&path))?;
        Ok(Self { path, file: BufWriter::new(file), bytes: 0, lines: 0, refused: 0 })
    }

    fn add(&mut self, line: &impl Serialize) -> Result<(), JournalError> {
        let mut text = serde_json::to_vec(line)
            .map_err(|error| at(&self.path)(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        text.push(b'\n');
        let length = text.len() as u64;
        if self.bytes + length > LINES_MAX_BYTES {
            self.refused += 1;
            return Ok(());
        }
        self.bytes += length;
        self.lines += 1;
        self.file.write_all(&text).map_err(at(&self.path))
    }

    fn flush(&mut self) -> Result<(), JournalError> {
        self.file.flush().map_err(at(&self.path))
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError { path, source }
}

/// A scenario may be a path, and a name must not lead out of the folder.
fn file_name(name: &str) -> String {
    let stem =
        Path::new(name).file_stem().map_or_else(|| name.into(), |stem| stem.to_string_lossy());
    let safe: String = stem
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' })
        .collect();
    if safe.is_empty() { "run".to_owned() } else { safe }
}

/// Two runs may begin within the same second: the later one gets a number.
fn new_folder(parent: &Path, name: &str) -> Result<(PathBuf, String), JournalError> {
    let mut tried = name.to_owned();
    for number in 2..SAME_SECOND_MAX {
        let folder = parent.join(&tried);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok((folder, tried)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                tried = format!("{name}-{number}");
            }
            Err(error) => return Err(at(&folder)(error)),
        }
    }
    Err(at(&parent.join(tried))(io::ErrorKind::AlreadyExists.into()))
}

/// Points `out/latest` at a run: a link, relative so that the folder can be moved.
#[cfg(unix)]
fn point(out: &Path, run: &Path) -> Result<(), JournalError> {
    let link = out.join(LATEST);
    let part = out.join(format!("{LATEST}.part"));
    let _ = fs::remove_file(&part);
    std::os::unix::fs::symlink(run, &part)
        .and_then(|()| fs::rename(&part, &link))
        .map_err(at(&link))
}

/// Where links need rights that users lack, `latest` is a file that holds the path.
#[cfg(not(unix))]
fn point(out: &Path, run: &Path) -> Result<(), JournalError> {
    write_whole(&out.join(LATEST), run.to_string_lossy().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(out: &Path) -> Journal {
        Journal::create(out, "scenarios/packet loss.toml", Wall::now(), &Seed::new(7), "plan = 1")
            .unwrap()
    }

    /// Catches a second run within a second that overwrites the first, and a stale `latest`.
    #[test]
    fn every_run_has_its_own_folder_and_latest_is_the_last() {
        let out = tempfile::tempdir().unwrap();
        let first = create(out.path());
        let second = create(out.path());
        assert_ne!(first.folder(), second.folder());
        assert!(first.folder().starts_with(out.path().join("packet-loss")));
        let latest = fs::canonicalize(out.path().join(LATEST)).unwrap();
        assert_eq!(latest, fs::canonicalize(second.folder()).unwrap());
        assert_eq!(fs::read_to_string(latest.join(PLAN)).unwrap(), "plan = 1");
    }

    /// Catches an interval that a crash would lose although it was over.
    #[test]
    fn an_interval_flushes_events_too() {
        let out = tempfile::tempdir().unwrap();
        let mut journal = create(out.path());
        journal.event(&serde_json::json!({"event": "phase_started"})).unwrap();
        journal.interval(&serde_json::json!({"offered": 1})).unwrap();
        let read = |name| fs::read_to_string(journal.folder().join(name)).unwrap();
        assert_eq!(read(EVENTS), "{\"event\":\"phase_started\"}\n");
        assert_eq!(read(INTERVALS), "{\"offered\":1}\n");
        assert_eq!((journal.beyond(1), journal.beyond(0), journal.refused()), (0, 2, 0));
    }

    /// Catches a failed write that leaves half a file, or destroys the one before.
    #[test]
    fn a_file_is_whole_or_absent() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("report.json");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let inside_a_file = path.join("report.md");
        let error = write_whole(&inside_a_file, b"x").unwrap_err();
        assert!(error.to_string().contains("report.md"), "{error}");
        let names: Vec<_> = fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(names, [path], "nothing else may be left");
    }

    /// Catches a scenario name that writes outside of the folder.
    #[test]
    fn names_cannot_lead_out() {
        for (name, safe) in [
            ("../../etc/passwd", "passwd"),
            ("..", "--"),
            ("packet-loss-5", "packet-loss-5"),
            ("a b/c d.toml", "c-d"),
            ("", "run"),
        ] {
            assert_eq!(file_name(name), safe, "{name}");
        }
    }
}
