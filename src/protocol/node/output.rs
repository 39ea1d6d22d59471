//! Replies on their way out: text, with large values in between that are shared instead of copied.

use bytes::Bytes;

use super::value::Value;

/// Replies that wait to be written.
#[derive(Debug, Default)]
pub struct Output {
    text: Vec<u8>,
    /// Each with the length of the text that comes before it.
    shared: Vec<(usize, Bytes)>,
    shared_bytes: usize,
}

impl Output {
    /// The text, to be added to.
    pub const fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a value as it is.
    pub fn push(&mut self, value: &Value) {
        match value {
            Value::Owned(bytes) => self.text.extend_from_slice(bytes),
            Value::Shared(bytes) => {
                self.shared_bytes += bytes.len();
                self.shared.push((self.text.len(), bytes.clone()));
            }
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn byte_count(&self) -> usize {
        self.text.len() + self.shared_bytes
    }

    /// Everything in order, as pieces none of which is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.shared.iter().map(|(end, value)| (*end, &value[..]));
        let ends = ends.chain([(self.text.len(), &[][..])]);
        let mut from = 0;
        ends.flat_map(move |(end, value)| {
            let text = &self.text[std::mem::replace(&mut from, end)..end];
            [text, value]
        })
        .filter(|piece| !piece.is_empty())
    }

    /// Forgets everything; memory above `kept_bytes` is given back.
    pub fn clear(&mut self, kept_bytes: usize) {
        self.text.clear();
        self.text.shrink_to(kept_bytes);
        self.shared.clear();
        self.shared_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a value that is written in the wrong place.
    #[test]
    fn pieces_come_in_order() {
        let mut output = Output::default();
        output.push(&Value::Shared(Bytes::from_static(b"first")));
        output.text().extend_from_slice(b"a");
        output.push(&Value::Owned(b"b".to_vec()));
        output.push(&Value::Shared(Bytes::from_static(b"second")));
        output.push(&Value::Shared(Bytes::from_static(b"third")));
        output.text().extend_from_slice(b"c");
        let pieces: Vec<_> =
            output.pieces().map(<[u8]>::escape_ascii).map(|p| p.to_string()).collect();
        assert_eq!(pieces, ["first", "ab", "second", "third", "c"]);
        assert_eq!(output.byte_count(), 19);
        output.clear(0);
        assert_eq!((output.byte_count(), output.pieces().count()), (0, 0));
    }
}
