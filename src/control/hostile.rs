//! The readers of this module alone, for whoever feeds them bytes that no client would send: nothing is
//! listened on, created or changed.

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Uri};

use super::hosts::Hosts;
use super::input;
use super::path::{self, Resource};
use super::reply::Refusal;
use crate::base::family::Settings;
use crate::proxy::ToxicView;
use crate::proxy::fault::TOXICS;

/// How many kinds of bodies there are, a change to a toxic of each kind among them.
pub const BODY_KINDS: usize = BODIES_ALIKE + TOXICS.kinds.len();
/// Those that do not depend on what is there: of a proxy, of many, of a toxic.
const BODIES_ALIKE: usize = 3;

/// What a body came to.
#[derive(Debug)]
pub enum Read {
    /// It was understood, with these warnings.
    Taken(Vec<String>),
    /// It was not.
    Refused {
        /// The status of the answer.
        status: u16,
        /// Its body.
        body: String,
    },
}

/// Reads the body of a request of the `kind`th kind.
#[must_use]
pub fn read_body(kind: usize, body: &[u8]) -> Read {
    let warnings = match kind {
        0 => input::proxy(body).map(|proxy| super::handle::warnings(&proxy)),
        1 => input::proxies(body)
            .map(|proxies| proxies.iter().flat_map(super::handle::warnings).collect()),
        2 => input::toxic(body)
            .and_then(input::ToxicHead::complete)
            .map(|toxic| toxic.attributes.warnings),
        kind => change(kind - BODIES_ALIKE, body),
    };
    match warnings {
        Ok(warnings) => Read::Taken(warnings),
        Err(refusal) => Read::Refused {
            status: refusal.status.as_u16(),
            body: format!("{{{}}}", refusal.members()),
        },
    }
}

/// A change to a toxic of one kind, with its defaults where it has any.
fn change(kind: usize, body: &[u8]) -> Result<Vec<String>, Refusal> {
    let kind = &TOXICS.kinds[kind % TOXICS.kinds.len()];
    let toxic = ToxicView {
        name: kind.name.to_owned(),
        kind: kind.name.to_owned(),
        stream: crate::proxy::Stream::Downstream,
        toxicity: 1.0,
        attributes: kind.complete(&Settings::default()).unwrap_or_default(),
        counts: None,
    };
    input::change(body, &toxic).map(|(_, warnings)| warnings)
}

/// What a path stands for.
#[derive(Debug)]
pub enum Found {
    /// Something that is served, with the names in its path.
    Resource {
        /// The proxy.
        proxy: Option<String>,
        /// The toxic of it.
        toxic: Option<String>,
    },
    /// The same path in its shortest form.
    Moved(String),
    /// Nothing.
    Nothing,
    /// It cannot be decoded.
    Malformed,
}

/// Finds what a path means, where there are these proxies.
#[must_use]
pub fn find_path(path: &str, proxies: &[&str]) -> Found {
    match path::find(path, |name| proxies.contains(&name)) {
        path::Found::Resource(Resource::Toxic(proxy, toxic)) => {
            Found::Resource { proxy: Some(proxy), toxic: Some(toxic) }
        }
        path::Found::Resource(
            Resource::Proxy(proxy)
            | Resource::Toxics(proxy)
            | Resource::Connections(proxy)
            | Resource::Say(proxy),
        ) => Found::Resource { proxy: Some(proxy), toxic: None },
        path::Found::Resource(_) => Found::Resource { proxy: None, toxic: None },
        path::Found::Moved(to) => Found::Moved(to),
        path::Found::Nothing => Found::Nothing,
        path::Found::Malformed => Found::Malformed,
    }
}

/// Whether a server at `bound`, a numeric address, refuses a request under this `Host` and `Origin`.
#[must_use]
pub fn is_refused(bound: &str, host: &[u8], origin: &[u8]) -> bool {
    let Ok(bound) = bound.parse() else { return true };
    let mut headers = HeaderMap::new();
    for (name, value) in [(HOST, host), (ORIGIN, origin)] {
        if value.is_empty() {
            continue;
        }
        // What is no header never comes as far as here.
        let Ok(value) = HeaderValue::from_bytes(value) else { return true };
        headers.append(name, value);
    }
    Hosts::new(bound, &[]).refuse(&Uri::from_static("/proxies"), &headers).is_some()
}
