//! A connection that speaks RESP.
//!
//! Its answers name nothing: neither a key nor a request. So each request goes out with a `PING` that carries a
//! token, in one write, and its answer is believed only when the token is the next thing behind it. An answer
//! too many, or one too few, leaves something else there: the connection is closed, and no value of another
//! call is ever handed out. Before a request the connection must be silent: what is there already answers
//! nobody.

mod words;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

pub(super) use self::words::{Expiry, Request};
use super::standing::Token;
use super::trouble::Trouble;
use super::wire::Pipe;
use crate::event::ErrorClass;
use crate::protocol::resp::frame::scan::{Scanned, Scanner};
pub(super) use crate::protocol::resp::frame::value::Value as Said;

/// The longest answer that is gathered: a batch of the largest values that memcached has, twice. Behind
/// more the connection is closed.
const ANSWER_BYTES_MAX: usize = 128 << 20;

/// Codes of error lines that blame the request; every other is the server's affair.
const OF_THE_REQUEST: [&[u8]; 4] = [b"ERR", b"WRONGTYPE", b"NOPERM", b"EXECABORT"];

/// What a server says to whom it does not know (any more).
const UNKNOWN: &[u8] = b"NOAUTH";

/// An open connection.
pub(super) struct Link {
    pipe: Box<dyn Pipe>,
    read: BytesMut,
    scanner: Scanner,
    /// How much of what was read the scanner has seen.
    scanned: usize,
    /// Used again after an exchange that did not end, and without tokens.
    careless: bool,
    /// Whether the server has answered on it before: it was let in.
    served: bool,
}

impl Link {
    pub(super) fn new(pipe: impl Pipe + 'static, careless: bool) -> Self {
        let (read, scanner) = (BytesMut::new(), Scanner::new());
        Self { pipe: Box::new(pipe), read, scanner, scanned: 0, careless, served: false }
    }

    /// Writes a request and reads its answer. Not cancel-safe: whoever drops this drops the connection.
    pub(super) async fn ask(&mut self, request: Request, token: &Token) -> Result<Said, Trouble> {
        if self.careless {
            self.send(&request.bytes()).await?;
            let said = self.answer().await?;
            return match refusal(&said) {
                Some(class) => Err(Trouble::refused(class).proven()),
                None => Ok(said),
            };
        }
        self.is_silent().await?;
        self.send(&request.with_token(token).bytes()).await?;
        let said = self.answer().await?;
        if is_token(&said, token) {
            // The answer itself was lost.
            return Err(Trouble::surprise());
        }
        let behind = self.answer().await;
        match (refusal(&said), behind) {
            (None, Ok(behind)) if is_token(&behind, token) => {
                self.served = true;
                Ok(said)
            }
            (Some(class), Ok(behind)) if is_token(&behind, token) => {
                Err(Trouble::refused(class).proven())
            }
            // It was let in and is known no more. A server that never let it in would not let a new one in.
            (Some(class), Ok(Said::Error(line))) if self.served && line.starts_with(UNKNOWN) => {
                Err(Trouble::refused(class).closed())
            }
            // Everything is refused: there were two answers to two requests.
            (Some(class), Ok(Said::Error(_))) => Err(Trouble::refused(class)),
            (Some(class), Ok(_)) => Err(Trouble::refused(class).doubted(Trouble::surprise())),
            (Some(class), Err(trouble)) => Err(Trouble::refused(class).doubted(trouble)),
            (None, Ok(_)) => Err(Trouble::surprise()),
            (None, Err(trouble)) => Err(trouble),
        }
    }

    /// Whether nothing has come that nobody asked for.
    async fn is_silent(&mut self) -> Result<(), Trouble> {
        let unasked = Trouble::surprise().unsent();
        if !self.read.is_empty() {
            return Err(unasked);
        }
        let mut room = [0];
        let mut room = ReadBuf::new(&mut room);
        let pipe = &mut self.pipe;
        let now =
            poll_fn(|context| Poll::Ready(Pin::new(&mut **pipe).poll_read(context, &mut room)));
        match now.await {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) if room.filled().is_empty() => {
                Err(Trouble::of_io(&io::ErrorKind::UnexpectedEof.into()).unsent())
            }
            Poll::Ready(Ok(())) => Err(unasked),
            Poll::Ready(Err(error)) => Err(Trouble::of_io(&error).unsent()),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.pipe.write_all(bytes).await.map_err(|error| Trouble::of_io(&error))
    }

    /// The next answer; what is pushed in between answers nothing.
    async fn answer(&mut self) -> Result<Said, Trouble> {
        loop {
            let mut rest = &self.read[self.scanned..];
            let end = loop {
                match self.scanner.next(&mut rest) {
                    Ok(Some(Scanned::Head(_))) => {}
                    Ok(Some(Scanned::End(end))) => break Some(end),
                    Ok(None) => break None,
                    Err(_) => return Err(Trouble::surprise()),
                }
            };
            self.scanned = self.read.len() - rest.len();
            let Some(end) = end else {
                self.fill().await?;
                continue;
            };
            let whole = self.read.split_to(std::mem::take(&mut self.scanned)).freeze();
            if !end.push {
                return Said::read(&whole).map(|(said, _)| said).ok_or_else(Trouble::surprise);
            }
        }
    }

