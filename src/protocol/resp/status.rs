//! What a reply says, in one word.

use crate::protocol::exchange::{Kind, Word};

/// Errors by their first word, and the names that they have here. `ERR` is what a server says of a request that
/// is none, and of much else.
const ERRORS: &[(&str, &str)] = &[
    ("ERR", "error"),
    ("WRONGTYPE", "wrongtype"),
    ("MOVED", "moved"),
    ("ASK", "ask"),
    ("READONLY", "readonly"),
    ("LOADING", "loading"),
    ("OOM", "oom"),
    ("NOAUTH", "noauth"),
    ("WRONGPASS", "wrongpass"),
    ("NOPERM", "noperm"),
    ("BUSY", "busy"),
    ("CLUSTERDOWN", "clusterdown"),
    ("TRYAGAIN", "tryagain"),
    ("MASTERDOWN", "masterdown"),
    ("NOSCRIPT", "noscript"),
    ("EXECABORT", "execabort"),
    ("MISCONF", "misconf"),
    ("NOREPLICAS", "noreplicas"),
    ("CROSSSLOT", "crossslot"),
];

static ERROR_WORDS: [Word; ERRORS.len()] = {
    const NONE: Word = Word { name: "", place: 0 };
    let mut words = [NONE; ERRORS.len()];
    let mut place = 0;
    while place < words.len() {
        words[place] = Word { name: ERRORS[place].1, place: place + 8 };
        place += 1;
    }
    words
};
static HIT: Word = Word { name: "hit", place: 0 };
static MISS: Word = Word { name: "miss", place: 1 };
static OK: Word = Word { name: "ok", place: 2 };
static NUMBER: Word = Word { name: "number", place: 3 };
static QUEUED: Word = Word { name: "queued", place: 4 };
static NIL: Word = Word { name: "nil", place: 5 };
static VALUE: Word = Word { name: "value", place: 6 };
static OTHER_ERROR: Word = Word { name: "other_error", place: 7 };

/// The beginning of a reply: as much as its status is read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    bytes: [u8; 16],
    length: usize,
}

impl Line {
    pub(super) fn of(line: &[u8]) -> Self {
        let length = line.len().min(16);
        let mut bytes = [0; 16];
        bytes[..length].copy_from_slice(&line[..length]);
        Self { bytes, length }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// What a reply says that begins with this line and has anything that is not nil, or not.
pub(crate) fn status(kind: Kind, line: &[u8], filled: bool) -> &'static Word {
    match (line.first(), kind) {
        (Some(b'-'), _) => error(&line[1..]),
        (Some(b'!'), _) => &OTHER_ERROR,
        (Some(b'+'), _) if line == b"+QUEUED" => &QUEUED,
        (Some(b'+'), _) => &OK,
        (Some(b':'), _) => &NUMBER,
        (_, Kind::Read) if filled => &HIT,
        (_, Kind::Read) => &MISS,
        _ if filled => &VALUE,
        _ => &NIL,
    }
}

fn error(text: &[u8]) -> &'static Word {
    let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    let place = ERRORS.iter().position(|(said, _)| said.as_bytes() == word);
    place.map_or(&OTHER_ERROR, |place| &ERROR_WORDS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a miss that counts as a hit, an error under another's name, and two words in one place.
    #[test]
    fn what_a_reply_says() {
        let said = |kind, line: &str, filled| status(kind, line.as_bytes(), filled).name;
        assert_eq!(said(Kind::Read, "$3", true), "hit");
        assert_eq!(said(Kind::Read, "$-1", false), "miss");
        assert_eq!(said(Kind::Read, "*2", false), "miss");
        assert_eq!(said(Kind::Write, "$-1", false), "nil");
        assert_eq!(said(Kind::Write, "+QUEUED", true), "queued");
        assert_eq!(said(Kind::Write, "-READONLY You can't", true), "readonly");
        assert_eq!(said(Kind::Other, "-NOSUCHWORD x", true), "other_error");
        let words = ERROR_WORDS.iter();
        let mut places: Vec<usize> = words
            .chain([&HIT, &MISS, &OK, &NUMBER, &QUEUED, &NIL, &VALUE, &OTHER_ERROR])
            .map(|word| word.place)
            .collect();
        places.sort_unstable();
        assert!(places.iter().copied().eq(0..places.len()));
    }
}
