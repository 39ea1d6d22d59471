//! Objectives and facts in, grades and a verdict out.
//!
//! Owns every threshold and every rule that turns a count into an opinion. It measures nothing and
//! prints nothing; the same [`Summary`] always gets the same [`Judgement`]. It accuses the harness
//! first: a run on a noisy machine is invalid, and a fault that touched nothing is vacuous.

pub mod answers;
mod baseline;
mod binomial;
mod detection;
mod errors;
mod finding;
mod fleet;
pub mod measure;
mod misses;
mod objective;
mod proof;
mod recovery;
mod refilled;
mod stall;
mod strain;
mod told;
mod touched;
mod unmet;
mod verdict;
mod window;
pub mod witness;

use crate::base::name::NodeIndex;
use crate::record::Summary;

pub use baseline::Baseline;
pub use detection::Detection;
pub use finding::noise;
use measure::wire::CONNECTS_PER_OPERATION;
pub(crate) use measure::wire::{DIRTY_REUSE, MAY_PIPELINE};
pub use measure::{MEASURES, Measure, Reading};
pub(crate) use objective::show_us;
pub use objective::{Bound, Grade, Graded, Objective};
pub use recovery::{EXAMINED_MIN, Recovered, Recovery, Seconds};
pub use strain::Strain;
pub(crate) use told::ToldNode;
pub use verdict::{Judgement, Verdict};

pub use crate::record::NodeGroup;

/// What the facts mean, before anyone asks whether that is good enough.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Analysis {
    /// What was normal, over all nodes.
    pub baseline: Option<Baseline>,
    /// How long until all was well.
    pub recovery: Recovery,
    /// How soon the client noticed.
    pub detection: Detection,
    /// What the fault did to the load.
    pub strain: Strain,
    /// Operations that each fault touched, in the order of the faults.
    /// `None`: neither the fault nor a comparison with the steady phase can say.
    pub touched: Vec<Option<u64>>,
    /// What the wire tells of every node that was broken.
    pub(crate) told: Vec<ToldNode>,
    /// Breaker openings without a fault, by node.
    pub false_opens: Vec<u64>,
    /// Those of them that a stall of the machine may have caused.
    pub stalled_opens: Vec<u64>,
}

impl Analysis {
    /// Works everything out.
    #[must_use]
    pub fn of(summary: &Summary) -> Self {
        let nodes = u16::try_from(summary.config.nodes).unwrap_or(u16::MAX);
        let by_node = |opens: fn(&Summary, NodeIndex) -> u64| {
            (0..nodes).map(|node| opens(summary, NodeIndex(node))).collect()
        };
        let baseline = Baseline::of(summary, |_| true);
        Self {
            recovery: Recovery::of(summary),
            detection: Detection::of(summary),
            strain: Strain::of(summary),
            touched: touched::touched(summary),
            told: told::told(summary),
            false_opens: by_node(detection::false_opens),
            stalled_opens: by_node(detection::stalled_opens),
            baseline,
        }
    }
}

/// Grades every objective and comes to a verdict.
#[must_use]
pub fn judge(summary: &Summary, objectives: &[Objective]) -> Judgement {
    let analysis = Analysis::of(summary);
    let objectives = objectives.iter().filter(|objective| witness::is_asked(summary, objective));
    let (unseen, objectives): (Vec<Objective>, Vec<Objective>) = objectives
        .cloned()
        .partition(|it| it.measure == &CONNECTS_PER_OPERATION && summary.misses_dials(it.phase));
    let objectives: &[Objective] = &objectives;
    let grades: Vec<Graded> =
        objectives.iter().map(|objective| objective.grade(summary, &analysis)).collect();
    let (verdict, mut reasons) = match summary.command() {
        Some(command) => witness::decide(summary, &analysis, command, objectives, &grades),
        None => verdict::decide(summary, &analysis, objectives, &grades),
    };
    reasons.extend(unseen.iter().map(|objective| {
        format!(
            "not judged: {}: attempts to connect that the system refused were seen by nobody",
            objective.name
        )
    }));
    Judgement::of(summary, (verdict, reasons), analysis, grades)
}
