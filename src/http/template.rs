//! A text with places that each request fills in.

use std::fmt;
use std::str::FromStr;

/// A text such as `/products/{key}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Key,
    Number,
    Worker,
}

/// What one request fills in.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// The key that was drawn.
    pub key: &'a str,
    /// The number of the request: every one has its own.
    pub number: u64,
    /// The number of the worker that asks.
    pub worker: usize,
}

impl Template {
    /// The text of one request.
    #[must_use]
    pub fn fill(&self, filling: &Filling<'_>) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Key => filling.key.to_owned(),
            Piece::Number => filling.number.to_string(),
            Piece::Worker => filling.worker.to_string(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A brace begins a place only with a word and the other brace behind it: in JSON it seldom does.
fn place(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (!word.is_empty() && is_word(word)).then_some((word, rest))
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let Some((word, after)) = place(rest) else {
                plain.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            };
            let piece = match word {
                "key" => Piece::Key,
                "n" => Piece::Number,
                "worker" => Piece::Worker,
                _ => {
                    return Err(format!(
                        "there is no {{{word}}} to fill in; known are {{key}}, {{n}} (the number of \
                         the request) and {{worker}}"
                    ));
                }
            };
            pieces.extend([Piece::Text(std::mem::take(&mut plain)), piece]);
            rest = after;
        }
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self { text: text.to_owned(), pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a place that is filled in wrongly, braces of JSON that are taken for one, and a place
    /// that nobody can fill in and is sent as it stands.
    #[test]
    fn places_are_filled_in_and_other_braces_stay() {
        let filling = Filling { key: "k:7", number: 12, worker: 3 };
        for (text, expected) in [
            ("", ""),
            ("/products/{key}?n={n}&w={worker}", "/products/k:7?n=12&w=3"),
            (r#"{"price": {n}}"#, r#"{"price": 12}"#),
            (r#"{"a":{"b":{}}} {é}"#, r#"{"a":{"b":{}}} {é}"#),
            ("{key}{key}", "k:7k:7"),
        ] {
            assert_eq!(text.parse::<Template>().unwrap().fill(&filling), expected, "{text}");
        }
        let refused = "/{kye}".parse::<Template>().unwrap_err();
        assert!(refused.contains("there is no {kye} to fill in; known are {key}"), "{refused}");
    }
}
