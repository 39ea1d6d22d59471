//! A real memcached as a child of the test.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::protocol::memcached::frame::version::ServerVersion;

/// How long a reply may take before the test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A memcached of our own, ended when it is dropped.
pub(crate) struct Memcached {
    child: Child,
    /// Where it listens, as a proxy is told.
    upstream: String,
}

impl Memcached {
    /// One that listens on TCP.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// One that listens on TCP, with flags of the test. It picks a free port itself and writes it to
    /// a file, which is there when it listens.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports");
        let mut child = command(flags)
            .args(["-l", "127.0.0.1", "-p", "-1"])
            .env("MEMCACHED_PORT_FILENAME", &file)
            .spawn()
            .unwrap();
        loop {
            let ports = std::fs::read_to_string(&file).unwrap_or_default();
            let port = ports.lines().find_map(|line| line.strip_prefix("TCP INET: "));
            if let Some(port) = port {
                return Self { child, upstream: format!("127.0.0.1:{port}") };
            }
            assert_eq!(child.try_wait().unwrap(), None, "memcached did not start");
            std::thread::yield_now();
        }
    }

    /// One that listens on a unix socket, which must not be there yet.
    #[cfg(unix)]
    pub(crate) fn on_socket(path: &Path) -> Self {
        let mut child = command(&[]).arg("-s").arg(path).spawn().unwrap();
        while std::os::unix::net::UnixStream::connect(path).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "memcached did not start");
            std::thread::yield_now();
        }
        Self { child, upstream: format!("unix:{}", path.display()) }
    }

    /// `host:port` or `unix:/path`.
    pub(crate) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Where it listens, when that is no socket file.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.upstream.parse().unwrap()
    }

    /// Sends everything, says that there is no more, and reads until the server closes.
    pub(crate) fn exchange(&self, requests: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.upstream).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(requests).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut replies = Vec::new();
        if let Err(error) = stream.read_to_end(&mut replies) {
            panic!("{error} after {} behind {}", replies.escape_ascii(), requests.escape_ascii());
        }
        replies
    }

    pub(crate) fn version(&self) -> ServerVersion {
        let reply = self.exchange(b"version\r\n");
        ServerVersion::parse(reply.trim_ascii_end())
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn command(flags: &[&str]) -> Command {
    let mut command = Command::new("memcached");
    command
        .args(["-U", "0", "-m", "64"])
        .args(if is_root() { &["-u", "root"][..] } else { &[] })
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// memcached refuses to run as root unless told so.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
