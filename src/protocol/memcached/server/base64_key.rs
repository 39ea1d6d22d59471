//! Keys in base64, as the meta flag `b` gives them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PAD: u8 = b'=';

/// Decodes a key. As memcached does, it skips bytes that are not in the alphabet and stops behind
/// the first padded group; `None` when the groups are not whole or nothing is left.
#[must_use]
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let sextets: Vec<u8> = text.iter().copied().filter(|byte| sextet(*byte).is_some()).collect();
    let (groups, rest) = sextets.as_chunks::<4>();
    if groups.is_empty() || !rest.is_empty() {
        return None;
    }
    let mut key = Vec::with_capacity(groups.len() * 3);
    for group in groups {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 6 | sextet(*byte).unwrap_or(0));
        let [_, bytes @ ..] = bits.to_be_bytes();
        match group.iter().filter(|byte| **byte == PAD).count() {
            0 => key.extend_from_slice(&bytes),
            pads @ 1..=2 => {
                key.extend_from_slice(&bytes[..3 - pads]);
                break;
            }
            _ => return None,
        }
    }
    Some(key)
}

/// Appends a key in base64.
pub(super) fn encode(out: &mut Vec<u8>, key: &[u8]) {
    out.extend_from_slice(STANDARD.encode(key).as_bytes());
}

const fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        PAD => 0,
        _ => return None,
    };
    Some(value as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a key that is decoded otherwise than memcached does: it would be another item.
    #[test]
    fn keys_are_decoded_as_memcached_does() {
        for (text, key) in [
            ("Zm9v", Some("foo")),
            ("Zm8=", Some("fo")),
            ("Zg==", Some("f")),
            ("Z!m9v", Some("foo")),
            ("Zg==Zm9v", Some("f")),
            ("Z===", None),
            ("Zm9", None),
            ("!!!!", None),
            ("", None),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), key.map(str::as_bytes), "{text}");
        }
        let mut out = b"k".to_vec();
        encode(&mut out, b"fo");
        assert_eq!(out, b"kZm8=");
    }
}
