//! A driver as the load calls it: the operations of a cache, with a trace of each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::calls::OpenCall;
use super::config::{DriverConfig, Servers};
use super::outcome::{are_alike, class_of, failure, item};
use super::process::{Recipe, Shared, StartError};
use super::speech::{self, Answer, Failed, Ready, Request};
use super::state::{State, Story};
use super::web::Web;
use crate::base::carried::{Carried, Mark};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::client::{Call, Failure, Item, Keep, Store, Trace, Ttl};
use crate::event::{ErrorClass, Events, Operation};
use crate::protocol::memcached::frame::key::Key;

/// How often the client's own words for an error of a class are kept.
const SAMPLES_MAX: usize = 20;

/// What passes the proxies on the driver's behalf.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Which node was asked for which key.
    pub carried: Arc<Carried>,
    /// Whether nobody can read what passes, so that the one node that there is has every key.
    pub is_blind: bool,
    /// What the keys of this run begin with.
    pub key_prefix: String,
}

/// A running driver. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Driver(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) shared: Arc<Shared>,
    /// It is reached by HTTP: nothing of ours runs.
    web: Option<Web>,
    pub(super) wire: Wire,
    slots: Arc<Semaphore>,
    misses_unanswered: AtomicU64,
    /// The client's own words, of each class.
    errors: Mutex<Vec<(ErrorClass, String)>>,
}

/// What a call came to, and what the wire saw of it.
struct Came {
    answer: Option<Answer>,
    trace: Trace,
    /// Whether a node was asked for the key meanwhile.
    asked: bool,
}

/// How long ago a call must have been made to be one that does not end: longer than any stall of the
/// machine under which a run is judged.
const OPEN_MIN: Duration = Duration::from_secs(3);

impl Driver {
    /// Starts the driver and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, says nothing, or something that is not the protocol.
    pub async fn start(
        config: DriverConfig,
        servers: impl Into<Servers>,
        wire: Wire,
        harness: PathBuf,
        events: Events,
        scope: &Scope,
    ) -> Result<Self, StartError> {
        let slots = Arc::new(Semaphore::new(config.concurrency as usize));
        let scope = scope.child("driver");
        let web = match &config.url {
            Some(url) => Some(Web::start(url, &config).await?),
            None => None,
        };
        let Servers { all: servers, first, invitation } = servers.into();
        let recipe = Recipe { config, servers, invitation, harness, events, scope };
        let shared = Arc::new(Shared { recipe, state: Mutex::new(State::new(first)) });
        match &web {
            Some(web) => shared.state.lock().ready = web.ready(),
            None => shared.start().await?,
        }
        let errors = Mutex::default();
        let misses_unanswered = AtomicU64::new(0);
        Ok(Self(Arc::new(Inner { shared, web, wire, slots, misses_unanswered, errors })))
    }

