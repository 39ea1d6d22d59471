//! Replies that go to the wrong request: of one pipeline, or of two connections.

use std::collections::BTreeMap;

use super::ground::Ground;
use super::request::{Deed, Request};
use super::{Lie, USUAL};
use crate::base::family::Kind;

pub(super) const PIPELINE: Kind<dyn Lie> = Kind {
    name: "swapped-in-pipeline",
    summary: "two requests that came together are answered in the wrong order",
    settings: &USUAL,
    build: |_| Ok(Box::new(InPipeline::default())),
};

pub(super) const CONNECTIONS: Kind<dyn Lie> = Kind {
    name: "swapped-connections",
    summary: "two connections get each other's replies to the same command",
    settings: &USUAL,
    build: |_| Ok(Box::new(AcrossConnections::default())),
};

/// Of how many connections the last reply is remembered.
const CONNECTIONS_MAX: usize = 256;

/// After so many requests of all connections nobody waits any more for the one that is owed a reply: it
/// may be closed.
const OWED_TURNS_MAX: u64 = 64;

/// Keeps a reply until the next one on its connection is out.
#[derive(Debug, Default)]
struct InPipeline {
    kept: Option<(u64, Vec<u8>)>,
    is_new: bool,
}

impl Lie for InPipeline {
    fn fits(&self, request: &Request, _: &Ground<'_>) -> bool {
        // Never the end of a batch: what is swapped are two answers.
        self.kept.is_none() && request.is_followed && request.deed != Deed::Other
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        self.kept = Some((ground.connection, ground.execute(request)));
        self.is_new = true;
        Vec::new()
    }

    fn after(&mut self, _: &Request, reply: &mut Vec<u8>, ground: &Ground<'_>) {
        if std::mem::take(&mut self.is_new) {
            return;
        }
        if let Some((_, kept)) =
            self.kept.take_if(|(connection, _)| *connection == ground.connection)
        {
            reply.extend_from_slice(&kept);
        }
    }
}

/// What was said last on a connection.
#[derive(Debug)]
struct Said {
    command: Vec<u8>,
    reply: Vec<u8>,
    /// How many requests there had been, of all connections.
    turn: u64,
}

/// Remembers the last reply of each connection, and whose reply is still owed to whom.
#[derive(Debug, Default)]
struct AcrossConnections {
    last: BTreeMap<u64, Said>,
    turn: u64,
    /// The connection that gets the other half of a swap, and what was said on the other.
    owed: Option<(u64, Said)>,
}

impl AcrossConnections {
    /// Another connection whose last request was the same command: the one that spoke last, because it is
    /// most likely to speak again.
    fn partner(&self, request: &Request, connection: u64) -> Option<u64> {
        let others = self
            .last
            .iter()
            .filter(|(other, last)| **other != connection && last.command == request.words[0]);
        others.max_by_key(|(_, last)| last.turn).map(|(other, _)| *other)
    }
}

impl Lie for AcrossConnections {
    fn fits(&self, request: &Request, ground: &Ground<'_>) -> bool {
        request.deed != Deed::Other
            && request.is_answered
            && self.owed.is_none()
            && self.partner(request, ground.connection).is_some()
    }

    fn tell(&mut self, request: &Request, ground: &mut Ground<'_>) -> Vec<u8> {
        let own = ground.execute(request);
        let Some(partner) = self.partner(request, ground.connection) else { return own };
        let theirs = self.last.get(&partner).map(|last| last.reply.clone()).unwrap_or_default();
        let said = Said { command: request.words[0].clone(), reply: own, turn: self.turn };
        self.owed = Some((partner, said));
        theirs
    }

    fn after(&mut self, request: &Request, reply: &mut Vec<u8>, ground: &Ground<'_>) {
        if request.deed == Deed::Other || !request.is_answered {
            return;
        }
        let honest = reply.clone();
        let is_over = |(connection, owed): &mut (u64, Said)| {
            *connection == ground.connection || self.turn - owed.turn > OWED_TURNS_MAX
        };
        if let Some((connection, owed)) = self.owed.take_if(is_over)
            && connection == ground.connection
            && owed.command == request.words[0]
        {
            *reply = owed.reply;
        }
        if self.last.len() >= CONNECTIONS_MAX {
            self.last.pop_first();
        }
        self.turn += 1;
        let said = Said { command: request.words[0].clone(), reply: honest, turn: self.turn };
        self.last.insert(ground.connection, said);
    }
}
