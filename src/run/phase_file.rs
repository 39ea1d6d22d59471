//! A file that holds the phase's name at any time, so that a test suite can know.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::folder::OwnFolder;
use crate::event::Phase;

/// The file, in a folder that is removed with it.
#[derive(Debug)]
pub(super) struct PhaseFile {
    folder: OwnFolder,
    file: PathBuf,
}

impl PhaseFile {
    /// A file that says `warmup`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn create() -> io::Result<Self> {
        let folder = OwnFolder::create()?;
        let made = Self { file: folder.path().join("phase"), folder };
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
        let next = self.folder.path().join("next");
        std::fs::write(&next, format!("{phase}\n"))?;
        std::fs::rename(&next, &self.file)
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
