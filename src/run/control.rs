//! The control API of a lab: whoever likes may look, and whoever meddles is written down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::RunError;
use crate::base::scope::{Closed, Scope};
use crate::control::{self, ApiOptions, Feed, Told};
use crate::event::Events;
use crate::lab::Listen;
use crate::lab::error::LabError;
use crate::metrics::Board;
use crate::proxy::ProxySet;

/// How long requests under way may take to end; more than the API itself gives them.
const CLOSE_GRACE: Duration = Duration::from_secs(6);

/// What it shows beside the proxies.
pub(super) struct Shown {
    /// What happens.
    pub(super) feed: Feed,
    /// The figures of a run; `None`: there is none.
    pub(super) board: Option<Board>,
}

/// The API while it is served.
#[derive(Debug)]
pub(super) struct Control {
    address: SocketAddr,
    notice: Option<String>,
    changes: Arc<AtomicU64>,
    told: Told,
    scope: Scope,
}

impl Control {
    /// Serves `proxies` where `listen` says, and tells `events` of every change that a client
    /// makes. A usual port that is taken gives way to a free one.
    ///
    /// # Errors
    /// When the address was asked for and cannot be had, or there is no free port.
    pub(super) async fn start(
        listen: Listen,
        proxies: &ProxySet,
        shown: Shown,
        events: Events,
        scope: &Scope,
    ) -> Result<Self, RunError> {
        let scope = scope.child("control");
        let asked = listen.address;
        let failed = |error: std::io::Error| LabError::Listen {
            address: asked.to_string(),
            what: error.to_string(),
            flag: "-api",
        };
        let host = asked.ip().to_string();
        let mut bound = control::bind(&host, asked.port()).await;
        let moved = bound.is_err() && !listen.required;
        if moved {
            bound = control::bind(&host, 0).await;
        }
        let changes = Arc::<AtomicU64>::default();
        let counter = Arc::clone(&changes);
        let meddling = Events::to(move |kind| {
            counter.fetch_add(1, Ordering::Relaxed);
            events.emit(kind);
        });
        let told = Told::default();
        let options = ApiOptions {
            proxy_metrics: true,
            feed: Some(shown.feed),
            board: shown.board,
            meddling: Some(meddling),
            told: Some(told.clone()),
            ..ApiOptions::default()
        };
        let address = control::serve(bound.map_err(failed)?, proxies.clone(), options, &scope)
            .map_err(failed)?;
        let notice =
            moved.then(|| format!("{asked} is taken: the control API is on {address} instead"));
        Ok(Self { address, notice, changes, told, scope })
    }

    /// Where it listens.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What clients say has happened.
    pub(super) const fn told(&self) -> &Told {
        &self.told
    }

    /// What a person should know about how it came up.
    pub(super) fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// What a report must say when somebody changed the proxies.
    pub(super) fn meddling(&self) -> Option<String> {
        let changes = self.changes.load(Ordering::Relaxed);
        (changes > 0).then(|| {
            format!(
                "changes made through the control API while it ran: {changes}; its faults are not \
                 only those of its plan"
            )
        })
    }

    /// Answers what was asked, and nothing after that.
    pub(super) async fn close(&self) -> Closed {
        self.scope.close(CLOSE_GRACE).await
    }
}
