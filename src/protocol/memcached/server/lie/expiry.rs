//! Items that live longer, or shorter, than was asked for.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const LATE: Kind<dyn Lie> = Kind {
    name: "late-expiry",
    summary: "an item expires 5 s late",
    settings: &USUAL,
    build: |_| Ok(Box::new(Expiry(|ttl| ttl + LATE_SECONDS))),
};

pub(super) const NEVER: Kind<dyn Lie> = Kind {
    name: "no-expiry",
    summary: "an item with an expiry never expires",
    settings: &USUAL,
    build: |_| Ok(Box::new(Expiry(|_| 0))),
};

pub(super) const EARLY: Kind<dyn Lie> = Kind {
    name: "early-expiry",
    summary: "an item expires a second early",
    settings: &USUAL,
    // A second less than one is now, and an expiry of 0 would be for ever.
    build: |_| Ok(Box::new(Expiry(|ttl| if ttl > 1 { ttl - 1 } else { -1 }))),
};

const LATE_SECONDS: i64 = 5;

/// What becomes of a number of seconds.
#[derive(Debug)]
struct Expiry(fn(i64) -> i64);

impl Expiry {
    /// Where a classic line has its expiry.
    fn place(request: &Request) -> Option<usize> {
        match request.deed {
            Deed::Set | Deed::Add | Deed::Replace | Deed::Cas => Some(3),
            Deed::Touch => Some(2),
            Deed::Read if request.words[0].starts_with(b"gat") => Some(1),
            _ => None,
        }
    }

    /// The seconds that a request gives an item to live, when it gives it any.
    fn asked(request: &Request) -> Option<i64> {
        let word = if request.is_meta {
            request.flag(b'T')?
        } else {
            request.words.get(Self::place(request)?)?
        };
        let seconds: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
        (seconds > 0).then_some(seconds)
    }
}

impl Lie for Expiry {
    fn fits(&self, request: &Request, _: &Ground<'_>) -> bool {
        Self::asked(request).is_some()
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let seconds = Self::asked(request).map_or(0, self.0).to_string();
        let other = if request.is_meta {
            request.with_flag(b'T', Some(seconds.as_bytes()))
        } else {
            let place = Self::place(request).unwrap_or_default();
            request.with_word(place, seconds.as_bytes())
        };
        ground.execute(&other)
    }
}
