//! Text for terminals. A terminal obeys what it is shown: characters of control move its cursor, name
//! its window, fill its clipboard. Names, files, stored runs and answers of servers hold whatever
//! somebody put there, so all text on its way to a terminal passes here, and here only.

use std::fmt;
use std::fmt::Write;

/// A line of a message is cut after so many characters: what is wrong stands in front.
const LINE_CHARS_MAX: usize = 1_000;

/// Text with nothing left in it that a terminal would obey, but for what the program wrote itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Text for people whose lines have a bounded length.
    #[must_use]
    pub fn message(text: &str) -> Self {
        let mut message = Self::default();
        for line in text.split_inclusive('\n') {
            message.add_cut(line);
        }
        message
    }

    /// Adds text from anywhere. Characters of control become `\u001b`, which JSON reads as the same
    /// character; line ends and tabs stay.
    pub fn add(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            if is_obeyed(character) {
                // Writing to a String cannot fail.
                let _ = write!(self.0, "\\u{:04x}", u32::from(character));
            } else {
                self.0.push(character);
            }
        }
        self
    }

    /// Adds a line, and of a long one its beginning.
    pub fn add_cut(&mut self, line: &str) -> &mut Self {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let Some((cut, _)) = line.char_indices().nth(LINE_CHARS_MAX) else {
            return self.add(line).add(end);
        };
        let more = line[cut..].chars().count();
        self.add(&line[..cut]).add(&format!("... ({more} more characters)")).add(end)
    }

    /// Adds text that stands in this program, colours included.
    pub fn own(&mut self, text: &'static str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters of both kinds, and those that turn the direction of writing round: they make
/// a line look like another one.
fn is_obeyed(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut safe = Self(String::with_capacity(text.len()));
        safe.add(text);
        safe
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a character that a terminal obeys: escapes, their one-character forms, backspaces,
    /// carriage returns and turned writing; and harmless text that is changed.
    #[test]
    fn nothing_is_left_to_obey() {
        let hostile = "a\u{1b}[2Jb\u{9b}31mc\rd\u{8}\u{7f}\u{202e}e\u{7}\u{1b}]0;t\u{9c}";
        let shown = Text::from(hostile);
        assert!(shown.as_str().chars().all(|c| !is_obeyed(c)), "{shown}");
        assert!(shown.as_str().starts_with("a\\u001b[2Jb\\u009b31mc\\u000dd"), "{shown}");
        let json = serde_json::to_string(hostile).unwrap();
        let read: String = serde_json::from_str(Text::from(json.as_str()).as_str()).unwrap();
        assert_eq!(read, hostile, "JSON stays the same JSON");
        for plain in ["tab\tline\nüñí 漢字 🎉", "", "{\"a\": \"b\"}\n"] {
            assert_eq!(Text::from(plain).as_str(), plain);
        }
        assert_eq!(Text::default().own("\u{1b}[1m").add("\u{1b}").as_str(), "\u{1b}[1m\\u001b");
    }

    /// Catches a message that fills the screen with one line of a file.
    #[test]
    fn long_lines_are_cut() {
        let text = format!("{}\nshort\n", "ä".repeat(5_000));
        let cut = Text::message(&text);
        let lines: Vec<&str> = cut.as_str().lines().collect();
        assert!(lines[0].ends_with("ä... (4000 more characters)"), "{cut}");
        assert_eq!(lines[1..], ["short"]);
    }
}
