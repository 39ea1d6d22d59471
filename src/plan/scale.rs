//! Stretches the times of a scenario to `-duration`, so that everything keeps its order.
//!
//! Boundaries are scaled, not lengths: rounding then never makes the parts differ from the whole. A
//! phase becomes neither shorter than its floor nor longer than its ceiling; the others share what is left.

use std::time::Duration;

use super::model::Phases;

/// What a scaled time is a whole number of: what people can read.
const STEP: Duration = Duration::from_millis(1);

/// The phases as `written`, `to` long in all and in proportion, but for those that would fall below
/// their floor or grow above their ceiling. `None`: the floors alone are longer.
pub(super) fn phases(
    written: &Phases,
    to: Duration,
    floors: &Phases,
    ceilings: &Phases,
) -> Option<Phases> {
    let lengths = Phases::PLANNED.map(|phase| written.length(phase));
    let floors = Phases::PLANNED.map(|phase| floors.length(phase));
    let ceilings = Phases::PLANNED.map(|phase| ceilings.length(phase));
    let mut settled: [Option<Duration>; Phases::PLANNED.len()] = [None; Phases::PLANNED.len()];
    let scaled = loop {
        let rest = to.checked_sub(settled.iter().flatten().sum())?;
        let free = lengths.iter().zip(settled).filter(|(_, settled)| settled.is_none());
        let scale = Scale::new(free.map(|(length, _)| *length).sum(), rest);
        let wanted: [Duration; Phases::PLANNED.len()] =
            std::array::from_fn(|at| settled[at].unwrap_or_else(|| scale.exactly(lengths[at])));
        let kept: [Duration; Phases::PLANNED.len()] =
            std::array::from_fn(|at| wanted[at].min(ceilings[at]).max(floors[at]));
        if kept == wanted {
            break wanted;
        }
        // Who gives more than the others take has its bound for good; the rest is shared again.
        let [all_kept, all_wanted]: [Duration; 2] = [kept, wanted].map(|all| all.iter().sum());
        for at in 0..kept.len() {
            let by_floor = all_kept >= all_wanted && kept[at] > wanted[at];
            let by_ceiling = all_kept <= all_wanted && kept[at] < wanted[at];
            if by_floor || by_ceiling {
                settled[at] = Some(kept[at]);
            }
        }
    };
    let (mut end, mut start) = (Duration::ZERO, Duration::ZERO);
    let last = lengths.iter().rposition(|length| !length.is_zero());
    let [warmup, steady, fault, recovery] = std::array::from_fn(|place| {
        end += scaled[place];
        let boundary = if Some(place) == last { to } else { rounded(end) };
        let length = if lengths[place].is_zero() { Duration::ZERO } else { boundary - start };
        start += length;
        length
    });
    Some(Phases { warmup, steady, fault, recovery })
}

/// To whole steps.
fn rounded(time: Duration) -> Duration {
    let step = STEP.as_nanos();
    let nanos = (time.as_nanos() + step / 2) / step * step;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// From the length that a phase, or all of them, was written for to the length that it has.
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
        if self.from == self.to { time } else { rounded(self.exactly(time)) }
    }

    fn exactly(self, time: Duration) -> Duration {
        if self.from.is_zero() || self.from == self.to {
            return time;
        }
        // Neither a day nor a year of nanoseconds, squared, overflows 128 bits.
        let scaled = time.as_nanos() * self.to.as_nanos() / self.from.as_nanos();
        Duration::from_nanos(u64::try_from(scaled).unwrap_or(u64::MAX))
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

    fn long(lengths: [u64; 4]) -> Phases {
        let [warmup, steady, fault, recovery] = lengths.map(ms);
        Phases { warmup, steady, fault, recovery }
    }

    const UNBOUNDED: [u64; 4] = [u64::MAX; 4];

    fn scaled(given: [u64; 4], to: u64, floors: [u64; 4]) -> Option<Phases> {
        phases(&long(given), ms(to), &long(floors), &long(UNBOUNDED))
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
            let scaled = scaled(given, to, [0; 4]).unwrap();
            assert_eq!(scaled, long(expected));
            assert_eq!(scaled.total(), ms(to));
        }
    }

    /// Catches a phase that becomes too short to be judged, one that takes its share all the same, and
    /// a length that cannot be had.
    #[test]
    fn no_phase_falls_below_its_floor() {
        let written = [3000, 5000, 20_000, 10_000];
        let floors = [0, 2000, 1000, 4500];
        assert_eq!(scaled(written, 15_000, floors), Some(long([1109, 2000, 7391, 4500])));
        assert_eq!(scaled(written, 7500, floors), Some(long([0, 2000, 1000, 4500])));
        assert_eq!(scaled(written, 7499, floors), None);
        assert_eq!(scaled(written, 38_000, floors), Some(long(written)));
        assert_eq!(scaled(written, 76_000, floors), Some(long([6000, 10_000, 40_000, 20_000])));
        assert_eq!(scaled([0, 5000, 0, 0], 1000, [0; 4]), Some(long([0, 1000, 0, 0])));
    }

    /// Catches a warm-up of minutes because the whole takes an hour, and time that nobody gets.
    #[test]
    fn what_grows_has_a_ceiling() {
        let ceilings = [15_000, 60_000, u64::MAX, 120_000];
        let written = [3000, 5000, 15_000, 10_000];
        let of = |to, floors| phases(&long(written), ms(to), &long(floors), &long(ceilings));
        assert_eq!(of(66_000, [0; 4]), Some(long([6000, 10_000, 30_000, 20_000])));
        assert_eq!(of(3_600_000, [0; 4]), Some(long([15_000, 60_000, 3_405_000, 120_000])));
        assert_eq!(of(200_000, [0; 4]), Some(long([15_000, 30_833, 92_500, 61_667])));
        assert_eq!(
            of(15_000, [0, 2000, 1000, 4500]),
            scaled(written, 15_000, [0, 2000, 1000, 4500])
        );
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
            ceiling in 1_u64..1_000_000,
            fixed: bool,
        ) {
            let given = long(lengths);
            let ceilings = long([ceiling.max(1), u64::MAX, u64::MAX, ceiling.max(1)]);
            let scaled = phases(&given, ms(to), &Phases::default(), &ceilings).unwrap();
            let scale = Scale::new(given.fault, scaled.fault);
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
