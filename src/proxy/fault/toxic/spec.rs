//! What a toxic is: the spec that was asked for, and the state machine it starts on a stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use crate::base::family::{Setting, SettingError, Settings, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::message::RuleSpec;
use crate::proxy::fault::outbox::Outbox;

/// How much is held on one direction of one connection, by all its toxics together, before the link
/// stops reading from the sender, whose own buffers then fill as they would before a slow network.
pub const HELD_BYTES_MAX: usize = 4 << 20;

/// The longest time that a setting can mean: a year.
pub(super) const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// A toxic as it was asked for: plain, checked settings.
pub trait ToxicSpec: fmt::Debug + Send + Sync {
    /// Starts it on one direction of one connection.
    fn start(&self, now: Instant, draws: Stream) -> Box<dyn Toxic>;

    /// Starts it in place of an instance that had other settings and carried `carried`.
    fn resume(&self, now: Instant, draws: Stream, carried: u64) -> Box<dyn Toxic> {
        let _ = carried;
        self.start(now, draws)
    }

    /// What it does to connections that are not open yet.
    fn entrance(&self) -> Entrance {
        Entrance::Open
    }

    /// How long a connection that was just accepted waits before the server is connected to.
    fn connect_delay(&self, draws: &mut Stream) -> Duration {
        let _ = draws;
        Duration::ZERO
    }

    /// The message fault that it is, if it is one: then it acts on messages and never on bytes.
    fn rule(&self) -> Option<&Arc<RuleSpec>> {
        None
    }

    /// Why it changes nothing with these settings, at the setting to change; `None`: it does something.
    /// The control API takes it all the same, as Toxiproxy does; a plan refuses it.
    fn idle(&self) -> Option<SettingError> {
        None
    }

    /// Whether it acts on the bytes of a connection of this age.
    fn affects(&self, age: Age) -> bool {
        let _ = age;
        true
    }
}

/// A piece that leaves this much too late (the machine was busy) is made up for; beyond, the receiver
/// did not take it, and the time is lost.
const LATE_MAX: Duration = Duration::from_millis(100);

/// From when on the piece behind one may leave that was due at `due` and left at `now`: a stream that
/// was blocked does not go on in a burst.
pub(super) fn in_time(due: Instant, now: Instant) -> Instant {
    now.checked_sub(LATE_MAX).map_or(due, |earliest| due.max(earliest))
}

/// How old a connection is, seen from a toxic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// It was open when the toxic was added.
    Established,
    /// It was opened while the toxic was there.
    New,
}

/// What happens to new connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entrance {
    /// They are accepted.
    #[default]
    Open,
    /// Their SYN is not answered.
    Unanswered,
    /// They are refused.
    Refused,
}

/// What becomes of a connection when a toxic that ran on it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// What was held is delivered at once and the stream goes on.
    Deliver,
    /// The connection is closed: a byte is missing, or it was asked for.
    Close,
    /// The connection is reset.
    Reset,
}

/// The state of a toxic on one direction of one connection.
pub trait Toxic: Send {
    /// Bytes arrived at `now`.
    fn on_data(&mut self, now: Instant, data: Bytes, out: &mut Outbox);

    /// The stream ended at `now`.
    fn on_end(&mut self, now: Instant, out: &mut Outbox) {
        let _ = now;
        out.end();
    }

    /// When it wants to act without anything arriving.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline was reached.
    fn on_deadline(&mut self, now: Instant, out: &mut Outbox) {
        let _ = (now, out);
    }

    /// Something that it held has left, at `now`; it was due at `due`. Called only when there was room
    /// for it, so that what waits for its turn waits for the receiver too.
    fn on_left(&mut self, due: Instant, now: Instant, out: &mut Outbox) {
        let _ = (due, now, out);
    }

    /// How much it holds before the sender has to wait.
    fn capacity(&self) -> usize {
        HELD_BYTES_MAX
    }

    /// What becomes of the connection when the toxic is removed now.
    fn clear(&self) -> Clear {
        Clear::Deliver
    }

    /// What an instance with other settings goes on from.
    fn carried(&self) -> u64 {
        0
    }
}

/// A time setting as Toxiproxy takes it: below zero is zero, absurdly long is very long.
pub(in crate::proxy) fn time(
    settings: &Settings,
    name: &str,
    unit: Unit,
) -> Result<Duration, SettingError> {
    let scale = if unit == Unit::Microseconds { 1e-6 } else { 1e-3 };
    let seconds = (settings.number(name)? * scale).max(0.0);
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(TIME_MAX).min(TIME_MAX))
}

/// The setting that [`jittered`] draws with.
pub(super) const JITTER: Setting = Setting {
    name: "jitter",
    unit: Unit::Milliseconds,
    default: Some("0ms"),
    summary: "drawn evenly from minus to plus this and added to the delay",
};

/// `delay` with up to `jitter` less or more, drawn evenly. Without jitter nothing is drawn.
pub(super) fn jittered(delay: Duration, jitter: Duration, draws: &mut Stream) -> Duration {
    if jitter.is_zero() {
        return delay;
    }
    let more = jitter.mul_f64(2.0 * draws.random::<f64>());
    delay.saturating_add(more).saturating_sub(jitter)
}

/// What a delay of nothing is told.
pub(in crate::proxy) fn no_delay(setting: &str) -> SettingError {
    let what =
        format!("a delay of nothing changes nothing; write for example {setting} = \"100ms\"");
    SettingError::at(setting, what)
}

/// What a fault that never happens is told.
pub(in crate::proxy) fn never(setting: &str) -> SettingError {
    let what = format!("at 0% it never happens; write for example {setting} = \"5%\"");
    SettingError::at(setting, what)
}

/// A size setting as Toxiproxy takes it: below zero is zero.
pub(in crate::proxy) fn size(settings: &Settings, name: &str) -> Result<u64, SettingError> {
    let value = settings.number(name)?.max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; a size beyond 2^64 saturates"
    )]
    Ok(value as u64)
}

/// A share setting as Toxiproxy takes it: clamped to 0..1.
pub(in crate::proxy) fn share(settings: &Settings, name: &str) -> Result<f64, SettingError> {
    Ok(settings.number(name)?.clamp(0.0, 1.0))
}
