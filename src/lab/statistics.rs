//! What a node did to the data that it was to keep, from what it says of itself.

use crate::protocol::statistics::Statistics;

/// What a node did to its data since it was first asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keeping {
    last: Option<Statistics>,
    /// Items that it dropped to make room.
    pub dropped: u64,
    /// How often it was emptied.
    pub flushes: u64,
    /// How often its process was another one.
    pub restarts: u64,
}

impl Keeping {
    /// Takes in what the node says now. Whatever it did before it was first asked is not counted.
    pub fn see(&mut self, now: Statistics) {
        if let Some(last) = self.last {
            let restarted = now.pid != last.pid || now.uptime_s < last.uptime_s;
            self.restarts += u64::from(restarted);
            // A new process counts from zero, and so does one that was told to (`stats reset`).
            let more = |now: u64, last: u64| {
                if restarted || now < last { now } else { now - last }
            };
            self.dropped += more(now.dropped, last.dropped);
            self.flushes += more(now.flushes, last.flushes);
        }
        self.last = Some(now);
    }

    /// Whether it ever said anything.
    #[must_use]
    pub const fn was_heard(&self) -> bool {
        self.last.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(pid: u64, uptime_s: u64, flushes: u64, dropped: u64) -> Statistics {
        Statistics { pid, uptime_s, flushes, dropped }
    }

    /// Catches what happened before the run and is held against it, a restart that hides what came
    /// after it, and a flush that is not seen.
    #[test]
    fn what_happened_since_the_first_look_is_counted() {
        let mut keeping = Keeping::default();
        assert!(!keeping.was_heard());
        keeping.see(statistics(7, 90, 2, 30));
        assert_eq!((keeping.dropped, keeping.flushes, keeping.restarts), (0, 0, 0));
        keeping.see(statistics(7, 91, 3, 35));
        assert_eq!((keeping.dropped, keeping.flushes, keeping.restarts), (5, 1, 0));
        keeping.see(statistics(8, 2, 0, 1));
        keeping.see(statistics(8, 1, 1, 1));
        assert_eq!((keeping.dropped, keeping.flushes, keeping.restarts), (7, 2, 2));
        keeping.see(statistics(8, 9, 0, 0));
        assert_eq!((keeping.dropped, keeping.restarts), (7, 2), "told to count from zero");
    }
}
