//! The live view: a session as a person watches it in a terminal.
//!
//! ```text
//! lines of a run ─┐
//! notes ──────────┼─► View (model, roster) ─► draw ─► cells
//! keys ───────────┘        │
//!                          └─► Act, for whoever drives it
//! ```
//! Everything here is pure: it folds what it is told, takes `now` as an argument, and draws into a buffer of
//! cells. It listens and never measures, so that what it shows is what the journal has. The terminal, its
//! keys and the control API are the command line's.

mod data;
mod draw;
mod hand;
mod keys;
mod log;
mod model;
mod outline;
mod roster;
mod series;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::draw::{Look, draw};
pub use self::hand::{CHOICES, Choice, Touch};
pub use self::keys::{Key, keys};
use self::log::Weight;
use self::model::Model;
pub use self::outline::{Outline, PlannedFault};
pub use self::roster::Roster;
use crate::base::name::NodeIndex;
use crate::report::Line;

/// What lies over the view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Overlay {
    #[default]
    Nothing,
    Help,
    /// What to break, and where.
    Menu {
        choice: usize,
        node: usize,
    },
}

/// What somebody wants by pressing a key, and the view cannot do itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// As Ctrl-C: drain, judge, report; pressed again, end at once.
    Quit,
    /// End this run and begin the next one.
    Next,
    /// Break this.
    Inject(Touch),
    /// Heal all that was broken by hand.
    Heal(Vec<Touch>),
}

/// A session as it is watched.
#[derive(Debug, Default)]
pub struct View {
    roster: Roster,
    live: Model,
    /// What is shown instead of the run as it is now, while somebody looks closer.
    frozen: Option<Box<(Model, Duration)>>,
    overlay: Overlay,
}

impl View {
    /// A session of these scenarios.
    #[must_use]
    pub fn new(roster: Roster) -> Self {
        Self { roster, ..Self::default() }
    }

    /// A run begins. What was open over the view, and a frozen one, belonged to the last.
    pub fn begin(&mut self, outline: Outline, now: Duration) {
        self.roster.begin(&outline.scenario);
        self.live = Model::new(outline, now);
        (self.frozen, self.overlay) = (None, Overlay::Nothing);
    }

    /// A line of the run.
    pub fn fold(&mut self, line: &Line, now: Duration) {
        self.live.fold(line, now);
        if let Line::Report(report) = line {
            self.roster.end(report.verdict, report.duration_s);
        }
    }

    /// The run is over, with a report or without.
    pub fn end(&mut self) {
        self.roster.leave();
    }

    /// Something for people.
    pub fn note(&mut self, text: &str) {
        self.live.note(Weight::Plain, text);
    }

    /// Something that was lost or went wrong, for people.
    pub fn warn(&mut self, text: &str) {
        self.live.note(Weight::Doubt, text);
    }

    /// This was broken by hand.
    pub fn injected(&mut self, touch: Touch, now: Duration) {
        self.live.injected(touch, now);
    }

    /// This is healed again.
    pub fn healed(&mut self, touch: Touch, now: Duration) {
        self.live.healed(touch, now);
    }

    /// A key was pressed.
    pub fn press(&mut self, key: Key, now: Duration) -> Option<Act> {
        match self.overlay {
            Overlay::Menu { choice, node } => self.press_in_menu(key, choice, node),
            Overlay::Help => {
                self.overlay = Overlay::Nothing;
                (key == Key::Sign('q')).then_some(Act::Quit)
            }
            Overlay::Nothing => self.press_plain(key, now),
        }
    }

    fn press_plain(&mut self, key: Key, now: Duration) -> Option<Act> {
        let Key::Sign(sign) = key else { return None };
        match sign {
            'q' => return Some(Act::Quit),
            'n' if self.roster.has_next() => return Some(Act::Next),
            'n' => self.note("there is no next scenario; q ends this one"),
            '?' => self.overlay = Overlay::Help,
            'p' => {
                let shown = self.live.clone();
                self.frozen =
                    self.frozen.take().map_or_else(|| Some(Box::new((shown, now))), |_| None);
            }
            'i' if self.can_touch() => self.overlay = Overlay::Menu { choice: 0, node: 0 },
            'i' => self.note("nothing can be broken by hand here: no proxy of ours is in between"),
            'h' if self.live.touches.is_empty() => {
                self.note("nothing was broken by hand; the plan's own faults heal as planned");
            }
            'h' => return Some(Act::Heal(self.live.touches.clone())),
            _ => {}
        }
        None
    }

    fn press_in_menu(&mut self, key: Key, choice: usize, node: usize) -> Option<Act> {
        let (choices, nodes) = (CHOICES.len(), self.nodes().max(1));
        let (mut choice, mut node) = (choice, node);
        match key {
            Key::Up | Key::Sign('k') => choice = (choice + choices - 1) % choices,
            Key::Down | Key::Sign('j') => choice = (choice + 1) % choices,
            Key::Left => node = (node + nodes - 1) % nodes,
            Key::Right => node = (node + 1) % nodes,
            Key::Enter => {
                self.overlay = Overlay::Nothing;
                let node = NodeIndex(u16::try_from(node).unwrap_or(u16::MAX));
                return Some(Act::Inject(Touch { node, choice }));
            }
            Key::Escape | Key::Sign('q' | 'i') => {
                self.overlay = Overlay::Nothing;
                return None;
            }
            Key::Sign(_) => {}
        }
        self.overlay = Overlay::Menu { choice, node };
        None
    }

    /// Whether there is something to break by hand: figures of nodes have come, and the run is not ending.
    fn can_touch(&self) -> bool {
        self.live.outline.touchable && self.nodes() > 0
    }

    fn nodes(&self) -> usize {
        self.live.last.as_ref().map_or(0, |last| last.nodes.len())
    }

    /// What is shown, and as of when.
    fn shown(&self, now: Duration) -> (&Model, Duration) {
        match &self.frozen {
            Some(frozen) => (&frozen.0, frozen.1),
            None => (&self.live, now),
        }
    }
}
