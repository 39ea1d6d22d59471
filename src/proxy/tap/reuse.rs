//! Requests on connections that still owe a reply, as far as the wire can tell.
//!
//! A client that sends one request at a time and then reads a late reply as the next one's is wrong; one
//! that pipelines does the same on purpose. What tells them apart is how long the earlier reply was due:
//! longer than this client waits for any, then it had given up. A late reply that lands *before* the next
//! request leaves a perfect sequence, which nobody can see here: wrong data is decided by values.

use std::time::Duration;

use crate::proxy::tap::latency::LatencyView;

/// Requests that clients gave up, of which the median says how long they wait: one alone may be the end
/// of its process.
const GIVE_UPS_MIN: u64 = 3;
/// Who leaves sooner than this has not given up: it is done, or only has no more to say.
pub(super) const GIVE_UP_MIN: Duration = Duration::from_millis(10);
/// Of the learned time, how much is near enough: timers are late and histograms rounded.
const NEARLY: f64 = 0.9;
/// Of the requests that are answered, the share from which a client pipelines as a habit.
const HABIT: f64 = 0.5;

/// How a client uses its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipelining {
    /// It waits for each reply.
    No,
    /// It sends the next request before the reply to the last, as a habit.
    Yes,
    /// The same, now and then.
    UnderLoad,
}

impl Pipelining {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::UnderLoad => "under_load",
        }
    }
}

/// What one connection, or all of a proxy, did with replies that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// Requests that ask for a reply.
    pub asked: u64,
    /// Those of them that were sent while an earlier reply was due.
    pub overlapping: u64,
    /// Those of them whose earlier reply had been due for longer than this client waits for one.
    pub after_silence: u64,
    /// Those of them of which that cannot be told, because it is not known how long it waits.
    pub untold: u64,
}

impl Reuse {
    /// Requests sent while an earlier reply was due; `None`: no request was seen.
    #[must_use]
    pub fn overlaps(&self) -> Option<u64> {
        (self.asked > 0).then_some(self.overlapping)
    }

    /// Those of them that came after the client must have given the earlier one up.
    ///
    /// # Errors
    /// Why nobody can tell.
    pub const fn overlaps_after_silence(&self) -> Result<u64, &'static str> {
        match self {
            Self { asked: 0, .. } => Err("no request was seen"),
            Self { untold: 0, after_silence, .. } => Ok(*after_silence),
            _ => Err(
                "too few requests were given up to learn how long this client waits for a reply; \
                      with a driver it can be told",
            ),
        }
    }

    /// Whether the client pipelines; `None`: no request was seen.
    #[must_use]
    pub fn pipelining(&self) -> Option<Pipelining> {
        let on_purpose = self.overlaps()? - self.after_silence;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let share = on_purpose as f64 / self.asked as f64;
        Some(match on_purpose {
            0 => Pipelining::No,
            _ if share >= HABIT => Pipelining::Yes,
            _ => Pipelining::UnderLoad,
        })
    }

    /// The two together.
    pub const fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.overlapping += other.overlapping;
        self.after_silence += other.after_silence;
        self.untold += other.untold;
    }

    /// A request that asks for a reply; `due`: for how long an earlier one has been.
    pub(in crate::proxy) fn requested(
        &mut self,
        due: Option<Duration>,
        patience: Option<Duration>,
    ) {
        self.asked += 1;
        let Some(due) = due else { return };
        self.overlapping += 1;
        match patience {
            Some(patience) => self.after_silence += u64::from(due >= patience),
            None => self.untold += 1,
        }
    }
}

/// How long the clients of a proxy wait for a reply, learned from the connections that they closed while
/// one was due.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Patience {
    waited: LatencyView,
    /// How long replies had been due when a request overlapped and nothing was learned yet.
    untold: LatencyView,
}

impl Patience {
    /// A client closed a connection of itself whose oldest reply had been due for so long.
    pub(in crate::proxy) fn gave_up(&mut self, waited: Duration) {
        if waited >= GIVE_UP_MIN {
            self.waited.record(waited);
        }
    }

    /// How long they waited, each time.
    pub(in crate::proxy) const fn waited(&self) -> &LatencyView {
        &self.waited
    }

    /// A request overlapped before anything was learned.
    pub(in crate::proxy) fn untold(&mut self, due: Duration) {
        self.untold.record(due);
    }

    /// From when on a reply is as good as given up.
    pub(in crate::proxy) fn learned(&self) -> Option<Duration> {
        let known = self.waited.count() >= GIVE_UPS_MIN;
        known.then(|| self.waited.quantile(0.5).mul_f64(NEARLY))
    }

    /// Tells of what came before anything was learned, now that it is.
    pub(in crate::proxy) fn judge(&self, reuse: &mut Reuse) {
        let Some(patience) = self.learned() else { return };
        let micros = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX);
        let silent = self.untold.histogram().count_between(micros, u64::MAX);
        reuse.after_silence += silent.min(reuse.untold);
        reuse.untold = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn of(due: &[Option<u64>], patience: Option<u64>) -> Reuse {
        let mut reuse = Reuse::default();
        for due in due {
            reuse.requested(due.map(ms), patience.map(ms));
        }
        reuse
    }

    /// Catches a 0 where nobody looked, a client that pipelines under load and is taken for a dirty one,
    /// and a dirty one that is taken for it.
    #[test]
    fn what_is_told_apart_and_what_cannot_be() {
        let nothing = Reuse::default();
        assert_eq!((nothing.overlaps(), nothing.pipelining()), (None, None));
        assert!(nothing.overlaps_after_silence().is_err());
        let told = |reuse: Reuse| {
            (
                reuse.overlaps().unwrap(),
                reuse.overlaps_after_silence().ok(),
                reuse.pipelining().unwrap(),
            )
        };
        assert_eq!(told(of(&[None; 3], None)), (0, Some(0), Pipelining::No));
        let busy = [None, None, None, Some(2), Some(3)];
        assert_eq!(told(of(&busy, Some(90))), (2, Some(0), Pipelining::UnderLoad));
        assert_eq!(told(of(&busy, None)), (2, None, Pipelining::UnderLoad));
        let dirty = [None, None, Some(100), None];
        assert_eq!(told(of(&dirty, Some(90))), (1, Some(1), Pipelining::No));
        assert_eq!(told(of(&[None, Some(0), Some(1)], Some(90))), (2, Some(0), Pipelining::Yes));
    }

    /// Catches an overlap that stays untold for ever because it came early, and the end of a process, or
    /// of what it has to say, that is taken for its patience.
    #[test]
    fn what_came_before_anything_was_learned_is_told_later() {
        let mut patience = Patience::default();
        patience.untold(ms(150));
        patience.untold(ms(1));
        let early = of(&[None, Some(150), Some(1)], None);
        for _ in 0..2 {
            patience.gave_up(ms(100));
            patience.gave_up(ms(0));
            let mut reuse = early;
            patience.judge(&mut reuse);
            assert_eq!(reuse, early, "too few");
        }
        patience.gave_up(ms(100));
        let mut reuse = early;
        patience.judge(&mut reuse);
        assert_eq!(reuse.overlaps_after_silence(), Ok(1));
    }
}
