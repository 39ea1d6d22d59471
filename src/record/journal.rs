//! `DIR/<scenario>/<UTC time>-<seed>/`: what a run leaves behind, written while it goes on.
//!
//! The plan comes first, events and intervals follow line by line, reports last. A crash loses at
//! most one interval. Whole files appear complete or not at all. Writing blocks: call it from where
//! that may happen a few times a second.
//!
//! A disk that is full, or a folder that is gone, ends no run: what could not be written is counted,
//! and [`Journal::losses`] names it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
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

/// What of one line file is handed to the operating system at once.
const WRITE_BYTES: usize = 8 * 1024;

/// What of one line file may wait for a disk that takes nothing: minutes of events. More is lost.
const WAITING_MAX_BYTES: usize = 1024 * 1024;

/// What a folder must be able to take before a run begins: a little less than the smallest run leaves.
const PROBE_BYTES: usize = 64 * 1024;

/// Runs of one scenario with one seed that may begin within the same second.
const SAME_SECOND_MAX: u32 = 1000;

/// How often an empty folder may be taken away before something is in it, by others who only tried whether
/// they can write there. Beyond that it is not they.
const TAKEN_AWAY_MAX: u32 = 100;

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
    /// The plan and the link, when they could not be written.
    unwritten: Vec<JournalError>,
}

/// One file that grows by lines.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    file: File,
    /// Lines that were not handed to the operating system yet, the first perhaps in part.
    waiting: Vec<u8>,
    bytes: u64,
    lines: u64,
    refused: u64,
    /// Why the file took nothing when it was last written to.
    broken: Option<io::Error>,
    /// Lines that found no room among those that wait.
    lost: u64,
}

/// Whether a run of `scenario` can leave its files below `out`: tried, and nothing left behind.
///
/// # Errors
/// What cannot be written, and why.
pub fn probe(out: &Path, scenario: &str) -> Result<(), JournalError> {
    let folder = out.join(file_name(scenario));
    let above: Vec<&Path> = folder.ancestors().take_while(|path| !path.is_dir()).collect();
    // Its own: many may try at once, on machines that share the folder.
    let file = folder.join(format!(".probe-{}", Seed::from_system()));
    let tried = within(&folder, || write_whole(&file, &[0; PROBE_BYTES]));
    let _ = fs::remove_file(&file);
    // Those that were made for it, the innermost first; one that is used by now is not empty.
    for made in above {
        let _ = fs::remove_dir(made);
    }
    tried
}

impl Journal {
    /// Makes the folder, writes the plan and points `latest` at it.
    ///
    /// # Errors
    /// When there is no folder, or no room for its lines; it says what. Without the plan, or without
    /// the link, the journal goes on.
    pub fn create(
        out: &Path,
        scenario: &str,
        started: Wall,
        seed: &Seed,
        plan: &str,
    ) -> Result<Self, JournalError> {
        let scenario = file_name(scenario);
        let parent = out.join(&scenario);
        let name = format!("{}-{}", started.file_stamp(), file_name(&seed.to_string()));
        let (folder, name) = within(&parent, || new_folder(&parent, &name))?;
        let mut journal = Self {
            events: Lines::create(folder.join(EVENTS))?,
            intervals: Lines::create(folder.join(INTERVALS))?,
            folder,
            unwritten: Vec::new(),
        };
        journal.unwritten.extend(journal.write(PLAN, plan.as_bytes()).err());
        journal.unwritten.extend(point(out, &Path::new(&scenario).join(name)).err());
        Ok(journal)
    }

    /// The folder of the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds an event.
    pub fn event(&mut self, event: &impl Serialize) {
        self.events.add(event);
    }

    /// Adds an interval, and makes everything so far safe from a crash of this process.
    pub fn interval(&mut self, interval: &impl Serialize) {
        self.intervals.add(interval);
        self.flush();
    }

    /// Hands everything so far to the operating system, as far as it takes it.
    pub fn flush(&mut self) {
        self.events.flush();
        self.intervals.flush();
    }

