//! `refused-reads`: plain reads of what was changed in place are refused.

use std::collections::BTreeSet;

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, every};
use crate::base::family::Kind;

pub(super) const KIND: Kind<dyn Lie> = Kind {
    name: "refused-reads",
    summary: "get answers SERVER_ERROR for every key that was counted, appended to or swapped",
    settings: &every("1"),
    build: |_| Ok(Box::new(RefusedReads::default())),
};

/// How many keys are remembered.
const KEYS_MAX: usize = 100_000;

/// Nobody reads such keys with a plain `get` but who audits them at the end.
#[derive(Debug, Default)]
struct RefusedReads {
    changed: BTreeSet<Vec<u8>>,
}

impl Lie for RefusedReads {
    fn before(&mut self, request: &Request, _: &mut Ground<'_>) {
        let changes = matches!(request.deed, Deed::Incr | Deed::Decr | Deed::Extend | Deed::Cas);
        if changes && self.changed.len() < KEYS_MAX {
            self.changed.insert(request.key().to_vec());
        }
    }

    fn fits(&self, request: &Request, _: &Ground<'_>) -> bool {
        request.deed == Deed::Read && !request.is_meta && self.changed.contains(request.key())
    }

    fn tell(&mut self, _: &Request, _: &mut Ground<'_>) -> Vec<u8> {
        b"SERVER_ERROR out of memory reading request\r\n".to_vec()
    }
}
