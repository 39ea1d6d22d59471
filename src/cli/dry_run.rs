//! `-dry-run`: the resolved plans as a file that can be run again, and what would keep a run from beginning.

use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::interruptible::environment;
use super::output;
use super::session::exit_of;
use crate::plan::Plan;
use crate::report::Skipped;
use crate::run::possible;

/// Prints the plans, and says what a person should know of them.
pub(super) fn print(plans: &[Plan], skipped: &[Skipped]) -> Exit {
    for Skipped { scenario, reason } in skipped {
        output::remark(&format!("{scenario} skipped: {reason}"));
    }
    for plan in plans {
        for what in plan.remarks() {
            output::remark(&format!("{}: {what}", plan.scenario));
        }
    }
    let ended = would_end(plans);
    let printed = output::result(Plan::all_to_toml(plans));
    ended.unwrap_or(printed)
}

/// Says which of these plans cannot be run here, as far as that is known before anything is started; what a run
/// would end with where none can.
pub(super) fn would_end(plans: &[Plan]) -> Option<Exit> {
    let environment = environment(CancellationToken::new()).ok()?;
    let impossible = plans.iter().filter_map(|plan| {
        let error = possible(plan, &environment).err()?;
        output::remark(&format!("{}: the run would not begin: {error}", plan.scenario));
        Some(exit_of(&error))
    });
    let impossible: Vec<Exit> = impossible.collect();
    impossible.first().copied().filter(|_| impossible.len() == plans.len())
}
