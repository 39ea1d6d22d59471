//! What an answer means to whoever asked for it.

use super::speech::{Answer, Value};
use crate::client::{Failure, Item};
use crate::event::ErrorClass;

pub(super) fn item(value: Value) -> Item {
    let Value { bytes, flags, cas } = value;
    Item { value: bytes, flags: flags.unwrap_or_default(), cas }
}

pub(super) fn class_of(answer: Option<&Answer>) -> ErrorClass {
    match answer {
        Some(Answer::Error(failed)) => failed.class,
        _ => ErrorClass::Other,
    }
}

/// Why a change is not known to be done. One that reached a node may be, and so may one that was sent and
/// given up: on a busy machine a proxy reads it later than its client waits.
pub(super) fn failure(answer: Option<&Answer>, asked: bool) -> Failure {
    let class = class_of(answer);
    let sent_nothing = matches!(
        class,
        ErrorClass::Refused
            | ErrorClass::ConnectTimeout
            | ErrorClass::NoConnection
            | ErrorClass::Untrusted
            | ErrorClass::Unauthenticated
            | ErrorClass::TooLarge
            | ErrorClass::ClientError
    );
    if asked || !sent_nothing { Failure::Indeterminate(class) } else { Failure::Error(class) }
}

/// Letters by which two messages of a client are told apart: a beginning, without ports, times and bytes of values.
const TELLING_LETTERS: usize = 24;

/// Whether two messages say the same of different calls.
pub(super) fn are_alike(one: &str, other: &str) -> bool {
    telling(one).eq(telling(other))
}

fn telling(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| letter.is_alphabetic()).take(TELLING_LETTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a list of errors that is full of one of them, with other ports, and one that hides another.
    #[test]
    fn errors_that_differ_in_numbers_are_one() {
        let timeout = |port| format!("read tcp 127.0.0.1:{port}->127.0.0.1:21211: i/o timeout");
        assert!(are_alike(&timeout(34_832), &timeout(5)));
        assert!(!are_alike(&timeout(1), "strconv.ParseUint: parsing \"STORED\": invalid syntax"));
    }
}
