//! What somebody says first to a memcached that was started with `-S`: the mechanism PLAIN (RFC 4616), in a packet of
//! the binary protocol.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::frame::binary::{SASL_START, UNAUTHENTICATED};
use super::login::Refused;
use super::packet::{self, Packet};
use crate::secure::account::Account;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u32 = 256;

/// Says it on a new connection and reads the answer.
///
/// # Errors
/// How the connection broke.
pub(super) async fn say<S>(stream: &mut S, account: &Account) -> io::Result<Result<(), Refused>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Account { user, password } = account;
    let message = format!("\0{user}\0{password}");
    stream.write_all(&packet::request(SASL_START, b"PLAIN", message.as_bytes())).await?;
    stream.flush().await?;
    let Packet { status, value, .. } = packet::read(stream, ANSWER_BYTES_MAX).await?;
    Ok(match status {
        0 => Ok(()),
        UNAUTHENTICATED => Err(Refused::Account(value)),
        _ => Err(Refused::Otherwise(value)),
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    /// Catches a login of other bytes than a memcached takes, and a refusal that is taken for a welcome.
    #[tokio::test]
    async fn an_answer_is_a_welcome_or_a_refusal() {
        let account = Account { user: "u".to_owned(), password: "pw".to_owned() };
        for (status, text, expected) in [
            (0x00, "Authenticated", Ok(())),
            (0x20, "Auth failure.", Err(Refused::Account("Auth failure.".to_owned()))),
            (0x81, "Unknown command", Err(Refused::Otherwise("Unknown command".to_owned()))),
        ] {
            let (mut us, mut node) = tokio::io::duplex(4096);
            let length = u8::try_from(text.len()).unwrap();
            let mut answer = vec![0x81, 0x21, 0, 0, 0, 0, 0, status, 0, 0, 0, length];
            answer.extend([0; 12]);
            answer.extend(text.as_bytes());
            node.write_all(&answer).await.unwrap();
            assert_eq!(say(&mut us, &account).await.unwrap(), expected);
            drop(us);
            let mut asked = Vec::new();
            node.read_to_end(&mut asked).await.unwrap();
            assert_eq!(&asked[..12], b"\x80\x21\0\x05\0\0\0\0\0\0\0\x0a");
            assert_eq!(&asked[24..], b"PLAIN\0u\0pw");
        }
    }

    /// Catches an answer without an end that is waited for or kept, and one of another protocol.
    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let account = Account { user: "u".to_owned(), password: "pw".to_owned() };
        let huge = [&[0x81, 0x21, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &[0; 12]].concat();
        for answer in [huge, b"ERROR\r\n".repeat(4), vec![0x81]] {
            let (mut us, mut node) = tokio::io::duplex(4096);
            node.write_all(&answer).await.unwrap();
            node.shutdown().await.unwrap();
            assert!(say(&mut us, &account).await.is_err(), "{answer:?}");
        }
    }
}
