//! A service in a workload file: the table `[http]`.

use std::time::Duration;

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Uri};

use super::error::FileError;
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::base::units::Ratio;
use crate::http::{Address, Expectation, Filling, HttpSpec, RequestSpec, StatusPattern, Template};
use crate::load::WEIGHT_MAX;

/// The longest that an answer may be waited for.
const TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The most kinds of requests.
const REQUESTS_MAX: usize = 100;

const KEYS: [&str; 5] = ["base", "ready", "timeout", "unexpected_at_most", "request"];
const REQUEST_KEYS: [&str; 6] = ["weight", "method", "path", "headers", "body", "expect"];
const EXPECT_KEYS: [&str; 3] = ["status", "body_contains", "within"];

/// Headers that say how the message is put together: whoever sends it knows.
const OWN_HEADERS: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// What stands for the drawn things while a template is tried.
const TRIAL: Filling<'_> = Filling { key: "k:1", number: 1, worker: 0 };

/// Reads the table.
pub(super) fn read(node: &TomlValue<'_>) -> Result<HttpSpec, FileError> {
    let table = node.table()?;
    table.only("key of http", &KEYS)?;
    let base = table.need("base", "where the service is, such as \"http://127.0.0.1:8000\"")?;
    let base = said::<Address>(&base)?;
    let timeout = table.optional("timeout", read_timeout)?.unwrap_or(HttpSpec::TIMEOUT);
    let requests = table.list("request")?;
    if requests.is_empty() || requests.len() > REQUESTS_MAX {
        return Err(node.error(format!(
            "a service is asked for 1 to {REQUESTS_MAX} kinds of requests; write [[http.request]] with \
             path = \"/products/{{key}}\""
        )));
    }
    let ready = table.optional("ready", said::<Address>)?;
    let requests = requests
        .iter()
        .map(|request| read_request(&request.table()?, &base, timeout))
        .collect::<Result<_, _>>()?;
    let unexpected = table.optional("unexpected_at_most", |node| {
        node.parsed::<Ratio>("a ratio such as \"1%\"").map(Ratio::value)
    })?;
    let unexpected_at_most = unexpected.unwrap_or(HttpSpec::UNEXPECTED_AT_MOST);
    Ok(HttpSpec { base, ready, timeout, unexpected_at_most, requests })
}

/// A text that reads itself; what is wrong with it, it says best.
fn said<T: std::str::FromStr<Err = String>>(node: &TomlValue<'_>) -> Result<T, FileError> {
    node.text()?.parse().map_err(|what: String| node.error(what))
}

fn read_timeout(node: &TomlValue<'_>) -> Result<Duration, FileError> {
    let timeout = node.duration()?;
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        return Err(node.error("`timeout` must lie between 1ms and 60s"));
    }
    Ok(timeout)
}

fn read_request(
    table: &TomlTable<'_>,
    base: &Address,
    timeout: Duration,
) -> Result<RequestSpec, FileError> {
    table.only("key of a request", &REQUEST_KEYS)?;
    let weight = table.optional("weight", |node| node.count(1..=u64::from(WEIGHT_MAX)))?;
    let path = table.need("path", "what is asked for, such as \"/products/{key}\"")?;
    Ok(RequestSpec {
        weight: weight.map_or(1, |weight| u32::try_from(weight).unwrap_or(WEIGHT_MAX)),
        method: table.optional("method", read_method)?.unwrap_or(Method::GET),
        path: read_path(&path, base)?,
        headers: table.optional("headers", read_headers)?.unwrap_or_default(),
        body: table.optional("body", said)?,
        expect: table
            .optional("expect", |node| read_expectation(node, timeout))?
            .unwrap_or_default(),
    })
}

fn read_method(node: &TomlValue<'_>) -> Result<Method, FileError> {
    let known = Method::from_bytes(node.text()?.as_bytes()).ok();
    known
        .filter(|method| {
            let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
            method.as_str().bytes().all(is_letter) && *method != Method::CONNECT
        })
        .ok_or_else(|| node.error("write a method such as \"GET\" or \"POST\""))
}

