//! Files that somebody else names. What is no regular file is refused: reading a pipe waits for a writer
//! who may never come, and a device has no end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file.
///
/// # Errors
/// What the system says, and when it is something else than a regular file.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = std::fs::metadata(path)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "it is a folder" } else { "it is a pipe or a device" };
        let what = format!("{what}; name a regular file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    File::open(path)
}

/// The text of a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open`], when the file is longer, and when it is no UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    text(open(path)?, limit)
}

/// The text of at most `limit` bytes from wherever.
///
/// # Errors
/// When there is more, and when it is no UTF-8.
pub fn text(from: impl Read, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    from.take(limit.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        let what = format!("it is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a pipe that is waited for, a device that is read for ever, and a file without a bound.
    #[test]
    fn only_short_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).unwrap();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "12345").unwrap();
        let refused = |path: &Path, limit| read_text(path, limit).unwrap_err().to_string();
        assert_eq!(refused(&pipe, 9), "it is a pipe or a device; name a regular file");
        assert_eq!(refused(Path::new("/dev/zero"), 9), refused(&pipe, 9));
        assert_eq!(refused(folder.path(), 9), "it is a folder; name a regular file");
        assert_eq!(refused(&plain, 4), "it is longer than 4 bytes");
        assert_eq!(read_text(&plain, 5).unwrap(), "12345");
    }
}
