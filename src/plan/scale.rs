//! Stretches the times of a scenario to `-duration`, so that everything keeps its order.
//!
//! Boundaries are scaled, not lengths: rounding then never makes the parts differ from the whole.

use std::time::Duration;

use super::model::Phases;

/// What a scaled time is a whole number of: what people can read.
const STEP: Duration = Duration::from_millis(1);

/// From the length that a scenario was written for to the length that was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from: Duration,
    to: Duration,
}

impl Scale {
    /// The scale that makes `from` as long as `to`. A length of zero stays zero.
    pub(super) const fn new(from: Duration, to: Duration) -> Self {
        Self { from, to }
    }

    /// Where `time` comes to lie.
    pub(super) fn time(self, time: Duration) -> Duration {
        if self.from.is_zero() || self.from == self.to {
            return time;
        }
        // Neither a day nor a year of nanoseconds, squared, overflows 128 bits.
        let step = STEP.as_nanos();
        let scaled = time.as_nanos() * self.to.as_nanos() / self.from.as_nanos();
        let rounded = (scaled + step / 2) / step * step;
        Duration::from_nanos(u64::try_from(rounded).unwrap_or(u64::MAX))
    }

    /// The phases in their new lengths; their sum is exactly the new length.
    pub(super) fn phases(self, phases: &Phases) -> Phases {
        let mut end = Duration::ZERO;
        let mut scaled_end = Duration::ZERO;
        let mut next = |length: Duration| {
            end += length;
            let start = scaled_end;
            scaled_end = if end == self.from { self.to } else { self.time(end) };
            if length.is_zero() { Duration::ZERO } else { scaled_end - start }
        };
        Phases {
            warmup: next(phases.warmup),
            steady: next(phases.steady),
            fault: next(phases.fault),
            recovery: next(phases.recovery),
        }
    }

    /// The start and the length of a fault that must end within `phase` (already scaled). A fixed
    /// length stays as it is, as far as the phase allows.
    pub(super) fn fault(
        self,
        at: Duration,
        length: Duration,
        fixed: bool,
        phase: Duration,
    ) -> (Duration, Duration) {
        let start = self.time(at).min(phase.saturating_sub(STEP));
        let end = if fixed { start + length } else { self.time(at + length) };
        (start, end.clamp(start + STEP.min(length), phase.max(start + STEP.min(length))) - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn phases(lengths: [u64; 4]) -> Phases {
        let [warmup, steady, fault, recovery] = lengths.map(ms);
        Phases { warmup, steady, fault, recovery }
    }

    /// Catches phases that do not add up to the length asked for, or that lose their proportion.
    #[test]
    fn phases_keep_their_proportion_and_add_up() {
        let table = [
            ([3000, 5000, 15_000, 10_000], 33_000, [3000, 5000, 15_000, 10_000]),
            ([3000, 5000, 15_000, 10_000], 66_000, [6000, 10_000, 30_000, 20_000]),
            ([3000, 5000, 15_000, 10_000], 60_000, [5455, 9090, 27_273, 18_182]),
            ([3000, 10_000, 0, 0], 5000, [1154, 3846, 0, 0]),
            ([0, 1000, 0, 0], 1000, [0, 1000, 0, 0]),
        ];
        for (given, to, expected) in table {
            let given = phases(given);
            let scaled = Scale::new(given.total(), ms(to)).phases(&given);
            assert_eq!(scaled, phases(expected));
            assert_eq!(scaled.total(), ms(to));
        }
    }

    /// Catches a fault that leaves its phase, and a length compared with a timeout that is scaled.
    #[test]
    fn faults_move_with_their_phase() {
        let table = [
            // from, to, at, length, fixed, phase => start, length
            (10, 20, 3000, 50, false, 20_000, 6000, 100),
            (10, 20, 3000, 50, true, 20_000, 6000, 50),
            (10, 5, 3000, 50, true, 5000, 1500, 50),
            (10, 1, 0, 10_000, false, 1000, 0, 1000),
            (10, 1, 9000, 1000, true, 1000, 900, 100),
            (60, 1, 0, 5, false, 1000, 0, 1),
        ];
        for (from, to, at, length, fixed, phase, start, scaled) in table {
            let scale = Scale::new(ms(from * 1000), ms(to * 1000));
            let got = scale.fault(ms(at), ms(length), fixed, ms(phase));
            assert_eq!(got, (ms(start), ms(scaled)), "{at}+{length} from {from} to {to}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Catches a rounding that puts a fault outside its phase, or makes phases overlap.
        #[test]
        fn nothing_leaves_its_place(
            lengths in prop::array::uniform4(1_u64..100_000),
            to in 1000_u64..10_000_000,
            share in 0_u64..100,
            rest in 1_u64..=100,
            fixed: bool,
        ) {
            let given = phases(lengths);
            let scale = Scale::new(given.total(), ms(to));
            let scaled = scale.phases(&given);
            prop_assert_eq!(scaled.total(), ms(to));
            let at = given.fault * u32::try_from(share).unwrap() / 100;
            let length = (given.fault - at) * u32::try_from(rest).unwrap() / 100;
            if scaled.fault >= STEP && !length.is_zero() {
                let (start, length) = scale.fault(at, length, fixed, scaled.fault);
                prop_assert!(!length.is_zero());
                prop_assert!(start + length <= scaled.fault);
            }
        }
    }
}
