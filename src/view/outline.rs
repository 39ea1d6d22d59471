//! What is known of a run before it begins.

use crate::base::name::NodeIndex;
use crate::event::Phase;

/// The plan of a run, as far as it is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outline {
    /// The scenario's name.
    pub scenario: String,
    /// Workload, client and seed, in a line.
    pub told: String,
    /// The phases that the plan has, in their order, with their lengths in seconds.
    pub phases: Vec<(Phase, f64)>,
    /// The faults of the plan.
    pub faults: Vec<PlannedFault>,
    /// Whether the timeline begins again until a command ends, so that no end is known.
    pub repeats: bool,
    /// Why nobody looks at values; `None`: they are checked.
    pub unchecked: Option<String>,
    /// Whether there are proxies of ours to break something at.
    pub touchable: bool,
}

/// A fault of the plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedFault {
    /// Its name in the plan.
    pub name: String,
    /// The nodes it targets.
    pub nodes: Vec<NodeIndex>,
    /// When it begins, in seconds since the fault phase did; `None`: it waits for something.
    pub at_s: Option<f64>,
    /// How long it lasts, in seconds.
    pub length_s: f64,
}

impl Outline {
    /// How long the run is planned to take, in seconds.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.phases.iter().map(|(_, length)| length).sum()
    }
}
