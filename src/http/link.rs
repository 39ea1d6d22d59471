//! One connection to a service. Whoever waits for an answer moves its bytes: there is no task behind it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What a request has for a body.
pub(super) type Body = http_body_util::Full<Bytes>;

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<Body>,
    wire: Wire,
}

/// Its bytes.
#[derive(Debug)]
struct Wire {
    connection: Connection<TokioIo<TcpStream>, Body>,
    /// Whether it has ended.
    over: bool,
}

impl Wire {
    fn advance(&mut self, context: &mut Context<'_>) {
        // What went wrong is told to whoever waits for the answer.
        self.over = self.over || Pin::new(&mut self.connection).poll(context).is_ready();
    }

    /// Waits for `wanted`, and moves bytes meanwhile.
    async fn carry<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        std::future::poll_fn(|context| {
            self.advance(context);
            wanted.as_mut().poll(context)
        })
        .await
    }
}

impl Link {
    pub(super) async fn open(host: &str, port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
        Ok(Self { sender, wire: Wire { connection, over: false } })
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn ask(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<Incoming>> {
        let Self { sender, wire } = self;
        wire.carry(sender.ready()).await?;
        wire.carry(sender.send_request(request)).await
    }

    /// Waits for what comes on it: the body of an answer.
    pub(super) async fn carry<F: Future>(&mut self, wanted: F) -> F::Output {
        self.wire.carry(wanted).await
    }

    /// Whether another request can be sent, as far as is known here.
    pub(super) fn is_open(&mut self) -> bool {
        self.wire.advance(&mut Context::from_waker(Waker::noop()));
        !self.wire.over && !self.sender.is_closed()
    }
}
