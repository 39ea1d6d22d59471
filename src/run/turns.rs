//! Members of a fleet that share a machine measure it one after the other: what each of them would see of
//! the others' measuring is not there when the run begins.

use std::path::Path;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use tokio::time::{Instant, sleep};

/// Locked, in the system's place for temporary files, by whoever has a turn.
const FILE: &str = "harness-calibration.lock";

/// How often somebody who waits tries again. A turn takes about a second.
const LOOK: Duration = Duration::from_millis(20);

/// How long one waits: sixty turns. Then the others are measured with the machine.
const WAIT_MAX: Duration = Duration::from_secs(45);

/// The machine is this process's to measure, until this is dropped or the process is gone.
#[derive(Debug)]
pub(super) struct Turn {
    _locked: OwnedFd,
}

/// Waits for a turn; `None`: there is no file to lock, or others had it for [`WAIT_MAX`].
pub(super) async fn turn() -> Option<Turn> {
    turn_at(&std::env::temp_dir().join(FILE), WAIT_MAX).await
}

async fn turn_at(path: &Path, wait: Duration) -> Option<Turn> {
    let until = Instant::now() + wait;
    // Whoever made it, anybody may lock what can be read; and nothing is ever written.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = open(path, flags, Mode::empty())
        .or_else(|_| open(path, flags | OFlags::CREATE, Mode::from_raw_mode(0o644)))
        .ok()?;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() >= until {
            return None;
        }
        sleep(LOOK).await;
    }
    Some(Turn { _locked: file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::folder::OwnFolder;

    /// Catches members that measure at once, one that keeps its turn, and one that waits for ever.
    #[tokio::test(start_paused = true)]
    async fn one_after_the_other() {
        let folder = OwnFolder::create().unwrap();
        let path = folder.path().join(FILE);
        let first = turn_at(&path, WAIT_MAX).await.unwrap();
        assert!(turn_at(&path, WAIT_MAX).await.is_none());
        drop(first);
        assert!(turn_at(&path, Duration::ZERO).await.is_some());
        assert!(turn_at(&folder.path().join("none/none"), WAIT_MAX).await.is_none());
    }
}
