//! Text inside XML, HTML and Markdown. It comes from files and from runs that somebody else has stored.

/// Text as an attribute or as content; characters that XML cannot carry become a question mark.
pub(super) fn escaped(text: &str) -> String {
    fit(text, |c| match c {
        '"' => Some("&quot;".to_owned()),
        '\'' => Some("&#39;".to_owned()),
        _ => None,
    })
}

/// Text in a table or a line of Markdown: no element, no link, no image and no further cell.
pub(in crate::report) fn markdown(text: &str) -> String {
    fit(text, |c| "\\|[]`".contains(c).then(|| format!("\\{c}")))
}

/// Text that opens no element, on one line; `also` says what else is written otherwise.
fn fit(text: &str, also: impl Fn(char) -> Option<String>) -> String {
    let fit = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '\n' | '\t' => " ".to_owned(),
        c if is_unfit(c) => "?".to_owned(),
        c => also(c).unwrap_or_else(|| c.to_string()),
    };
    text.chars().map(fit).collect()
}

/// A page that is escaped, without the characters that XML cannot carry and a terminal obeys.
pub(super) fn printable(page: String) -> String {
    if page.contains(is_unfit) { page.replace(is_unfit, "?") } else { page }
}

/// Text between two backticks, where nothing but a backtick has a meaning.
pub(super) fn code(text: &str) -> String {
    let fit = |c: char| if is_unfit(c) || c == '\n' { '?' } else { c };
    text.chars().map(fit).map(|c| if c == '`' { '\'' } else { c }).collect()
}

/// What XML cannot carry, and what a terminal obeys that shows the file.
fn is_unfit(c: char) -> bool {
    (c.is_control() && c != '\n') || matches!(c, '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a scenario name or a cause that would end an attribute or open an element.
    #[test]
    fn nothing_gets_out() {
        assert_eq!(
            escaped("<a b=\"c\" d='e'>&\u{1}\n"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;? "
        );
    }
    /// Catches an element, a link or a cell that a scenario's or a fault's name brings into a page.
    #[test]
    fn markdown_stays_text() {
        let hostile = "<img src=x> [a](http://b) | `c` \\|\u{1b}[2J\u{9b}\nd & e_f";
        assert_eq!(
            markdown(hostile),
            "&lt;img src=x&gt; \\[a\\](http://b) \\| \\`c\\` \\\\\\|?\\[2J? d &amp; e_f"
        );
        assert_eq!(code("a`<b>\u{1b}\n"), "a'<b>??");
    }
}
