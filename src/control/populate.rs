//! Many proxies at once: `POST /populate` and the configuration file.
//!
//! A list that was populated before drops nothing: what is there already stays untouched, with its
//! connections, its toxics and its enabled state. Toxics in the list are added or brought up to
//! date; none is removed, and what answers cannot show in `attributes` stays unless it is given.

use axum::http::StatusCode;

use super::handle::{config, of_existing, warnings};
use super::input::{self, ProxyInput};
use super::reply::{ApiReply, Refusal};
use super::{attributes, output};
use crate::proxy::resolve;
use crate::proxy::{ProxySet, ProxyUpdate, ProxyView, ToxicUpdate, ToxicView};

/// What a list came to: the proxies done so far, and what stopped it.
#[derive(Debug, Default)]
struct Populated {
    proxies: Vec<ProxyView>,
    refusal: Option<Refusal>,
    warnings: Vec<String>,
}

/// Populates from a configuration file's text.
///
/// Returns how many proxies the list holds.
///
/// # Errors
/// In Toxiproxy's words. What came before the mistake in the list is there.
pub async fn populate(set: &ProxySet, body: &[u8]) -> Result<usize, String> {
    let populated = apply(set, body).await;
    match populated.refusal {
        Some(refusal) => Err(refusal.message),
        None => Ok(populated.proxies.len()),
    }
}

pub(super) async fn reply(set: &ProxySet, body: &[u8]) -> ApiReply {
    let Populated { proxies, refusal, warnings } = apply(set, body).await;
    let list = output::proxy_list(&proxies);
    let (status, text) = match refusal {
        Some(refusal) => (refusal.status, format!(r#"{{{},"proxies":{list}}}"#, refusal.members())),
        None => (StatusCode::CREATED, format!(r#"{{"proxies":{list}}}"#)),
    };
    ApiReply::json(status, text).warn(warnings)
}

async fn apply(set: &ProxySet, body: &[u8]) -> Populated {
    let mut populated = Populated::default();
    let entries = match input::proxies(body) {
        Ok(entries) => entries,
        Err(refusal) => return Populated { refusal: Some(refusal), ..populated },
    };
    for entry in entries {
        populated.warnings.extend(warnings(&entry));
        match one(set, entry).await {
            Ok(view) => populated.proxies.push(view),
            Err(refusal) => {
                populated.refusal = Some(refusal);
                break;
            }
        }
    }
    populated
}

async fn one(set: &ProxySet, entry: ProxyInput) -> Result<ProxyView, Refusal> {
    let name = entry.name.clone().unwrap_or_default();
    let Ok(existing) = set.get(&name) else {
        return Ok(set.create(config(entry)).await?);
    };
    let (listen, upstream) = (entry.listen.as_deref().unwrap_or_default(), &entry.upstream);
    if upstream.as_deref() != Some(&existing.upstream)
        || !is_same_address(&existing.listen, listen).await?
    {
        replace(set, &existing, &entry).await?;
    }
    // As they were before: names in the list are unique.
    let before = set.get(&name)?.toxics;
    for toxic in &entry.toxics {
        let existing = before.iter().find(|existing| existing.name == toxic.name);
        ensure(set, &name, toxic, existing).await?;
    }
    Ok(set.get(&name)?)
}

/// Whether a proxy at `current` listens where `asked` says; port 0 is satisfied by any port.
async fn is_same_address(current: &str, asked: &str) -> Result<bool, Refusal> {
    let current = resolve(current).await.map_err(of_existing)?;
    let mut asked = resolve(asked).await.map_err(of_existing)?;
    if asked.port() == 0 {
        asked.set_port(current.port());
    }
    Ok(current == asked)
}

/// Another address or server: a fresh proxy under the old name. One that cannot listen there
/// leaves the old one as it was.
async fn replace(set: &ProxySet, old: &ProxyView, entry: &ProxyInput) -> Result<(), Refusal> {
    let update = ProxyUpdate {
        listen: Some(entry.listen.clone().unwrap_or_default()),
        upstream: entry.upstream.clone(),
        enabled: Some(entry.enabled.unwrap_or(true)),
    };
    set.update(&old.name, update).await.map_err(of_existing)?;
    for toxic in &old.toxics {
        set.remove_toxic(&old.name, &toxic.name).await?;
    }
    Ok(())
}

/// Adds the toxic, or brings the one of its name up to date when something differs.
async fn ensure(
    set: &ProxySet,
    proxy: &str,
    toxic: &input::ToxicInput,
    existing: Option<&ToxicView>,
) -> Result<(), Refusal> {
    let Some(existing) = existing else {
        set.add_toxic(proxy, toxic.config()).await?;
        return Ok(());
    };
    if existing.kind != toxic.kind.name || existing.stream != toxic.stream {
        set.remove_toxic(proxy, &toxic.name).await?;
        set.add_toxic(proxy, toxic.config()).await?;
        return Ok(());
    }
    let given = &toxic.attributes.given;
    let given = attributes::written_back(toxic.kind.name, given, &existing.attributes);
    let wanted = toxic.kind.complete(&given).map_err(|error| Refusal::bad_attribute(&error))?;
    if existing.attributes != wanted || existing.toxicity.to_bits() != toxic.toxicity.to_bits() {
        let update = ToxicUpdate { toxicity: Some(toxic.toxicity), attributes: wanted };
        set.update_toxic(proxy, &toxic.name, update).await?;
    }
    Ok(())
}
