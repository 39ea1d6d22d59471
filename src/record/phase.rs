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
    boundaries: Arc<RwLock<Boundaries>>,
}

#[derive(Debug, Default)]
struct Boundaries {
    /// Each phase once: those of the first round.
    first: Vec<(Phase, Offset)>,
    /// When the first round was over, and the phase that the round after it is in.
    later: Option<(Offset, Phase)>,
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
        let Boundaries { first, later } = &mut *self.boundaries.write();
        match first.last() {
            Some((last, _)) if *last >= phase => {
                if let Some((_, now)) = later {
                    *now = phase;
                }
            }
            Some((_, start)) => {
                let at = at.max(*start);
                first.push((phase, at));
            }
            None => first.push((phase, at)),
        }
    }

    /// Its phases are over, and begin again. Where a run goes round until somebody ends it, each phase
    /// is as long as it was the first time, however often it comes: this does not grow with the rounds.
    pub fn next_round(&self, at: Offset) {
        let Boundaries { first, later } = &mut *self.boundaries.write();
        if let Some((phase, start)) = first.last() {
            later.get_or_insert((at.max(*start), *phase));
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
        (0..boundaries.first.len()).map(|index| span(&boundaries, index)).collect()
    }

    /// The start of `phase`, when it has begun.
    #[must_use]
    pub fn start_of(&self, phase: Phase) -> Option<Offset> {
        self.boundaries
            .read()
            .first
            .iter()
            .find(|(known, _)| *known == phase)
            .map(|(_, start)| *start)
    }
}

fn span_in(boundaries: &Boundaries, at: Offset) -> Span {
    match boundaries.first.iter().rposition(|(_, start)| *start <= at) {
        Some(index) => {
            let span = span(boundaries, index);
            match boundaries.later {
                Some((over, phase)) if over <= at && span.phase != Phase::Drain => {
                    Span { phase, ..span }
                }
                _ => span,
            }
        }
        None => Span {
            phase: Phase::Warmup,
            start: Offset::default(),
            end: boundaries.first.first().map(|(_, start)| *start),
        },
    }
}

fn span(boundaries: &Boundaries, index: usize) -> Span {
    let (phase, start) = boundaries.first[index];
    let next = boundaries.first.get(index + 1).map(|(_, next)| *next);
    let over = boundaries.later.map(|(over, _)| over).filter(|_| phase != Phase::Drain);
    Span { phase, start, end: next.into_iter().chain(over).min() }
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

    /// Catches a later round that stretches the phases of the first, that grows with each, or whose
    /// events are said to belong to another phase.
    #[test]
    fn later_rounds_have_a_phase_and_no_spans() {
        let clock = PhaseClock::new();
        clock.begin(Phase::Steady, Offset(10));
        clock.begin(Phase::Recovery, Offset(20));
        for (over, phases) in [(30, [31, 35]), (40, [41, 45])] {
            clock.next_round(Offset(over));
            clock.begin(Phase::Steady, Offset(phases[0]));
            assert_eq!(clock.phase_at(Offset(phases[0])), Phase::Steady);
            clock.begin(Phase::Recovery, Offset(phases[1]));
            assert_eq!(clock.phase_at(Offset(phases[1])), Phase::Recovery);
        }
        clock.begin(Phase::Drain, Offset(50));
        assert_eq!(clock.phase_at(Offset(50)), Phase::Drain);
        let ends: Vec<_> = clock.spans().iter().map(|span| (span.phase, span.end)).collect();
        let (steady, recovery) = (Some(Offset(20)), Some(Offset(30)));
        let drain = (Phase::Drain, None);
        assert_eq!(ends, [(Phase::Steady, steady), (Phase::Recovery, recovery), drain]);
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
