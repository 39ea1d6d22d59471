//! Reads facts that another machine has written: nothing in them is believed before it was looked at.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Body, FACTS, Head, VERSION, outcomes};
use crate::base::file;
use crate::record::Summary;

/// How long the first line may be.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// How long the facts of one member may be: those of a thousand nodes in a soak are shorter.
const BODY_BYTES_MAX: u64 = 256 << 20;

/// The digits of the largest number: more than the nanoseconds of a hundred days. A sum of a thousand
/// such numbers can still be counted.
const DIGITS_MAX: usize = 16;

/// Why facts cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// There is no such file.
    #[error(
        "{folder} has no {FACTS}: it is no part of a fleet (-member), or its run came to no end; take it \
         out of the list to merge the others"
    )]
    None {
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path}:{line}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it, and what to do.
        what: String,
    },
}

/// Whose facts lie in a folder.
///
/// # Errors
/// When there are none, and when they cannot be read or are of another build of the harness.
pub fn read_head(folder: &Path) -> Result<Head, FactsError> {
    open(folder).map(|(head, _)| head)
}

/// The facts in a folder, of which `known` was read before.
///
/// # Errors
/// As [`read_head`]; when they are cut short, changed, or others than before.
pub fn read(folder: &Path, known: &Head) -> Result<Summary, FactsError> {
    let (head, mut file) = open(folder)?;
    let content = |what: &str| content(folder, 2, what.to_owned());
    if head != *known {
        return Err(content("it was written anew while it was read; merge again"));
    }
    let mut bytes = Vec::new();
    let most = head.bytes.saturating_add(1);
    file.by_ref().take(most).read_to_end(&mut bytes).map_err(|source| io(folder, source))?;
    if bytes.len() as u64 != head.bytes || crc32fast::hash(&bytes) != head.crc32 {
        let whole =
            "is not what its first line says: it is cut short or damaged; copy the folder again";
        return Err(content(&format!("this line {whole}")));
    }
    if has_long_number(&bytes) {
        return Err(content("a number that no run comes to"));
    }
    let body: Body<Summary> = serde_json::from_slice(&bytes).map_err(|error| {
        content(&format!(
            "no facts that this harness can read, at column {}: {error}",
            error.column()
        ))
    })?;
    let Body { mut summary, late_writes, not_judged } = body;
    summary.inputs.data.late_writes = late_writes;
    summary.inputs.data.not_judged = not_judged;
    unsound(&summary).map_or(Ok(summary), |what| Err(content(what)))
}

/// What no recorder leaves, and a judge need not look at.
fn unsound(summary: &Summary) -> Option<&'static str> {
    let phases = &summary.phases;
    if !phases.is_sorted_by(|one, next| one.phase < next.phase && one.end <= next.end)
        || phases.iter().any(|phase| phase.start > phase.end)
    {
        return Some("phases that are not in order");
    }
    let empty = summary
        .inputs
        .wire_nodes
        .iter()
        .any(|node| node.pieces.length.is_zero() && !node.pieces.all.is_empty());
    empty.then_some("pieces of the wire that have no length")
}

fn open(folder: &Path) -> Result<(Head, BufReader<std::fs::File>), FactsError> {
    let path = folder.join(FACTS);
    let file = file::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound if folder.is_dir() => {
            FactsError::None { folder: folder.to_owned() }
        }
        _ => io(folder, source),
    })?;
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    let mut first = (&mut file).take(HEAD_BYTES_MAX);
    first.read_until(b'\n', &mut line).map_err(|source| io(folder, source))?;
    let content = |what| content(folder, 1, what);
    let head: Head = serde_json::from_slice(&line)
        .map_err(|error| content(format!("these are no facts of a run: {error}")))?;
    if head.facts_version != VERSION || head.outcomes != outcomes() {
        return Err(content(format!(
            "it was written by another build of the harness ({}); all members and whoever merges must have \
             the same",
            head.identity.version
        )));
    }
    if let Some(trouble) = head.member.trouble() {
        return Err(content(trouble));
    }
    if head.bytes > BODY_BYTES_MAX {
        let bytes = head.bytes;
        return Err(content(format!("facts of {bytes} bytes; at most {BODY_BYTES_MAX} are read")));
    }
    Ok((head, file))
}

fn io(folder: &Path, source: io::Error) -> FactsError {
    FactsError::Io { path: folder.join(FACTS), source }
}

fn content(folder: &Path, line: usize, what: String) -> FactsError {
    FactsError::Content { path: folder.join(FACTS), line, what }
}

/// Whether there is a whole number with more digits than any run has, outside of texts. A fraction may have
/// them.
fn has_long_number(bytes: &[u8]) -> bool {
    let (mut in_text, mut escaped, mut digits, mut fraction) = (false, false, 0_usize, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'0'..=b'9' if fraction => {}
            b'0'..=b'9' => digits += 1,
            b'.' => fraction = true,
            _ => (digits, fraction) = (0, false),
        }
        if digits > DIGITS_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a number that overflows a sum, and a text or a fraction that is taken for one.
    #[test]
    fn only_whole_numbers_outside_of_texts_are_long() {
        for (text, long) in [
            (r#"{"a":1234567890123456,"b":0}"#, false),
            (r#"{"a":12345678901234567}"#, true),
            (r#"[1.2345678901234567890,3]"#, false),
            (r#"["12345678901234567890\"12345678901234567890",1]"#, false),
            (r#"["",12345678901234567890]"#, true),
        ] {
            assert_eq!(has_long_number(text.as_bytes()), long, "{text}");
        }
    }
}
