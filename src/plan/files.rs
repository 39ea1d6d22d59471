//! The files that every binary carries, and the files in the working directory that override them.
//!
//! `scenarios/`, `suites/`, `workloads/` and `metrics/objectives/` are built in; a file of the same name in a
//! folder of the same name below the working directory takes the place of the one that is built in,
//! and any other file there is a new one. A path names a file anywhere.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::PlanError;
use super::source::FileText;
use super::traces::Traces;
use crate::base::family::unknown;
use crate::base::file;

// `SCENARIOS`, `WORKLOADS`, `TRACES`, `OBJECTIVES` and `SUITE_FILES`: name and text of every file, written by build.rs.
include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// How long a file may be: a plan of a thousand faults is shorter.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where the drivers of published clients lie, below the working directory.
const CLIENTS: &str = "clients";

/// What a folder of files holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `scenarios/`
    Scenarios,
    /// `workloads/`
    Workloads,
    /// `metrics/objectives/`
    Objectives,
    /// `suites/`
    Suites,
}

impl Folder {
    /// Every folder.
    pub const ALL: [Self; 4] = [Self::Scenarios, Self::Workloads, Self::Objectives, Self::Suites];

    /// What one file of it is called.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Scenarios => "scenario",
            Self::Workloads => "workload",
            Self::Objectives => "objective",
            Self::Suites => "suite",
        }
    }

    /// Where it lies below the working directory.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Scenarios => "scenarios",
            Self::Workloads => "workloads",
            Self::Objectives => "metrics/objectives",
            Self::Suites => "suites",
        }
    }

    const fn embedded(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Scenarios => SCENARIOS,
            Self::Workloads => WORKLOADS,
            Self::Objectives => OBJECTIVES,
            Self::Suites => SUITE_FILES,
        }
    }
}

/// The files that are built in, seen through a working directory.
#[derive(Clone, Debug)]
pub struct Library {
    root: PathBuf,
    /// What was read for its files and is in use.
    traces: Traces,
}

impl Library {
    /// The library as seen from the directory `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), traces: Traces::default() }
    }

    /// The names of all files of a folder, in order.
    #[must_use]
    pub fn names(&self, folder: Folder) -> Vec<String> {
        let mut names: BTreeSet<String> =
            folder.embedded().iter().map(|(name, _)| (*name).to_owned()).collect();
        // No such folder here: what is built in is all there is.
        let entries = std::fs::read_dir(self.root.join(folder.path())).into_iter().flatten();
        names.extend(entries.flatten().filter_map(|entry| {
            let path = entry.path();
            let is_file = path.extension().is_some_and(|extension| extension == "toml");
            is_file.then(|| name_of(&path)).flatten()
        }));
        names.into_iter().collect()
    }

    /// The file called `name`: the one in the working directory, else the one that is built in.
    ///
    /// # Errors
    /// When there is none, and when it cannot be read.
    pub fn find(&self, folder: Folder, name: &str) -> Result<FileText, PlanError> {
        let place = format!("{}/{name}.toml", folder.path());
        let path = self.root.join(&place);
        if is_name(name) && path.is_file() {
            return read(&path, place.clone())
                .map(|text| text.lying_in(folder.path(), &self.traces));
        }
        let embedded = folder.embedded().iter().find(|(embedded, _)| *embedded == name);
        embedded.map(|(_, text)| FileText::new(format!("{place} (built in)"), *text)).ok_or_else(
            || {
                let names = self.names(folder);
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                PlanError::Option(unknown(folder.noun(), name, &names))
            },
        )
    }

    /// The recorded traces that are built in: their names and texts.
    pub(super) const fn traces() -> &'static [(&'static str, &'static str)] {
        TRACES
    }

    /// The file of a published client: `pymemcache` is `clients/pymemcache/client.toml` and
    /// `pymemcache/tuned` is `clients/pymemcache/tuned.toml`, when there is such a file.
    #[must_use]
    pub fn client(&self, name: &str) -> Option<String> {
        let (folder, file) = name.split_once('/').unwrap_or((name, "client"));
        let path = format!("{CLIENTS}/{folder}/{file}.toml");
        let is_one = is_name(folder) && is_name(file) && self.root.join(&path).is_file();
        is_one.then_some(path)
    }

    /// The names of the published clients, in order.
    #[must_use]
    pub fn clients(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(CLIENTS)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| self.client(name).is_some()).collect();
        names.sort_unstable();
        names
    }

    /// The folder in which the file at `path` lies, from the root of the file system.
    #[must_use]
    pub fn folder(&self, path: &str) -> PathBuf {
        let path = self.root.join(path);
        let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        let folder = folder.unwrap_or(&self.root);
        std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
    }

    /// The file at `path`, which is relative to the working directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self, path: &str) -> Result<FileText, PlanError> {
        let folder = Path::new(path).parent().unwrap_or_else(|| Path::new(""));
        read(&self.root.join(path), path.to_owned()).map(|text| text.lying_in(folder, &self.traces))
    }

    /// The name and the file that a word on the command line means: a path when it looks like one.
    ///
    /// # Errors
    /// When there is no such file, and when it cannot be read.
    pub fn named_or_path(
        &self,
        folder: Folder,
        word: &str,
    ) -> Result<(String, FileText), PlanError> {
        if !is_path(word) {
            return Ok((word.to_owned(), self.find(folder, word)?));
        }
        let source = self.open(word)?;
        let name = name_of(Path::new(word)).ok_or_else(|| {
            PlanError::Option(format!(
                "{word}: a {} is called by its file's name, which may have letters, digits, `-`, \
                 `_` and `.`",
                folder.noun()
            ))
        })?;
        Ok((name, source))
    }
}

