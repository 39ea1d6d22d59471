//! `cas-starts-again`: unique numbers are given out a second time.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const KIND: Kind<dyn Lie> = Kind {
    name: "cas-starts-again",
    summary: "the counter behind the unique numbers of items starts again",
    settings: &USUAL,
    build: |_| Ok(Box::new(CasStartsAgain)),
};

#[derive(Debug)]
struct CasStartsAgain;

impl Lie for CasStartsAgain {
    fn fits(&self, request: &Request, _: &Ground<'_>) -> bool {
        matches!(request.deed, Deed::Set | Deed::Cas)
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        ground.context.store.restart_cas();
        ground.execute(request)
    }
}
