//! An application that is asked for answers: one that runs already, or a command that was started.

use std::time::Duration;

use super::called::Called;
use super::command::Command;
use super::{LossListener, Output, Relisted, Subject};
use crate::base::scope::Scope;
use crate::client::NodeSnapshot;
use crate::event::{EventKind, Events, SubjectFacts};
use crate::http::{HttpSpec, NotReady, until_ready};
use crate::load::{LoadConfig, LoadError, LoadTotals, Preloaded, Progress, Service as Asked};
use crate::record::Recorder;

/// How long a service is waited for: an interpreter that starts, a framework that loads.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one that nobody started here is waited for: it runs already, or it never will.
const RUNNING_TIMEOUT: Duration = Duration::from_secs(5);

/// The lines of its output that an error shows.
const LAST_LINES: usize = 10;

/// What it is started with.
pub(crate) struct Settings<'a> {
    pub(crate) spec: HttpSpec,
    /// The process, where it was started here.
    pub(crate) command: Option<Command>,
    pub(crate) load: LoadConfig,
    /// Where samples go.
    pub(crate) recorder: &'a Recorder,
    pub(crate) events: &'a Events,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{why}{output}")]
    NotReady { why: NotReady, output: String },
    #[error("the service ended before it was ready ({how}){output}")]
    Ended { how: String, output: String },
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// The application, and the load on it.
#[derive(Debug)]
pub(crate) struct Service {
    called: Called,
    command: Option<Command>,
    events: Events,
}

/// Waits until the service is ready, and prepares the load; nothing that counts is asked yet.
///
/// # Errors
/// When it is not ready in time, and what it said.
pub(crate) async fn start(given: Settings<'_>, scope: &Scope) -> Result<Service, StartError> {
    let Settings { spec, command, load, recorder, events } = given;
    tokio::select! {
        biased;
        ready = ready(&spec, command.as_ref()) => ready?,
        () = until_ended(command.as_ref()) => {
            let facts = command.as_ref().map(Command::facts).unwrap_or_default();
            let how = facts.command.and_then(|facts| facts.ended);
            let how = how.unwrap_or_else(|| "nobody knows how".to_owned());
            return Err(StartError::Ended { how, output: last_words(command.as_ref()) });
        }
    }
    let asked = Asked::new(spec, load.concurrency);
    let called =
        Called::start(vec![(asked.into(), 1.0)], load, Vec::new(), recorder, events, scope)?;
    Ok(Service { called, command, events: events.clone() })
}

/// Asks until there is an answer that will do.
async fn ready(spec: &HttpSpec, command: Option<&Command>) -> Result<(), StartError> {
    let address = spec.ready.as_ref().unwrap_or(&spec.base);
    let waited = if command.is_some() { READY_TIMEOUT } else { RUNNING_TIMEOUT };
    let ready = until_ready(address, spec.ready.is_some(), spec.timeout, waited).await;
    ready.map_err(|why| StartError::NotReady { why, output: last_words(command) })
}

async fn until_ended(command: Option<&Command>) {
    match command {
        Some(command) => command.ended().await,
        None => std::future::pending().await,
    }
}

fn last_words(command: Option<&Command>) -> String {
    let lines = command.and_then(Command::output).map(|output| output.lines).unwrap_or_default();
    let last = lines.iter().skip(lines.len().saturating_sub(LAST_LINES));
    last.map(|line| format!("\n  {line}")).collect()
}

impl Subject for Service {
    fn facts(&self) -> SubjectFacts {
        let facts = self.called.facts();
        let Some(command) = &self.command else { return facts };
        let of_command = command.facts();
        let ended = of_command.command.filter(|command| !command.ended_by_harness);
        let died = ended.is_some_and(|command| command.ended.is_some());
        SubjectFacts {
            name: format!("{} ({})", of_command.name, facts.name),
            crashes: Some(u64::from(died)),
            ..facts
        }
    }

    fn makes_the_load(&self) -> bool {
        false
    }

    fn output(&self) -> Option<Output> {
        self.command.as_ref().and_then(Command::output)
    }

    fn planted(&self) -> Option<String> {
        None
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn loss_listener(&self) -> LossListener {
        self.called.loss_listener()
    }

    fn on_relisted(&self) -> Relisted {
        // It reads the list by itself, or does not.
        Box::new(|_, _| None)
    }

    async fn preload(&self) -> Preloaded {
        // What it keeps is its own affair.
        Preloaded::default()
    }

    fn begin(&self) {
        self.called.begin();
    }

    fn progress(&self) -> Progress {
        self.called.progress()
    }

    fn snapshot(&self) -> Option<Vec<NodeSnapshot>> {
        None
    }

    async fn ended(&self) {
        until_ended(self.command.as_ref()).await;
        let facts = self.command.as_ref().and_then(|command| command.facts().command);
        let how = facts.and_then(|facts| facts.ended).unwrap_or_default();
        let last_words = last_words(self.command.as_ref());
        self.events.emit(EventKind::ClientCrashed { how, last_words });
    }

    fn stop(&self) {
        self.called.stop();
    }

    async fn drain(&mut self) -> Option<LoadTotals> {
        let totals = self.called.drain().await;
        if let Some(command) = &mut self.command {
            command.stop();
            command.drain().await;
        }
        totals
    }

    async fn close(self) {
        self.called.close().await;
    }
}
