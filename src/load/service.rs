//! A service that is asked for answers instead of a cache for values.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::Request;
use hyper::body::Bytes;
use parking_lot::Mutex;

use crate::event::Outcome;
use crate::http::{Answer, Caller, Exchange, Filling, HttpSpec, RequestSpec, Unmet};

/// Kinds of what went wrong of which a sample is kept.
const SAMPLES_MAX: usize = 20;

/// The characters of a body that a sample shows.
const SHOWN_MAX: usize = 100;

/// A service, and what is asked of it. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: HttpSpec,
    caller: Caller,
    /// Requests so far.
    asked: AtomicU64,
    /// What went wrong, a sample of each outcome and kind of request.
    samples: Mutex<BTreeMap<(&'static str, usize), String>>,
}

/// What a request came to.
pub(super) struct Told {
    pub(super) outcome: Outcome,
    pub(super) exchange: Exchange,
}

impl Service {
    /// Nothing is asked before the load begins. There are never more connections than `concurrency`.
    #[must_use]
    pub fn new(spec: HttpSpec, concurrency: u32) -> Self {
        let caller = Caller::new(spec.base.clone(), spec.timeout, concurrency as usize);
        let (asked, samples) = (AtomicU64::new(0), Mutex::default());
        Self(Arc::new(Inner { spec, caller, asked, samples }))
    }

    /// What is asked of it.
    #[must_use]
    pub fn spec(&self) -> &HttpSpec {
        &self.0.spec
    }

    /// What went wrong, a sample of each outcome and kind of request, a few at most.
    #[must_use]
    pub fn samples(&self) -> Vec<(String, String)> {
        let samples = self.0.samples.lock();
        samples.iter().map(|((outcome, _), text)| ((*outcome).to_owned(), text.clone())).collect()
    }

    /// The sum of the weights: what a kind of request is drawn below.
    pub(super) fn weights(&self) -> u32 {
        self.0.spec.requests.iter().map(|request| request.weight).sum()
    }

    /// Sends the kind of request that `drawn` stands for. `since_due` says how long ago it was due.
    pub(super) async fn ask(
        &self,
        drawn: u32,
        key: &str,
        worker: usize,
        since_due: impl Fn() -> Duration,
    ) -> Told {
        let requests = &self.0.spec.requests;
        let kind = kind(requests, drawn);
        let number = self.0.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let filling = Filling { key, number, worker };
        let spec = &requests[kind];
        let (target, request) = self.request(spec, &filling);
        let exchange = self.0.caller.ask(request).await;
        let (outcome, words) = judge(spec, &exchange, since_due());
        if let Some(words) = words {
            let mut samples = self.0.samples.lock();
            let place = (outcome.name(), kind);
            if samples.len() < SAMPLES_MAX && !samples.contains_key(&place) {
                samples.insert(place, format!("{} {target}: {words}", spec.method));
            }
        }
        Told { outcome, exchange }
    }

    fn request(&self, spec: &RequestSpec, filling: &Filling<'_>) -> (String, Request<Bytes>) {
        let target = self.0.spec.base.target(&spec.path.fill(filling));
        let mut request = Request::builder().method(spec.method.clone()).uri(&target);
        for (name, value) in &spec.headers {
            request = request.header(name, value.fill(filling));
        }
        let body = spec.body.as_ref().map(|body| Bytes::from(body.fill(filling)));
        // The plan has tried every part of it, and keys, numbers and workers change nothing of that.
        let request = request.body(body.unwrap_or_default()).expect("the plan has checked it");
        (target, request)
    }
}

/// The place of the kind of request that a number below the sum of weights stands for.
fn kind(requests: &[RequestSpec], drawn: u32) -> usize {
    let mut sum = 0;
    let ends = requests.iter().map(|request| {
        sum += request.weight;
        sum
    });
    ends.into_iter().position(|end| drawn < end).unwrap_or_default()
}

/// What an exchange came to, and in words what was wrong with it.
fn judge(spec: &RequestSpec, exchange: &Exchange, took: Duration) -> (Outcome, Option<String>) {
    let Answer { status, body } = match &exchange.result {
        Ok(answer) => answer,
        Err(trouble) => return (Outcome::Error(trouble.class), Some(trouble.message.clone())),
    };
    let Err(unmet) = spec.expect.judge(*status, body, took) else { return (Outcome::Ok, None) };
    let text = String::from_utf8_lossy(body);
    let text: String = text.chars().take(SHOWN_MAX).collect();
    match unmet {
        Unmet::Status => {
            let expected = spec.expect.statuses();
            let hint = if (300..400).contains(status) { " (no redirect is followed)" } else { "" };
            let words = format!("{status}{hint}, {expected} is expected; it says: {text}");
            (Outcome::UnexpectedStatus, Some(words))
        }
        Unmet::Body => {
            let expected = spec.expect.body_contains.as_deref().unwrap_or_default();
            let words = format!("{status}, and no `{expected}` in the body; it says: {text}");
            (Outcome::UnexpectedBody, Some(words))
        }
        Unmet::Late => {
            let within = spec.expect.within.unwrap_or_default();
            (Outcome::TooLate, Some(format!("{status} after {took:.0?}, {within:?} is expected")))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::event::ErrorClass;
    use crate::http::{Expectation, Trouble};

    fn spec(weight: u32) -> RequestSpec {
        RequestSpec {
            weight,
            method: hyper::Method::GET,
            path: "/{key}".parse().unwrap(),
            headers: Vec::new(),
            body: None,
            expect: Expectation {
                body_contains: Some("price".to_owned()),
                within: Some(Duration::from_millis(300)),
                ..Expectation::default()
            },
        }
    }

    /// Catches an exchange that comes to another outcome than its own, and one whose words do not say
    /// what was expected.
    #[test]
    fn every_exchange_comes_to_one_outcome() {
        let answer = |status, body| Ok(Answer { status, body: Bytes::from_static(body) });
        let trouble = |class| Err(Trouble { class, message: "words".to_owned() });
        let price = &b"price"[..];
        for (result, ms, outcome, words) in [
            (answer(200, price), 300, Outcome::Ok, ""),
            (answer(200, price), 301, Outcome::TooLate, "200 after 301ms, 300ms is expected"),
            (answer(200, b"none"), 301, Outcome::UnexpectedBody, "no `price` in the body"),
            (
                answer(503, b"down"),
                1,
                Outcome::UnexpectedStatus,
                "503, 2xx is expected; it says: down",
            ),
            (answer(302, price), 1, Outcome::UnexpectedStatus, "302 (no redirect is followed)"),
            (trouble(ErrorClass::Timeout), 1, Outcome::Error(ErrorClass::Timeout), "words"),
        ] {
            let over = Instant::now();
            let exchange =
                Exchange { connection_wait: Duration::ZERO, sent: None, attempts: 1, over, result };
            let told = judge(&spec(1), &exchange, Duration::from_millis(ms));
            assert_eq!(told.0, outcome);
            assert!(told.1.unwrap_or_default().contains(words), "{words}");
        }
    }

    /// Catches kinds of requests that do not come by their weight.
    #[test]
    fn kinds_come_by_their_weight() {
        let kinds: Vec<usize> =
            (0..4).map(|drawn| kind(&[spec(1), spec(0), spec(3)], drawn)).collect();
        assert_eq!(kinds, [0, 2, 2, 2]);
    }
}
