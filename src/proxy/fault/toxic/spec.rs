//! What a toxic is: the spec that was asked for, and the state machine it starts on a stream.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use crate::base::family::{Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::{HELD_BYTES_MAX, Outbox};
pub use crate::proxy::fault::setting::Age;

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

    /// How a connection is sent away that was just accepted, when so many others are open.
    fn turn_away(&self, open: u64) -> Option<Farewell> {
        let _ = open;
        None
    }

    /// Why it changes nothing with these settings, at the setting to change; `None`: it does something.
    /// The control API takes it all the same, as Toxiproxy does; a plan refuses it.
    fn idle(&self) -> Option<SettingError> {
        None
    }

    /// What it does with these settings, where the summary of its kind does not say it.
    fn words(&self) -> Option<String> {
        None
    }

    /// Whether it acts on each direction by itself, so that it matters which is meant.
    fn has_directions(&self) -> bool {
        true
    }

    /// Whether it acts on both directions whichever is meant, because it is about the connection.
    fn needs_both_directions(&self) -> bool {
        false
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

/// How a connection is sent away that was just accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// This is said, then it is closed.
    Line(Bytes),
    /// It is reset.
    Reset,
    /// It is told nothing, and waits.
    Silence,
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

    /// Bytes arrived in the other direction at `now`.
    fn on_other(&mut self, now: Instant) {
        let _ = now;
    }

    /// How many bytes may be read from the sender now: whatever fits, or fewer, or none.
    fn reads(&self) -> usize {
        usize::MAX
    }

    /// So many bytes were read from the sender at `now`, wherever they are.
    fn on_read(&mut self, now: Instant, bytes: usize) {
        let _ = (now, bytes);
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