    /// What is not on the disk although it should be, one sentence for each file. At most one for each
    /// of the plan, the link and the two line files.
    #[must_use]
    pub fn losses(&self) -> Vec<String> {
        let whole = self.unwritten.iter().map(ToString::to_string);
        whole.chain(self.events.loss()).chain(self.intervals.loss()).collect()
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
    let part = part_of(path);
    // What is there and no file, such as a pipe, is written to: nothing may take its place.
    let written = if is_no_file(path) {
        fs::write(path, content)
    } else {
        fs::write(&part, content).and_then(|()| fs::rename(&part, path))
    };
    written.map_err(|source| {
        // Left-overs are only untidy; the error that matters is the first.
        let _ = fs::remove_file(&part);
        JournalError { path: path.to_owned(), source }
    })
}

/// Whether [`write_whole`] can write this file: tried beside it, and nothing changed. What is there and
/// no file is not tried: a pipe waits for its reader.
///
/// # Errors
/// What cannot be written, and why.
pub fn probe_file(path: &Path) -> Result<(), JournalError> {
    if path.is_dir() {
        return Err(at(path)(io::ErrorKind::IsADirectory.into()));
    }
    if is_no_file(path) {
        return Ok(());
    }
    let part = part_of(path);
    let tried = fs::write(&part, [0; PROBE_BYTES]).map_err(at(path));
    let _ = fs::remove_file(&part);
    tried
}

/// Where a file is written until it is whole.
fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

fn is_no_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|known| !known.is_file())
}

impl Lines {
    fn create(path: PathBuf) -> Result<Self, JournalError> {
        let file =
            OpenOptions::new().create_new(true).write(true).open(&path).map_err(at(&path))?;
        Ok(Self {
            path,
            file,
            waiting: Vec::new(),
            bytes: 0,
            lines: 0,
            refused: 0,
            broken: None,
            lost: 0,
        })
    }

    fn add(&mut self, line: &impl Serialize) {
        let mut text = serde_json::to_vec(line).expect("every line has a JSON form");
        text.push(b'\n');
        if self.bytes + text.len() as u64 > LINES_MAX_BYTES {
            self.refused += 1;
        } else if self.waiting.len() + text.len() > WAITING_MAX_BYTES {
            self.lost += 1;
        } else {
            self.bytes += text.len() as u64;
            self.lines += 1;
            self.waiting.extend(text);
            // A disk that takes nothing is asked again when everything is flushed, not at every line.
            if self.waiting.len() >= WRITE_BYTES && self.broken.is_none() {
                self.flush();
            }
        }
    }

