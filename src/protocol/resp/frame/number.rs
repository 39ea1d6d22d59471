//! Decimal numbers as Redis reads them.

/// The longest number: a sign and the digits of `i64::MIN`.
const DIGITS_MAX: usize = 20;

/// The number that is written so: digits without leading zeros, a minus before them at most.
#[must_use]
pub fn decimal(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [] => false,
        [b'0'] => digits.len() == text.len(),
        [first, ..] => *first != b'0' && digits.iter().all(u8::is_ascii_digit),
    };
    if !plain || text.len() > DIGITS_MAX {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a number that Redis refuses and we take, which would put the two out of step.
    #[test]
    fn numbers_are_written_in_one_way() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"-1"), Some(-1));
        assert_eq!(decimal(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(decimal(b"-9223372036854775808"), Some(i64::MIN));
        for refused in
            ["", "-", "-0", "00", "01", "+1", " 1", "1 ", "1a", "9223372036854775808", "\u{661}"]
        {
            assert_eq!(decimal(refused.as_bytes()), None, "{refused:?}");
        }
    }
}
