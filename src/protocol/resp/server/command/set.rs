//! Stores.

use super::{Call, Done, Refusal};
use crate::protocol::node::value::Value;
use crate::protocol::resp::server::clock::Unit;

/// When something is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Anywhere,
    /// Only where there is nothing.
    Absent,
    /// Only where there is something.
    Present,
}

/// What the words behind a key say of its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Nothing.
    Unsaid,
    /// It stays as it is.
    Kept,
    /// There is none any more.
    Endless,
    /// The number at this place, in this unit.
    Until(usize, Unit),
}

impl Life {
    /// The word at `place`, as far as it is about an expiry and fits what was said before; and how many
    /// words it takes.
    pub(super) fn said(self, call: &Call<'_>, place: usize) -> Option<(Self, usize)> {
        let unit = |word: &str, in_seconds, is_date| {
            let unit = Unit { in_seconds, is_date };
            // The same unit may come again; the last counts.
            let fits = match self {
                Self::Unsaid => true,
                Self::Until(_, before) => before == unit,
                Self::Kept | Self::Endless => false,
            };
            (call.is(place, word) && place + 1 < call.count() && fits)
                .then_some((Self::Until(place + 1, unit), 2))
        };
        unit("EX", true, false)
            .or_else(|| unit("PX", false, false))
            .or_else(|| unit("EXAT", true, true))
            .or_else(|| unit("PXAT", false, true))
    }

    /// When that is, if it is a moment.
    pub(super) fn moment(self, call: &Call<'_>) -> Result<Option<i64>, Refusal> {
        let Self::Until(place, unit) = self else { return Ok(None) };
        let number = call.integer(place)?;
        let moment = unit.moment(number, call.context.now).filter(|_| number > 0);
        moment.map(Some).ok_or_else(|| Refusal::expiry(call.name))
    }
}

pub(super) fn set(call: &mut Call<'_>) -> Done {
    let (mut when, mut life, mut asks_old) = (Where::Anywhere, Life::Unsaid, false);
    let mut place = 3;
    while place < call.count() {
        if call.is(place, "NX") && when != Where::Present {
            (when, place) = (Where::Absent, place + 1);
        } else if call.is(place, "XX") && when != Where::Absent {
            (when, place) = (Where::Present, place + 1);
        } else if call.is(place, "GET") {
            (asks_old, place) = (true, place + 1);
        } else if call.is(place, "KEEPTTL") && matches!(life, Life::Unsaid | Life::Kept) {
            (life, place) = (Life::Kept, place + 1);
        } else if let Some((said, words)) = life.said(call, place) {
            (life, place) = (said, place + words);
        } else {
            return Err(Refusal::SYNTAX);
        }
    }
    let expires = life.moment(call)?;
    let (mut data, key) = (call.data(), call.word(1));
    if asks_old {
        match data.read(key) {
            Some(item) => call.answer.value(&item.value),
            None => call.answer.null(),
        }
    }
    let old = data.look(key);
    let expires = match (life, old) {
        (Life::Kept, Some(old)) => old.expires_ms,
        _ => expires,
    };
    let is_refused = match when {
        Where::Anywhere => false,
        Where::Absent => old.is_some(),
        Where::Present => old.is_none(),
    };
    if is_refused {
        if !asks_old {
            call.answer.null();
        }
        return Ok(());
    }
    data.put(key, Value::new(call.word(2).to_vec()), expires)?;
    if !asks_old {
        call.answer.ok();
    }
    Ok(())
}

pub(super) fn set_new(call: &mut Call<'_>) -> Done {
    let (mut data, key) = (call.data(), call.word(1));
    let is_new = data.look(key).is_none();
    if is_new {
        data.put(key, Value::new(call.word(2).to_vec()), None)?;
    }
    call.answer.flag(is_new);
    Ok(())
}

pub(super) fn set_ex(call: &mut Call<'_>) -> Done {
    set_for(call, true)
}

pub(super) fn set_ex_ms(call: &mut Call<'_>) -> Done {
    set_for(call, false)
}

fn set_for(call: &mut Call<'_>, in_seconds: bool) -> Done {
    let expires = Life::Until(2, Unit { in_seconds, is_date: false }).moment(call)?;
    call.data().put(call.word(1), Value::new(call.word(3).to_vec()), expires)?;
    call.answer.ok();
    Ok(())
}

pub(super) fn get_set(call: &mut Call<'_>) -> Done {
    let (mut data, key) = (call.data(), call.word(1));
    match data.read(key) {
        Some(item) => call.answer.value(&item.value),
        None => call.answer.null(),
    }
    data.put(key, Value::new(call.word(2).to_vec()), None)?;
    Ok(())
}

pub(super) fn set_many(call: &mut Call<'_>) -> Done {
    check_pairs(call)?;
    put_pairs(call)?;
    call.answer.ok();
    Ok(())
}

pub(super) fn set_many_new(call: &mut Call<'_>) -> Done {
    check_pairs(call)?;
    let is_new = {
        let mut data = call.data();
        call.words(1).step_by(2).all(|key| data.look(key).is_none())
    };
    if is_new {
        put_pairs(call)?;
    }
    call.answer.flag(is_new);
    Ok(())
}

fn check_pairs(call: &Call<'_>) -> Done {
    if call.count().is_multiple_of(2) { Err(Refusal::arguments(call.name)) } else { Ok(()) }
}

fn put_pairs(call: &Call<'_>) -> Done {
    let mut data = call.data();
    for (key, value) in call.words(1).step_by(2).zip(call.words(2).step_by(2)) {
        data.put(key, Value::new(value.to_vec()), None)?;
    }
    Ok(())
}
