//! What somebody says first to a memcached that was started with `-Y`: a `set` of any key, whose value is the
//! user name and the password (doc/protocol.txt, "Authentication").

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::secure::account::Account;

/// The longest answer that is read.
const LINE_BYTES_MAX: usize = 256;

/// An answer that lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Because of who it is.
    Account(String),
    /// For another reason.
    Otherwise(String),
}

/// The request.
#[must_use]
pub fn request(Account { user, password }: &Account) -> Vec<u8> {
    let value = format!("{user} {password}");
    format!("set login 0 0 {}\r\n{value}\r\n", value.len()).into_bytes()
}

/// Says it on a new connection and reads the answer.
///
/// # Errors
/// How the connection broke.
pub(in crate::protocol) async fn say<S>(
    stream: &mut S,
    account: &Account,
) -> io::Result<Result<(), Refused>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(&request(account)).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(64);
    while !answer.ends_with(b"\n") && answer.len() < LINE_BYTES_MAX {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let line = String::from_utf8_lossy(&answer).trim_end().to_owned();
    Ok(match line.as_str() {
        "STORED" => Ok(()),
        refused if refused.starts_with("CLIENT_ERROR") => Err(Refused::Account(line)),
        _ => Err(Refused::Otherwise(line)),
    })
}
