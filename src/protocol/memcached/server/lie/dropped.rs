//! Writes that are acknowledged and not done.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const SET: Kind<dyn Lie> = Kind {
    name: "dropped-set",
    summary: "a set is acknowledged and not done",
    settings: &USUAL,
    build: |_| Ok(Box::new(Dropped(Deed::Set))),
};

pub(super) const APPEND: Kind<dyn Lie> = Kind {
    name: "dropped-append",
    summary: "an append or prepend is acknowledged and not done",
    settings: &USUAL,
    build: |_| Ok(Box::new(Dropped(Deed::Extend))),
};

pub(super) const DELETE: Kind<dyn Lie> = Kind {
    name: "dropped-delete",
    summary: "a delete is acknowledged and not done",
    settings: &USUAL,
    build: |_| Ok(Box::new(Dropped(Deed::Delete))),
};

pub(super) const INCR: Kind<dyn Lie> = Kind {
    name: "dropped-incr",
    summary: "an increment is answered with the new number and not done",
    settings: &USUAL,
    build: |_| Ok(Box::new(Dropped(Deed::Incr))),
};

pub(super) const DECR: Kind<dyn Lie> = Kind {
    name: "dropped-decr",
    summary: "a decrement is answered with the new number and not done",
    settings: &USUAL,
    build: |_| Ok(Box::new(Dropped(Deed::Decr))),
};

#[derive(Debug)]
struct Dropped(Deed);

impl Lie for Dropped {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        // Of a key that is absent nothing but a set changes anything.
        request.deed == self.0 && (self.0 == Deed::Set || ground.item(request.key()).is_some())
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        ground.pretend(request)
    }
}
