//! A connection of our own: says what the crate's connection says, and reads as it reads.
//!
//! The crate's can be a socket only, and closes itself after an exchange that did not end. So this one
//! carries TLS and what is said before the first command, the simulation, through pipes, and the client that is broken by
//! [reusing](super::Broken::ReuseAfterTimeout) what it should close.

mod answers;

use async_memcached::{Error, ErrorKind, MetaValue, Response, Status, Value};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::answers::{Meta, MetaAnswer, Parsed, broken, classic, meta};
use crate::client::keep::Keep;
use crate::client::standing::Token;
use crate::client::transport::CounterStep;

/// What an open connection goes through: a socket, or a pipe.
pub(in crate::client) trait Pipe:
    AsyncRead + AsyncWrite + Send + Sync + Unpin
{
}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Pipe for T {}

/// An open connection.
pub(super) struct Wire {
    /// `None` after an exchange that did not end: the crate closes such a connection by itself.
    pipe: Option<Box<dyn Pipe>>,
    /// Read from the pipe and not taken yet.
    read: BytesMut,
    /// What answers are parsed from. `version` and `flush_all` read past it.
    taken: BytesMut,
    in_flight: bool,
    /// Used again after an exchange that did not end.
    careless: bool,
}

type Answer<T> = Result<T, Error>;

impl Wire {
    pub(super) fn new(pipe: impl Pipe + 'static, careless: bool) -> Self {
        let (read, taken) = Default::default();
        Self { pipe: Some(Box::new(pipe)), read, taken, in_flight: false, careless }
    }

    async fn send(&mut self, request: &[u8]) -> Answer<()> {
        if std::mem::replace(&mut self.in_flight, true) && !self.careless {
            self.pipe = None;
        }
        let pipe = self.pipe.as_mut().ok_or(Error::ConnectionClosed)?;
        pipe.write_all(request).await?;
        // Below TLS something may be left of it.
        Ok(pipe.flush().await?)
    }

