//! When each phase really began.
//!
//! A phase begins when the composition root says so: warm-up ends when the keys are loaded, and
//! recovery begins when every heal was acknowledged. Nothing is assumed from the plan.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::base::time::Offset;
use crate::event::Phase;

/// The boundaries between phases. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct PhaseClock {
    boundaries: Arc<RwLock<Vec<(Phase, Offset)>>>,
}

/// A phase with its ends; the last one has none yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The phase.
    pub phase: Phase,
    /// Its first moment.
    pub start: Offset,
    /// The first moment that is no longer in it.
    pub end: Option<Offset>,
}

impl PhaseClock {
    /// A run that has not begun its warm-up yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `phase` begins at `at`. A run has each phase once and in order: a second beginning, and one
    /// of a phase that has passed, is ignored; one before the last boundary counts from there.
    pub fn begin(&self, phase: Phase, at: Offset) {
        let mut boundaries = self.boundaries.write();
        match boundaries.last() {
            Some((last, _)) if *last >= phase => {}
            Some((_, start)) => {
                let at = at.max(*start);
                boundaries.push((phase, at));
            }
            None => boundaries.push((phase, at)),
        }
    }

    /// The phase that `at` belongs to. What lies before the first boundary is warm-up.
    #[must_use]
    pub fn phase_at(&self, at: Offset) -> Phase {
        self.span_at(at).phase
    }

    /// The phase that `at` belongs to, with its ends.
    #[must_use]
    pub fn span_at(&self, at: Offset) -> Span {
        span_in(&self.boundaries.read(), at)
    }

    /// Every phase that has begun.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let boundaries = self.boundaries.read();
        (0..boundaries.len()).map(|index| span(&boundaries, index)).collect()
    }

    /// The start of `phase`, when it has begun.
    #[must_use]
    pub fn start_of(&self, phase: Phase) -> Option<Offset> {
        self.boundaries.read().iter().find(|(known, _)| *known == phase).map(|(_, start)| *start)
    }
}

fn span_in(boundaries: &[(Phase, Offset)], at: Offset) -> Span {
    match boundaries.iter().rposition(|(_, start)| *start <= at) {
        Some(index) => span(boundaries, index),
        None => Span {
            phase: Phase::Warmup,
            start: Offset::default(),
            end: boundaries.first().map(|(_, start)| *start),
        },
    }
}

fn span(boundaries: &[(Phase, Offset)], index: usize) -> Span {
    let (phase, start) = boundaries[index];
    Span { phase, start, end: boundaries.get(index + 1).map(|(_, next)| *next) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a sample at a boundary that lands in the phase before, or in none.
    #[test]
    fn a_boundary_belongs_to_the_phase_that_begins() {
        let clock = PhaseClock::new();
        assert_eq!(clock.phase_at(Offset(5)), Phase::Warmup);
        for (phase, at) in [(Phase::Warmup, 0), (Phase::Steady, 10), (Phase::Fault, 20)] {
            clock.begin(phase, Offset(at));
        }
        for (at, phase) in [
            (0, Phase::Warmup),
            (9, Phase::Warmup),
            (10, Phase::Steady),
            (19, Phase::Steady),
            (20, Phase::Fault),
            (1 << 60, Phase::Fault),
        ] {
            assert_eq!(clock.phase_at(Offset(at)), phase, "{at}");
        }
        assert_eq!(clock.spans()[1].end, Some(Offset(20)));
        assert_eq!(clock.spans()[2].end, None);
    }

    /// Catches a phase that could begin twice or run backwards, which would make a span negative.
    #[test]
    fn phases_only_go_forward() {
        let clock = PhaseClock::new();
        clock.begin(Phase::Fault, Offset(20));
        clock.begin(Phase::Steady, Offset(30));
        clock.begin(Phase::Fault, Offset(40));
        clock.begin(Phase::Recovery, Offset(10));
        assert_eq!(clock.spans().len(), 2);
        assert_eq!(clock.start_of(Phase::Recovery), Some(Offset(20)));
        assert_eq!(clock.start_of(Phase::Steady), None);
    }
}
