//! Values: read, removed, made longer.

use super::{Call, Done, Refusal};
use crate::protocol::node::value::Value;
use crate::protocol::resp::frame::command::BULK_BYTES_MAX;
use crate::protocol::resp::server::answer::REPLY_BYTES_MAX;
use crate::protocol::resp::server::store::Data;

pub(super) fn get(call: &mut Call<'_>) -> Done {
    match call.data().read(call.word(1)) {
        Some(item) => call.answer.value(&item.value),
        None => call.answer.null(),
    }
    Ok(())
}

pub(super) fn get_many(call: &mut Call<'_>) -> Done {
    let mut data = call.data();
    call.answer.array(call.count() - 1);
    for key in call.words(1) {
        if call.answer.out.text().len() > REPLY_BYTES_MAX {
            call.state.close();
            break;
        }
        match data.read(key) {
            Some(item) => call.answer.value(&item.value),
            None => call.answer.null(),
        }
    }
    Ok(())
}

pub(super) fn get_del(call: &mut Call<'_>) -> Done {
    let (mut data, key) = (call.data(), call.word(1));
    match data.read(key) {
        Some(item) => call.answer.value(&item.value),
        None => call.answer.null(),
    }
    data.remove(key);
    Ok(())
}

pub(super) fn del(call: &mut Call<'_>) -> Done {
    count(call, |data, key| data.remove(key))
}

pub(super) fn exists(call: &mut Call<'_>) -> Done {
    count(call, |data, key| data.read(key).is_some())
}

pub(super) fn touch(call: &mut Call<'_>) -> Done {
    count(call, |data, key| data.read(key).is_some())
}

/// Of how many keys something holds.
fn count(call: &mut Call<'_>, holds: fn(&mut Data<'_>, &[u8]) -> bool) -> Done {
    let mut data = call.data();
    let count = call.words(1).filter(|key| holds(&mut data, key)).count();
    call.answer.integer(i64::try_from(count).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) fn length(call: &mut Call<'_>) -> Done {
    let bytes = call.data().read(call.word(1)).map_or(0, |item| item.value.byte_count());
    call.answer.integer(i64::try_from(bytes).unwrap_or(i64::MAX));
    Ok(())
}

pub(super) fn kind(call: &mut Call<'_>) -> Done {
    let is_there = call.data().read(call.word(1)).is_some();
    call.answer.simple(if is_there { "string" } else { "none" });
    Ok(())
}

pub(super) fn append(call: &mut Call<'_>) -> Done {
    let (mut data, key, added) = (call.data(), call.word(1), call.word(2));
    let (mut bytes, expires) = match data.look(key) {
        Some(item) => (item.value.as_bytes().to_vec(), item.expires_ms),
        None => (Vec::new(), None),
    };
    let length = i64::try_from(bytes.len() + added.len()).unwrap_or(i64::MAX);
    if length > BULK_BYTES_MAX {
        return Err(Refusal::of("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
    }
    bytes.extend_from_slice(added);
    data.put(key, Value::new(bytes), expires)?;
    call.answer.integer(length);
    Ok(())
}

/// A part of a value, from one place to another; below zero they count from its end.
pub(super) fn range(call: &mut Call<'_>) -> Done {
    let (from, to) = (call.integer(2)?, call.integer(3)?);
    let mut data = call.data();
    let Some(item) = data.read(call.word(1)) else {
        call.answer.bytes(b"");
        return Ok(());
    };
    let bytes = item.value.as_bytes();
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let is_backwards = from < 0 && to < 0 && from > to;
    let place = |at: i64| if at < 0 { at.saturating_add(length).max(0) } else { at };
    let (from, to) = (place(from), place(to).min(length - 1));
    let part = match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to && !is_backwards => &bytes[from..=to],
        _ => &[],
    };
    call.answer.bytes(part);
    Ok(())
}
