//! Ports that are kept while nobody listens on them.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A port that the kernel gives to nobody else, and refuses connections on, until this is dropped.
#[derive(Debug)]
pub struct HeldPort {
    _socket: Socket,
}

impl HeldPort {
    /// Holds the port of `address`, on which nobody listens.
    ///
    /// # Errors
    /// When somebody has it.
    pub fn hold(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // Connections of an earlier life are on the port, too.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        keep(&socket)?;
        Ok(Self { _socket: socket })
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
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.listen(backlog)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Catches a held port that somebody else gets or answers on, one that connections of before make
    /// impossible to hold, and one that does not come back.
    #[test]
    fn a_held_port_is_nobody_elses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let accepted = listener.accept().unwrap();
        drop((listener, accepted, client));
        let held = HeldPort::hold(address).unwrap();
        assert_eq!(TcpListener::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        drop(held);
        TcpListener::bind(address).unwrap();
    }
}
