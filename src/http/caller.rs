//! Sends requests on a bounded pool of connections that are kept open, and waits for answers.

use std::io::ErrorKind;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes};
use hyper::{Method, Request};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use super::address::Address;
use super::link::{Body, Link};
use crate::event::ErrorClass;

/// The longest body of an answer. One that is longer is given up, and its connection closed.
pub const BODY_BYTES_MAX: usize = 8 << 20;

/// Connects and asks. Requests that are under way at a time are bounded by whoever calls.
#[derive(Debug)]
pub struct Caller {
    address: Address,
    timeout: Duration,
    /// Connections that nobody uses at the moment, the last used one last.
    idle: Mutex<Vec<Link>>,
    /// More are not kept.
    idle_max: usize,
}

/// What a request came to.
#[derive(Debug)]
pub struct Exchange {
    /// How long it took until there was a connection.
    pub connection_wait: Duration,
    /// When the request was written; `None`: never.
    pub sent: Option<Instant>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was over.
    pub over: Instant,
    /// The answer.
    pub result: Result<Answer, Trouble>,
}

/// An answer, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which class of errors it is.
    pub class: ErrorClass,
    /// In words.
    pub message: String,
}

/// What is wrong with one attempt.
struct Lost {
    trouble: Trouble,
    /// Whether the connection may have been closed before the request reached anybody.
    unheard: bool,
    /// Whether it is certain that nothing of it was sent.
    unsent: bool,
}

impl Caller {
    /// Nothing is connected before the first request.
    #[must_use]
    pub const fn new(address: Address, timeout: Duration, concurrency: usize) -> Self {
        Self { address, timeout, idle: Mutex::new(Vec::new()), idle_max: concurrency }
    }

    /// Where it asks.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request, whose target is a path as [`Address::target`] has it, and waits for all of the
    /// answer. On a connection that was used before and is found closed, it is tried once more: what was
    /// never sent always, what may have arrived only where it changes nothing.
    pub async fn ask(&self, mut request: Request<Bytes>) -> Exchange {
        if let Ok(host) = self.address.authority().parse() {
            request.headers_mut().insert(hyper::header::HOST, host);
        }
        let request = request.map(Body::new);
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let begun = Instant::now();
        let deadline = begun + self.timeout;
        let mut told = Exchange {
            connection_wait: Duration::ZERO,
            sent: None,
            attempts: 0,
            over: begun,
            result: Err(self.timed_out(ErrorClass::ConnectTimeout)),
        };
        loop {
            let kept = if told.attempts == 0 { self.kept() } else { None };
            let used = kept.is_some();
            let link = match kept {
                Some(link) => Ok(link),
                None => self.connect(deadline).await,
            };
            let mut link = match link {
                Ok(link) => link,
                Err(trouble) => {
                    told.result = Err(trouble);
                    break;
                }
            };
            let now = Instant::now();
            told.attempts += 1;
            told.connection_wait = now - begun;
            told.sent.get_or_insert(now);
            let asked = timeout_at(deadline, exchange(&mut link, request.clone())).await;
            match asked.unwrap_or_else(|_| Err(Lost::certain(self.timed_out(ErrorClass::Timeout))))
            {
                Ok(answer) => {
                    self.keep(link);
                    told.result = Ok(answer);
                    break;
                }
                Err(lost) if used && (lost.unsent || (lost.unheard && is_read)) => {}
                Err(lost) => {
                    told.result = Err(lost.trouble);
                    break;
                }
            }
        }
        told.over = Instant::now();
        told
    }

    fn kept(&self) -> Option<Link> {
        let mut idle = self.idle.lock();
        while let Some(mut link) = idle.pop() {
            if link.is_open() {
                return Some(link);
            }
        }
        None
    }

    fn keep(&self, mut link: Link) {
        let mut idle = self.idle.lock();
        if idle.len() < self.idle_max && link.is_open() {
            idle.push(link);
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Link, Trouble> {
        match timeout_at(deadline, Link::open(self.address.host(), self.address.port())).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(error)) => Err(Trouble { class: class_of(&error), message: error.to_string() }),
            Err(_) => Err(self.timed_out(ErrorClass::ConnectTimeout)),
        }
    }

    fn timed_out(&self, class: ErrorClass) -> Trouble {
        let what = if class == ErrorClass::Timeout { "no whole answer" } else { "no connection" };
        Trouble { class, message: format!("{what} within {:?}", self.timeout) }
    }
}

/// Asks on a connection that is there.
async fn exchange(link: &mut Link, request: Request<Body>) -> Result<Answer, Lost> {
    let response = link.ask(request).await.map_err(|error| Lost::of(&error))?;
    let status = response.status().as_u16();
    if response.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(Lost::certain(too_long()));
    }
    let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect();
    let body = link.carry(body).await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Lost::certain(too_long());
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => Lost::certain(Lost::of(&error).trouble),
            Err(other) => {
                Lost::certain(Trouble { class: ErrorClass::Other, message: other.to_string() })
            }
        }
    })?;
    Ok(Answer { status, body: body.to_bytes() })
}

