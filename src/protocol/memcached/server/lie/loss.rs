//! Nodes that lose what they hold: one item or all, and say so in their statistics or not.

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, RARE, USUAL};
use crate::base::family::Kind;
use crate::protocol::memcached::server::counts::Count;

pub(super) const RESTART: Kind<dyn Lie> = Kind {
    name: "restart",
    summary: "the node starts again, empty; its connections end",
    settings: &RARE,
    build: |_| Ok(Box::new(Loss::Restart)),
};

pub(super) const EVICTION: Kind<dyn Lie> = Kind {
    name: "eviction",
    summary: "the item that is read is evicted just before, and counted as evicted",
    settings: &USUAL,
    build: |_| Ok(Box::new(Loss::Evicted)),
};

pub(super) const SILENT_EVICTION: Kind<dyn Lie> = Kind {
    name: "silent-eviction",
    summary: "the item that is read is dropped just before, and nothing counts it",
    settings: &USUAL,
    build: |_| Ok(Box::new(Loss::Dropped)),
};

pub(super) const FLUSH: Kind<dyn Lie> = Kind {
    name: "flush",
    summary: "a third hand flushes the node, which counts it",
    settings: &RARE,
    build: |_| Ok(Box::new(Loss::Flushed)),
};

pub(super) const SILENT_FLUSH: Kind<dyn Lie> = Kind {
    name: "silent-flush",
    summary: "all items are gone, and nothing counts it",
    settings: &RARE,
    build: |_| Ok(Box::new(Loss::Emptied)),
};

#[derive(Debug)]
enum Loss {
    Restart,
    Evicted,
    Dropped,
    Flushed,
    Emptied,
}

impl Lie for Loss {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        match self {
            Self::Evicted | Self::Dropped => {
                request.deed == Deed::Read && ground.item(request.key()).is_some()
            }
            Self::Restart | Self::Flushed | Self::Emptied => request.deed != Deed::Other,
        }
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let (store, now) = (ground.context.store, ground.context.now);
        match self {
            Self::Evicted | Self::Dropped => {
                let mut entry = store.entry(request.key(), now);
                entry.remove();
                if matches!(self, Self::Evicted) {
                    entry.count(Count::Evicted);
                }
            }
            Self::Flushed => store.flush(None, now),
            Self::Emptied => store.clear(),
            Self::Restart => {
                store.clear();
                store.reset_counts();
                ground.context.facts.reset();
                ground.restarts = true;
                return Vec::new();
            }
        }
        ground.execute(request)
    }
}
