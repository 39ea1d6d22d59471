//! `closed_loop`: every worker starts its next operation when it is done with the one before.
//!
//! There are no intended starts, so the load slows down with the system under test and hides its
//! outages: good for capacity, wrong for response times. The report then shows service times only.

use super::{ARRIVALS, ArrivalSpec, Pace};
use crate::base::family::{Chosen, Kind, Settings, Value};
use crate::base::seed::Stream;
use crate::base::units::Rate;

pub(super) const KIND: Kind<dyn ArrivalSpec> = Kind {
    name: "closed_loop",
    summary: "as fast as the workers get answers; service time only",
    settings: &[],
    build: |_| Ok(Box::new(ClosedLoop)),
};

#[derive(Debug)]
struct ClosedLoop;

impl ArrivalSpec for ClosedLoop {
    fn rate(&self) -> Option<Rate> {
        None
    }

    /// A rate makes it an open loop: the constant shape.
    fn with_rate(&self, rate: Rate) -> Box<dyn ArrivalSpec> {
        let mut settings = Settings::default();
        settings.insert("rate", Value::Float(rate.as_per_second()));
        ARRIVALS
            .make(&Chosen { kind: "constant".to_owned(), settings })
            .expect("`constant` takes every rate")
    }

    fn start(&self, _: Stream) -> Pace {
        Pace::Closed
    }
}

#[cfg(test)]
mod tests {
    use crate::base::seed::Seed;
    use crate::base::units::Rate;
    use crate::load::arrival::Pace;
    use crate::load::arrival::tests::{dues_us, spec};

    /// Catches a `-rate` that is ignored because the workload has none of its own.
    #[test]
    fn a_rate_opens_the_loop() {
        let closed = spec("closed_loop", &[]);
        assert!(matches!(closed.start(Seed::new(1).stream()), Pace::Closed));
        let open = closed.with_rate(Rate::per_second(1000.0).unwrap());
        assert_eq!(dues_us(&*open, 3), [0, 1000, 2000]);
    }
}
