//! What each protocol is called outside itself, and what it has.

use crate::event::Operation;

use super::{Protocol, memcached, resp};

impl Protocol {
    /// The words in files and on the command line.
    pub const WORDS: [(&str, Self); 2] = [("memcached", Self::Memcached), ("resp", Self::Resp)];

    /// The variable of an environment that names the servers to their clients, with commas between them.
    #[must_use]
    pub const fn servers_variable(self) -> &'static str {
        match self {
            Self::Memcached => memcached::program::SERVERS_VARIABLE,
            Self::Resp => resp::program::SERVERS_VARIABLE,
        }
    }

    /// What the variables are called that name one server each, before its number.
    #[must_use]
    pub const fn server_variable(self) -> &'static str {
        match self {
            Self::Memcached => "MEMCACHED_SERVER_",
            Self::Resp => "REDIS_NODE_",
        }
    }

    /// Whether it can do an operation as the load asks for it; `Err`: why not.
    ///
    /// # Errors
    /// What it has instead.
    pub const fn can(self, operation: Operation) -> Result<(), &'static str> {
        match (self, operation) {
            (Self::Resp, Operation::Cas) => Err("its values have no unique numbers"),
            (Self::Resp, Operation::Append) => Err("its APPEND makes what is not there"),
            (Self::Resp, Operation::Prepend) => Err("it puts nothing before a value"),
            _ => Ok(()),
        }
    }

    /// Whether a number of the client's is stored beside each value.
    #[must_use]
    pub const fn has_flags(self) -> bool {
        matches!(self, Self::Memcached)
    }

    /// Whether a counter that is not there begins at zero when it is changed.
    #[must_use]
    pub const fn makes_counters(self) -> bool {
        matches!(self, Self::Resp)
    }
}
