//! A cache behind HTTP: the same calls, without a process of ours. `docs/drivers.md` has its verbs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::body::Bytes;
use hyper::{Method, Request as HttpRequest};

use super::config::DriverConfig;
use super::speech::{Answer, Failed, Ready, Request, Value};
use crate::base::name::NodeIndex;
use crate::client::Trace;
use crate::event::ErrorClass;
use crate::http::{Address, Answer as HttpAnswer, Caller, NotReady, Trouble, until_ready};

/// How long it is waited for: it runs already, or it never will.
const RUNNING_TIMEOUT: Duration = Duration::from_secs(5);

/// Values that are stored before it is said that none of their keys was seen on the way to a node.
const UNSEEN_MAX: u64 = 100;

/// What has a form in HTTP.
const OPERATIONS: [&str; 4] = ["get", "set", "delete", "incr"];

/// A service with the verbs of a cache.
#[derive(Debug)]
pub(crate) struct Web {
    caller: Caller,
    /// Values that were stored under keys that no node was seen asked for, and others.
    unseen: AtomicU64,
    seen: AtomicU64,
}

impl Web {
    /// Waits until it answers.
    pub(crate) async fn start(url: &Address, config: &DriverConfig) -> Result<Self, NotReady> {
        until_ready(url, false, config.timeout, RUNNING_TIMEOUT).await?;
        let caller = Caller::new(url.clone(), config.timeout, config.concurrency as usize);
        Ok(Self { caller, unseen: AtomicU64::new(0), seen: AtomicU64::new(0) })
    }

    /// What it would say of itself.
    pub(crate) fn ready(&self) -> Ready {
        Ready {
            client: self.caller.address().to_string(),
            operations: OPERATIONS.map(str::to_owned).into(),
            ..Ready::default()
        }
    }

    /// Whether an operation has a form in HTTP.
    pub(crate) fn has(operation: &str) -> bool {
        OPERATIONS.contains(&operation)
    }

