//! The values that last passed a rule, for a reply that is to carry another key's.

use bytes::Bytes;

/// The last two values of different keys: whatever key is asked for, one of them is another's.
#[derive(Debug, Default)]
pub(super) struct Seen {
    last: Option<(Vec<u8>, Bytes)>,
    before: Option<(Vec<u8>, Bytes)>,
}

impl Seen {
    /// Remembers the value of `key` and returns that of another, once there was one.
    pub(super) fn swap(&mut self, key: Vec<u8>, value: Bytes) -> Option<Bytes> {
        let again = self.last.as_ref().is_some_and(|(last, _)| *last == key);
        let replaced = self.last.replace((key, value));
        if !again {
            self.before = replaced;
        }
        self.before.as_ref().map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a key that is given its own value, and one that is asked for again and gets none.
    #[test]
    fn a_key_gets_the_value_of_another() {
        let mut seen = Seen::default();
        let mut swap = |key: &str, value: &'static str| {
            let other = seen.swap(key.as_bytes().to_vec(), Bytes::from_static(value.as_bytes()));
            other.map(|value| String::from_utf8_lossy(&value).into_owned())
        };
        assert_eq!(swap("a", "1"), None);
        assert_eq!(swap("a", "2"), None);
        assert_eq!(swap("b", "3").as_deref(), Some("2"));
        assert_eq!(swap("b", "4").as_deref(), Some("2"));
        assert_eq!(swap("a", "5").as_deref(), Some("4"));
    }
}
