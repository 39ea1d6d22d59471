//! The starts of one member of a fleet: every n-th of the whole schedule.
//!
//! Whatever the shape, and whether it is drawn or not: all members know the whole schedule, so that together
//! they start what one machine would, at the same times.

use std::time::Duration;

use super::{Arrival, Pace};
use crate::base::share::Share;

/// Those starts of a schedule that are one member's.
#[derive(Debug)]
struct Dealt {
    whole: Box<dyn Arrival>,
    share: Share,
    begun: bool,
}

/// The starts of `pace` that are `share`'s.
pub fn dealt(pace: Pace, share: Share) -> Pace {
    match pace {
        Pace::Open(whole) if share.is_part() => {
            Pace::Open(Box::new(Dealt { whole, share, begun: false }))
        }
        whole => whole,
    }
}

impl Arrival for Dealt {
    fn next_due(&mut self) -> Option<Duration> {
        let others = if self.begun { self.share.of() - 1 } else { self.share.index() };
        self.begun = true;
        for _ in 0..others {
            self.whole.next_due()?;
        }
        self.whole.next_due()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches a start that two members make or nobody does, for a shape that is drawn and for one that is not.
    #[test]
    fn members_start_together_what_one_machine_would() {
        for kind in ["constant", "poisson", "burst", "sine"] {
            let spec = spec(kind, &[]);
            let whole = dues_us(&*spec, 700);
            let mut seen = Vec::new();
            for index in 0..7 {
                let pace = spec.start(Seed::new(7).stream());
                let Pace::Open(mut own) = dealt(pace, Share::new(index, 7).unwrap()) else {
                    panic!("this shape has intended starts");
                };
                seen.extend((0..100).map_while(|_| own.next_due()).map(|due| due.as_micros()));
            }
            seen.sort_unstable();
            assert_eq!(seen, whole, "{kind}");
        }
    }
}
