//! A rule as it was asked for: whom it matches, how often it fires, and what it does then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::action::Action;
use super::meeting::Meeting;
use super::seen::Seen;
use super::words::whom;
use crate::base::family::{SettingError, Settings};
use crate::protocol::Protocol;
use crate::protocol::speech::Matcher;
use crate::proxy::config::Stream;
use crate::proxy::fault::setting::{Age, age, never, no_delay, share, size};

/// A rule as it was asked for: checked settings, and what all connections of a proxy count together.
#[derive(Debug)]
pub struct RuleSpec {
    pub(super) matcher: Matcher,
    pub(super) probability: f64,
    pub(super) action: Action,
    /// Of which age a connection must be; `None`: of any.
    age: Option<Age>,
    /// Which requests are meant, in words.
    whom: String,
    cadence: Cadence,
    /// Whether every connection counts for itself.
    pub(super) per_connection: bool,
    shared: Tally,
    /// What a reply with another key's value takes it from, on whatever connection it passed.
    pub(super) seen: Mutex<Seen>,
    /// Where replies of two connections change places.
    pub(super) meeting: Arc<Meeting>,
}

/// Which of the matching requests are meant.
#[derive(Clone, Copy, Debug)]
struct Cadence {
    skip: u64,
    every: u64,
    /// 0: no bound.
    count: u64,
}

/// How often a rule matched and fired.
#[derive(Debug, Default)]
pub(super) struct Tally {
    matched: AtomicU64,
    fired: AtomicU64,
}

impl RuleSpec {
    /// Reads what all rules have in common. `None`: it means requests of any protocol.
    pub(super) fn new(
        settings: &Settings,
        action: Action,
        only: Option<Protocol>,
    ) -> Result<Self, SettingError> {
        let key = settings.text("key")?;
        Matcher::check_key(key, only).map_err(|what| SettingError::at("key", what))?;
        let matcher = Matcher::new(settings.text("command")?, key, only)
            .map_err(|what| SettingError::at("command", what))?;
        Ok(Self {
            matcher,
            probability: share(settings, "probability")?,
            action,
            age: age(settings)?,
            whom: whom(settings)?,
            cadence: Cadence {
                skip: size(settings, "skip")?,
                every: size(settings, "every")?.max(1),
                count: size(settings, "count")?,
            },
            per_connection: settings.text("per")? == "connection",
            shared: Tally::default(),
            seen: Mutex::default(),
            meeting: Arc::default(),
        })
    }

    /// Whether it acts on connections of this age.
    pub(in crate::proxy::fault) fn affects(&self, age: Age) -> bool {
        self.age.is_none_or(|only| only == age)
    }

    /// What it does with these settings.
    pub(in crate::proxy::fault) fn words(&self, stream: Stream) -> String {
        format!("{}: {}", self.whom, self.action.words(stream))
    }

    /// Why it changes nothing with these settings; `None`: it does something.
    pub(in crate::proxy::fault) fn idle(&self) -> Option<SettingError> {
        if self.probability <= 0.0 {
            return Some(never("probability"));
        }
        let Action::Delay { delay, jitter, .. } = self.action else { return None };
        (delay.is_zero() && jitter.is_zero()).then(|| no_delay("delay"))
    }

    /// Whether a matching request is one that is meant. `own` counts for one connection.
    pub(super) fn is_due(&self, own: &Tally, draw: impl FnOnce() -> f64) -> bool {
        let tally = self.tally(own);
        let Cadence { skip, every, count } = self.cadence;
        let turn = tally.matched.fetch_add(1, Ordering::Relaxed);
        if turn < skip || !(turn - skip).is_multiple_of(every) || draw() >= self.probability {
            return false;
        }
        let once_more = |fired| (count == 0 || fired < count).then_some(fired + 1);
        tally.fired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, once_more).is_ok()
    }

    /// It was due and came to nothing: that is none of the `count` that was asked for. One that was due
    /// before a change counts for nothing behind it.
    pub(super) fn was_in_vain(&self, own: &Tally) {
        let once_less = |fired: u64| fired.checked_sub(1);
        let _ = self.tally(own).fired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, once_less);
    }

    const fn tally<'a>(&'a self, own: &'a Tally) -> &'a Tally {
        if self.per_connection { own } else { &self.shared }
    }
}
