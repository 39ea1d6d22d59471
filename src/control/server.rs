//! The HTTP server: connections, time limits, routing; what a request does is in [`super::handle`].
//!
//! Everything is bounded: connections, the size of a body, the time to send a request, the time to
//! handle one. Who may ask is in [`super::hosts`], who may stay when there is no room in
//! [`super::room`]. A request is handled by a task of its own, so a client that leaves interrupts
//! nothing half done.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::feed::Feed;
use super::handle::Handler;
use super::hosts::Hosts;
use super::metrics::Metrics;
use super::path::{self, Found, Resource};
use super::reply::{ApiReply, Refusal};
use super::request_id::RequestIds;
use super::room::{Place, Room, Stage};
use super::told::Told;
use crate::base::descriptors;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::event::{EventKind, Events};
use crate::metrics::Board;
use crate::proxy::ProxySet;

/// Connections at a time, and fewer where descriptors are few. With one more, whoever has waited
/// longest is sent away.
const CONNECTIONS_MAX: usize = 512;
/// A longer head is refused.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// A longer body is refused.
const BODY_BYTES_MAX: usize = 8 << 20;
/// A body up to this length is read at once; longer ones wait for their turn.
const SHORT_BODY_BYTES: u64 = 64 << 10;
/// How many longer bodies are in memory at a time.
const LONG_BODIES_MAX: usize = 4;
/// A client may take this long for a body, waiting for its turn included.
const BODY_TIME_MAX: Duration = Duration::from_secs(15);
/// The first headers of a connection must be complete after this long.
const HEADER_TIME_MAX: Duration = Duration::from_secs(10);
/// A connection may be idle between two requests, or in the middle of its later headers, for this long.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// A request that takes longer is answered with 503; what it does goes on.
const HANDLER_TIME_MAX: Duration = Duration::from_secs(25);
/// Requests under way may take this long to end when the server is shut down.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);
/// How long accepting pauses when the system has no descriptor to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-toxiproxy-request-id");

/// What the API shows beside Toxiproxy's routes.
#[derive(Clone, Debug, Default)]
pub struct ApiOptions {
    /// `/metrics` with the bytes of every proxy.
    pub proxy_metrics: bool,
    /// `/metrics` with figures about this process.
    pub runtime_metrics: bool,
    /// `/metrics` with the figures of a run, too.
    pub board: Option<Board>,
    /// `/events` with what happens.
    pub feed: Option<Feed>,
    /// `/events/NAME`: who is told what has happened, by its name.
    pub told: Option<Told>,
    /// Names under which the API may be asked, besides those that no stranger can have.
    pub allow_hosts: Vec<String>,
    /// Who is told of every change that a client makes: during a run that is trouble, because its
    /// faults are no longer those of the plan.
    pub meddling: Option<Events>,
}

/// A listener for the control API: a name means its IPv4 address when it has one, no host means
/// every interface.
///
/// # Errors
/// When the host is unknown or the port is taken.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    if host.is_empty() {
        return match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
            }
            bound => bound,
        };
    }
    let mut found: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    TcpListener::bind(found.as_slice()).await
}

/// Serves the control API on `listener` until the scope ends; returns the bound address.
///
/// # Errors
/// When the listener has no address.
pub fn serve(
    listener: TcpListener,
    set: ProxySet,
    options: ApiOptions,
    scope: &Scope,
) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let scope = scope.child("api");
    let metrics = Metrics {
        proxies: options.proxy_metrics,
        runtime: options.runtime_metrics,
        board: options.board,
    };
    let api = Arc::new(Api {
        handler: Handler { set, metrics, told: options.told },
        hosts: Hosts::new(address, &options.allow_hosts),
        feed: options.feed,
        meddling: options.meddling,
        long_bodies: Semaphore::new(LONG_BODIES_MAX),
        ids: RequestIds::new(Seed::from_system()),
        scope: scope.clone(),
    });
    let cancelled = scope.cancelled();
    scope.clone().spawn("accept", async move {
        tokio::select! {
            () = cancelled => {}
            () = accept(listener, api) => {}
        }
    });
    Ok(address)
}

