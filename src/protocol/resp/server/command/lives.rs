//! Expiries: set, taken away, told.

use super::set::Life;
use super::{Call, Done, Refusal};
use crate::protocol::resp::server::clock::Unit;

pub(super) fn expire(call: &mut Call<'_>) -> Done {
    expire_in(call, Unit { in_seconds: true, is_date: false })
}

pub(super) fn expire_ms(call: &mut Call<'_>) -> Done {
    expire_in(call, Unit { in_seconds: false, is_date: false })
}

pub(super) fn expire_at(call: &mut Call<'_>) -> Done {
    expire_in(call, Unit { in_seconds: true, is_date: true })
}

pub(super) fn expire_at_ms(call: &mut Call<'_>) -> Done {
    expire_in(call, Unit { in_seconds: false, is_date: true })
}

/// Under which condition an expiry is set.
#[derive(Clone, Copy, Debug, Default)]
struct Only {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Only {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut only = Self::default();
        for (place, word) in (3..).zip(call.words(3)) {
            if call.is(place, "NX") {
                only.if_none = true;
            } else if call.is(place, "XX") {
                only.if_some = true;
            } else if call.is(place, "GT") {
                only.if_later = true;
            } else if call.is(place, "LT") {
                only.if_earlier = true;
            } else {
                let word = word.split(|byte| *byte == 0).next().unwrap_or_default();
                return Err(Refusal::saying([b"ERR Unsupported option ", word].concat()));
            }
        }
        if only.if_none && (only.if_some || only.if_later || only.if_earlier) {
            return Err(Refusal::of(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if only.if_later && only.if_earlier {
            return Err(Refusal::of("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(only)
    }

    /// Whether `new` may take the place of `old`.
    fn allows(self, old: Option<i64>, new: i64) -> bool {
        !(self.if_none && old.is_some()
            || self.if_some && old.is_none()
            || self.if_later && old.is_none_or(|old| new <= old)
            || self.if_earlier && old.is_some_and(|old| new >= old))
    }
}

fn expire_in(call: &mut Call<'_>, unit: Unit) -> Done {
    let only = Only::read(call)?;
    let number = call.integer(2)?;
    let moment = unit.moment(number, call.context.now).ok_or_else(|| Refusal::expiry(call.name))?;
    let (mut data, key) = (call.data(), call.word(1));
    let is_done = data.look(key).is_some_and(|item| only.allows(item.expires_ms, moment));
    if is_done {
        if moment <= call.context.now.ms {
            data.remove(key);
        } else {
            data.expire(key, Some(moment));
        }
    }
    call.answer.flag(is_done);
    Ok(())
}

pub(super) fn persist(call: &mut Call<'_>) -> Done {
    let (mut data, key) = (call.data(), call.word(1));
    let is_done = data.look(key).is_some_and(|item| item.expires_ms.is_some());
    if is_done {
        data.expire(key, None);
    }
    call.answer.flag(is_done);
    Ok(())
}

pub(super) fn ttl(call: &mut Call<'_>) -> Done {
    tell(call, |expires, now| (expires - now).max(0).saturating_add(500) / 1000)
}

pub(super) fn ttl_ms(call: &mut Call<'_>) -> Done {
    tell(call, |expires, now| (expires - now).max(0))
}

pub(super) fn expire_time(call: &mut Call<'_>) -> Done {
    tell(call, |expires, _| expires.saturating_add(500) / 1000)
}

pub(super) fn expire_time_ms(call: &mut Call<'_>) -> Done {
    tell(call, |expires, _| expires)
}

/// -2: there is no such item; -1: it has no expiry.
fn tell(call: &mut Call<'_>, number: fn(i64, i64) -> i64) -> Done {
    let now = call.context.now.ms;
    let told = match call.data().look(call.word(1)) {
        None => -2,
        Some(item) => item.expires_ms.map_or(-1, |expires| number(expires, now)),
    };
    call.answer.integer(told);
    Ok(())
}

pub(super) fn get_ex(call: &mut Call<'_>) -> Done {
    let (mut life, mut place) = (Life::Unsaid, 2);
    while place < call.count() {
        if call.is(place, "PERSIST") && matches!(life, Life::Unsaid | Life::Endless) {
            (life, place) = (Life::Endless, place + 1);
        } else if let Some((said, words)) = life.said(call, place) {
            (life, place) = (said, place + words);
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let (mut data, key) = (call.data(), call.word(1));
    let Some(item) = data.read(key) else {
        call.answer.null();
        return Ok(());
    };
    let moment = life.moment(call)?;
    call.answer.value(&item.value);
    match (life, moment) {
        (Life::Endless, _) => drop(data.expire(key, None)),
        (_, Some(moment)) if moment <= call.context.now.ms => drop(data.remove(key)),
        (_, Some(moment)) => drop(data.expire(key, Some(moment))),
        _ => {}
    }
    Ok(())
}
