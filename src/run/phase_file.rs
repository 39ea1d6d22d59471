//! A file that holds the phase's name at any time, so that a test suite can know.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::event::Phase;

/// How many were made in this process: each has a folder of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

/// The file, in a folder that is removed with it.
#[derive(Debug)]
pub(super) struct PhaseFile {
    folder: PathBuf,
    file: PathBuf,
}

impl PhaseFile {
    /// A file that says `warmup`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn create() -> io::Result<Self> {
        let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("harness-{process}-{number}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            // What a process with the same number left behind when it was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::remove_dir_all(&folder)?;
                DirBuilder::new().mode(0o700).create(&folder)?;
            }
            made => made?,
        }
        let made = Self { file: folder.join("phase"), folder };
        made.say(Phase::Warmup)?;
        Ok(made)
    }

    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// Puts a new file in the place of the old one: who reads it gets the one or the other whole.
    ///
    /// # Errors
    /// What the system says; then the old one stays.
    pub(super) fn say(&self, phase: Phase) -> io::Result<()> {
        let next = self.folder.join("next");
        std::fs::write(&next, format!("{phase}\n"))?;
        std::fs::rename(&next, &self.file)
    }
}

impl Drop for PhaseFile {
    fn drop(&mut self) {
        // What cannot be removed is a few bytes in a folder for such things.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a file that is not there from the beginning, that keeps an old phase, or that stays.
    #[test]
    fn it_says_the_phase_while_it_is_there() {
        let file = PhaseFile::create().unwrap();
        let path = file.path().to_owned();
        let said = || std::fs::read_to_string(&path).unwrap();
        assert_eq!(said(), "warmup\n");
        file.say(Phase::Fault).unwrap();
        assert_eq!(said(), "fault\n");
        drop(file);
        assert!(!path.parent().unwrap().exists());
    }
}
