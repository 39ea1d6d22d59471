//! Errors in words: how many of which kind, and what the client says to those that no class describes.

use std::cmp::Reverse;

use crate::event::{ErrorClass, Outcome};
use crate::record::{Counts, Summary, is_error};

/// Kinds that are named; a client has one or two of its own, and the network adds a few.
const KINDS_MAX: usize = 3;

/// Bytes of a client's own words: a line or two of a report.
const WORDS_MAX: usize = 120;

/// `: 45 error.timeout, 37 error.other (TypeError: not a function)`; empty where there were none.
pub(super) fn told(summary: &Summary, counts: &Counts) -> String {
    let mut kinds: Vec<Outcome> =
        Outcome::all().filter(|outcome| is_error(*outcome) && counts.of(*outcome) > 0).collect();
    kinds.sort_by_key(|outcome| Reverse(counts.of(*outcome)));
    let named = kinds.iter().take(KINDS_MAX).map(|outcome| {
        let words = words(summary, *outcome);
        format!("{} {}{words}", counts.of(*outcome), outcome.name())
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) }
}

/// What it said: of an error of its own. The class of any other says as much.
fn words(summary: &Summary, outcome: Outcome) -> String {
    if outcome != Outcome::Error(ErrorClass::Other) {
        return String::new();
    }
    let errors = summary.inputs.subject.iter().flat_map(|subject| &subject.errors);
    let own = errors.into_iter().find(|error| error.class == ErrorClass::Other.name());
    own.map(|error| format!(" ({})", short(&error.message))).unwrap_or_default()
}

fn short(words: &str) -> String {
    let line = words.lines().next().unwrap_or_default();
    match line.char_indices().map(|(at, _)| at).find(|at| *at > WORDS_MAX) {
        Some(end) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{SubjectError, SubjectFacts};
    use crate::record::NodeGroup;
    use crate::record::synthetic::Story;

    /// Catches errors of which a report says only how many there were.
    #[test]
    fn errors_are_told_by_kind() {
        let mut summary = Story::default().tell(|node, _| match node {
            0 => (Outcome::Error(ErrorClass::Timeout), 200),
            _ => (Outcome::Error(ErrorClass::Other), 200),
        });
        let class = ErrorClass::Other.name().to_owned();
        let message = format!("TypeError: {}\n  at line 3", "x".repeat(200));
        let errors = vec![SubjectError { class, message }];
        summary.inputs.subject = Some(SubjectFacts { errors, ..SubjectFacts::default() });
        let counts = summary.tally(None, NodeGroup::All).counts;
        let told = told(&summary, &counts);
        let cut = "x".repeat(WORDS_MAX + 1 - "TypeError: ".len());
        assert!(told.contains(&format!(" error.other (TypeError: {cut}...), ")), "{told}");
        assert!(told.ends_with(" error.timeout"), "{told}");
        assert_eq!(super::told(&summary, &Counts::default()), "");
    }
}
