//! What is said to the servers under test: a store, a read of it, and what takes our tap out.

use crate::peers::Server;

/// What a server speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    Memcached,
    Redis,
}

impl Words {
    /// The server itself, if it is there.
    pub(crate) fn server(self) -> Option<Server> {
        match self {
            Self::Memcached => Some(Server::memcached()),
            Self::Redis => Server::redis(),
        }
    }

    /// A request for the value that is stored.
    pub(crate) const fn request(self) -> &'static [u8] {
        match self {
            Self::Memcached => b"get key\r\n",
            Self::Redis => b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
        }
    }

    /// Stores a value, and what is answered.
    pub(crate) fn store(self, value: &[u8]) -> (Vec<u8>, &'static [u8]) {
        let length = value.len();
        let (head, answer) = match self {
            Self::Memcached => (format!("set key 0 0 {length}\r\n"), &b"STORED\r\n"[..]),
            Self::Redis => {
                let head = format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${length}\r\n");
                (head, &b"+OK\r\n"[..])
            }
        };
        ([head.as_bytes(), value, b"\r\n"].concat(), answer)
    }

    /// How long the reply to a request is.
    pub(crate) fn reply_bytes(self, value_bytes: usize) -> usize {
        let (head, end) = match self {
            Self::Memcached => (format!("VALUE key 0 {value_bytes}\r\n"), "\r\nEND\r\n"),
            Self::Redis => (format!("${value_bytes}\r\n"), "\r\n"),
        };
        head.len() + value_bytes + end.len()
    }

    /// Says something behind which our proxy only forwards, and how the answer ends. memcached's versions read
    /// the length of a store differently; a subscription makes replies of Redis messages.
    pub(crate) const fn blinding(self) -> (&'static [u8], &'static [u8]) {
        match self {
            Self::Memcached => (b"set a x 0 5\r\nhello\r\nmn\r\n", b"MN\r\n"),
            Self::Redis => {
                (b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n*1\r\n$11\r\nUNSUBSCRIBE\r\n", b":0\r\n")
            }
        }
    }
}