    /// Reads more.
    async fn fill(&mut self) -> Answer<()> {
        let pipe = self.pipe.as_mut().ok_or(Error::ConnectionClosed)?;
        if pipe.read_buf(&mut self.read).await? == 0 {
            return Err(Error::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// The next answer.
    async fn receive<T>(&mut self, parse: impl Fn(&[u8]) -> Parsed<T>) -> Answer<T> {
        let mut needs_more = self.taken.is_empty();
        loop {
            if needs_more {
                if self.read.is_empty() {
                    self.fill().await?;
                }
                self.taken.unsplit(self.read.split());
            }
            match parse(&self.taken) {
                Ok(Some((bytes, answer))) => {
                    self.taken.advance(bytes);
                    return Ok(answer);
                }
                Ok(None) => needs_more = true,
                Err(kind) => return Err(Status::Error(kind).into()),
            }
        }
    }

    /// The next line, past what answers are parsed from.
    async fn line(&mut self) -> Answer<String> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line = self.read.split_to(end + 1);
                self.in_flight = false;
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            self.fill().await?;
        }
    }

    async fn ask_classic(&mut self, request: &[u8]) -> Answer<Response> {
        self.send(request).await?;
        let answer = self.receive(classic).await?;
        self.in_flight = false;
        Ok(answer)
    }

    async fn ask_meta(&mut self, request: &[u8], command: Meta) -> Answer<Option<MetaValue>> {
        self.send(request).await?;
        let answer = self.receive(|bytes| meta(bytes, command)).await?;
        self.in_flight = false;
        match (answer, command) {
            // Without a flag, `HD` to a get says nothing, and is told as nothing.
            (MetaAnswer::Status(Status::NoOp), _)
            | (MetaAnswer::Status(Status::Exists | Status::NotFound), Meta::Get)
            | (MetaAnswer::Status(Status::Stored), Meta::Set | Meta::Count)
            | (MetaAnswer::Status(Status::Deleted), Meta::Delete) => Ok(None),
            (MetaAnswer::Status(status), _) => Err(status.into()),
            (MetaAnswer::Value(value), _) => Ok(Some(value)),
        }
    }

    pub(super) async fn get(&mut self, key: &[u8]) -> Answer<Option<Value>> {
        match self.ask_classic(&[b"get ", key, b"\r\n"].concat()).await? {
            Response::Status(Status::NotFound) | Response::Data(None) => Ok(None),
            Response::Status(status) => Err(status.into()),
            Response::Data(Some(mut values)) if values.len() == 1 => Ok(values.pop()),
            Response::Data(Some(_)) | Response::IncrDecr(_) => Err(unfit()),
        }
    }

    pub(super) async fn store(
        &mut self,
        only_new: bool,
        key: &[u8],
        value: &[u8],
        keep: Keep,
    ) -> Answer<()> {
        let name = if only_new { "add" } else { "set" };
        let (flags, ttl) = (keep.flags, keep.ttl.on_the_wire());
        let head = format!("{name} {} {flags} {ttl} {}\r\n", text(key), value.len());
        match self.ask_classic(&[head.as_bytes(), value, b"\r\n"].concat()).await? {
            Response::Status(Status::Stored) => Ok(()),
            Response::Status(status) => Err(status.into()),
            Response::Data(_) | Response::IncrDecr(_) => Err(unfit()),
        }
    }

    pub(super) async fn delete(&mut self, key: &[u8]) -> Answer<()> {
        match self.ask_classic(&[b"delete ", key, b"\r\n"].concat()).await? {
            Response::Status(Status::Deleted) => Ok(()),
            Response::Status(status) => Err(status.into()),
            Response::Data(_) | Response::IncrDecr(_) => Err(unfit()),
        }
    }

    pub(super) async fn meta_get(
        &mut self,
        key: &[u8],
        token: &Token,
        flags: &[&str],
    ) -> Answer<Option<MetaValue>> {
        let request = format!("mg {} {}{}\r\n", text(key), token.flag(), spaced(flags));
        self.ask_meta(request.as_bytes(), Meta::Get).await
    }

    pub(super) async fn meta_get_many(
        &mut self,
        keys: &[&[u8]],
        flags: &[&str],
    ) -> Answer<Vec<MetaValue>> {
        let flags = spaced(flags);
        let lines = keys.iter().map(|key| format!("mg {}{flags} k q\r\n", text(key)));
        let request: String = lines.chain(["mn\r\n".to_owned()]).collect();
        self.send(request.as_bytes()).await?;
        let mut values = Vec::new();
        loop {
            match self.receive(|bytes| meta(bytes, Meta::Get)).await? {
                MetaAnswer::Status(Status::NoOp) => break,
                MetaAnswer::Status(status @ Status::Error(_)) => return Err(status.into()),
                MetaAnswer::Status(_) => {}
                MetaAnswer::Value(value) => values.push(value),
            }
        }
        self.in_flight = false;
        Ok(values)
    }

    pub(super) async fn meta_set(
        &mut self,
        key: &[u8],
        value: &[u8],
        token: &Token,
        flags: &[&str],
    ) -> Answer<Option<MetaValue>> {
        let (key, length) = (text(key), value.len());
        let head = format!("ms {key} {length} {}{}\r\n", token.flag(), spaced(flags));
        let request = [head.as_bytes(), value, b"\r\n"].concat();
        self.ask_meta(&request, Meta::Set).await
    }

    pub(super) async fn meta_delete(
        &mut self,
        key: &[u8],
        token: &Token,
        flags: &[&str],
    ) -> Answer<Option<MetaValue>> {
        let request = format!("md {} {}{}\r\n", text(key), token.flag(), spaced(flags));
        self.ask_meta(request.as_bytes(), Meta::Delete).await
    }

    pub(super) async fn meta_count(
        &mut self,
        key: &[u8],
        token: &Token,
        (direction, by): (CounterStep, u64),
        flags: &[&str],
    ) -> Answer<Option<MetaValue>> {
        let mode = if direction == CounterStep::Down { " MD" } else { "" };
        let by = if by == 1 { String::new() } else { format!(" D{by}") };
        let (key, token, flags) = (text(key), token.flag(), spaced(flags));
        let request = format!("ma {key}{mode} {token}{by}{flags}\r\n");
        self.ask_meta(request.as_bytes(), Meta::Count).await
    }

    pub(super) async fn version(&mut self) -> Answer<String> {
        self.send(b"version\r\n").await?;
        let mut line = self.line().await?;
        if line.len() >= 8 { Ok(line.split_off(8)) } else { Err(unfit()) }
    }

    pub(super) async fn stats(&mut self) -> Answer<Vec<(String, String)>> {
        self.send(b"stats\r\n").await?;
        let mut counters = Vec::new();
        while let Some(counter) = self.receive(counter).await? {
            counters.push(counter);
        }
        self.in_flight = false;
        Ok(counters)
    }

    pub(super) async fn flush_all(&mut self) -> Answer<()> {
        self.send(b"flush_all\r\n").await?;
        if self.line().await?.trim() == "OK" { Ok(()) } else { Err(unfit()) }
    }
}

/// A line of `stats`; `None` is the end.
fn counter(buffer: &[u8]) -> Parsed<Option<(String, String)>> {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let line = text(&buffer[..end]);
    let counter = match line.strip_prefix("STAT ").and_then(|rest| rest.split_once(' ')) {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None if line == "END" => None,
        None => return Err(broken()),
    };
    Ok(Some((end + 2, counter)))
}

/// An answer of a kind that the request cannot have.
fn unfit() -> Error {
    Status::Error(ErrorKind::Protocol(None)).into()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn spaced(flags: &[&str]) -> String {
    flags.iter().map(|flag| format!(" {flag}")).collect()
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::client::standing::Tokens;
    use crate::client::transport::Transport;
    use crate::client::trouble::Trouble;

    const REQUESTS: u32 = 13;

    /// Sends the request with this number; what it came to, in words.
    async fn ask(link: &mut Transport, request: u32) -> String {
        let tokens = Tokens::new(1);
        let token = tokens.next();
        let (key, value) = (b"k1".as_slice(), b"some value".as_slice());
        let many: [&[u8]; 2] = [b"k1", b"k2"];
        match request {
            0 => told(link.get(key).await),
            1 => told(link.store(false, key, value, crate::client::Ttl::seconds(5).into()).await),
            2 => told(link.store(true, key, value, crate::client::Ttl::Never.into()).await),
            3 => told(link.delete(key).await),
            4 => told(link.meta_get(key, &token, &["k", "v", "f"]).await),
            5 => told(link.meta_get_many(&many, &["v", token.flag()]).await),
            6 => told(link.meta_set(key, value, &token, &["k", "T0"]).await),
            7 => told(link.meta_delete(key, &token, &["k"]).await),
            8 => told(link.meta_count(key, &token, (CounterStep::Up, 1), &["k", "v"]).await),
            9 => told(link.meta_count(key, &token, (CounterStep::Down, 7), &["k"]).await),
            10 => told(link.version().await),
            11 => told(link.stats().await),
            _ => told(link.flush_all().await),
        }
    }

    /// A good answer word for word, a bad one by what the client makes of it.
    fn told<T: std::fmt::Debug>(answer: Answer<T>) -> String {
        match answer {
            Ok(value) => format!("{value:?}"),
            Err(Error::Protocol(status)) if !matches!(status, Status::Error(_)) => {
                format!("{status:?}")
            }
            Err(error) => format!("{:?}", Trouble::of(&error, true)),
        }
    }

    const SAID: &[&str] = &[
        "STORED\r\n",
        "NOT_STORED\r\n",
        "DELETED\r\n",
        "TOUCHED\r\n",
        "EXISTS\r\n",
        "NOT_FOUND\r\n",
        "OK\r\n",
        "ERROR\r\n",
        "CLIENT_ERROR bad\r\n",
        "SERVER_ERROR out of memory\r\n",
        "SERVER_ERROR object too large for cache\r\n",
        "SERVER_ERROR\r\n",
        "42\r\n",
        "END\r\n",
        "VALUE k1 3 2\r\nhi\r\nEND\r\n",
        "VALUE k1 0 2\r\nhi\r\nVALUE k2 0 0\r\n\r\nEND\r\n",
        "VALUE k1 0 2\r\nhello\r\nEND\r\n",
        "VALUE k1 0 9\r\nhalf",
        "HD\r\n",
        "EN\r\n",
        "NF\r\n",
        "NS\r\n",
        "EX\r\n",
        "MN\r\n",
        "HD kk1 O1\r\n",
        "NF kk1 O1\r\n",
        "NS kk1 O1\r\n",
        "EX kk1 O1\r\n",
        "EN kk1 O1\r\n",
        "VA 2 kk1 f7 c9 O1\r\nhi\r\n",
        "VA 2 kk1 f7 c9 O1\r\nhi\r\nMN\r\n",
        "VA 0 kk1\r\n\r\n",
        "VA 2\r\nhello\r\n",
        "VERSION 1.6.18\r\n",
        "STAT pid 1\r\nSTAT threads 4\r\nEND\r\n",
        "HELLO\r\n",
        "\r\n",
        "",
    ];

    /// Hears one request, says `said` and then nothing more.
    async fn hear(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), said: &str) -> Vec<u8> {
        let mut heard = BytesMut::new();
        stream.read_buf(&mut heard).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        heard.to_vec()
    }

    /// Catches a simulated connection that asks or reads otherwise than the crate's: what the
    /// simulation proves would be true of the simulation only. Every request meets every answer.
    #[tokio::test]
    async fn it_says_and_reads_what_the_crate_does() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        for request in 0..REQUESTS {
            for said in SAID {
                let dialled = async_memcached::Client::new(&address);
                let (real, accepted) = tokio::join!(dialled, listener.accept());
                let mut real = Transport::Socket(real.unwrap());
                let mut stream: TcpStream = accepted.unwrap().0;
                let crates = tokio::join!(ask(&mut real, request), hear(&mut stream, said));

                let (near, mut far) = duplex(1024);
                let mut simulated = Transport::Own(Wire::new(near, false));
                let ours = tokio::join!(ask(&mut simulated, request), hear(&mut far, said));
                assert_eq!(ours, crates, "request {request}, answer {said:?}");
            }
        }
    }
}
