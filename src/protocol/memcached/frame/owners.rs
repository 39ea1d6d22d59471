//! Which requests a reply may belong to, over all ways of giving the replies so far to the requests.
//!
//! A reply belongs to a request that can have it; replies keep the order of their requests; every
//! request that is not quiet has one. Where that leaves one request, the reply is certainly its own.
//! A later reply may rule out what an earlier one left open: [`refine`].

use std::collections::VecDeque;

use super::pipeline::{Entry, Reply};
use super::request::Due;

/// How many outstanding requests are looked at for each reply. Behind more quiet requests in a row
/// nobody is certain of anything, until everything is answered.
pub const LOOKED_AT_MAX: usize = 4096;

/// A request that a reply may belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The request.
    pub sequence: u64,
    /// The last request before it that must have a reply of its own; 0 when it is not known or long
    /// answered.
    pub floor: u64,
}

/// The possible owners of the last reply.
#[derive(Clone, Debug, Default)]
pub(super) struct Owners {
    followed: bool,
    lost: bool,
    last: Vec<Owner>,
    before: Vec<Owner>,
}

impl Owners {
    pub(super) const fn new() -> Self {
        Self { followed: false, lost: false, last: Vec::new(), before: Vec::new() }
    }

    /// From now on owners are followed. What is outstanding is certain, or nobody knows.
    pub(super) const fn follow(&mut self, certain: bool) {
        self.followed = true;
        self.lost = !certain;
    }

    pub(super) const fn are_followed(&self) -> bool {
        self.followed
    }

    pub(super) const fn are_lost(&self) -> bool {
        self.lost
    }

    /// Whether the last reply is certainly the one of a request.
    pub(super) const fn are_certain(&self) -> bool {
        !self.lost && self.last.len() <= 1
    }

    /// Nobody knows any more.
    pub(super) const fn lose(&mut self) {
        self.lost = self.followed;
    }

    /// Everything before and with this request is answered.
    pub(super) fn settle(&mut self, sequence: u64) {
        if self.followed {
            self.lost = false;
            self.last.clear();
            self.last.push(Owner { sequence, floor: 0 });
        }
    }

    /// The possible owners of the last reply, in their order; none when nobody knows.
    pub(super) fn possible(&self) -> &[Owner] {
        if self.lost { &[] } else { &self.last }
    }

    /// Another reply has begun; `queue` is what may still be answered. The first possible owner of the
    /// reply before it has left the queue, the others are in it.
    pub(super) fn next<T: Copy>(&mut self, queue: &VecDeque<Entry<T>>, reply: &Reply<'_>) {
        if !self.followed || self.lost {
            return;
        }
        std::mem::swap(&mut self.last, &mut self.before);
        let Self { last, before, .. } = self;
        last.clear();
        let furthest = before.last().map_or(0, |owner| owner.sequence);
        let mut owners = before.iter().peekable();
        // Whether the reply before this one may have been that of a request from which this one can be
        // come to without passing over a request that must have a reply.
        let (mut reachable, mut floor) = (true, 0);
        for (index, entry) in queue.iter().enumerate() {
            let sequence = entry.paired.sequence;
            if index == LOOKED_AT_MAX {
                self.lost = true;
                return;
            }
            if reachable && entry.may_own(reply) {
                last.push(Owner { sequence, floor });
            }
            while owners.next_if(|owner| owner.sequence < sequence).is_some() {}
            let owned = owners.peek().is_some_and(|owner| owner.sequence == sequence);
            if entry.paired.due == Due::Always {
                (reachable, floor) = (owned, sequence);
            } else {
                reachable |= owned;
            }
            if !reachable && furthest <= sequence {
                break;
            }
        }
        self.lost = last.is_empty();
    }

    /// The queue gave a reply to this request: the first that can have it, or the two disagree.
    pub(super) fn check(&mut self, taken: u64) {
        let first = self.last.first().map(|owner| owner.sequence);
        if self.followed && first != Some(taken) {
            self.lost = true;
        }
    }
}

/// Leaves, of the possible owners of a reply, those that fit one of the next reply.
pub fn refine(owners: &mut Vec<Owner>, next: &[Owner]) {
    owners.retain(|owner| {
        let behind = next.partition_point(|next| next.sequence <= owner.sequence);
        // Floors rise with the sequence: the nearest is the one that asks for least.
        next.get(behind).is_some_and(|next| next.floor <= owner.sequence)
    });
}

