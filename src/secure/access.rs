//! What nodes ask of who connects, and what a client is told for it.

use std::path::PathBuf;

use super::account::Account;

/// What nodes ask of who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether they speak TLS, with certificates of the run's own authority.
    pub tls: bool,
    /// Whether they let in only who says a password in text.
    pub auth: bool,
    /// Whether they let in only who says a password by SASL (RFC 4422), and speak the binary protocol alone.
    pub sasl: bool,
}

impl Access {
    /// The names of what can be asked, as files have them.
    pub const KEYS: [&str; 3] = ["tls", "auth", "sasl"];

    /// Reads it with a function that says of each name whether it is asked.
    ///
    /// # Errors
    /// Those of the function.
    pub fn read<E>(mut is_asked: impl FnMut(&'static str) -> Result<bool, E>) -> Result<Self, E> {
        let [tls, auth, sasl] = Self::KEYS;
        Ok(Self { tls: is_asked(tls)?, auth: is_asked(auth)?, sasl: is_asked(sasl)? })
    }

    /// The names of what is asked.
    pub fn asked(self) -> impl Iterator<Item = &'static str> {
        let Self { tls, auth, sasl } = self;
        Self::KEYS
            .into_iter()
            .zip([tls, auth, sasl])
            .filter(|(_, asked)| *asked)
            .map(|(key, _)| key)
    }

    /// What the one or the other asks; for a password as the second does, if it does.
    #[must_use]
    pub const fn or(self, second: Self) -> Self {
        let password = if second.has_password() { second } else { self };
        Self { tls: self.tls || second.tls, ..password }
    }

    /// Whether everybody is let in, in plain words.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !self.tls && !self.has_password()
    }

    /// Whether there is a password.
    #[must_use]
    pub const fn has_password(self) -> bool {
        self.auth || self.sasl
    }

    /// The words that ask for it, for errors and notices.
    #[must_use]
    pub fn words(self) -> String {
        self.asked().map(|key| format!("-{key}")).collect::<Vec<_>>().join(" and ")
    }
}

/// What a client needs to be let in, in files and words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invitation {
    /// A file with the certificate of the authority; `None`: the nodes speak no TLS.
    pub authority: Option<PathBuf>,
    /// Who to be; `None`: everybody is let in.
    pub account: Option<Account>,
    /// Whether that is said by SASL.
    pub sasl: bool,
}