fn read_path(node: &TomlValue<'_>, base: &Address) -> Result<Template, FileError> {
    let path: Template = said(node)?;
    let filled = path.fill(&TRIAL);
    let is_target = base.target(&filled).parse::<Uri>().is_ok() && !filled.contains('#');
    if !filled.starts_with('/') || !is_target {
        return Err(node.error(format!(
            "`{path}` is no path; it begins with a slash, and blanks and the like are written as %20"
        )));
    }
    Ok(path)
}

fn read_headers(node: &TomlValue<'_>) -> Result<Vec<(String, Template)>, FileError> {
    let mut headers = Vec::new();
    for node in node.table()?.iter() {
        let name = HeaderName::from_bytes(node.key().as_bytes())
            .map_err(|_| node.error_at_key(format!("`{}` is no header", node.key())))?;
        if OWN_HEADERS.contains(&name) {
            return Err(node.error_at_key(format!("`{name}` is set by the harness itself")));
        }
        let value: Template = said(&node)?;
        if HeaderValue::from_str(&value.fill(&TRIAL)).is_err() {
            return Err(node.error("a header's value is one line of visible characters"));
        }
        headers.push((node.key().to_owned(), value));
    }
    Ok(headers)
}

fn read_expectation(node: &TomlValue<'_>, timeout: Duration) -> Result<Expectation, FileError> {
    let table = node.table()?;
    table.only("part of an expectation", &EXPECT_KEYS)?;
    let body_contains = table.optional("body_contains", |node| node.text().map(str::to_owned))?;
    let within = table.optional("within", |node| {
        let within = node.duration()?;
        if within.is_zero() || within >= timeout {
            let timeout = crate::base::time::DurationText(timeout);
            return Err(node.error(format!(
                "`within` must lie below the `timeout` of http, which is {timeout}: no later answer is \
                 waited for"
            )));
        }
        Ok(within)
    })?;
    let status = table.optional("status", read_statuses)?;
    let status = status.unwrap_or_else(|| Expectation::default().status);
    Ok(Expectation { status, body_contains, within })
}

fn read_statuses(node: &TomlValue<'_>) -> Result<Vec<StatusPattern>, FileError> {
    if node.as_text().is_some() {
        return Ok(vec![said(node)?]);
    }
    let Ok(all) = node.list() else {
        return Err(node.error("write a status as \"200\" or \"2xx\", or a list of those"));
    };
    if all.is_empty() {
        return Err(node.error("no answer has none of the statuses; write \"2xx\""));
    }
    all.iter().map(said).collect()
}

/// Prints the table at `[path]`.
pub(super) fn print(text: &mut TomlText, path: &str, spec: &HttpSpec) {
    text.table(path);
    text.string("base", &spec.base.to_string());
    if let Some(ready) = &spec.ready {
        text.string("ready", &ready.to_string());
    }
    text.duration("timeout", spec.timeout);
    if let Some(share) = Ratio::new(spec.unexpected_at_most) {
        text.string("unexpected_at_most", &share.to_string());
    }
    for request in &spec.requests {
        text.element(&format!("{path}.request"));
        text.value("weight", &request.weight.to_string());
        text.string("method", request.method.as_str());
        text.string("path", request.path.as_str());
        let headers = request.headers.iter();
        let headers: Vec<String> = headers
            .map(|(name, value)| format!("{} = {}", string(name), string(value.as_str())))
            .collect();
        text.value("headers", &format!("{{ {} }}", headers.join(", ")));
        if let Some(body) = &request.body {
            text.string("body", body.as_str());
        }
        text.value("expect", &expectation(&request.expect));
    }
}

fn expectation(expect: &Expectation) -> String {
    let statuses: Vec<String> =
        expect.status.iter().map(|pattern| string(&pattern.to_string())).collect();
    let mut parts = vec![format!("status = [{}]", statuses.join(", "))];
    if let Some(body) = &expect.body_contains {
        parts.push(format!("body_contains = {}", string(body)));
    }
    if let Some(within) = expect.within {
        parts.push(format!("within = {}", super::text::duration(within)));
    }
    format!("{{ {} }}", parts.join(", "))
}
