//! What is asked of a service: plain data that a plan stores, prints and hashes.

use std::time::Duration;

use hyper::Method;

use super::address::Address;
use super::expectation::Expectation;
use super::template::Template;

/// What a workload says of its service.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpSpec {
    /// Where it is.
    pub base: Address,
    /// What is asked until it answers that all is well, before anything else is; `None`: any answer of
    /// `base` will do.
    pub ready: Option<Address>,
    /// How long an answer is waited for, the connection included.
    pub timeout: Duration,
    /// The share of answers in the fault phase that may be other than expected, 0 to 1.
    pub unexpected_at_most: f64,
    /// What is asked.
    pub requests: Vec<RequestSpec>,
}

impl HttpSpec {
    /// How long an answer is waited for where the file says nothing.
    pub const TIMEOUT: Duration = Duration::from_secs(1);

    /// The share of answers that may be other than expected where the file says nothing: what an application that
    /// falls back at once shows on a busy machine.
    pub const UNEXPECTED_AT_MOST: f64 = 0.01;
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestSpec {
    /// How often it is drawn, beside the others.
    pub weight: u32,
    /// The method.
    pub method: Method,
    /// The path and query, below the base.
    pub path: Template,
    /// Headers by name.
    pub headers: Vec<(String, Template)>,
    /// The body.
    pub body: Option<Template>,
    /// What the answer must be.
    pub expect: Expectation,
}
