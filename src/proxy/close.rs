//! How a connection ended, and who ended it.

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closer {
    /// The client.
    Client,
    /// The server.
    Server,
    /// The server, by refusing it.
    Refused,
    /// A toxic.
    Fault,
    /// The proxy, because it was disabled, changed or deleted.
    Proxy,
}

impl Closer {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Refused => "refused",
            Self::Fault => "fault",
            Self::Proxy => "proxy",
        }
    }
}

/// How a connection was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseManner {
    /// With the end of the stream.
    Fin,
    /// With a reset.
    Reset,
}

impl CloseManner {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Reset => "reset",
        }
    }
}
