//! Unsigned numbers as memcached reads them from a line and from a stored value: with the C library,
//! so blanks and a sign may come first and a blank or a NUL may end them. (Signed ones are read by
//! [`old_i32`](crate::protocol::memcached::frame::number::old_i32).) And plain decimal writing.

/// A run of decimal digits with its sign; the magnitude is `None` above 64 bits.
struct Decimal {
    negative: bool,
    magnitude: Option<u64>,
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Reads a number that is followed by nothing, by a blank or by a NUL.
fn decimal(text: &[u8]) -> Option<Decimal> {
    let blanks = text.iter().take_while(|byte| is_blank(**byte)).count();
    let text = &text[blanks..];
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || digits.get(length).is_some_and(|&byte| byte != 0 && !is_blank(byte)) {
        return None;
    }
    let magnitude = digits[..length].iter().try_fold(0_u64, |value, digit| {
        value.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    Some(Decimal { negative, magnitude })
}

/// An unsigned 64-bit number: a delta, a cas unique, a stored counter.
#[must_use]
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    let Decimal { negative, magnitude } = decimal(text)?;
    let magnitude = magnitude?;
    if !negative {
        return Some(magnitude);
    }
    // The C library negates; memcached refuses the result only when its top bit is set.
    let value = magnitude.wrapping_neg();
    (value >> 63 == 0).then_some(value)
}

/// An unsigned number cut to 32 bits: client flags.
#[must_use]
pub(super) fn unsigned_32(text: &[u8]) -> Option<u32> {
    #[expect(clippy::cast_possible_truncation, reason = "memcached keeps the lower 32 bits")]
    unsigned(text).map(|value| value as u32)
}

/// Appends `value` in decimal.
pub(super) fn write(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0_u8; 20];
    out.extend_from_slice(format(value, &mut digits));
}

/// `value` in decimal, written to the end of `digits`.
#[must_use]
pub(super) fn format(mut value: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a number that memcached reads and the node refuses, or the other way round.
    #[test]
    fn numbers_are_read_as_the_c_library_reads_them() {
        for (text, expected) in [
            ("0", Some(0)),
            ("+5", Some(5)),
            ("\t5", Some(5)),
            ("5\tx", Some(5)),
            ("5\0x", Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-0", Some(0)),
            ("-1", None),
            ("-18446744073709551615", Some(1)),
            ("", None),
            ("-", None),
            ("5x", None),
            ("0x5", None),
        ] {
            assert_eq!(unsigned(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(unsigned_32(b"4294967297"), Some(1));
    }

    /// Catches a digit that is lost when a number is written.
    #[test]
    fn numbers_are_written_in_full() {
        for value in [0, 7, 10, 99, 100, u64::MAX] {
            let mut out = b"x".to_vec();
            write(&mut out, value);
            assert_eq!(out, format!("x{value}").into_bytes());
        }
    }
}
