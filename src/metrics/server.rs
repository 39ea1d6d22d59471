//! `GET /metrics` on an address of its own: for a scraper, and for nobody else.
//!
//! One request a connection, so many connections at a time, so long for each: a scraper that says nothing,
//! stops reading or comes too often costs a place for some seconds, and never holds up a run.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::board::Board;
use super::exposition::Exposition;
use crate::base::scope::Scope;

/// Connections at a time; one more is closed at once.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection may take for all: asking, the page, reading it.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// A longer head is refused.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long accepting pauses when the system has no descriptor to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The path that scrapers ask for.
const PATH: &str = "/metrics";

/// Serves a board until its scope ends. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    board: Board,
    /// How many runs were over when a page was made that was sent to its end.
    scraped: watch::Sender<u64>,
}

impl Server {
    /// Listens on `address`, port 0 being any free one, and serves `board` there.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(address: SocketAddr, board: Board, scope: &Scope) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let server = Self { address, board, scraped: watch::Sender::default() };
        let (cancelled, scope) = (scope.cancelled(), scope.child("metrics"));
        let accepting = server.clone().accept(listener, scope.clone());
        scope.spawn("accept", async move {
            tokio::select! {
                () = cancelled => {}
                () = accepting => {}
            }
        });
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is said of it: where it is, and who can read it.
    #[must_use]
    pub fn notice(&self) -> String {
        let address = self.address;
        let who = if address.ip().is_loopback() {
            ""
        } else {
            "; whoever reaches this address can read them"
        };
        format!("metrics on http://{address}{PATH}{who}")
    }

    /// Waits until somebody has scraped the last run since it was over, `most` at most; not at all where
    /// that has happened, or no run came to an end.
    pub async fn linger(&self, most: Duration) {
        let over = self.board.ended();
        let mut scraped = self.scraped.subscribe();
        // That nobody came is no error.
        let _ = timeout(most, scraped.wait_for(|seen| *seen >= over)).await;
    }

    async fn accept(self, listener: TcpListener, scope: Scope) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Dropped, and so closed, where there is no place.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (serving, cancelled) = (self.clone().serve(stream), scope.cancelled());
                    scope.spawn("scrape", async move {
                        tokio::select! {
                            () = cancelled => {}
                            _ = timeout(CONNECTION_TIME_MAX, serving) => {}
                        }
                        drop(place);
                    });
                }
                // No descriptor: somebody will give one back.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    /// Answers the one request of a connection.
    async fn serve(self, stream: TcpStream) {
        let over = AtomicU64::new(0);
        let (board, seen) = (&self.board, &over);
        let service = service_fn(move |request| async move {
            let (response, ended) = answer(board, request).await;
            seen.store(ended, Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(CONNECTION_TIME_MAX)
            .keep_alive(false)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        // Only what was sent to its end has been scraped.
        if served.is_ok() {
            self.scraped.send_modify(|seen| *seen = (*seen).max(over.load(Ordering::Relaxed)));
        }
    }
}

/// Answers one request, and says how many runs were over whose figures the answer has; 0: it has none.
async fn answer(board: &Board, request: Request<Incoming>) -> (Response<Full<Bytes>>, u64) {
    let said = |status: StatusCode, text: &str| {
        let mut response = Response::new(Full::from(text.to_owned()));
        *response.status_mut() = status;
        response
    };
    if request.uri().path() != PATH {
        return (said(StatusCode::NOT_FOUND, "the metrics are on /metrics\n"), 0);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return (response, 0);
    }
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|text| text.to_str().ok());
    let form = Exposition::asked(&accept.collect::<Vec<_>>().join(","));
    let is_read = *request.method() == Method::GET;
    let board = board.clone();
    // On a thread that has nothing else to do: a page takes longer than an operation of the load.
    let made = tokio::task::spawn_blocking(move || {
        let ended = board.ended();
        (form.encode(board.page()), ended)
    });
    let Ok((page, ended)) = made.await else {
        return (said(StatusCode::INTERNAL_SERVER_ERROR, "there is no page\n"), 0);
    };
    let mut response = Response::new(Full::from(page));
    let kind = HeaderValue::from_static(form.content_type());
    response.headers_mut().insert(CONTENT_TYPE, kind);
    (response, if is_read { ended } else { 0 })
}
