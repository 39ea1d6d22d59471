//! Writes that are done and denied.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL, reply};
use crate::base::family::Kind;

pub(super) const STORED: Kind<dyn Lie> = Kind {
    name: "stored-but-error",
    summary: "a set is done and answered with SERVER_ERROR",
    settings: &USUAL,
    build: |_| Ok(Box::new(Denied(Deed::Set))),
};

pub(super) const DELETED: Kind<dyn Lie> = Kind {
    name: "deleted-but-not-found",
    summary: "a delete is done and answered with NOT_FOUND",
    settings: &USUAL,
    build: |_| Ok(Box::new(Denied(Deed::Delete))),
};

pub(super) const CAS: Kind<dyn Lie> = Kind {
    name: "stored-but-exists",
    summary: "a cas is done and answered with EXISTS",
    settings: &USUAL,
    build: |_| Ok(Box::new(Denied(Deed::Cas))),
};

#[derive(Debug)]
struct Denied(Deed);

impl Lie for Denied {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        let has_it = || ground.item(request.key()).is_some();
        request.deed == self.0 && request.is_answered && (self.0 == Deed::Set || has_it())
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let mut answer = ground.execute(request);
        if !reply::is_success(&answer) {
            return answer;
        }
        match self.0 {
            Deed::Delete => reply::say(&mut answer, "NOT_FOUND", "NF"),
            Deed::Cas => reply::say(&mut answer, "EXISTS", "EX"),
            _ => {
                answer = format!("{}\r\n", crate::protocol::memcached::server::reply::NO_MEMORY)
                    .into_bytes()
            }
        }
        answer
    }
}
