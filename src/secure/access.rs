//! What nodes ask of who connects, and what a client is told for it.

use std::path::PathBuf;

use super::account::Account;

/// What nodes ask of who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether they speak TLS, with certificates of the run's own authority.
    pub tls: bool,
    /// Whether they let in only who knows a password.
    pub auth: bool,
}

impl Access {
    /// Whether everybody is let in, in plain words.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !self.tls && !self.auth
    }

    /// The words that ask for it, for errors and notices.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self { tls: true, auth: true } => "-tls and -auth",
            Self { tls: true, auth: false } => "-tls",
            Self { tls: false, .. } => "-auth",
        }
    }
}

/// What a client needs to be let in, in files and words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invitation {
    /// A file with the certificate of the authority; `None`: the nodes speak no TLS.
    pub authority: Option<PathBuf>,
    /// Who to be; `None`: everybody is let in.
    pub account: Option<Account>,
}
