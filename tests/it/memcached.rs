//! A real memcached as a child of the test.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::wire::version::ServerVersion;

/// How long a reply may take before the test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// A memcached of our own, ended when it is dropped.
pub(crate) struct Memcached {
    child: Child,
    port: u16,
}

impl Memcached {
    /// It picks a free port itself and writes it to a file, which is there when it listens.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ports");
        let mut child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", "-1", "-U", "0", "-m", "64"])
            .args(if is_root() { &["-u", "root"][..] } else { &[] })
            .env("MEMCACHED_PORT_FILENAME", &file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        loop {
            let ports = std::fs::read_to_string(&file).unwrap_or_default();
            let port = ports.lines().find_map(|line| line.strip_prefix("TCP INET: "));
            if let Some(port) = port {
                return Self { child, port: port.parse().unwrap() };
            }
            assert_eq!(child.try_wait().unwrap(), None, "memcached did not start");
            std::thread::yield_now();
        }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Sends everything, says that there is no more, and reads until the server closes.
    pub(crate) fn exchange(&self, requests: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
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

/// memcached refuses to run as root unless told so.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
