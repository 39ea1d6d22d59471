//! A published client that made the calls, by its driver; or a service that was asked.

use crate::event::{SERVICE, SubjectFacts};

/// The objective that the wire can judge of a client only when its file says that it waits for replies.
const BY_FILE: &str = "no-dirty-reuse";

/// What it is, what it cannot do or tell, and what it hides, a line each.
pub(super) fn lines(subject: &SubjectFacts) -> Vec<String> {
    if subject.kind == SERVICE {
        return vec![format!("  the service is {}", subject.name)];
    }
    let SubjectFacts { name, version, runtime, floor_us, .. } = subject;
    let version = version.as_deref().unwrap_or("of an unknown version");
    let runtime = runtime.as_ref().map(|it| format!(" on {it}")).unwrap_or_default();
    let floor = floor_us.and_then(|floor| Some((floor.p50?, floor.p99?)));
    let floor = floor.map(|(p50, p99)| format!("; its pipe takes {p50}us, {p99}us at p99"));
    let mut lines = vec![format!("  {name} {version}{runtime}{}", floor.unwrap_or_default())];
    let without = [
        ("left out of the workload, as it cannot do it or its file says so", &subject.left_out),
        ("not judged, only a client can tell", &subject.not_judged),
    ];
    for (what, names) in without.into_iter().filter(|(_, names)| !names.is_empty()) {
        lines.push(format!("  {what}: {}", names.join(", ")));
    }
    if subject.pipelines.is_none() && subject.not_judged.iter().any(|name| name == BY_FILE) {
        lines.push(format!("  {BY_FILE} is judged where the client's file says pipelines = false"));
    }
    if let Some(misses) = subject.misses_unanswered.filter(|misses| *misses > 0) {
        lines.push(format!("  errors look like misses: {misses} misses that no node has answered"));
    }
    lines
}

/// Words of several lines in one.
fn one_line(words: &str) -> String {
    words.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Its own words for its errors.
pub(super) fn words(subject: &SubjectFacts) -> Vec<String> {
    let errors = subject.errors.iter();
    errors.map(|error| format!("{}: {}", error.class, one_line(&error.message))).collect()
}