fn too_long() -> Trouble {
    let message = format!("the body of the answer is longer than {BODY_BYTES_MAX} bytes");
    Trouble { class: ErrorClass::TooLarge, message }
}

impl Lost {
    /// Whatever became of it, it is not to be tried again.
    const fn certain(trouble: Trouble) -> Self {
        Self { trouble, unheard: false, unsent: false }
    }

    fn of(error: &hyper::Error) -> Self {
        let cause = std::error::Error::source(error)
            .and_then(|source| source.downcast_ref::<std::io::Error>());
        let class = match cause {
            _ if error.is_parse() || error.is_parse_too_large() => ErrorClass::Protocol,
            Some(cause) => class_of(cause),
            None if error.is_incomplete_message() || error.is_canceled() || error.is_closed() => {
                ErrorClass::Closed
            }
            None => ErrorClass::Other,
        };
        let message = match class {
            ErrorClass::Protocol => format!("the answer is not HTTP: {error}"),
            ErrorClass::Closed => "the connection was closed before all of the answer".to_owned(),
            _ => cause.map_or_else(|| error.to_string(), ToString::to_string),
        };
        let gone = matches!(class, ErrorClass::Closed | ErrorClass::Reset);
        Self {
            trouble: Trouble { class, message },
            unheard: gone,
            unsent: error.is_canceled() || error.is_closed(),
        }
    }
}

fn class_of(error: &std::io::Error) -> ErrorClass {
    match error.kind() {
        ErrorKind::ConnectionRefused => ErrorClass::Refused,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
            ErrorClass::Reset
        }
        ErrorKind::UnexpectedEof => ErrorClass::Closed,
        ErrorKind::TimedOut => ErrorClass::ConnectTimeout,
        _ => ErrorClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use crate::base::scope::Scope;

    /// What is answered on each connection, one after the other.
    type Connections = &'static [&'static [&'static [u8]]];

    /// A server that answers the requests of each connection in turn with these bytes, and then closes.
    async fn server(scope: &Scope, connections: Connections) -> Address {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        scope.spawn("server", async move {
            for answers in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in *answers {
                    let mut heard = Vec::new();
                    while !heard.ends_with(b"\r\n\r\n") {
                        heard.push(stream.read_u8().await.unwrap());
                    }
                    stream.write_all(answer).await.unwrap();
                }
            }
        });
        format!("http://{address}").parse().unwrap()
    }

    fn get() -> Request<Bytes> {
        Request::get("/k").body(Bytes::new()).unwrap()
    }

    const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

    /// Catches connections that are not used again, one that the service closed and for which the
    /// service is blamed, and a pool that keeps it.
    #[tokio::test]
    async fn connections_are_used_again_and_closed_ones_are_not() {
        let scope = Scope::current("test");
        let address = server(&scope, &[&[FINE, FINE], &[FINE]]).await;
        let caller = Caller::new(address, Duration::from_secs(10), 4);
        for (wanted, attempts) in [(true, 1..=1), (true, 1..=1), (true, 1..=2)] {
            let told = caller.ask(get()).await;
            assert_eq!(told.result.is_ok(), wanted, "{:?}", told.result);
            assert!(attempts.contains(&told.attempts), "{}", told.attempts);
        }
        assert!(caller.idle.lock().len() <= 1);
    }

    /// Catches an answer that is none and is taken for one, or named after something else.
    #[tokio::test]
    async fn what_is_no_answer_has_its_class() {
        let scope = Scope::current("test");
        let cases: [(Connections, ErrorClass, &str); 4] = [
            (&[&[b"VALUE k 0 2\r\nhi\r\nEND\r\n"]], ErrorClass::Protocol, "not HTTP"),
            (&[&[b""]], ErrorClass::Closed, "closed before all"),
            (
                &[&[b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"]],
                ErrorClass::Closed,
                "closed before all",
            ),
            (
                &[&[b"HTTP/1.1 200 OK\r\ncontent-length: 8388609\r\n\r\nhi"]],
                ErrorClass::TooLarge,
                "longer than 8388608 bytes",
            ),
        ];
        for (connections, class, words) in cases {
            let address = server(&scope, connections).await;
            let caller = Caller::new(address, Duration::from_secs(10), 4);
            let trouble = caller.ask(get()).await.result.unwrap_err();
            assert_eq!(trouble.class, class, "{}", trouble.message);
            assert!(trouble.message.contains(words), "{}", trouble.message);
        }
    }

    /// Catches an answer that never ends and is waited for without end, and one that nobody gives.
    #[tokio::test]
    async fn no_answer_is_waited_for_without_end() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent: Address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let caller = Caller::new(silent.clone(), Duration::from_millis(50), 1);
        let trouble = caller.ask(get()).await.result.unwrap_err();
        assert_eq!(trouble.class, ErrorClass::Timeout, "{}", trouble.message);
        drop(listener);
        let refused = Caller::new(silent, Duration::from_secs(1), 1).ask(get()).await;
        assert_eq!((refused.sent, refused.attempts), (None, 0));
        assert_eq!(refused.result.unwrap_err().class, ErrorClass::Refused);
    }
}
