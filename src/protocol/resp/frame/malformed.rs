//! What a server closes the connection for, and what it says then.

/// Bytes with which the server closes the connection, after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The number of arguments is none, or too large.
    MultibulkLength,
    /// The length of an argument is none, or too large.
    BulkLength,
    /// An argument begins with this byte.
    ExpectedDollar(u8),
    /// The line with the number of arguments has no end.
    BigCount,
    /// The line with the length of an argument has no end.
    BigBulkCount,
    /// An inline command has no end.
    BigInline,
    /// An inline command has quotes that are not closed.
    UnbalancedQuotes,
}

impl Malformed {
    /// What the server says of it, behind `-ERR Protocol error: `.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::MultibulkLength => "invalid multibulk length".to_owned(),
            Self::BulkLength => "invalid bulk length".to_owned(),
            Self::ExpectedDollar(byte) => {
                // The server writes it with `%c` and blanks line ends.
                let shown = if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
                format!("expected '$', got '{}'", char::from(shown))
            }
            Self::BigCount => "too big mbulk count string".to_owned(),
            Self::BigBulkCount => "too big bulk count string".to_owned(),
            Self::BigInline => "too big inline request".to_owned(),
            Self::UnbalancedQuotes => "unbalanced quotes in request".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an error that would be two lines on the wire.
    #[test]
    fn an_error_is_one_line() {
        let said = |byte| Malformed::ExpectedDollar(byte).message();
        assert_eq!(
            (said(b'+'), said(b'\r')),
            ("expected '$', got '+'".into(), "expected '$', got ' '".into())
        );
    }
}