#[cfg(test)]
mod tests {
    use super::super::observe::{Observer, Options, Protocol, ReplyEvent};
    use super::super::version::ServerVersion;
    use super::*;

    /// The possible owners of each reply, at first and once all that follow are known.
    fn owners(requests: &str, replies: &str) -> (String, String) {
        let version = ServerVersion::V1_6_18;
        let mut observer = Observer::new(Options { version, protocol: Protocol::Text });
        observer.follow_owners();
        observer.on_request(requests.as_bytes(), (), &mut |_| {});
        let mut seen: Vec<Vec<Owner>> = Vec::new();
        observer.on_reply(replies.as_bytes(), &mut |event| {
            if let ReplyEvent::Part(part) = event {
                seen.push(part.owners.to_vec());
            }
        });
        let shown = |all: &[Vec<Owner>]| {
            let set = |owners: &Vec<Owner>| {
                owners.iter().map(|owner| owner.sequence.to_string()).collect::<Vec<_>>().join(",")
            };
            all.iter().map(set).collect::<Vec<_>>().join(" ")
        };
        let first = shown(&seen);
        for index in (1..seen.len()).rev() {
            let (before, from) = seen.split_at_mut(index);
            refine(before.last_mut().unwrap(), &from[0]);
        }
        (first, shown(&seen))
    }

    /// Catches a reply that is called one request's and is another's, and one that stays open although
    /// a later reply tells.
    #[test]
    fn a_reply_is_its_requests_as_soon_as_no_other_can_have_it() {
        let cases = [
            // A quiet get may have missed: the barrier tells how many replies there were.
            ("mg b v q\r\nmg a v\r\nmn\r\n", "VA 1\r\nx\r\nMN\r\n", "0,1 2", "1 2"),
            (
                "mg b v q\r\nmg a v\r\nmn\r\n",
                "VA 1\r\nx\r\nVA 1\r\nx\r\nMN\r\n",
                "0,1 1 2",
                "0 1 2",
            ),
            ("mg a v q\r\nmg b v q\r\nmn\r\n", "VA 1\r\nx\r\nMN\r\n", "0,1 2", "0,1 2"),
            (
                "mg a v q\r\nmg b v q\r\nmn\r\n",
                "VA 1\r\nx\r\nVA 1\r\nx\r\nMN\r\n",
                "0,1 1 2",
                "0 1 2",
            ),
            // An opaque or a key tells at once.
            ("mg a v q O1\r\nmg b v q O2\r\nmn\r\n", "VA 1 O2\r\nx\r\nMN\r\n", "1 2", "1 2"),
            ("mg a v q k\r\nmg b v k\r\nmn\r\n", "VA 1 kb\r\nx\r\nMN\r\n", "1 2", "1 2"),
            ("mg a v q O1\r\nmg b v O2\r\n", "VA 1 O1\r\nx\r\nEN O2\r\n", "0 1", "0 1"),
            // So does a code that only one can have.
            ("mg a v q\r\nget b\r\n", "END\r\n", "1", "1"),
            ("ms a 1 q\r\nx\r\nmg b v\r\nmn\r\n", "EN\r\nMN\r\n", "1 2", "1 2"),
            // An error names nobody.
            (
                "mg a v q O1\r\nmg b v q O2\r\nmn\r\n",
                "SERVER_ERROR x\r\nMN\r\n",
                "0,1,2 2",
                "0,1 2",
            ),
            ("get a\r\nget b\r\nmn\r\n", "END\r\nEND\r\nMN\r\n", "0 1 2", "0 1 2"),
        ];
        for (requests, replies, first, last) in cases {
            let (seen, refined) = owners(requests, replies);
            assert_eq!(
                (seen.as_str(), refined.as_str()),
                (first, last),
                "{requests:?} {replies:?}"
            );
        }
    }

    /// Catches a look ahead that grows with the pipeline, and one that never finds its feet again.
    #[test]
    fn too_many_quiet_requests_are_nobodys_until_all_is_answered() {
        let requests = "mg a v q k\r\n".repeat(LOOKED_AT_MAX + 1) + "mn\r\n";
        let (first, _) = owners(&requests, "VA 1 ka\r\nx\r\nMN\r\n");
        assert_eq!(first, format!(" {}", LOOKED_AT_MAX + 1));
        let (first, _) = owners(&(requests + "get a\r\n"), "MN\r\nEND\r\n");
        assert_eq!(first, format!(" {}", LOOKED_AT_MAX + 2));
    }
}
