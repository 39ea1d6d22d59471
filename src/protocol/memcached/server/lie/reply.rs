//! Changes of a reply that leave it well-formed.

use crate::protocol::memcached::frame::text::tokens;

const LINE_END: &[u8] = b"\r\n";

/// The first value in a reply: what stands before its data, and the data.
struct First {
    /// The words of its line.
    words: Vec<Vec<u8>>,
    /// Where its data begins and ends.
    from: usize,
    to: usize,
}

impl First {
    fn find(reply: &[u8]) -> Option<Self> {
        let end = memchr::memmem::find(reply, LINE_END)?;
        let words: Vec<Vec<u8>> = tokens(&reply[..end]).map(<[u8]>::to_vec).collect();
        let length: usize =
            std::str::from_utf8(words.get(Self::length(&words)?)?).ok()?.parse().ok()?;
        let from = end + LINE_END.len();
        (from + length <= reply.len()).then_some(Self { words, from, to: from + length })
    }

    /// Where the length stands.
    fn length(words: &[Vec<u8>]) -> Option<usize> {
        match words.first()?.as_slice() {
            b"VALUE" => Some(3),
            b"VA" => Some(1),
            _ => None,
        }
    }
}

/// The data of the first value.
pub(super) fn value(reply: &[u8]) -> Option<&[u8]> {
    First::find(reply).map(|first| &reply[first.from..first.to])
}

/// Changes the data of the first value; the length follows.
pub(super) fn change_value(reply: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) {
    let Some(mut first) = First::find(reply) else { return };
    let mut data = reply[first.from..first.to].to_vec();
    change(&mut data);
    if let Some(at) = First::length(&first.words) {
        first.words[at] = data.len().to_string().into_bytes();
    }
    let line = first.words.join(&b' ');
    let rest = reply.split_off(first.to);
    *reply = [&line, LINE_END, &data, &rest].concat();
}

/// Changes the client's flags of the first value, where the reply tells them.
pub(super) fn change_flags(reply: &mut Vec<u8>, change: impl FnOnce(u32) -> u32) {
    let Some(mut first) = First::find(reply) else { return };
    let is_meta = first.words[0] == b"VA";
    let word = if is_meta {
        first.words.iter_mut().skip(2).find(|word| word[0] == b'f')
    } else {
        first.words.get_mut(2)
    };
    let Some(word) = word else { return };
    let digits = std::str::from_utf8(&word[usize::from(is_meta)..]).ok();
    let Some(flags) = digits.and_then(|digits| digits.parse().ok()) else { return };
    let prefix = if is_meta { "f" } else { "" };
    *word = format!("{prefix}{}", change(flags)).into_bytes();
    let line = first.words.join(&b' ');
    let rest = reply.split_off(first.from);
    *reply = [&line, LINE_END, &rest].concat();
}

/// Says something else in the first word of a one-line reply, classic or meta.
pub(super) fn say(reply: &mut Vec<u8>, classic: &str, meta: &str) {
    let end = reply.iter().position(|byte| matches!(byte, b' ' | b'\r')).unwrap_or(0);
    let word = if reply.get(..end) == Some(b"HD") { meta } else { classic };
    reply.splice(..end, word.bytes());
}

/// Whether a write was answered with success.
pub(super) fn is_success(reply: &[u8]) -> bool {
    [b"STORED".as_slice(), b"DELETED", b"HD"].iter().any(|word| reply.starts_with(word))
}
