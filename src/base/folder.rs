//! A folder of this process in the system's place for such, removed with its handle.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How many were made in this process: each has a name of its own.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A folder that nobody else may look into.
#[derive(Debug)]
pub struct OwnFolder(PathBuf);

impl OwnFolder {
    /// An empty one.
    ///
    /// # Errors
    /// What the system says.
    pub fn create() -> io::Result<Self> {
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
        Ok(Self(folder))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        // What cannot be removed is a few bytes in a folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
