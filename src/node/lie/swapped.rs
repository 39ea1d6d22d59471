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

/// Remembers the last reply of each connection, and whose reply is still owed to whom.
#[derive(Debug, Default)]
struct AcrossConnections {
    last: BTreeMap<u64, (Vec<u8>, Vec<u8>)>,
    /// The connection that gets the other half of a swap, its command, and the reply.
    owed: Option<(u64, Vec<u8>, Vec<u8>)>,
}

impl AcrossConnections {
    /// Another connection whose last request was the same command.
    fn partner(&self, request: &Request, connection: u64) -> Option<u64> {
        let same = |(command, _): &(Vec<u8>, Vec<u8>)| *command == request.words[0];
        let others = self.last.iter().filter(|(other, last)| **other != connection && same(last));
        others.map(|(other, _)| *other).next_back()
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
        let theirs = self.last.get(&partner).map(|(_, reply)| reply.clone()).unwrap_or_default();
        self.owed = Some((partner, request.words[0].clone(), own));
        theirs
    }

    fn after(&mut self, request: &Request, reply: &mut Vec<u8>, ground: &Ground<'_>) {
        if request.deed == Deed::Other || !request.is_answered {
            return;
        }
        let is_theirs = |(connection, command, _): &mut (u64, Vec<u8>, Vec<u8>)| {
            *connection == ground.connection && *command == request.words[0]
        };
        let honest = reply.clone();
        if let Some((_, _, owed)) = self.owed.take_if(is_theirs) {
            *reply = owed;
        }
        if self.last.len() >= CONNECTIONS_MAX {
            self.last.pop_first();
        }
        self.last.insert(ground.connection, (request.words[0].clone(), honest));
    }
}
