//! A real Redis as a child of the test.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A redis-server of our own, ended when it is dropped.
pub(crate) struct Redis {
    child: Child,
    folder: TempDir,
}

impl Redis {
    /// One that listens on a socket file, has one database and keeps nothing.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--databases", "1"])
            .args(["--enable-debug-command", "yes", "--unixsocket"])
            .arg(folder.path().join("socket"))
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut redis = Self { child, folder };
        while UnixStream::connect(redis.socket()).is_err() {
            assert_eq!(redis.child.try_wait().unwrap(), None, "redis-server did not start");
            std::thread::yield_now();
        }
        redis
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// As a proxy is told.
    pub(crate) fn upstream(&self) -> String {
        format!("unix:{}", self.socket().display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
