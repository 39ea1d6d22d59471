//! Ports that are kept while nobody listens on them.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::time::{Instant, sleep};

/// The longest that a process may take from fork to exec: milliseconds, but on a machine that stands still.
const EXEC_MAX: Duration = Duration::from_secs(2);

/// The pause between two looks.
const EXEC_PAUSE: Duration = Duration::from_millis(1);

/// A port that the kernel gives to nobody else until this is dropped. While nobody listens there, connections are
/// refused.
#[derive(Debug)]
pub struct HeldPort {
    socket: Socket,
    address: SocketAddr,
}

impl HeldPort {
    /// A free port of `ip`, kept.
    ///
    /// # Errors
    /// When there is none.
    pub fn free(ip: IpAddr) -> io::Result<Self> {
        let any = SocketAddr::new(ip, 0);
        let socket = Socket::new(Domain::for_address(any), Type::STREAM, None)?;
        socket.bind(&any.into())?;
        let address = socket.local_addr()?.as_socket();
        let address = address.ok_or(ErrorKind::AddrNotAvailable)?;
        Ok(Self { socket, address })
    }

    /// The address with the port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whoever binds just this address with `SO_REUSEADDR`, as servers do, may have it and listen there.
    ///
    /// # Errors
    /// What the system says.
    pub fn lend(&self) -> io::Result<()> {
        lend(&self.socket)
    }

    /// Nobody may who does not yet.
    ///
    /// # Errors
    /// What the system says.
    pub fn keep(&self) -> io::Result<()> {
        keep(&self.socket)
    }
}

/// Binds an address that is kept, or was left a moment ago: a process that is being started has every socket of this
/// one between fork and exec, a listener that was closed meanwhile among them.
///
/// # Errors
/// What binding says, when it says so for longer than that.
pub async fn bind_again<T, B: Future<Output = io::Result<T>>>(
    mut bind: impl FnMut() -> B,
) -> io::Result<T> {
    let given_up = Instant::now() + EXEC_MAX;
    loop {
        match bind().await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < given_up => {
                sleep(EXEC_PAUSE).await;
            }
            bound => return bound,
        }
    }
}

/// Keeps the port of `socket`, which is bound and does not listen, from everybody else: as long as it has
/// `SO_REUSEADDR`, whoever has that too may bind the port as well, and listen (socket(7)).
///
/// # Errors
/// When the socket is none.
pub fn keep(socket: &Socket) -> io::Result<()> {
    #[cfg(unix)]
    socket.set_reuse_address(false)?;
    Ok(())
}

/// Listens on the port that `socket` kept.
///
/// # Errors
/// When somebody listens there all the same.
pub fn listen_again(socket: &Socket, backlog: i32) -> io::Result<()> {
    // Connections of an earlier life are on the port, too.
    lend(socket)?;
    socket.listen(backlog)
}

fn lend(socket: &Socket) -> io::Result<()> {
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// Catches a held port that somebody else gets or answers on, one that its server cannot have, at first or with
    /// connections of before on it, and a server that loses it when it is kept again.
    #[test]
    fn a_held_port_is_nobody_elses() {
        let held = HeldPort::free(Ipv4Addr::LOCALHOST.into()).unwrap();
        let address = held.address();
        for _life in 0..3 {
            assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
            let refused = TcpStream::connect(address).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            held.lend().unwrap();
            let listener = TcpListener::bind(address).unwrap();
            assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
            held.keep().unwrap();
            let client = TcpStream::connect(address).unwrap();
            drop((listener.accept().unwrap(), listener, client));
        }
    }
}
