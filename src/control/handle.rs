//! What each request does: the order of checks is Toxiproxy's, so the first mistake named is too.

use axum::http::{Method, StatusCode};

use super::input::{self, ProxyInput, SayInput};
use super::metrics::Metrics;
use super::path::Resource;
use super::reply::{ApiReply, Refusal};
use super::told::Told;
use super::{output, populate, taps};
use crate::proxy::{Dial, ProxyConfig, ProxyError, ProxySet, ProxyUpdate};

/// The version of Toxiproxy whose contract this is. Clients read it to choose what they send.
pub const TOXIPROXY_VERSION: &str = "2.12.0";

/// Does what requests ask for.
#[derive(Debug)]
pub(super) struct Handler {
    pub(super) set: ProxySet,
    pub(super) metrics: Metrics,
    /// Who is told what has happened, where anybody waits for it.
    pub(super) told: Option<Told>,
}

impl Handler {
    /// Whether the resource has this method.
    pub(super) fn takes(resource: &Resource, method: &Method) -> bool {
        match resource {
            Resource::Metrics => true,
            Resource::Populate | Resource::Reset | Resource::Say(_) | Resource::Event(_) => {
                method == Method::POST
            }
            Resource::Version | Resource::Events | Resource::Connections(_) => {
                method == Method::GET
            }
            Resource::Proxies | Resource::Toxics(_) => {
                method == Method::GET || method == Method::POST
            }
            Resource::Proxy(_) | Resource::Toxic(..) => {
                [Method::GET, Method::POST, Method::PATCH, Method::DELETE].contains(method)
            }
        }
    }

    /// Whether such a request is meant to change something.
    pub(super) fn changes(resource: &Resource, method: &Method) -> bool {
        !matches!(resource, Resource::Metrics | Resource::Event(_)) && method != Method::GET
    }

    /// Answers a request whose method the resource has.
    pub(super) async fn handle(
        &self,
        resource: Resource,
        method: &Method,
        body: &[u8],
    ) -> ApiReply {
        let answer = match (&resource, method) {
            (Resource::Populate, _) => return populate::reply(&self.set, body).await,
            (Resource::Version, _) => return version(),
            (Resource::Metrics, _) => Ok(self.metrics.reply(&self.set).await),
            // Served by the server itself: it has no end.
            (Resource::Events, _) => Ok(ApiReply::not_found()),
            (Resource::Event(name), _) => self.tell(name),
            (Resource::Reset, _) => self.reset().await,
            (Resource::Proxies, &Method::GET) => Ok(ok(output::proxies(self.set.list()))),
            (Resource::Proxies, _) => self.create(body).await,
            (Resource::Proxy(name), &Method::GET) => self.show(name),
            (Resource::Proxy(name), &Method::DELETE) => self.delete(name).await,
            (Resource::Proxy(name), _) => self.update(name, body).await,
            (Resource::Connections(name), _) => self.connections(name),
            (Resource::Say(name), _) => self.say(name, body),
            (Resource::Toxics(proxy), &Method::GET) => self.toxics(proxy),
            (Resource::Toxics(proxy), _) => self.add_toxic(proxy, body).await,
            (Resource::Toxic(proxy, toxic), &Method::GET) => self.toxic(proxy, toxic),
            (Resource::Toxic(proxy, toxic), &Method::DELETE) => {
                self.remove_toxic(proxy, toxic).await
            }
            (Resource::Toxic(proxy, toxic), _) => self.update_toxic(proxy, toxic, body).await,
        };
        answer.unwrap_or_else(ApiReply::from)
    }