/// Whether a word means a file rather than a name.
pub(super) fn is_path(word: &str) -> bool {
    word.contains(std::path::is_separator) || word.ends_with(".toml")
}

/// Whether a text can be a name, and thus a file's: nothing that leads out of a folder.
pub(super) fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 64 && !text.starts_with('.') && text.chars().all(fits)
}

fn name_of(path: &Path) -> Option<String> {
    path.file_stem()?.to_str().filter(|name| is_name(name)).map(str::to_owned)
}

/// What a file is called after: its name without the ending, as far as that is a name.
pub(super) fn stem(path: &str) -> String {
    name_of(Path::new(path)).unwrap_or_else(|| "unnamed".to_owned())
}

fn read(path: &Path, name: String) -> Result<FileText, PlanError> {
    let failed = |source| PlanError::Read { file: name.clone(), source };
    match file::read_text(path, FILE_BYTES_MAX) {
        Ok(text) => Ok(FileText::new(name, text)),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            Err(PlanError::TooLong { file: name, limit: FILE_BYTES_MAX })
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a file in the working directory that does not win, or that hides the others.
    #[test]
    fn the_working_directory_overrides() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("scenarios")).unwrap();
        for name in ["baseline-steady", "mine"] {
            std::fs::write(root.path().join(format!("scenarios/{name}.toml")), "x = 1").unwrap();
        }
        let library = Library::new(root.path());
        assert_eq!(
            library.find(Folder::Scenarios, "baseline-steady").unwrap().name(),
            "scenarios/baseline-steady.toml"
        );
        assert_eq!(
            library.find(Folder::Scenarios, "packet-loss").unwrap().name(),
            "scenarios/packet-loss.toml (built in)"
        );
        let names = library.names(Folder::Scenarios);
        assert!(names.contains(&"mine".to_owned()) && names.contains(&"packet-loss".to_owned()));
    }

    /// Catches a typo that is answered without the nearest name, and a file without its place.
    #[test]
    fn what_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let library = Library::new(root.path());
        let error = |word| library.named_or_path(Folder::Scenarios, word).unwrap_err().to_string();
        assert!(error("packet-los").contains("did you mean `packet-loss`"));
        assert_eq!(
            error("none/x.toml"),
            "cannot read none/x.toml: No such file or directory (os error 2)"
        );
        std::fs::create_dir(root.path().join("folder.toml")).unwrap();
        assert!(error("folder.toml").starts_with("cannot read folder.toml: "));
        std::fs::write(root.path().join("long.toml"), vec![b'#'; 2 << 20]).unwrap();
        assert!(error("long.toml").contains("longer than"));
        std::fs::write(root.path().join("not text.toml"), "").unwrap();
        assert!(error("not text.toml").contains("its file's name"));
    }

    /// Catches a name that leads out of its folder.
    #[test]
    fn names_stay_in_their_folder() {
        for name in ["", "..", "../x", "a/b", ".hidden", "a b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("packet-loss-5") && is_name("v1.2_x"));
    }
}
