//! The numbers of a request line, read as each of memcached's parsers reads them.

/// The largest data block that either parser accepts, without its CRLF.
pub const BLOCK_BYTES_MAX: i64 = i32::MAX as i64 - 2;

/// What C's `isspace` takes for white space.
const fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// C's `strtol` and `strtoull` to the first white space: leading white space and a sign are fine,
/// nothing but digits may follow, `None` past 64 bits. Returns the sign and the magnitude.
fn c_integer(token: &[u8]) -> Option<(bool, u64)> {
    let start = token.iter().position(|byte| !is_c_space(*byte))?;
    let (negative, digits) = match token[start] {
        b'-' => (true, &token[start + 1..]),
        b'+' => (false, &token[start + 1..]),
        _ => (false, &token[start..]),
    };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ended = digits.get(length).is_none_or(|byte| is_c_space(*byte));
    if length == 0 || !ended {
        return None;
    }
    digits[..length]
        .iter()
        .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
        .map(|magnitude| (negative, magnitude))
}

/// A signed number before 1.6.40: read with 64 bits, kept in 32.
#[must_use]
pub fn old_i32(token: &[u8]) -> Option<i32> {
    let (negative, magnitude) = c_integer(token)?;
    let value = match (negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => value,
        (true, Ok(value)) => -value,
        (true, Err(_)) if magnitude == i64::MIN.unsigned_abs() => i64::MIN,
        _ => return None,
    };
    #[expect(clippy::cast_possible_truncation, reason = "the server truncates the same way")]
    Some(value as i32)
}

/// Whether an unsigned number (client flags, cas) is one before 1.6.40.
#[must_use]
pub fn old_is_unsigned(token: &[u8]) -> bool {
    // The server looks for a sign only when the value, wrapped, has the top bit set.
    c_integer(token).is_some_and(|(negative, magnitude)| {
        let wrapped = if negative { magnitude.wrapping_neg() } else { magnitude };
        !(negative && wrapped >> 63 == 1)
    })
}

/// The length of a data block before 1.6.40, without its CRLF.
#[must_use]
pub fn old_block(token: &[u8]) -> Option<u64> {
    old_i32(token).and_then(|length| block(i64::from(length)))
}

/// A signed number from 1.6.40: digits with at most a minus before them, 32 bits.
#[must_use]
pub fn new_i32(token: &[u8]) -> Option<i32> {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(token).ok()?.parse().ok()
}

/// The length of a data block from 1.6.40, without its CRLF.
#[must_use]
pub fn new_block(token: &[u8]) -> Option<u64> {
    new_i32(token).and_then(|length| block(i64::from(length)))
}

fn block(length: i64) -> Option<u64> {
    (0..=BLOCK_BYTES_MAX).contains(&length).then_some(length.unsigned_abs())
}

/// A plain decimal number of the server's own writing, as in `VALUE key 0 5`.
#[must_use]
pub fn decimal(token: &[u8]) -> Option<u64> {
    if token.is_empty() || token.len() > 20 {
        return None;
    }
    token.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then_some(())?;
        sum.checked_mul(10)?.checked_add(u64::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a block length that the server reads otherwise: what follows would run as a command.
    #[test]
    fn a_block_length_is_read_as_the_server_reads_it() {
        let cases: [(&[u8], Option<u64>, Option<u64>); 19] = [
            (b"0", Some(0), Some(0)),
            (b"5", Some(5), Some(5)),
            (b"007", Some(7), Some(7)),
            (b"-1", None, None),
            (b"-0", Some(0), Some(0)),
            (b"+5", Some(5), None),
            (b"5abc", None, None),
            (b"0x5", None, None),
            (b"5.0", None, None),
            (b"abc", None, None),
            (b"", None, None),
            (b"-", None, None),
            (b"5\r", Some(5), None),
            (b"\t5", Some(5), None),
            (b"2147483645", Some(2_147_483_645), Some(2_147_483_645)),
            (b"2147483646", None, None),
            (b"4294967296", Some(0), None),
            (b"4294967301", Some(5), None),
            (b"99999999999999999999", None, None),
        ];
        for (token, old, new) in cases {
            assert_eq!(old_block(token), old, "old: {}", token.escape_ascii());
            assert_eq!(new_block(token), new, "new: {}", token.escape_ascii());
        }
    }

    /// Catches flags or a cas that 1.6.18 takes and we would call malformed.
    #[test]
    fn an_unsigned_number_may_wrap_unless_it_stays_negative() {
        assert!(old_is_unsigned(b"0"));
        assert!(old_is_unsigned(b"18446744073709551615"));
        assert!(!old_is_unsigned(b"-1"));
        assert!(!old_is_unsigned(b"18446744073709551616"));
        assert!(!old_is_unsigned(b"x"));
    }

    /// Catches a reply whose length would be taken from something that is no number.
    #[test]
    fn decimal_takes_digits_only() {
        assert_eq!(decimal(b"1048516"), Some(1_048_516));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in [&b""[..], b"-1", b"+1", b"1a", b"18446744073709551616"] {
            assert_eq!(decimal(bad), None);
        }
    }
}
