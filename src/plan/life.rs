//! How long values live, as a workload has it: one life, or several of which each value is drawn one.

use std::time::Duration;

use super::error::FileError;
use super::source::TomlValue;
use crate::base::time::DurationText;
use crate::load::{LIFE_MAX, LIVES_MAX, Life};

/// What a life may be.
const FORMS: &str = "a time such as \"60s\", \"-1s\" for one that has passed, or a date so far ahead: \
                     `{ at = \"31d\" }`";

/// Reads one life, or a list of them.
pub(super) fn read(node: &TomlValue<'_>) -> Result<Vec<Life>, FileError> {
    let lives = match node.list() {
        Ok(list) => list.iter().map(one).collect::<Result<Vec<Life>, FileError>>()?,
        Err(_) => vec![one(node)?],
    };
    if lives.is_empty() || lives.len() > LIVES_MAX {
        return Err(node.error(format!("{} times to live; write 1 to {LIVES_MAX}", lives.len())));
    }
    Ok(if lives == [Life::Forever] { Vec::new() } else { lives })
}

fn one(node: &TomlValue<'_>) -> Result<Life, FileError> {
    if node.is_table() {
        let table = node.table()?;
        table.only("setting of ttl", &["at"])?;
        let at = table.need("at", "how far ahead the date lies, such as \"31d\"")?;
        return Ok(Life::Until(bounded(&at)?));
    }
    if let Some(passed) = node.as_text().and_then(|text| text.trim().strip_prefix('-')) {
        let is_time = passed.parse::<DurationText>().is_ok_and(|time| time.0 > Duration::ZERO);
        let wrong = || node.error(format!("`-{passed}` is no time to live; write {FORMS}"));
        return if is_time { Ok(Life::Expired) } else { Err(wrong()) };
    }
    if node.as_text().is_none() {
        return Err(node.error(format!("a time to live is {FORMS}")));
    }
    let time = bounded(node)?;
    Ok(if time.is_zero() { Life::Forever } else { Life::For(time) })
}

fn bounded(node: &TomlValue<'_>) -> Result<Duration, FileError> {
    let time = node.duration()?;
    if time > LIFE_MAX {
        let most = quoted(LIFE_MAX);
        return Err(node.error(format!("no value lives so long; write at most {most}")));
    }
    Ok(time)
}

/// A time as people write it: in days where it is whole ones, since a month here has 30.44.
fn shown(time: Duration) -> String {
    const DAY_S: u64 = 86_400;
    let days = time.as_secs() / DAY_S;
    if days > 0 && time == Duration::from_secs(days * DAY_S) {
        format!("{days}d")
    } else {
        DurationText(time).to_string()
    }
}

fn quoted(time: Duration) -> String {
    format!("\"{}\"", shown(time))
}

/// The same as TOML.
pub(super) fn text(lives: &[Life]) -> String {
    let one = |life: &Life| match *life {
        Life::Forever => quoted(Duration::ZERO),
        Life::For(time) => quoted(time),
        Life::Until(time) => format!("{{ at = {} }}", quoted(time)),
        Life::Expired => "\"-1s\"".to_owned(),
    };
    match lives {
        [] => one(&Life::Forever),
        [only] => one(only),
        several => format!("[{}]", several.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

/// In words: what values do.
#[must_use]
pub fn words(lives: &[Life]) -> String {
    let one = |life: &Life| match *life {
        Life::Forever => "live until they are deleted or evicted".to_owned(),
        Life::For(time) => format!("expire after {}", shown(time)),
        Life::Until(time) => format!("expire at the date {} ahead", shown(time)),
        Life::Expired => "are stored as expired already".to_owned(),
    };
    match lives {
        [] => one(&Life::Forever),
        several => several.iter().map(one).collect::<Vec<_>>().join(", or "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::source::FileText;

    fn read_from(toml: &str) -> Result<Vec<Life>, FileError> {
        let source = FileText::new("w.toml", format!("ttl = {toml}"));
        source.read(|table| read(&table.need("ttl", "a time to live")?))
    }

    /// Catches a life that reads back as another.
    #[test]
    fn lives_read_back() {
        let day = Duration::from_secs(86_400);
        for (toml, lives) in [
            ("\"0s\"", vec![]),
            ("\"31d\"", vec![Life::For(31 * day)]),
            ("{ at = \"31d\" }", vec![Life::Until(31 * day)]),
            ("\"-1s\"", vec![Life::Expired]),
            (
                "[\"0s\", \"-1s\", { at = \"1d\" }]",
                vec![Life::Forever, Life::Expired, Life::Until(day)],
            ),
        ] {
            assert_eq!(read_from(toml).unwrap(), lives, "{toml}");
            assert_eq!(read_from(&text(&lives)).unwrap(), lives, "{toml}");
            assert_eq!(text(&lives), toml);
        }
    }

    /// Catches a mistake that is taken for a life, and an error that does not say what to write.
    #[test]
    fn mistakes_say_what_to_write() {
        let many = format!("[{}]", "\"1s\", ".repeat(17));
        for (toml, part) in [
            ("31", "\"60s\""),
            ("\"-\"", "is no time to live"),
            ("\"-0s\"", "is no time to live"),
            ("\"soon\"", "a number and a unit"),
            ("\"20000d\"", "at most \"3650d\""),
            ("{ in = \"31d\" }", "`at`"),
            ("{}", "31d"),
            ("[]", "write 1 to 16"),
            (many.as_str(), "write 1 to 16"),
        ] {
            let error = read_from(toml).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("w.toml:1"), "{toml}: {error}");
        }
    }
}