    /// What it said of itself.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.0.shared.state.lock().ready.clone()
    }

    /// Whether its client sends a request before it has the reply to the last, by its file.
    #[must_use]
    pub fn pipelines(&self) -> Option<bool> {
        self.0.shared.recipe.config.pipelines
    }

    /// Whether it can do `operation`, with all that the load needs for it, and may be asked for it.
    #[must_use]
    pub fn can(&self, operation: Operation) -> bool {
        if self.0.shared.recipe.config.without.contains(&operation) {
            return false;
        }
        self.lists(speech::verb(operation)) && (operation != Operation::Cas || self.lists("gets"))
    }

    /// Whether it said that it can do what is called so. Nothing else is ever asked of it.
    #[must_use]
    pub fn lists(&self, verb: &str) -> bool {
        self.0.shared.state.lock().lists(verb)
    }

    /// What it said that is not the protocol: it was ended for that.
    #[must_use]
    pub fn nonsense(&self) -> Option<String> {
        let web = self.0.web.as_ref().and_then(Web::nonsense);
        web.or_else(|| self.0.shared.state.lock().nonsense.clone())
    }

    /// What is known of it now.
    #[must_use]
    pub fn story(&self) -> Story {
        self.0.shared.state.lock().story()
    }

    /// Calls that nobody waits for any more and that have still not ended, long after they were asked,
    /// the longest first.
    #[must_use]
    pub fn open_calls(&self) -> Vec<OpenCall> {
        let long = (self.0.shared.recipe.config.timeout * 3).max(OPEN_MIN);
        let mut open = self.0.shared.state.lock().calls.open(Instant::now());
        open.retain(|call| call.age >= long);
        open
    }

    /// Misses that no node has answered: errors that the client told as misses.
    #[must_use]
    pub fn misses_unanswered(&self) -> u64 {
        self.0.misses_unanswered.load(Ordering::Relaxed)
    }

    /// The client's own words for its errors, one for each that differs, a few at most.
    #[must_use]
    pub fn errors(&self) -> Vec<(ErrorClass, String)> {
        self.0.errors.lock().clone()
    }

    /// Where `key` lives: the node that was asked for it first; none, as long as none was.
    #[must_use]
    pub fn home(&self, key: &Key) -> Option<NodeIndex> {
        self.look(self.mark(key)).first
    }

    /// Whether it is reached by HTTP.
    #[must_use]
    pub fn is_web(&self) -> bool {
        self.0.web.is_some()
    }

    /// Asks the driver to end.
    pub async fn close(&self) {
        if !self.is_web() {
            self.0.shared.close().await;
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0.wire.key_prefix
    }

    pub(super) fn count_unanswered(&self) {
        self.0.misses_unanswered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn mark(&self, key: &Key) -> Mark {
        Mark::of(&[self.0.wire.key_prefix.as_bytes(), key.as_bytes()])
    }

    /// The key as the client is told it.
    pub(super) fn named(&self, key: &Key) -> String {
        format!("{}{}", self.0.wire.key_prefix, key.as_str())
    }

    pub(super) fn request<'a>(&self, op: &'static str, named: &'a str) -> Request<'a> {
        Request::new(op, named.as_bytes())
    }

    pub(super) fn kept<'a>(&self, request: Request<'a>, value: &[u8], keep: Keep) -> Request<'a> {
        let flags = self.0.shared.state.lock().ready.flags.then_some(keep.flags);
        request.value(value).ttl_s(keep.ttl.as_it_stands()).flags(flags)
    }

    async fn call(&self, key: &Key, request: &Request<'_>) -> Came {
        let mark = self.mark(key);
        let before = self.look(mark);
        let mut trace = Trace::new(before.first.unwrap_or(NodeIndex(0)));
        trace.needed = 1;
        let answer = self.exchange(request, &mut trace).await;
        let after = self.look(mark);
        let seen = self.seen(before, after);
        trace.home = after.first.unwrap_or(trace.home);
        trace.attempts = seen.attempts();
        trace.requests = u32::from(seen.requests);
        trace.served_by = after.last.filter(|_| seen.may_be_answered());
        if let (Some(web), Some(Answer::Stored)) = (&self.0.web, &answer) {
            web.stored(after.first.is_some());
        }
        // A service may ask its nodes after it has answered, or when nobody waits any more.
        let is_unseen = self.is_web() || self.is_blind();
        let asked = seen.requests > 0 || (is_unseen && trace.sent.is_some());
        trace.is_unanswered = seen.is_unanswered(before);
        Came { answer, trace, asked }
    }

    /// Hands over the request and waits for its answer; `None`: the driver is gone.
    pub(super) async fn exchange(
        &self,
        request: &Request<'_>,
        trace: &mut Trace,
    ) -> Option<Answer> {
        let slot = Arc::clone(&self.0.slots).acquire_owned().await.ok()?;
        if let Some(web) = &self.0.web {
            let answer = web.exchange(request, trace).await;
            // What has no form in HTTP was not asked for.
            let was_asked = Web::has(request.name());
            if let Answer::Error(failed) = &answer
                && was_asked
            {
                self.keep_words(failed);
            }
            return Some(answer);
        }
        let (id, answer, outbox) = {
            let mut state = self.0.shared.state.lock();
            if !state.lists(request.name()) {
                return Some(Answer::Error(Failed::not_asked()));
            }
            let outbox = state.outbox.clone()?;
            let (id, answer) = state.calls.begin(request.name(), slot, Instant::now());
            (id, answer, outbox)
        };
        let given_up = GiveUp { shared: &self.0.shared, id, key: request.first_key() };
        trace.sent = Some(Instant::now());
        outbox.send(request.line(id)).await.ok()?;
        drop(outbox);
        let told = answer.await.ok().flatten();
        std::mem::forget(given_up);
        let (answer, at) = told?;
        trace.answered = Some(at);
        if let Answer::Error(failed) = &answer {
            self.keep_words(failed);
        }
        Some(answer)
    }

    pub(super) fn keep_words(&self, failed: &Failed) {
        let mut errors = self.0.errors.lock();
        let known = |(class, words): &(ErrorClass, String)| {
            *class == failed.class && are_alike(words, &failed.message)
        };
        if errors.len() < SAMPLES_MAX && !errors.iter().any(known) {
            errors.push((failed.class, failed.message.clone()));
        }
    }

    pub(super) async fn read(
        &self,
        op: &'static str,
        key: &Key,
        ttl: Option<Ttl>,
    ) -> Call<Option<Item>> {
        let named = self.named(key);
        let mut request = self.request(op, &named);
        if let Some(ttl) = ttl {
            request = request.ttl_s(ttl.as_it_stands());
        }
        let came = self.call(key, &request).await;
        let result = match came.answer {
            Some(Answer::Hit(value)) => Ok(Some(item(value))),
            Some(Answer::Miss | Answer::NotFound) => {
                if came.trace.is_unanswered {
                    self.count_unanswered();
                }
                Ok(None)
            }
            other => Err(Failure::Error(class_of(other.as_ref()))),
        };
        Call { result, trace: came.trace }
    }

    pub(super) async fn change<T>(
        &self,
        key: &Key,
        request: Request<'_>,
        read: impl FnOnce(&Answer) -> Option<T>,
    ) -> Call<T> {
        let came = self.call(key, &request).await;
        let answer = came.answer.as_ref();
        let result = answer.and_then(read).ok_or_else(|| failure(answer, came.asked));
        let mut trace = came.trace;
        if self.0.shared.state.lock().ready.cannot_tell.iter().any(|op| op == request.name()) {
            // As after a second attempt: either answer may come, whatever was there.
            trace.attempts = trace.attempts.max(2);
        }
        Call { result, trace }
    }

    pub(super) async fn store(&self, key: &Key, request: Request<'_>) -> Call<Store> {
        self.change(key, request, |answer| match answer {
            Answer::Stored => Some(Store::Stored),
            Answer::NotStored => Some(Store::NotStored),
            Answer::Exists => Some(Store::Exists),
            Answer::NotFound => Some(Store::NotFound),
            _ => None,
        })
        .await
    }

    pub(super) async fn keep(
        &self,
        op: &'static str,
        key: &Key,
        value: &[u8],
        keep: Keep,
    ) -> Call<Store> {
        let named = self.named(key);
        let request = self.kept(self.request(op, &named), value, keep);
        self.store(key, request).await
    }

    pub(super) async fn count(&self, op: &'static str, key: &Key, by: u64) -> Call<Option<u64>> {
        let named = self.named(key);
        let request = self.request(op, &named).by(by);
        self.change(key, request, |answer| match answer {
            Answer::Counted(value) => Some(Some(*value)),
            Answer::NotFound => Some(None),
            _ => None,
        })
        .await
    }
}

/// Tells the driver that nobody waits for a call any more, when its future is dropped.
struct GiveUp<'a> {
    shared: &'a Shared,
    id: u64,
    key: &'a str,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if state.calls.give_up(self.id, self.key)
            && state.ready.cancel
            && let Some(outbox) = &state.outbox
        {
            // A driver that does not read cannot be told.
            let _ = outbox.try_send(speech::control("cancel", self.id));
        }
    }
}
