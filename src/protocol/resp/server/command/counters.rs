//! Counters.

use super::{Call, Done, Refusal};
use crate::protocol::node::value::Value;
use crate::protocol::resp::frame::number::decimal;

pub(super) fn incr(call: &mut Call<'_>) -> Done {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Done {
    add(call, -1)
}

pub(super) fn incr_by(call: &mut Call<'_>) -> Done {
    let by = call.integer(2)?;
    add(call, by)
}

pub(super) fn decr_by(call: &mut Call<'_>) -> Done {
    let by = call.integer(2)?;
    let by = by.checked_neg().ok_or(Refusal::of("ERR decrement would overflow"))?;
    add(call, by)
}

/// One that is not there begins at zero. Its expiry stays.
fn add(call: &mut Call<'_>, by: i64) -> Done {
    let (mut data, key) = (call.data(), call.word(1));
    let (old, expires) = match data.look(key) {
        Some(item) => {
            let number = decimal(item.value.as_bytes()).ok_or(Refusal::NO_INTEGER)?;
            (number, item.expires_ms)
        }
        None => (0, None),
    };
    let number = old.checked_add(by).ok_or(Refusal::OVERFLOW)?;
    data.put(key, Value::new(number.to_string().into_bytes()), expires)?;
    call.answer.integer(number);
    Ok(())
}
