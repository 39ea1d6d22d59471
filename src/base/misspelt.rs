//! Names that are not there, and the ones that may be meant.

/// More characters than this are no misspelt name, and are not repeated in a message.
const NAME_CHARS_MAX: usize = 64;

/// More names than these are no help when all of them are listed.
const LISTED_MAX: usize = 24;

/// A name shorter than this lies in others by chance.
const PART_CHARS_MIN: usize = 3;

/// The error for a name that is not among `names`: those that may be meant, else all, else the nearest.
#[must_use]
pub fn unknown(noun: &str, name: &str, names: &[&str]) -> String {
    let start: String = name.chars().take(NAME_CHARS_MAX).collect();
    let is_whole = start.len() == name.len();
    let shown = if is_whole { start } else { format!("{start}...") };
    let quoted = |names: &[&str], between: &str| {
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(between)
    };
    let meant = if is_whole { meant(name, names) } else { Vec::new() };
    if !meant.is_empty() {
        return format!("unknown {noun} `{shown}`; did you mean {}?", quoted(&meant, " or "));
    }
    if names.len() <= LISTED_MAX || !is_whole {
        return format!("unknown {noun} `{shown}`; there are {}", quoted(names, ", "));
    }
    let mut by_distance = names.to_vec();
    by_distance.sort_by_key(|candidate| distance(name, candidate));
    by_distance.truncate(MEANT_MAX);
    format!(
        "unknown {noun} `{shown}`; the nearest of {} are {}",
        names.len(),
        quoted(&by_distance, ", ")
    )
}

/// How many names a misspelt one may mean.
const MEANT_MAX: usize = 3;

/// The names that a misspelt one may mean, the nearest first.
#[must_use]
pub fn meant<'a>(name: &str, names: &[&'a str]) -> Vec<&'a str> {
    // What joins the words of a name is easily mistaken.
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let name = plain(name);
    let is_meant = |(distance, candidate): &(usize, &str)| {
        let candidate = plain(candidate);
        let is_part = |part: &str, whole: &str| {
            part.chars().count() >= PART_CHARS_MIN && whole.contains(part)
        };
        *distance <= 1 + candidate.len() / 4
            || is_part(&name, &candidate)
            || is_part(&candidate, &name)
    };
    let mut near: Vec<(usize, &str)> = names
        .iter()
        .filter(|_| !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX)
        .map(|candidate| (distance(&name, &plain(candidate)), *candidate))
        .filter(is_meant)
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(MEANT_MAX).map(|(_, candidate)| candidate).collect()
}

/// The edit distance (Levenshtein 1966) between two short names.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a name of which the nearest is not told, and a list of names that nobody reads.
    #[test]
    fn the_nearest_are_told() {
        assert_eq!(meant("flush_all", &["refuse", "flush"]), ["flush"]);
        assert_eq!(meant("Packet_Loss", &["packet-loss", "latency"]), ["packet-loss"]);
        assert!(meant("", &["ci", "all"]).is_empty());
        let many: Vec<String> = (0..50).map(|number| format!("name-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let told = unknown("name", "qqqqqq", &many);
        assert!(told.contains("the nearest of 50 are `name-0`") && told.len() < 120, "{told}");
    }
}
