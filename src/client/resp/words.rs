//! What a command is in RESP: its words.

use std::time::Duration;

use super::Token;
use crate::client::ttl::Ttl;
use crate::protocol::resp::frame::command::write_command;

/// A request as it is written.
#[derive(Debug)]
pub(in crate::client) struct Request(Vec<u8>);

impl Request {
    /// The command with these words.
    pub(in crate::client) fn of(words: &[&[u8]]) -> Self {
        let mut bytes = Vec::new();
        write_command(&mut bytes, words);
        Self(bytes)
    }

    /// And behind it the question whose answer is the token.
    pub(super) fn with_token(mut self, token: &Token) -> Self {
        write_command(&mut self.0, &[b"PING", token.bytes()]);
        self
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// When a value is to expire, as `SET` and `GETEX` are told it.
#[derive(Debug)]
pub(in crate::client) struct Expiry {
    /// `PX`, `EXAT` or `PXAT`.
    pub(in crate::client) option: &'static str,
    pub(in crate::client) number: String,
}

impl Expiry {
    /// `None`: never.
    pub(in crate::client) fn of(ttl: Ttl) -> Option<Self> {
        let (option, number) = match ttl {
            Ttl::Never => return None,
            Ttl::After(time) => ("PX", millis(time)),
            // So early a moment has passed as well.
            Ttl::Until(moment) => ("EXAT", i64::try_from(moment.max(1)).unwrap_or(i64::MAX / 1000)),
            Ttl::Expired => ("PXAT", 1),
        };
        Some(Self { option, number: number.to_string() })
    }
}

/// Parts of a millisecond round up.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an expiry in the wrong unit, one that is never, and a time that is rounded down to nothing.
    #[test]
    fn an_expiry_is_told_in_its_unit() {
        let told = |ttl| Expiry::of(ttl).map(|it| format!("{} {}", it.option, it.number));
        let after = |nanos| told(Ttl::After(Duration::from_nanos(nanos)));
        assert_eq!(told(Ttl::Never), None);
        assert_eq!(after(1_500_000_000).unwrap(), "PX 1500");
        assert_eq!(after(1).unwrap(), "PX 1");
        assert_eq!(told(Ttl::Until(1_893_456_000)).unwrap(), "EXAT 1893456000");
        assert_eq!(
            [told(Ttl::Until(0)).unwrap(), told(Ttl::Expired).unwrap()],
            ["EXAT 1", "PXAT 1"]
        );
    }
}
