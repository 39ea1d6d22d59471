//! Being let in by a memcached: TLS first, where it speaks that, and then who it is that asks.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::login::{self, Refused};
use super::sasl;
use crate::secure::account::Account;
use crate::secure::stream::Stream;
use crate::secure::trust::{Distrust, Trust};

/// What a node asks of who connects; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Whom to believe; `None`: it speaks no TLS.
    pub trust: Option<Trust>,
    /// Who to be; `None`: it asks nobody.
    pub account: Option<Account>,
    /// Whether it asks by SASL, and speaks the binary protocol alone.
    pub sasl: bool,
}

/// Why a node was not entered.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The connection broke, or ended.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// It is not believed, or speaks no TLS.
    #[error("{0}")]
    Untrusted(String),
    /// It refuses user name and password.
    #[error("it answered \"{}\" to the password", .0.escape_debug())]
    Unauthenticated(String),
    /// It answered something else.
    #[error("it answered \"{}\" to the password", .0.escape_debug())]
    Odd(String),
}

impl Entry {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.trust.is_none() && self.account.is_none()
    }

    /// Does what the node asks for on a connection that is new; it is called `host`.
    ///
    /// # Errors
    /// Why it does not let us in.
    pub async fn enter<T>(&self, stream: T, host: &str) -> Result<Stream<T>, Denied>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = match &self.trust {
            None => Stream::Plain(stream),
            Some(trust) => trust.secure(stream, host).await.map_err(|error| match error {
                Distrust::Refused(why) => Denied::Untrusted(why.to_string()),
                Distrust::Broken(error) => Denied::Broken(error),
            })?,
        };
        if let Some(account) = &self.account {
            let answered = match self.sasl {
                true => sasl::say(&mut stream, account).await?,
                false => login::say(&mut stream, account).await?,
            };
            answered.map_err(|refused| match refused {
                Refused::Account(line) => Denied::Unauthenticated(line),
                Refused::Otherwise(line) => Denied::Odd(line),
            })?;
        }
        Ok(stream)
    }
}
