//! Both streams of one connection, in any order and any pieces.
//!
//! The first byte says what is known of the server and what the caller does; then turns follow, of the
//! client and of the server in turn.

use harness::protocol::memcached::frame::observe::{
    LINE_BYTES_MAX, OUTSTANDING_MAX, Observer, Options, Owner, Passage, Protocol,
    REPLY_LINE_BYTES_MAX, ReplyEvent, RequestEvent, State, barrier, refine,
};
use harness::protocol::memcached::frame::version::ServerVersion;

use super::cut::turns;
use super::memory::bounded;

const VERSIONS: [ServerVersion; 3] =
    [ServerVersion::UNKNOWN, ServerVersion::V1_6_18, ServerVersion::V1_6_45];
const PROTOCOLS: [Protocol; 3] = [Protocol::Detect, Protocol::Text, Protocol::Binary];
/// What an observer may hold for a request that awaits its reply, and the shortest request.
const ENTRY_BYTES: usize = 512;
const HELD_MAX: usize = 4 * (LINE_BYTES_MAX + REPLY_LINE_BYTES_MAX);

/// How one input is looked at.
#[derive(Clone, Copy)]
struct Look {
    options: Options,
    owners: bool,
    /// Some requests are kept, replaced or followed by a no-op.
    meddles: bool,
}

/// What it comes to does not depend on the pieces, and takes memory by what came.
pub fn run(bytes: &[u8]) {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let pick = usize::from(first);
    let look = Look {
        options: Options { version: VERSIONS[pick % 3], protocol: PROTOCOLS[pick / 3 % 3] },
        owners: pick / 9 % 2 == 1,
        meddles: pick / 18 % 2 == 1,
    };
    let turns = turns(rest);
    bounded(rest.len(), HELD_MAX, ENTRY_BYTES, || {
        let mut observer = look.start();
        for (pieces, is_request) in turns.iter().zip([true, false].into_iter().cycle()) {
            for piece in pieces {
                look.feed(&mut observer, piece, is_request, &mut |_| {});
            }
        }
    });
    let said = look.said(&turns, |pieces| pieces.to_vec());
    assert_eq!(said, look.said(&turns, |pieces| vec![pieces.concat()]), "in whole turns");
    let single = |pieces: &[Vec<u8>]| pieces.concat().chunks(1).map(<[u8]>::to_vec).collect();
    assert_eq!(said, look.said(&turns, single), "in single bytes");
}

/// An event in words, and whose turn it was.
type Told<'a> = &'a mut dyn FnMut(String);

impl Look {
    fn start(self) -> Observer<()> {
        let mut observer = Observer::new(self.options);
        if self.owners {
            observer.follow_owners();
        }
        observer
    }

    /// What each direction was told, and the end.
    fn said(
        self,
        turns: &[Vec<Vec<u8>>],
        cut: impl Fn(&[Vec<u8>]) -> Vec<Vec<u8>>,
    ) -> (Vec<String>, String) {
        let (mut observer, mut said) = (self.start(), Vec::new());
        let mut sent = [0, 0];
        for (pieces, is_request) in turns.iter().zip([true, false].into_iter().cycle()) {
            for piece in cut(pieces) {
                self.feed(&mut observer, &piece, is_request, &mut |event| said.push(event));
                sent[usize::from(is_request)] += piece.len() as u64;
                assert_eq!([observer.reply_position(), observer.request_position()], sent);
                self.check(&observer);
            }
        }
        let opaque = said.iter().filter(|event| event.starts_with("Opaque")).count();
        assert_eq!(opaque, usize::from(observer.state() != State::Framed), "said once");
        let due: Vec<_> = observer.due().map(|request| request.sequence).collect();
        (said, format!("{:?} {} {due:?}", observer.state(), observer.outstanding()))
    }

    fn check(self, observer: &Observer<()>) {
        assert!(observer.held_bytes() <= LINE_BYTES_MAX + REPLY_LINE_BYTES_MAX);
        assert!(observer.outstanding() <= OUTSTANDING_MAX);
        assert_eq!(observer.one_due().is_some(), observer.due().next().is_some());
        let last = observer.last_outstanding();
        assert!(observer.due().all(|request| Some(request.sequence) <= last));
        if observer.state() != State::Framed {
            assert_eq!((observer.outstanding(), observer.held_bytes()), (0, 0));
        }
    }

    fn feed(self, observer: &mut Observer<()>, piece: &[u8], is_request: bool, tell: Told<'_>) {
        if !is_request {
            let mut owners: Vec<Owner> = Vec::new();
            return observer.on_reply(piece, &mut |event| {
                if let ReplyEvent::Part(part) = event {
                    assert!(part.start < part.head_end && part.head_end <= part.end);
                    refine(&mut owners, part.owners);
                    owners = part.owners.to_vec();
                }
                tell(format!("{event:?}"));
            });
        }
        let mut end = 0;
        observer.on_request_if(piece, (), &mut |event, standing| {
            tell(format!("{event:?} {:?}", standing()));
            let RequestEvent::Request(request) = event else { return Passage::Sent };
            assert!(end <= request.start && request.start < request.head_end);
            assert!(request.end.is_none_or(|end| end >= request.head_end));
            assert!(request.head.len() <= LINE_BYTES_MAX);
            assert!(request.keys().map(<[u8]>::len).sum::<usize>() <= request.head.len());
            assert!(request.name().len() <= request.head.len());
            assert!(!barrier(&request.framing, request.head).is_empty());
            end = request.end.unwrap_or(request.head_end);
            match request.keys().next().and_then(|key| key.first()) {
                Some(b'K') if self.meddles => Passage::Kept,
                Some(b'R') if self.meddles => Passage::Replaced,
                Some(b'F') if self.meddles => Passage::Followed,
                _ => Passage::Sent,
            }
        });
    }
}
