//! Right key, wrong value: another key's, or an older one of its own.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL, reply};
use crate::base::family::Kind;

pub(super) const WRONG_KEY: Kind<dyn Lie> = Kind {
    name: "wrong-key",
    summary: "a read returns the value of another key",
    settings: &USUAL,
    build: |_| Ok(Box::new(WrongKey::default())),
};

pub(super) const STALE: Kind<dyn Lie> = Kind {
    name: "stale",
    summary: "a read returns the value that was there before the last write",
    settings: &USUAL,
    build: |_| Ok(Box::new(Stale::default())),
};

/// Of how many keys an older value is remembered.
const REMEMBERED_MAX: usize = 1024;

/// Remembers the last value that was read.
#[derive(Debug, Default)]
struct WrongKey {
    last: Option<(Vec<u8>, Vec<u8>)>,
}

impl Lie for WrongKey {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        let other = self.last.as_ref().is_some_and(|(key, _)| key != request.key());
        other && request.deed == Deed::Read && ground.item(request.key()).is_some()
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let mut answer = ground.execute(request);
        if let Some((_, value)) = &self.last {
            reply::change_value(&mut answer, |data| data.clone_from(value));
        }
        answer
    }

    fn after(&mut self, request: &Request, answer: &mut Vec<u8>, ground: &Ground<'_>) {
        if request.deed != Deed::Read || reply::value(answer).is_none() {
            return;
        }
        // What the key holds, which is not what was said when that was a lie.
        if let Some(item) = ground.item(request.key()) {
            self.last = Some((request.key().to_vec(), item.value.as_bytes().to_vec()));
        }
    }
}

/// Remembers what writes replaced.
#[derive(Debug, Default)]
struct Stale {
    older: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Lie for Stale {
    fn before(&mut self, request: &Request, ground: &mut Ground<'_>) {
        let replaces = matches!(request.deed, Deed::Set | Deed::Replace | Deed::Cas | Deed::Extend);
        if !replaces {
            return;
        }
        let Some(item) = ground.item(request.key()) else { return };
        if self.older.len() >= REMEMBERED_MAX && !self.older.contains_key(request.key()) {
            self.older.pop_first();
        }
        self.older.insert(request.key().to_vec(), item.value.as_bytes().to_vec());
    }

    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        let older = self.older.get(request.key());
        let differs = || {
            let item = ground.item(request.key());
            item.is_some_and(|item| Some(item.value.as_bytes()) != older.map(Vec::as_slice))
        };
        request.deed == Deed::Read && older.is_some() && differs()
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let mut answer = ground.execute(request);
        if let Some(older) = self.older.get(request.key()) {
            reply::change_value(&mut answer, |data| data.clone_from(older));
        }
        answer
    }
}
