//! What is wrong with a file or an option: where it stands, why, and what to write instead.
//!
//! An error about a file quotes the line and marks the place, so that nobody has to count columns.
//! It is drawn here, in plain characters: the same text serves a terminal, a log and a test.

use std::fmt;
use std::ops::Range;

/// A place in a file and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(Box<Mark>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    file: String,
    line: usize,
    column: usize,
    /// Characters of the excerpt before the place.
    indent: usize,
    excerpt: String,
    width: usize,
    what: String,
}

/// How much of a line is quoted.
const EXCERPT_CHARS_MAX: usize = 120;

impl FileError {
    /// An error at the bytes `span` of `text`. A span outside the text marks its end.
    pub(super) fn new(
        file: &str,
        text: &str,
        span: &Range<usize>,
        what: impl Into<String>,
    ) -> Self {
        let start = floor_boundary(text, span.start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let rest = &text[line_start..];
        let excerpt = rest.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let end = floor_boundary(text, span.end.min(line_start + excerpt.len())).max(start);
        let column = text[line_start..start].chars().count() + 1;
        // Of a long line, what is around the place.
        let skipped = column.saturating_sub(EXCERPT_CHARS_MAX / 2);
        let excerpt: String = excerpt.chars().skip(skipped).take(EXCERPT_CHARS_MAX).collect();
        let width = text[start..end].chars().count().clamp(1, EXCERPT_CHARS_MAX / 2);
        Self(Box::new(Mark {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            indent: column - 1 - skipped,
            excerpt,
            width,
            what: what.into(),
        }))
    }

    /// The line of the place, counted from one.
    #[must_use]
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// The column of the place in characters, counted from one.
    #[must_use]
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mark { file, line, column, indent, excerpt, width, what } = &*self.0;
        writeln!(f, "{file}:{line}:{column}: {what}")?;
        let number = line.to_string();
        let gutter = number.len();
        writeln!(f, " {:gutter$} |", "")?;
        // A tab is as wide as the terminal says; a space is as wide as the mark below it.
        writeln!(f, " {number} | {}", excerpt.replace('\t', " "))?;
        write!(f, " {:gutter$} | {:indent$}{:^<width$}", "", "", "")
    }
}

impl std::error::Error for FileError {}

/// The nearest character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file as it was asked for.
        file: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is longer than any that makes sense.
    #[error("{file} is longer than {limit} bytes, so it is no file of ours")]
    TooLong {
        /// The file as it was asked for.
        file: String,
        /// How long a file may be.
        limit: u64,
    },
    /// An option, or options together, cannot be followed.
    #[error("{0}")]
    Option(String),
}

impl PlanError {
    /// What is wrong, in one line and without the place.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::File(error) => error.what().to_owned(),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a long line that is quoted whole, and one of which everything but the place is quoted.
    #[test]
    fn of_a_long_line_the_place_is_quoted() {
        let text = format!("a = \"{}\" oops = 1 {}", "x".repeat(5_000), "y".repeat(5_000));
        let at = text.find("oops").unwrap();
        let error = FileError::new("f.toml", &text, &(at..at + 4), "no");
        let shown = error.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines.iter().all(|line| line.len() < 150), "{shown}");
        let mark = lines[3].find('^').unwrap();
        assert_eq!(&lines[2][mark..mark + 4], "oops", "{shown}");
    }

    /// Catches a mark that is off by a line, a column or a character.
    #[test]
    fn the_place_is_marked() {
        let text = "a = 1\nname = \"häm\" # x\r\nb = 2";
        let at = text.find("\"häm\"").unwrap();
        let error = FileError::new("x.toml", text, &(at..at + 6), "expected a number");
        assert_eq!(
            error.to_string(),
            "x.toml:2:8: expected a number\n   |\n 2 | name = \"häm\" # x\n   |        ^^^^^"
        );
    }

    /// Catches a panic on a span at the end, past the end, inside a character or over many lines.
    #[test]
    fn odd_spans_are_clamped() {
        let text = "ä\nb";
        for (span, line, column) in
            [(0..0, 1, 1), (1..2, 1, 1), (2..99, 1, 2), (4..4, 2, 2), (99..100, 2, 2), (0..4, 1, 1)]
        {
            let error = FileError::new("x", text, &span, "no");
            assert_eq!((error.line(), error.column()), (line, column), "{span:?}");
            assert!(error.to_string().ends_with('^'));
        }
    }
}
