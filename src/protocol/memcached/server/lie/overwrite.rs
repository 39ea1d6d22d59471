//! Conditions that are ignored: an `add` that overwrites, a `cas` that stores whatever is there.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const ADD: Kind<dyn Lie> = Kind {
    name: "add-overwrites",
    summary: "an add replaces what is there",
    settings: &USUAL,
    build: |_| Ok(Box::new(AddOverwrites)),
};

pub(super) const CAS: Kind<dyn Lie> = Kind {
    name: "cas-ignored",
    summary: "a cas stores although somebody has changed the item",
    // Only swaps that meet another's are occasions.
    settings: &super::every("5"),
    build: |_| Ok(Box::new(CasIgnored)),
};

#[derive(Debug)]
struct AddOverwrites;

impl Lie for AddOverwrites {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        request.deed == Deed::Add && ground.item(request.key()).is_some()
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let set = if request.is_meta {
            request.with_flag(b'M', None)
        } else {
            request.with_word(0, b"set")
        };
        ground.execute(&set)
    }
}

#[derive(Debug)]
struct CasIgnored;

/// The place of the unique number in a classic `cas`.
const UNIQUE: usize = 5;

impl Lie for CasIgnored {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        let asked = if request.is_meta {
            request.flag(b'C')
        } else {
            request.words.get(UNIQUE).map(Vec::as_slice)
        };
        let is_other = |cas: u64| asked.is_some_and(|asked| asked != cas.to_string().as_bytes());
        request.deed == Deed::Cas
            && ground.item(request.key()).is_some_and(|item| is_other(item.cas))
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let unique = ground.item(request.key()).map_or(0, |item| item.cas).to_string();
        let right = if request.is_meta {
            request.with_flag(b'C', Some(unique.as_bytes()))
        } else {
            request.with_word(UNIQUE, unique.as_bytes())
        };
        ground.execute(&right)
    }
}
