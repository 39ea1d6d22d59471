//! Damage to what a read returns: a bit, the end, the flags.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL, reply};
use crate::base::family::Kind;

pub(super) const BIT_FLIP: Kind<dyn Lie> = Kind {
    name: "bit-flip",
    summary: "one bit of a value is wrong",
    settings: &USUAL,
    build: |_| Ok(Box::new(Damage::Bit)),
};

pub(super) const CUT_VALUE: Kind<dyn Lie> = Kind {
    name: "cut-value",
    summary: "a value lacks its last bytes, and its length says so",
    settings: &USUAL,
    build: |_| Ok(Box::new(Damage::Cut)),
};

pub(super) const WRONG_FLAGS: Kind<dyn Lie> = Kind {
    name: "wrong-flags",
    summary: "a value comes with other flags than it was stored with",
    settings: &USUAL,
    build: |_| Ok(Box::new(Damage::Flags)),
};

#[derive(Debug)]
enum Damage {
    Bit,
    Cut,
    Flags,
}

impl Lie for Damage {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        let tells_flags = || !request.is_meta || request.flag(b'f').is_some();
        let item = || ground.item(request.key());
        request.deed == Deed::Read
            && (!matches!(self, Self::Flags) || tells_flags())
            && item().is_some_and(|item| item.value.byte_count() > 0)
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let mut answer = ground.execute(request);
        match self {
            Self::Bit => reply::change_value(&mut answer, |data| {
                let bit = ground.draw(data.len() * 8);
                data[bit / 8] ^= 1 << (bit % 8);
            }),
            Self::Cut => reply::change_value(&mut answer, |data| {
                let left = ground.draw(data.len());
                data.truncate(left);
            }),
            Self::Flags => reply::change_flags(&mut answer, |flags| flags ^ 1),
        }
        answer
    }
}