    /// A value was stored; whether the proxies have seen its key.
    pub(super) fn stored(&self, is_seen: bool) {
        let count = if is_seen { &self.seen } else { &self.unseen };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Why nothing can be said about its nodes.
    pub(super) fn nonsense(&self) -> Option<String> {
        let seen = self.seen.load(Ordering::Relaxed);
        let unseen = self.unseen.load(Ordering::Relaxed);
        (seen == 0 && unseen >= UNSEEN_MAX).then(|| {
            format!(
                "{unseen} values were stored, and no node was asked for any of their keys: either its \
                 cache is not behind these proxies, or it gives keys other names than those in the path"
            )
        })
    }

    /// Asks, and waits for the answer; when it was sent is of no interest.
    pub(crate) async fn ask(&self, request: &Request<'_>) -> Answer {
        self.exchange(request, &mut Trace::new(NodeIndex(0))).await
    }

    /// Asks, and waits for the answer.
    pub(super) async fn exchange(&self, request: &Request<'_>, trace: &mut Trace) -> Answer {
        let sent = match http(self.caller.address(), request) {
            Ok(request) => request,
            Err(failed) => return Answer::Error(failed),
        };
        let told = self.caller.ask(sent).await;
        trace.sent = told.sent;
        trace.connection_wait = told.connection_wait;
        trace.answered = Some(told.over);
        match told.result {
            Ok(answer) => read(request.name(), &answer),
            Err(Trouble { class, message }) => Answer::Error(Failed { class, message }),
        }
    }
}

/// The request in HTTP.
fn http(address: &Address, request: &Request<'_>) -> Result<HttpRequest<Bytes>, Failed> {
    let key = request.key().unwrap_or_default();
    let (method, query) = match request.name() {
        "get" => (Method::GET, String::new()),
        "set" => (Method::PUT, expiry(request.ttl())),
        "delete" => (Method::DELETE, String::new()),
        "incr" => (Method::POST, format!("/incr?by={}", request.amount().unwrap_or(1))),
        other => return Err(failed(ErrorClass::Other, format!("`{other}` has no form in HTTP"))),
    };
    let value = request.value64().map(|text| BASE64.decode(text).unwrap_or_default());
    HttpRequest::builder()
        .method(method)
        .uri(address.target(&format!("/{key}{query}")))
        .body(Bytes::from(value.unwrap_or_default()))
        .map_err(|error| failed(ErrorClass::ClientError, format!("/{key}: {error}")))
}

fn expiry(ttl_s: Option<i64>) -> String {
    match ttl_s {
        Some(ttl_s) if ttl_s != 0 => format!("?ttl_s={ttl_s}"),
        _ => String::new(),
    }
}

/// What an answer means to the operation.
fn read(operation: &str, answer: &HttpAnswer) -> Answer {
    match (operation, answer.status) {
        ("get", 200 | 204) => {
            Answer::Hit(Value { bytes: answer.body.to_vec(), ..Value::default() })
        }
        ("get", 404) => Answer::Miss,
        ("set", 200 | 201 | 204) => Answer::Stored,
        ("delete", 200 | 204) => Answer::Deleted,
        ("delete" | "incr", 404) => Answer::NotFound,
        ("incr", 200) => match String::from_utf8_lossy(&answer.body).trim().parse() {
            Ok(value) => Answer::Counted(value),
            Err(_) => {
                let what = "the answer to an incr is not the counter's value".to_owned();
                Answer::Error(failed(ErrorClass::Protocol, what))
            }
        },
        (_, status) => Answer::Error(failed(class_of(status), format!("status {status}"))),
    }
}

const fn class_of(status: u16) -> ErrorClass {
    match status {
        408 | 504 => ErrorClass::Timeout,
        413 => ErrorClass::TooLarge,
        400..=499 => ErrorClass::ClientError,
        500..=599 => ErrorClass::ServerError,
        _ => ErrorClass::Protocol,
    }
}

const fn failed(class: ErrorClass, message: String) -> Failed {
    Failed { class, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a request that is not the one of the page.
    #[test]
    fn operations_have_their_verbs() {
        let address: Address = "http://h:1/cache".parse().unwrap();
        for (request, method, target, body) in [
            (Request::new("get", b"k:1"), "GET", "/cache/k:1", &b""[..]),
            (Request::new("set", b"k:1").value(&[0, 255]).ttl_s(0), "PUT", "/cache/k:1", &[0, 255]),
            (Request::new("set", b"k:1").value(b"a").ttl_s(60), "PUT", "/cache/k:1?ttl_s=60", b"a"),
            (Request::new("delete", b"k:1"), "DELETE", "/cache/k:1", b""),
            (Request::new("incr", b"k:1").by(3), "POST", "/cache/k:1/incr?by=3", b""),
        ] {
            let sent = http(&address, &request).unwrap();
            assert_eq!((sent.method().as_str(), sent.uri().to_string().as_str()), (method, target));
            assert_eq!(sent.body(), body);
        }
        assert!(http(&address, &Request::new("append", b"k")).is_err());
    }

    /// Catches a status that is taken for what it does not say.
    #[test]
    fn statuses_are_read() {
        let of = |operation, status, body: &'static [u8]| {
            read(operation, &HttpAnswer { status, body: Bytes::from_static(body) })
        };
        let hit = Value { bytes: b"v".to_vec(), ..Value::default() };
        assert_eq!(of("get", 200, b"v"), Answer::Hit(hit));
        assert_eq!(of("get", 404, b"none"), Answer::Miss);
        assert_eq!(of("set", 204, b""), Answer::Stored);
        assert_eq!(of("delete", 200, b""), Answer::Deleted);
        assert_eq!(of("delete", 404, b""), Answer::NotFound);
        assert_eq!(of("incr", 200, b"8\n"), Answer::Counted(8));
        assert_eq!(of("incr", 404, b""), Answer::NotFound);
        for (operation, status, class) in [
            ("get", 500, ErrorClass::ServerError),
            ("get", 302, ErrorClass::Protocol),
            ("set", 404, ErrorClass::ClientError),
            ("set", 413, ErrorClass::TooLarge),
            ("incr", 200, ErrorClass::Protocol),
            ("get", 504, ErrorClass::Timeout),
        ] {
            let Answer::Error(failed) = of(operation, status, b"") else { panic!("{status}") };
            assert_eq!(failed.class, class, "{operation} {status}");
        }
    }
}
