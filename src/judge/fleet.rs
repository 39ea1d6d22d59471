//! What speaks against a run that many machines made together.
//!
//! A member that is missing, late, of doubtful time or noisy is named. Its load counts in nothing, or its
//! noise puts the times of all in doubt: what one machine measured badly is in every percentile. What the
//! data proves is proven, whoever's it is.

use crate::record::{Fleet, MemberSeen, Missing, Summary};

/// Members that a sentence names; the report has all.
const NAMED_MAX: usize = 8;

/// Why the run cannot be judged: members are missing from it, and that is not allowed.
pub(super) fn incomplete(summary: &Summary) -> Option<String> {
    let fleet = fleet(summary, Missing::Invalid)?;
    Some(format!("{}; with -missing narrow the others are judged by themselves", left_out(fleet)?))
}

/// What a run says that is judged without some of its members.
pub(super) fn narrower(summary: &Summary) -> Vec<String> {
    let Some(fleet) = fleet(summary, Missing::Narrow) else { return Vec::new() };
    let narrower = left_out(fleet).map(|told| format!("narrower than planned: {told}"));
    narrower.into_iter().collect()
}

fn fleet(summary: &Summary, missing: Missing) -> Option<&Fleet> {
    summary.fleet.as_ref().filter(|fleet| fleet.missing == missing)
}

/// Whose load does not count, and why.
fn left_out(fleet: &Fleet) -> Option<String> {
    let all: Vec<String> = fleet
        .left_out()
        .map(|member| format!("{}: {}", member.name(), member.standing.why().unwrap_or_default()))
        .collect();
    let count = all.len();
    (count > 0).then(|| {
        let of = fleet.members.len();
        format!("the load of {count} of {of} members does not count: {}", named(&all, "; "))
    })
}

fn named(all: &[String], between: &str) -> String {
    let (shown, rest) = all.split_at(all.len().min(NAMED_MAX));
    let more =
        if rest.is_empty() { String::new() } else { format!("{between}and {} more", rest.len()) };
    shown.join(between) + &more
}

/// What was late on the machines of a fleet, each by itself; `None`: there is one machine.
pub(super) fn noise(summary: &Summary) -> Option<Vec<String>> {
    let fleet = summary.fleet.as_ref().filter(|fleet| fleet.members.len() > 1)?;
    let late = |member: &MemberSeen| -> Vec<String> {
        member.noise.iter().map(|noise| format!("{}: {noise}", member.name())).collect()
    };
    let all: Vec<String> = fleet.counted().flat_map(late).collect();
    let rest = all.len().saturating_sub(NAMED_MAX);
    let more = (rest > 0).then(|| format!("{rest} more members were late"));
    Some(all.into_iter().take(NAMED_MAX).chain(more).collect())
}

/// Members whose operations do not add up: that they do in the sum proves nothing.
pub(super) fn unaccounted(summary: &Summary) -> Option<String> {
    let members = summary.fleet.iter().flat_map(|fleet| &fleet.members);
    let names: Vec<String> =
        members.filter(|member| !member.accounted).map(MemberSeen::name).collect();
    (!names.is_empty())
        .then(|| format!("operations are not accounted for by {}", named(&names, ", ")))
}