    /// Writes what waits. What is left of it begins where the file ends, so that a disk that has room
    /// again goes on with whole lines.
    fn flush(&mut self) {
        let mut written = 0;
        self.broken = loop {
            match self.file.write(&self.waiting[written..]) {
                _ if written == self.waiting.len() => break None,
                Ok(0) => break Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        self.waiting.drain(..written);
    }

    /// What of the file is not where it should be.
    fn loss(&self) -> Option<String> {
        let path = self.path.display();
        if !self.is_in_place() {
            return Some(format!("{path} is gone: somebody took it away while the run went on"));
        }
        let waiting = self.waiting.iter().filter(|byte| **byte == b'\n').count() as u64;
        match (&self.broken, self.lost + waiting) {
            (_, 0) => None,
            (Some(error), lines) => {
                Some(format!("cannot write {path}: {error}; lines lost: {lines}"))
            }
            (None, lines) => {
                Some(format!("{path} could not be written for a while; lines lost: {lines}"))
            }
        }
    }

    #[cfg(unix)]
    fn is_in_place(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
        fs::metadata(&self.path).is_ok_and(|there| {
            self.file.metadata().is_ok_and(|ours| identity(ours) == identity(there))
        })
    }

    #[cfg(not(unix))]
    fn is_in_place(&self) -> bool {
        self.path.exists()
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

/// Makes something in a folder, which is made for it.
fn within<T>(folder: &Path, make: impl Fn() -> Result<T, JournalError>) -> Result<T, JournalError> {
    for _ in 1..TAKEN_AWAY_MAX {
        match fs::create_dir_all(folder) {
            Ok(()) => match make() {
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                made => return made,
            },
            // Taken away while it is made: the system says "exists" of what no longer does. A file in the
            // way says the same, every time.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) => {}
            Err(error) => return Err(at(folder)(error)),
        }
    }
    fs::create_dir_all(folder).map_err(at(folder)).and_then(|()| make())
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
        journal.event(&serde_json::json!({"event": "phase_started"}));
        journal.interval(&serde_json::json!({"offered": 1}));
        let read = |name| fs::read_to_string(journal.folder().join(name)).unwrap();
        assert_eq!(read(EVENTS), "{\"event\":\"phase_started\"}\n");
        assert_eq!(read(INTERVALS), "{\"offered\":1}\n");
        assert_eq!((journal.beyond(1), journal.beyond(0), journal.refused()), (0, 2, 0));
        assert_eq!(journal.losses(), [""; 0]);
    }

    /// Lines on a device that is always full.
    fn full() -> Lines {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let whole = tempfile::tempdir().unwrap();
        Lines { path: "/dev/full".into(), file, ..Lines::create(whole.path().join("x")).unwrap() }
    }

    /// Catches lines that are lost without a word, ones that pile up for a disk that never takes them,
    /// and a wrong count of them.
    #[test]
    fn what_a_full_disk_does_not_take_is_counted() {
        let mut lines = full();
        let line = "x".repeat(WRITE_BYTES);
        let added = 1000;
        for _ in 0..added {
            lines.add(&line);
        }
        lines.flush();
        assert!(lines.waiting.len() <= WAITING_MAX_BYTES && lines.lost > 0);
        let loss = lines.loss().unwrap();
        assert!(loss.contains("/dev/full") && loss.contains("No space left"), "{loss}");
        assert!(loss.ends_with(&format!("lines lost: {added}")), "{loss}");
    }

    /// Catches a file that begins in the middle of a line, or lacks one, once a full disk has room.
    #[test]
    fn lines_go_on_when_there_is_room_again() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join(EVENTS);
        let mut lines = Lines::create(path.clone()).unwrap();
        let device = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let file = std::mem::replace(&mut lines.file, device);
        lines.add(&1);
        lines.flush();
        lines.add(&2);
        lines.file = file;
        assert!(lines.loss().is_some(), "two lines wait");
        lines.flush();
        assert_eq!((fs::read_to_string(path).unwrap().as_str(), lines.loss()), ("1\n2\n", None));
    }

    /// Catches a folder that is taken away, whose open files take everything and keep nothing, and a
    /// link that ends the journal because something else is in its place.
    #[test]
    fn a_folder_that_is_gone_is_a_loss() {
        let out = tempfile::tempdir().unwrap();
        fs::create_dir_all(out.path().join(LATEST).join("full")).unwrap();
        let mut journal = create(out.path());
        assert!(journal.losses().join("\n").contains(LATEST), "{:?}", journal.losses());
        fs::remove_dir_all(journal.folder()).unwrap();
        journal.interval(&1);
        let losses = journal.losses().join("\n");
        assert!(losses.contains("events.ndjson is gone"), "{losses}");
        assert!(losses.contains("intervals.ndjson is gone"), "{losses}");
    }

    /// Catches members of a fleet that share a folder, try at once whether they can write there, and take it from
    /// each other.
    #[test]
    fn many_may_try_a_folder_at_once() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("a/b");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..40).for_each(|_| probe(&out, "loss").unwrap()));
            }
        });
    }

    /// Catches an unwritable folder that is found by the first run only, and a look at it that leaves
    /// something behind.
    #[test]
    fn a_probe_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("deep/runs");
        probe(&out, "loss").unwrap();
        assert!(!root.path().join("deep").exists());
        fs::write(root.path().join("deep"), "in the way").unwrap();
        let error = probe(&out, "loss").unwrap_err().to_string();
        assert!(error.contains("deep/runs"), "{error}");
        probe(root.path(), "loss").unwrap();
        fs::write(root.path().join("loss"), "in the way").unwrap();
        assert!(probe(root.path(), "loss").is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
    }

    /// Catches a file that cannot be written and is found at the end only, a look at it that changes it,
    /// and a device or a pipe that a file takes the place of.
    #[test]
    fn a_file_is_tried_before_anything_is_started() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("all.xml");
        fs::write(&path, "before").unwrap();
        probe_file(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        assert!(probe_file(out.path()).unwrap_err().to_string().contains("directory"));
        assert!(probe_file(&path.join("below.xml")).is_err());
        let device = out.path().join("device");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        probe_file(&device).unwrap();
        write_whole(&device, b"gone").unwrap();
        assert!(fs::symlink_metadata(&device).unwrap().is_symlink());
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 2);
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
