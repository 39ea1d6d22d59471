//! Files that tell a command what changes while it runs: the phase's name, and the list of nodes.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::folder::OwnFolder;
use crate::event::Phase;

/// The name of the file with the list of nodes.
const LIST: &str = "servers";

/// The files, in a folder that is removed with them.
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

    /// Where the list of nodes is.
    pub(super) fn list_path(&self) -> PathBuf {
        self.folder.path().join(LIST)
    }

    /// The phase is another one.
    ///
    /// # Errors
    /// What the system says; then the old one stays.
    pub(super) fn say(&self, phase: Phase) -> io::Result<()> {
        self.replace(&self.file, &format!("{phase}\n"))
    }

    /// The list of nodes is another one: `host:port`, one a line.
    ///
    /// # Errors
    /// What the system says; then the old one stays.
    pub(super) fn list(&self, servers: &[String]) -> io::Result<()> {
        let text: String = servers.iter().map(|server| format!("{server}\n")).collect();
        self.replace(&self.list_path(), &text)
    }

    /// Puts a new file in the place of the old one: who reads it gets the one or the other whole.
    fn replace(&self, file: &Path, text: &str) -> io::Result<()> {
        let next = file.with_extension("next");
        std::fs::write(&next, text)?;
        std::fs::rename(&next, file)
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
        file.list(&["a:1".to_owned(), "b:2".to_owned()]).unwrap();
        assert_eq!(std::fs::read_to_string(file.list_path()).unwrap(), "a:1\nb:2\n");
        file.list(&["b:2".to_owned()]).unwrap();
        assert_eq!(std::fs::read_to_string(file.list_path()).unwrap(), "b:2\n");
        assert_eq!(said(), "fault\n");
        drop(file);
        assert!(!path.parent().unwrap().exists());
    }
}
