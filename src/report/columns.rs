//! Text that fits a terminal of 80 columns: what is too long goes on below, under where it began.

use textwrap::{Options, WordSplitter};

/// What a terminal has at least, and a log that people read beside something else.
pub(crate) const COLUMNS: usize = 80;

/// `text` in as many lines as it takes: the first begins with `first`, the others stand under its end.
/// Words are never cut, since many are names, addresses and paths.
#[must_use]
pub(super) fn hanging(first: &str, text: &str) -> String {
    let indent = " ".repeat(first.chars().count());
    let options = Options::new(COLUMNS)
        .initial_indent(first)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// The beginning of `text` that fits `columns`, with a mark where something is missing.
#[must_use]
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a line that wraps where the terminal likes, a name that is cut in two, and a text that is
    /// cut without a word.
    #[test]
    fn what_is_too_long_goes_on_below() {
        let text = hanging("subject     ", &"word ".repeat(20));
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| line.len() <= COLUMNS), "{text}");
        assert!(text.ends_with("\n            word word word word word word word"), "{text}");
        let path = "a/".repeat(60);
        assert_eq!(hanging("- ", &path), format!("- {path}"));
        assert_eq!(
            [cut("twelve chars", 12), cut("thirteen chars", 11)],
            ["twelve chars", "thirteen..."]
        );
    }
}
