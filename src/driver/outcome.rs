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
