//! Which folders hold the runs of a fleet, and whether they are those of one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::MergeError;
use crate::event::MEMBERS_MAX;
use crate::fleet::MEMBERS;
use crate::record::facts::{FACTS, FactsError, Head, read_head};
use crate::record::journal::PLAN;

/// Entries of a folder that are looked at: of every member its run, and a few more.
const ENTRIES_MAX: usize = 4 * MEMBERS_MAX as usize;

/// The runs that were found, and what somebody should know of what was not.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) runs: Vec<PathBuf>,
    pub(super) remarks: Vec<String>,
}

/// Each folder with facts among those that are named, with the members' in it, and each right below one that has
/// none.
pub(super) fn find(named: &[PathBuf]) -> Result<Found, MergeError> {
    let mut found = Found::default();
    for folder in named {
        if has(folder, FACTS)? || has(folder, PLAN)? {
            found.runs.push(folder.clone());
            // What the others left with member 0.
            let others = folder.join(MEMBERS);
            if others.is_dir() && !named.contains(&others) {
                let known = found.runs.len();
                below(&others, &mut found)?;
                let left = found.runs.split_off(known);
                found.runs.extend(left.into_iter().filter(|run| !named.contains(run)));
            }
            continue;
        }
        let before = found.runs.len();
        below(folder, &mut found)?;
        if found.runs.len() == before {
            return Err(FactsError::None { folder: folder.clone() }.into());
        }
    }
    if found.runs.len() > MEMBERS_MAX as usize {
        let count = found.runs.len();
        let what = format!("{count} runs; a fleet has at most {MEMBERS_MAX} members");
        return Err(MergeError::NoFleet(what));
    }
    Ok(found)
}

/// Whether there is such a file; that nobody may look is no answer.
fn has(folder: &Path, name: &str) -> Result<bool, MergeError> {
    let path = folder.join(name);
    match path.try_exists() {
        // What is no folder has nothing in it.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        tried => tried.map_err(|source| MergeError::Io { path, source }),
    }
}

fn below(folder: &Path, found: &mut Found) -> Result<(), MergeError> {
    let failed = |source| MergeError::Io { path: folder.to_owned(), source };
    let entries: Result<Vec<_>, io::Error> =
        fs::read_dir(folder).map_err(failed)?.take(ENTRIES_MAX).collect();
    let mut paths: Vec<PathBuf> = entries.map_err(failed)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    for path in paths {
        // The link to the newest run is one of the others.
        if path.is_symlink() {
            continue;
        }
        if has(&path, FACTS)? {
            found.runs.push(path);
        } else if has(&path, PLAN)? {
            let path = path.display();
            found.remarks.push(format!("{path} has no {FACTS}: that run came to no end"));
        }
    }
    Ok(())
}

/// Whose runs they are, member 0 first.
pub(super) fn members(folders: &[PathBuf]) -> Result<Vec<(PathBuf, Head)>, MergeError> {
    let mut members: Vec<(PathBuf, Head)> = Vec::with_capacity(folders.len());
    for folder in folders {
        members.push((folder.clone(), read_head(folder)?));
    }
    members.sort_by_key(|(_, head)| head.member.index);
    if let Some((first, others)) = members.split_first() {
        others.iter().try_for_each(|other| alike(first, other))?;
    }
    for pair in members.windows(2) {
        let [(one, head), (other, next)] = pair else { continue };
        if head.member.index == next.member.index {
            return Err(MergeError::NoFleet(format!(
                "{} and {} are both member {}; name one of them",
                one.display(),
                other.display(),
                head.member.index
            )));
        }
    }
    match members.first() {
        Some((_, head)) if head.member.index == 0 => Ok(members),
        Some((folder, head)) => Err(MergeError::NoFleet(format!(
            "member 0 is not among the {} runs of {} (the first is member {} in {}): it alone knows the \
             faults and the nodes; name its folder, too",
            members.len(),
            head.member.run_id,
            head.member.index,
            folder.display()
        ))),
        None => Err(MergeError::NoFleet("no run is named".to_owned())),
    }
}

/// Whether two members are of the same run.
fn alike(
    (other, ours): &(PathBuf, Head),
    (path, theirs): &(PathBuf, Head),
) -> Result<(), MergeError> {
    let facts = |head: &Head| {
        let (member, run) = (&head.member, &head.identity);
        [
            ("run-id", member.run_id.clone()),
            ("number of members", member.of.to_string()),
            ("version", run.version.clone()),
            ("plan", run.plan_hash.clone()),
            ("seed", run.seed.to_string()),
            ("workload", run.workload.clone()),
            ("client", run.client_profile.clone()),
            ("network", run.network.clone()),
        ]
    };
    for ((what, ours), (_, theirs)) in facts(ours).into_iter().zip(facts(theirs)) {
        if ours != theirs {
            let (path, other) = (path.clone(), other.clone());
            return Err(MergeError::Foreign { path, other, what, theirs, ours });
        }
    }
    Ok(())
}
