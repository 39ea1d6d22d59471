//! What becomes of a member's run when it is over.

use super::exit::Exit;
use crate::event::Member;
use crate::fleet::Collection;
use crate::run::{Environment, Finished, Left};

/// What is said of a member's run when it is over, and how the program ends; `None`: as its
/// verdict says.
pub(super) async fn conclude(
    environment: &Environment,
    collection: Option<&Collection>,
    finished: &Finished,
) -> (Vec<String>, Option<Exit>) {
    let (Some(seat), Some(left)) = (&environment.fleet, &finished.left) else {
        return (Vec::new(), None);
    };
    let member = seat.member();
    let (mut told, mut exit) = match left {
        Left::All { missing, trouble: None, .. } => (missing.clone(), None),
        Left::All { missing, trouble: Some(trouble), .. } => {
            let trouble = format!("the runs of the members are not merged: {trouble}");
            let told = missing.iter().cloned().chain([trouble]);
            (told.collect(), Some(Exit::Inconclusive))
        }
        Left::Part(left) => part(finished, &member, left),
    };
    // Member 0's is its part as well, and not what all of them made.
    let folder = match left {
        Left::All { own, .. } => own,
        Left::Part(_) => &finished.folder,
    };
    if let (Some(collection), Some(folder)) = (collection, folder) {
        let name = format!("{}-{}", member.run_id, member.index);
        if let Err(why) = collection.add(folder, &name).await {
            told.push(why);
            exit = Some(exit.unwrap_or(Exit::Pass).worse(Exit::Internal));
        }
    }
    (told, exit)
}

fn part(
    finished: &Finished,
    member: &Member,
    left: &Result<(), String>,
) -> (Vec<String>, Option<Exit>) {
    let (index, of, run) = (member.index, member.of, &member.run_id);
    let whole = finished.report.partial.is_none();
    let mut told = vec![format!(
        "member {index} of {of}, run {run}: {}; the verdict is member 0's",
        if whole { "its part is done" } else { "its part is not whole" }
    )];
    told.extend(finished.report.harness.limits.iter().take(usize::from(!whole)).cloned());
    if let Err(why) = left {
        let kept =
            finished.folder.as_ref().map(|folder| format!("; it is kept in {}", folder.display()));
        told.push(format!("member 0 does not have this run: {why}{}", kept.unwrap_or_default()));
    }
    let exit = match (whole, left) {
        (true, Ok(())) => Exit::Pass,
        (true, Err(_)) => Exit::Internal,
        (false, _) => Exit::LabDown,
    };
    (told, Some(exit))
}
