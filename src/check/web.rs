//! Whether a service has the verbs of a cache: the same rows of operations as those of a driver, over
//! HTTP. Where its nodes are is its own affair, so that none of them is silenced.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::cases::{self, PREFIX};
use super::runner::{Patience, finding, play};
use super::session::{Asked, Told, Trouble};
use super::step::Step;
use super::stories::{self, Came, Verdict};
use super::{Finding, Summary};
use crate::base::scope::Scope;
use crate::driver::speech::{Answer, Ready, Request};
use crate::driver::{DriverConfig, Web};

/// Requests at once, where the file allows as many.
const AT_ONCE_MAX: u32 = 32;

/// How long what is left may take to end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

struct Service {
    web: Arc<Web>,
    ready: Ready,
}

impl Asked for Service {
    fn ready(&self) -> &Ready {
        &self.ready
    }

    async fn call(&mut self, request: &Request<'_>) -> Result<Told, Trouble> {
        Ok(ask(&self.web, request).await)
    }
}

/// One request and what it came to; its line is what an error says.
async fn ask(web: &Web, request: &Request<'_>) -> Told {
    let answer = web.ask(request).await;
    let line = match &answer {
        Answer::Error(failed) => failed.message.clone(),
        other => other.name().to_owned(),
    };
    Told { line: format!("{}: {line}", request.name()), answer }
}

/// Checks a service that answers.
pub(super) async fn check_service(
    web: Web,
    config: &DriverConfig,
    told: &mut (dyn FnMut(&Finding) + Send),
) -> Summary {
    let web = Arc::new(web);
    let ready = web.ready();
    let nodes = "nodes of its own".to_owned();
    let mut summary = Summary { client: ready.client.clone(), nodes, ..Summary::default() };
    let mut patience = Patience::default();
    let mut record = |name, expected: &str, came: Came| {
        let finding = finding(name, expected, patience.excuse(came));
        summary.count(finding.outcome);
        told(&finding);
    };
    let mut service = Some(Service { web: Arc::clone(&web), ready });
    let expiring = stories::begin_expiry(&mut service).await;
    for case in cases::all() {
        let (expected, came) = play(&case, service.as_mut()).await;
        record(case.name, &expected, came);
    }
    let came = at_once(&web, config.concurrency.min(AT_ONCE_MAX)).await;
    record("calls at once", "each answer to be that of its own request", came);
    let came = stories::end_expiry(service.as_mut(), expiring).await;
    record("ttl", "a value of 1 s to be gone soon after", came);
    summary
}

/// Stores a value for each of `count` keys, and reads them all at once.
async fn at_once(web: &Arc<Web>, count: u32) -> Came {
    let keys: Vec<String> = (0..count).map(|number| format!("{PREFIX}at-once:{number}")).collect();
    for key in &keys {
        let step = Step::write("set", key.as_str(), key.as_str(), Answer::Stored);
        let told = ask(web, &step.request(None)).await;
        if told.answer != Answer::Stored {
            return Err(stories::unexpected(&told));
        }
    }
    let scope = Scope::current("check");
    // Each says one thing, so that nobody waits for room.
    let (sender, mut answers) = mpsc::channel(keys.len().max(1));
    for key in keys {
        let (web, sender) = (Arc::clone(web), sender.clone());
        scope.spawn(key.clone(), async move {
            let told = ask(&web, &Request::new("get", key.as_bytes())).await;
            // Nobody listens once one answer was wrong.
            let _ = sender.send((key, told)).await;
        });
    }
    drop(sender);
    let mut came = Ok(Verdict::Ok);
    while let Some((key, told)) = answers.recv().await {
        if !matches!(&told.answer, Answer::Hit(value) if value.bytes == key.as_bytes()) {
            came = Err(stories::unexpected(&told));
        }
    }
    scope.close(CLOSE_GRACE).await;
    came
}
