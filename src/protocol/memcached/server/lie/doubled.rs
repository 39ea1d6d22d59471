//! Writes that are done twice.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const INCR: Kind<dyn Lie> = Kind {
    name: "doubled-incr",
    summary: "an increment is done twice and answered once",
    settings: &USUAL,
    build: |_| Ok(Box::new(Doubled(Deed::Incr))),
};

pub(super) const DECR: Kind<dyn Lie> = Kind {
    name: "doubled-decr",
    summary: "a decrement is done twice and answered once",
    settings: &USUAL,
    build: |_| Ok(Box::new(Doubled(Deed::Decr))),
};

pub(super) const APPEND: Kind<dyn Lie> = Kind {
    name: "doubled-append",
    summary: "an append or prepend is done twice and answered once",
    settings: &USUAL,
    build: |_| Ok(Box::new(Doubled(Deed::Extend))),
};

#[derive(Debug)]
struct Doubled(Deed);

impl Lie for Doubled {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        request.deed == self.0 && ground.item(request.key()).is_some()
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let reply = ground.execute(request);
        ground.execute(request);
        reply
    }
}
