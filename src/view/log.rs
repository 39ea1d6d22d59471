//! What happened, in lines: the last of them.

use std::collections::VecDeque;

use crate::event::EventKind;

/// Entries that are kept: more than any terminal shows.
const ENTRIES_MAX: usize = 200;

/// How an entry is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Somebody may want to know.
    Plain,
    /// Something is broken on purpose.
    Fault,
    /// Something was healed, or recovered.
    Good,
    /// Something is not as it should be.
    Doubt,
    /// Data is wrong.
    Bad,
}

impl Weight {
    pub(super) fn of(kind: &EventKind) -> Self {
        match kind {
            EventKind::FaultApplied { .. } => Self::Fault,
            EventKind::FaultHealed { .. } => Self::Good,
            EventKind::Violation { .. } => Self::Bad,
            EventKind::Noise { .. } | EventKind::Trouble { .. } => Self::Doubt,
            _ => Self::Plain,
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// In seconds since the start of the run; `None`: it belongs to no moment of it.
    pub(super) at_s: Option<f64>,
    pub(super) weight: Weight,
    pub(super) text: String,
}

/// The last entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(VecDeque<Entry>);

impl Log {
    /// Adds a line; one that goes on with what the last one began (`preloading: ...`) takes its place.
    pub(super) fn add(&mut self, at_s: Option<f64>, weight: Weight, text: &str) {
        let goes_on = |last: &&Entry| {
            let head = text.split_once(": ").map(|(head, _)| head);
            weight == Weight::Plain
                && head.is_some_and(|head| last.text.split(": ").next() == Some(head))
        };
        if at_s.is_none() && self.0.back().filter(goes_on).is_some() {
            self.0.pop_back();
        }
        if self.0.len() == ENTRIES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Entry { at_s, weight, text: text.lines().collect::<Vec<_>>().join(" ") });
    }

    /// The last `count`, oldest first.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &Entry> {
        self.0.iter().skip(self.0.len().saturating_sub(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a log without bound, a progress that fills it, and a line that is two.
    #[test]
    fn the_last_lines_are_kept() {
        let mut log = Log::default();
        for number in 0..500 {
            log.add(Some(1.0), Weight::Plain, &format!("event {number}"));
        }
        for number in 0..50 {
            log.add(None, Weight::Plain, &format!("preloading: {number} keys stored"));
        }
        log.add(None, Weight::Plain, "two\nlines");
        let texts: Vec<&str> = log.last(usize::MAX).map(|entry| entry.text.as_str()).collect();
        assert_eq!(texts.len(), ENTRIES_MAX);
        assert_eq!(
            texts[ENTRIES_MAX - 3..],
            ["event 499", "preloading: 49 keys stored", "two lines"]
        );
        assert_eq!(log.last(1).count(), 1);
    }
}
