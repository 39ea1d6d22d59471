//! A control API elsewhere, seen from a client: ours, or any Toxiproxy.

use std::fmt::Write;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{Method, Request, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::path;

/// A longer answer is given up.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// A request that takes longer is given up.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);
/// Where an address without a port points.
const DEFAULT_PORT: u16 = 80;

/// Why a request to a control API came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address is no `http://host:port`.
    #[error("\"{0}\" is no address of a control API; write \"http://localhost:8474\"")]
    Address(String),
    /// It was not reached, or the answer did not arrive.
    #[error("fail to request: {0}")]
    Request(String),
    /// It refused.
    #[error("HTTP {status}: {message}")]
    Refused {
        /// The status in its answer.
        status: u16,
        /// Its words.
        message: String,
    },
    /// Its answer is not what a control API answers.
    #[error("the answer is no JSON: {0}")]
    Answer(#[from] serde_json::Error),
}

/// A control API at an address. Nothing is sent before [`Remote::send`].
#[derive(Clone, Debug)]
pub struct Remote {
    host: String,
    port: u16,
    agent: String,
}

impl Remote {
    /// The API at `address`, with or without `http://`; `agent` is what it is told of the client.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(address: &str, agent: impl Into<String>) -> Result<Self, RemoteError> {
        let wrong = || RemoteError::Address(address.to_owned());
        let rest = address.strip_prefix("http://").unwrap_or(address);
        let uri: Uri = format!("http://{rest}").parse().map_err(|_| wrong())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let port = uri.port_u16();
        let whole = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if rest.trim_end_matches('/') != whole {
            return Err(wrong());
        }
        let port = port.unwrap_or(DEFAULT_PORT);
        Ok(Self { host: host.to_owned(), port, agent: agent.into() })
    }

    /// Sends a request; `path` names the resource segment by segment. The answer is its JSON, or
    /// null when it has none.
    ///
    /// # Errors
    /// When it is not reached in time, refuses, or answers something else than JSON.
    pub async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, RemoteError> {
        let request = self.request(method, path, body)?;
        let (status, answer) = tokio::time::timeout(REQUEST_TIME_MAX, self.exchange(request))
            .await
            .map_err(|_| RemoteError::Request(format!("no answer in {REQUEST_TIME_MAX:?}")))??;
        if !(200..300).contains(&status) {
            return Err(refusal(status, &answer));
        }
        if answer.is_empty() {
            return Ok(serde_json::Value::Null);
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    fn request(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&serde_json::Value>,
    ) -> Result<Request<Body>, RemoteError> {
        let target = path.iter().fold(String::new(), |mut target, segment| {
            let segment = path::encode(segment.as_bytes()).replace('/', "%2F");
            // Writing to a String cannot fail.
            let _ = write!(target, "/{segment}");
            target
        });
        Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(USER_AGENT, &self.agent)
            .header(CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .map_err(|error| RemoteError::Request(error.to_string()))
    }

    async fn exchange(&self, request: Request<Body>) -> Result<(u16, Bytes), RemoteError> {
        let failed = |error: &dyn std::fmt::Display| {
            RemoteError::Request(format!("{}:{}: {error}", self.host, self.port))
        };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port)).await.map_err(|error| failed(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| failed(&error))?.to_bytes()))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // The answer may be complete although the connection has ended.
            _ = connection => answer.await,
        }
    }
}

/// The refusal in the API's words, or in those of whatever else answers there.
fn refusal(status: u16, answer: &[u8]) -> RemoteError {
    #[derive(serde::Deserialize)]
    struct Error {
        error: String,
        status: u16,
    }
    match serde_json::from_slice::<Error>(answer) {
        Ok(Error { error, status }) => RemoteError::Refused { status, message: error },
        Err(_) => {
            let text = String::from_utf8_lossy(answer);
            let message = text.lines().next().unwrap_or_default().chars().take(200).collect();
            RemoteError::Refused { status, message }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an address that people write and we refuse, or one that we misread.
    #[test]
    fn addresses_are_read() {
        for (address, host, port) in [
            ("http://localhost:8474", "localhost", 8474),
            ("localhost:8474", "localhost", 8474),
            ("http://10.0.0.1:80/", "10.0.0.1", 80),
            ("[::1]:8474", "[::1]", 8474),
            ("toxiproxy", "toxiproxy", 80),
        ] {
            let remote = Remote::new(address, "").unwrap();
            assert_eq!((remote.host.as_str(), remote.port), (host, port), "{address}");
        }
        for address in ["", "https://localhost:1", "http://", "localhost:x", "a b", "h:1/path"] {
            assert!(Remote::new(address, "").is_err(), "{address}");
        }
    }

    /// Catches a name that leaves its segment of the path.
    #[test]
    fn names_stay_in_their_segment() {
        let remote = Remote::new("localhost:1", "test").unwrap();
        let request = remote.request(Method::GET, &["proxies", "a/b c?é"], None).unwrap();
        assert_eq!(request.uri(), "/proxies/a%2Fb%20c%3F%C3%A9");
    }
}