    /// Somebody may wait for it.
    fn tell(&self, name: &str) -> Result<ApiReply, Refusal> {
        match &self.told {
            Some(told) if told.say(name) => Ok(ApiReply::empty(StatusCode::NO_CONTENT)),
            Some(_) => Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many events that nobody has looked at",
            )),
            None => Ok(ApiReply::not_found()),
        }
    }

    async fn reset(&self) -> Result<ApiReply, Refusal> {
        self.set.reset().await?;
        Ok(ApiReply::empty(StatusCode::NO_CONTENT))
    }

    async fn create(&self, body: &[u8]) -> Result<ApiReply, Refusal> {
        let input = input::proxy(body)?;
        for (field, value) in [("name", &input.name), ("upstream", &input.upstream)] {
            if value.as_ref().is_none_or(String::is_empty) {
                return Err(Refusal::missing(field));
            }
        }
        let warnings = warnings(&input);
        let view = self.set.create(config(input)).await?;
        Ok(ApiReply::json(StatusCode::CREATED, output::proxy(&view)).warn(warnings))
    }

    fn show(&self, name: &str) -> Result<ApiReply, Refusal> {
        Ok(ok(output::proxy(&self.set.get(name)?)))
    }

    fn connections(&self, name: &str) -> Result<ApiReply, Refusal> {
        Ok(ok(taps::connections(&self.set.tap(name)?, &self.set.connections(name)?)))
    }

    fn say(&self, name: &str, body: &[u8]) -> Result<ApiReply, Refusal> {
        self.set.get(name)?;
        let SayInput { connection, what } = input::say(body)?;
        Ok(ok(output::said(self.set.say(name, connection, &what)?)))
    }

    async fn update(&self, name: &str, body: &[u8]) -> Result<ApiReply, Refusal> {
        self.set.get(name)?;
        let input = input::proxy(body)?;
        let update =
            ProxyUpdate { listen: input.listen, upstream: input.upstream, enabled: input.enabled };
        let view = self.set.update(name, update).await.map_err(of_existing)?;
        Ok(ok(output::proxy(&view)))
    }

    async fn delete(&self, name: &str) -> Result<ApiReply, Refusal> {
        self.set.delete(name).await?;
        Ok(ApiReply::empty(StatusCode::NO_CONTENT))
    }

    fn toxics(&self, proxy: &str) -> Result<ApiReply, Refusal> {
        Ok(ok(output::toxics(&self.set.get(proxy)?.toxics)))
    }

    fn toxic(&self, proxy: &str, name: &str) -> Result<ApiReply, Refusal> {
        let view = self.set.get(proxy)?;
        let toxic = view.toxics.iter().find(|toxic| toxic.name == name);
        Ok(ok(output::toxic(toxic.ok_or(ProxyError::ToxicNotFound)?)))
    }

    async fn add_toxic(&self, proxy: &str, body: &[u8]) -> Result<ApiReply, Refusal> {
        let view = self.set.get(proxy)?;
        let head = input::toxic(body)?;
        if view.toxics.iter().any(|toxic| toxic.name == head.name) {
            return Err(input::toxic_exists());
        }
        let toxic = head.complete()?;
        let view = self.set.add_toxic(proxy, toxic.config()).await?;
        Ok(ok(output::toxic(&view)).warn(toxic.attributes.warnings))
    }

    async fn update_toxic(
        &self,
        proxy: &str,
        name: &str,
        body: &[u8],
    ) -> Result<ApiReply, Refusal> {
        let view = self.set.get(proxy)?;
        let toxic = view.toxics.iter().find(|toxic| toxic.name == name);
        let toxic = toxic.ok_or(ProxyError::ToxicNotFound)?;
        let (update, warnings) = input::change(body, toxic)?;
        let view = self.set.update_toxic(proxy, name, update).await?;
        Ok(ok(output::toxic(&view)).warn(warnings))
    }

    async fn remove_toxic(&self, proxy: &str, name: &str) -> Result<ApiReply, Refusal> {
        self.set.remove_toxic(proxy, name).await?;
        Ok(ApiReply::empty(StatusCode::NO_CONTENT))
    }
}

fn ok(body: String) -> ApiReply {
    ApiReply::json(StatusCode::OK, body)
}

fn version() -> ApiReply {
    let body = format!("{{\"version\": \"{TOXIPROXY_VERSION}\"}}\n");
    ApiReply::typed(StatusCode::OK, "application/json;charset=utf-8", body)
}

/// The proxy that Toxiproxy would make of `input`, whose name and upstream are there.
pub(super) fn config(input: ProxyInput) -> ProxyConfig {
    ProxyConfig {
        name: input.name.unwrap_or_default(),
        listen: input.listen.unwrap_or_default(),
        upstream: input.upstream.unwrap_or_default(),
        enabled: input.enabled.unwrap_or(true),
        dial: input.dial.unwrap_or(Dial::Lazy),
        protocol: input.protocol,
        node: None,
        toxics: input.toxics.iter().map(input::ToxicInput::config).collect(),
    }
}

pub(super) fn warnings(input: &ProxyInput) -> Vec<String> {
    input.toxics.iter().flat_map(|toxic| toxic.attributes.warnings.clone()).collect()
}

/// An address that is none is named in other words when the proxy exists already.
pub(super) fn of_existing(error: ProxyError) -> Refusal {
    let is_invalid = matches!(error, ProxyError::Listen { invalid: true, .. });
    let mut refusal = Refusal::from(error);
    if let Some(rest) = refusal.message.strip_prefix("listen tcp: ").filter(|_| is_invalid) {
        refusal.message = rest.to_owned();
    }
    refusal
}

impl From<ProxyError> for Refusal {
    fn from(error: ProxyError) -> Self {
        let status = match &error {
            ProxyError::ProxyNotFound
            | ProxyError::ToxicNotFound
            | ProxyError::ConnectionNotFound => StatusCode::NOT_FOUND,
            ProxyError::ProxyExists | ProxyError::ToxicExists => StatusCode::CONFLICT,
            ProxyError::Listen { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            ProxyError::TooManyProxies | ProxyError::TooManyToxics => StatusCode::PAYLOAD_TOO_LARGE,
            ProxyError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            ProxyError::Attribute(error) => return Self::bad_attribute(error),
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.to_string())
    }
}
