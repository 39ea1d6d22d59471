//! Keys, read from what a terminal sends.

/// A key that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A letter or sign.
    Sign(char),
    /// An arrow.
    Up,
    /// An arrow.
    Down,
    /// An arrow.
    Left,
    /// An arrow.
    Right,
    /// Return.
    Enter,
    /// Escape.
    Escape,
}

const ESCAPE: u8 = 0x1b;

/// The keys in what was read at once. A sequence of a key that means nothing here is passed over as a whole, so
/// that its letters are not taken for keys.
#[must_use]
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            ESCAPE => {
                let (key, left) = escaped(after);
                keys.extend(key);
                rest = left;
            }
            b'\r' | b'\n' => keys.push(Key::Enter),
            b' '..=b'~' => keys.push(Key::Sign(char::from(first))),
            _ => {}
        }
    }
    keys
}

/// What follows an escape: an arrow, another sequence, or nothing.
fn escaped(after: &[u8]) -> (Option<Key>, &[u8]) {
    let [b'[' | b'O', rest @ ..] = after else { return (Some(Key::Escape), after) };
    let Some(end) = rest.iter().position(|byte| (0x40..=0x7e).contains(byte)) else {
        return (None, &[]);
    };
    let key = match rest[..=end] {
        [b'A'] => Some(Key::Up),
        [b'B'] => Some(Key::Down),
        [b'C'] => Some(Key::Right),
        [b'D'] => Some(Key::Left),
        _ => None,
    };
    (key, &rest[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a function key whose letters quit the run, and arrows of one of the two modes that are not known.
    #[test]
    fn sequences_are_one_key() {
        assert_eq!(keys(b"q?"), [Key::Sign('q'), Key::Sign('?')]);
        assert_eq!(
            keys(b"\x1b[A\x1bOB\x1b[C\x1b[D\r"),
            [Key::Up, Key::Down, Key::Right, Key::Left, Key::Enter]
        );
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        for nothing in [&b"\x1b[1;5q"[..], b"\x1b[24~", b"\x1b[", b"\x1b[200", b"\x00\x7f\xff"] {
            assert_eq!(keys(nothing), [], "{nothing:?}");
        }
        assert_eq!(keys(b"\x1b[24~q"), [Key::Sign('q')]);
    }
}
