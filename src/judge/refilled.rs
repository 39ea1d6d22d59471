//! Whether the load can have brought back what the nodes have lost.

use std::time::Duration;

use crate::event::Phase;
use crate::record::Summary;

/// That fewer reads came within `time` of the heal, or after it at all, than the nodes had keys: no client could have
/// brought them back.
pub(super) fn too_few_reads(summary: &Summary, time: Option<Duration>) -> Option<String> {
    let faulty = summary.faulty_nodes();
    let healed = summary.healed()?;
    let until = time.map(|time| healed.plus(time));
    let bins = summary.bins(Phase::Recovery, |node| faulty.contains(&node));
    let came = bins.iter().filter(|bin| until.is_none_or(|until| bin.start < until));
    let reads: u64 = came.map(|bin| bin.bin.counts.reads()).sum();
    let nodes = summary.config.nodes.max(1) as u64;
    let share = summary.inputs.load.preloaded / nodes * faulty.len() as u64;
    let when = match time {
        Some(_) => "until then",
        None => "after the heal",
    };
    (reads < share)
        .then(|| format!("{reads} reads came {when}, and the nodes had some {share} keys"))
}
