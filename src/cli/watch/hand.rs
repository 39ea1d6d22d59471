//! What somebody breaks and heals by hand, as requests to the control API of the run: where every other
//! change from outside passes, so that it is in the journal and in the report.

use axum::http::Method;
use serde_json::{Map, Value, json};

use crate::control::{Remote, RemoteError};
use crate::view::Touch;

/// What the API is told of the client.
const AGENT: &str = concat!("harness-view/", env!("CARGO_PKG_VERSION"));

/// Breaks it.
///
/// # Errors
/// When the API is not reached or refuses.
pub(super) async fn inject(api: &str, touch: Touch) -> Result<(), RemoteError> {
    let (remote, node, what) = (Remote::new(api, AGENT)?, touch.node.to_string(), touch.what());
    let sent = match what.toxic {
        Some((kind, settings)) => {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
            let settings: Map<String, Value> = settings.collect();
            let toxic = json!({ "name": what.name, "type": kind, "attributes": settings });
            remote.send(Method::POST, &["proxies", &node, "toxics"], Some(&toxic)).await
        }
        None => remote.send(Method::POST, &["proxies", &node], Some(&switch(false))).await,
    };
    sent.map(drop)
}

/// Heals it.
///
/// # Errors
/// As [`inject`].
pub(super) async fn heal(api: &str, touch: Touch) -> Result<(), RemoteError> {
    let (remote, node, what) = (Remote::new(api, AGENT)?, touch.node.to_string(), touch.what());
    let sent = match what.toxic {
        Some(_) => {
            remote.send(Method::DELETE, &["proxies", &node, "toxics", what.name], None).await
        }
        None => remote.send(Method::POST, &["proxies", &node], Some(&switch(true))).await,
    };
    match sent {
        // Somebody else was faster.
        Err(RemoteError::Refused { status: 404, .. }) => Ok(()),
        sent => sent.map(drop),
    }
}

fn switch(enabled: bool) -> Value {
    json!({ "enabled": enabled })
}
