//! Answers and errors with exactly Toxiproxy's statuses, headers and bodies.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};

use super::json::Quoted;
use crate::base::family::SettingError;

/// Ours: what was accepted only because Toxiproxy accepts it.
const WARNING: HeaderName = HeaderName::from_static("x-harness-warning");

/// How many warnings an answer carries; many clients refuse an answer with too many headers.
const WARNINGS_MAX: usize = 16;

const TEXT: &str = "text/plain; charset=utf-8";

/// An answer that is complete in memory.
#[derive(Debug)]
pub(super) struct ApiReply {
    pub(super) status: StatusCode,
    content_type: Option<&'static str>,
    /// Error texts forbid browsers to guess another type.
    is_plain_error: bool,
    location: Option<String>,
    warnings: Vec<String>,
    body: String,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(super) fn bad_body(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("bad request body: {detail}"))
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("missing required field: {field}"))
    }

    /// A setting that the toxic itself refuses.
    pub(super) fn bad_attribute(error: &SettingError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("invalid toxic: {error}"))
    }

    /// The two members of an error object, without its braces.
    pub(super) fn members(&self) -> String {
        format!(r#""error":{},"status":{}"#, Quoted(&self.message), self.status.as_u16())
    }
}

impl From<Refusal> for ApiReply {
    /// The body is JSON but is labelled as text, as Go's error helper labels it.
    fn from(refusal: Refusal) -> Self {
        Self::error(refusal.status, &format!("{{{}}}", refusal.members()))
    }
}

impl ApiReply {
    /// An empty body without a type.
    pub(super) const fn empty(status: StatusCode) -> Self {
        Self {
            status,
            content_type: None,
            is_plain_error: false,
            location: None,
            warnings: Vec::new(),
            body: String::new(),
        }
    }

    pub(super) fn json(status: StatusCode, body: String) -> Self {
        Self::typed(status, "application/json", body)
    }

    pub(super) fn typed(status: StatusCode, content_type: &'static str, body: String) -> Self {
        Self { content_type: Some(content_type), body, ..Self::empty(status) }
    }

    /// A line of text.
    pub(super) fn error(status: StatusCode, line: &str) -> Self {
        Self { is_plain_error: true, ..Self::typed(status, TEXT, format!("{line}\n")) }
    }

    pub(super) fn not_found() -> Self {
        Self::error(StatusCode::NOT_FOUND, "404 page not found")
    }

    pub(super) fn moved(location: String) -> Self {
        Self { location: Some(location), ..Self::empty(StatusCode::MOVED_PERMANENTLY) }
    }

    /// The handler took too long.
    pub(super) fn timeout() -> Self {
        let body = "<html><head><title>Timeout</title></head><body><h1>Timeout</h1></body></html>";
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::typed(status, "text/html; charset=utf-8", body.to_owned())
    }

    pub(super) fn warn(mut self, mut warnings: Vec<String>) -> Self {
        let more = warnings.len().saturating_sub(WARNINGS_MAX);
        if more > 0 {
            warnings.truncate(WARNINGS_MAX);
            warnings.push(format!("and {more} more"));
        }
        self.warnings = warnings;
        self
    }

    pub(super) fn body_length(&self) -> usize {
        self.body.len()
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if let Some(content_type) = self.content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if self.is_plain_error {
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        }
        if let Some(Ok(location)) = self.location.map(HeaderValue::try_from) {
            headers.insert(LOCATION, location);
        }
        for warning in self.warnings {
            if let Ok(text) = HeaderValue::try_from(warning.escape_default().to_string()) {
                headers.append(WARNING, text);
            }
        }
        response
    }
}