#[derive(Debug)]
struct Api {
    handler: Handler,
    hosts: Hosts,
    feed: Option<Feed>,
    meddling: Option<Events>,
    long_bodies: Semaphore,
    ids: RequestIds,
    scope: Scope,
}

async fn accept(listener: TcpListener, api: Arc<Api>) {
    let room = Room::new(descriptors::control_share().min(CONNECTIONS_MAX));
    loop {
        match listener.accept().await {
            Ok((stream, client)) => {
                let place = room.enter().await;
                // A scope each: what goes wrong in one ends that one.
                let scope = api.scope.child(format!("connection[{client}]"));
                scope.spawn("serve", connection(stream, Arc::clone(&api), scope.clone(), place));
            }
            Err(error) => {
                // Whoever sits there and says nothing makes room.
                if !room.send_away() {
                    warn!(%error, "the control API cannot accept");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, api: Arc<Api>, scope: Scope, place: Place) {
    // Without it small answers wait for the client's acknowledgement; nothing depends on it.
    let _ = stream.set_nodelay(true);
    let place = &place;
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let api = Arc::clone(&api);
        async move { Ok::<_, Infallible>(respond(&api, request.map(Body::new), place).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = place.lost() => Ok(()),
        () = silence(place) => Ok(()),
        () = scope.cancelled() => {
            served.as_mut().graceful_shutdown();
            timeout(DRAIN_TIME_MAX, served).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection to the control API ended early");
    }
}

/// Returns when the first headers should be complete and are not.
async fn silence(place: &Place) {
    tokio::time::sleep(HEADER_TIME_MAX).await;
    if !place.is_new() {
        std::future::pending().await
    }
}

/// Answers one request.
async fn respond(api: &Arc<Api>, request: Request<Body>, place: &Place) -> Response<Body> {
    place.turn(Stage::Resting);
    if let Some(wrong) = api.hosts.refuse(request.uri(), request.headers()) {
        return ApiReply::from(Refusal::new(StatusCode::FORBIDDEN, wrong)).into_response();
    }
    let is_proxy = |name: &str| api.handler.set.get(name).is_ok();
    let resource = match path::find(request.uri().path(), is_proxy) {
        Found::Resource(resource) if api.serves(&resource) => resource,
        Found::Resource(_) | Found::Nothing => return ApiReply::not_found().into_response(),
        Found::Moved(location) => {
            let query = request.uri().query().map(|query| format!("?{query}"));
            return ApiReply::moved(location + &query.unwrap_or_default()).into_response();
        }
        Found::Malformed => {
            let text = "400 Bad Request".to_owned();
            let kind = "text/plain; charset=utf-8";
            return ApiReply::typed(StatusCode::BAD_REQUEST, kind, text).into_response();
        }
    };
    if !Handler::takes(&resource, request.method()) {
        return ApiReply::empty(StatusCode::METHOD_NOT_ALLOWED).into_response();
    }
    let id = api.ids.next();
    let mut response = api.matched(resource, request, &id, place).await;
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

impl Api {
    fn serves(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Metrics => self.handler.metrics.is_on(),
            Resource::Events => self.feed.is_some(),
            Resource::Event(_) => self.handler.told.is_some(),
            _ => true,
        }
    }

    /// Answers a request that has a route.
    async fn matched(
        self: &Arc<Self>,
        resource: Resource,
        request: Request<Body>,
        id: &str,
        place: &Place,
    ) -> Response<Body> {
        if is_browser(&request) {
            return ApiReply::error(StatusCode::FORBIDDEN, "User agent not allowed")
                .into_response();
        }
        if let (Resource::Events, Some(feed)) = (&resource, &self.feed) {
            place.turn(Stage::Listening);
            let mut response = Response::new(feed.body(&self.scope));
            let kind = HeaderValue::from_static("text/event-stream");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            return response;
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let changes = Handler::changes(&resource, &method);
        let reply = match self.body(request).await {
            Ok(body) => {
                let _busy = place.busy();
                self.handled(resource, method.clone(), body).await
            }
            Err(refusal) => refusal.into(),
        };
        let (status, size) = (reply.status.as_u16(), reply.body_length());
        debug!(request_id = id, %method, url = path, status, size, "request");
        if changes {
            self.announce(method.as_str(), &path, reply.status);
        }
        reply.into_response()
    }

    /// Tells whoever listens that a client changed something, or tried to.
    fn announce(&self, method: &str, path: &str, status: StatusCode) {
        if let Some(feed) = &self.feed {
            feed.publish_change(method, path, status.as_u16());
        }
        if let Some(events) = self.meddling.as_ref().filter(|_| status.is_success()) {
            let detail =
                format!("a client of the control API changed the proxies: {method} {path}");
            events.emit(EventKind::Trouble { detail });
        }
    }

    /// The whole body, in its turn when it is long.
    async fn body(&self, request: Request<Body>) -> Result<Bytes, Refusal> {
        let length = request.headers().get(CONTENT_LENGTH).and_then(|text| text.to_str().ok());
        let length: Option<u64> = length.and_then(|text| text.parse().ok());
        let is_short = request.body().is_end_stream()
            || length.is_some_and(|length| length <= SHORT_BODY_BYTES);
        let collected = async {
            // The semaphore is never closed.
            let _turn = if is_short { None } else { self.long_bodies.acquire().await.ok() };
            Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await
        };
        match timeout(BODY_TIME_MAX, collected).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                let message = format!("the body is longer than {BODY_BYTES_MAX} bytes");
                Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message))
            }
            Ok(Err(_)) => Err(Refusal::bad_body("unexpected EOF")),
            Err(_) => Err(Refusal::bad_body("i/o timeout")),
        }
    }

    /// Handles the request in a task, for a bounded time.
    async fn handled(
        self: &Arc<Self>,
        resource: Resource,
        method: Method,
        body: Bytes,
    ) -> ApiReply {
        let (sender, receiver) = oneshot::channel();
        let api = Arc::clone(self);
        self.scope.child("request").spawn("handle", async move {
            // Nobody waits for the answer any more when the client has left.
            let _ = sender.send(api.handler.handle(resource, &method, &body).await);
        });
        in_time(receiver).await
    }
}

/// The reply of a request's task, or what is said instead of one.
async fn in_time(reply: oneshot::Receiver<ApiReply>) -> ApiReply {
    match timeout(HANDLER_TIME_MAX, reply).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => {
            let message = "the request ended in a fault of the server's own";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, message).into()
        }
        Err(_) => ApiReply::timeout(),
    }
}

fn is_browser(request: &Request<Body>) -> bool {
    let agent = request.headers().get(USER_AGENT);
    agent.is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// Catches a client that waits for ever for a request that does not end, and one that hears
    /// nothing when the request's task broke.
    #[tokio::test(start_paused = true)]
    async fn every_request_is_answered_in_bounded_time() {
        let (task, reply) = oneshot::channel();
        let asked = Instant::now();
        let late = in_time(reply).await;
        assert_eq!((late.status.as_u16(), asked.elapsed()), (503, HANDLER_TIME_MAX));
        assert!(task.is_closed(), "its reply is for nobody");

        let (task, reply) = oneshot::channel();
        drop(task);
        assert_eq!(in_time(reply).await.status.as_u16(), 500);

        let (task, reply) = oneshot::channel();
        assert!(task.send(ApiReply::empty(StatusCode::NO_CONTENT)).is_ok());
        assert_eq!(in_time(reply).await.status.as_u16(), 204);
    }
}