    async fn fill(&mut self) -> Result<(), Trouble> {
        if self.read.len() > ANSWER_BYTES_MAX {
            return Err(Trouble::surprise());
        }
        match self.pipe.read_buf(&mut self.read).await {
            Ok(0) => Err(Trouble::of_io(&io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(Trouble::of_io(&error)),
        }
    }
}

fn is_token(said: &Said, token: &Token) -> bool {
    matches!(said, Said::Bulk(bytes) if bytes == token.bytes())
}

/// The class of an error line; `None`: it is none.
fn refusal(said: &Said) -> Option<ErrorClass> {
    let (Said::Error(line) | Said::BulkError(line)) = said else { return None };
    let code = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    Some(match code {
        b"ERR" if line.starts_with(b"ERR max number of clients") => ErrorClass::ServerError,
        b"ERR" if line.starts_with(b"ERR string exceeds maximum") => ErrorClass::TooLarge,
        code if OF_THE_REQUEST.contains(&code) => ErrorClass::ClientError,
        _ => ErrorClass::ServerError,
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;
    use crate::client::standing::Tokens;
    use crate::client::trouble::Fate;
    use crate::event::CloseCause;

    /// What a request comes to when the server says this; `T` stands for the token.
    async fn told(before: &str, answer: &str) -> Result<Said, Trouble> {
        let (pipe, server) = duplex(4096);
        on(Link::new(pipe, false), server, before, answer).await
    }

    async fn on(
        mut link: Link,
        mut server: tokio::io::DuplexStream,
        before: &str,
        answer: &str,
    ) -> Result<Said, Trouble> {
        let token = Tokens::new(7).next();
        let text = std::str::from_utf8(token.bytes()).unwrap();
        server.write_all(before.as_bytes()).await.unwrap();
        let answer = answer.replace("$T", &format!("$16\r\n{text}\r\n"));
        let serve = async move {
            let mut asked = [0; 256];
            if server.read(&mut asked).await.unwrap_or(0) > 0 {
                let _ = server.write_all(answer.as_bytes()).await;
            }
            // It ends with its last word.
        };
        let request = Request::of(&[b"GET", b"k"]);
        // It is closed with its last word too: the server may never be asked.
        let ask = async move { link.ask(request, &token).await };
        tokio::join!(ask, serve).0
    }

    /// Catches an answer that is believed although the next thing on the connection is not the token: the
    /// answer to another call, one too many, one too few.
    #[tokio::test]
    async fn an_answer_is_believed_when_the_token_follows() {
        let value = |text: &'static str| Said::Bulk(text.as_bytes().into());
        assert_eq!(told("", "$2\r\nhi\r\n$T").await, Ok(value("hi")));
        assert_eq!(told("", ">1\r\n+push\r\n$2\r\nhi\r\n>1\r\n+push\r\n$T").await, Ok(value("hi")));
        let surprise = Err(Trouble::surprise());
        for wrong in
            ["$5\r\nother\r\n$2\r\nhi\r\n$T", "$T", "$2\r\nhi\r\n+PONG\r\n", "nonsense\r\n"]
        {
            assert_eq!(told("", wrong).await, surprise, "{wrong}");
        }
        let before = told("+OK\r\n", "$2\r\nhi\r\n$T").await.unwrap_err();
        assert_eq!((before.class, before.fate), (ErrorClass::Protocol, Fate::NotApplied));
    }

    /// Catches a refusal that closes its connection, one that keeps a connection which is known no more, one that is taken for a lost write, and a server that
    /// refuses everything and is connected to again for each request.
    #[tokio::test]
    async fn a_refusal_keeps_the_connection() {
        let of = |class| Err(Trouble::refused(class));
        let proven = |class| Err(Trouble::refused(class).proven());
        let full = "-OOM command not allowed\r\n";
        assert_eq!(told("", &format!("{full}$T")).await, proven(ErrorClass::ServerError));
        assert_eq!(told("", "-ERR syntax error\r\n$T").await, proven(ErrorClass::ClientError));
        let loading = "-LOADING it is\r\n".repeat(2);
        assert_eq!(told("", &loading).await, of(ErrorClass::ServerError));
        let unknown = "-NOAUTH Authentication required.\r\n".repeat(2);
        assert_eq!(
            told("", &unknown).await,
            of(ErrorClass::ServerError),
            "nor would a new one be let in"
        );
        let (pipe, server) = duplex(4096);
        let link = Link { served: true, ..Link::new(pipe, false) };
        let known_no_more = Trouble::refused(ErrorClass::ServerError).closed();
        assert_eq!(on(link, server, "", &unknown).await, Err(known_no_more));
        let ended = told("", "-ERR max number of clients reached\r\n").await.unwrap_err();
        assert_eq!((ended.class, ended.fate), (ErrorClass::ServerError, Fate::Refused));
        assert_eq!(ended.close, Some(CloseCause::PeerClosed));
    }
}
