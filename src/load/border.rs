//! Keys at the borders of what memcached takes: the longest, those that must be refused, and those that a
//! client may turn one of these into.
//!
//! Each worker has one of each kind to itself and uses one at a time, so that the last write that was
//! acknowledged is all there is to know. Values carry the number of their key: one that is found under
//! another key, because a client cut, replaced or split what it was given, is that key's and no other's.

use super::oracle::Content;
use super::payload::Stamp;
use crate::event::{Outcome, ViolationKind};
use crate::protocol::memcached::frame::key::KEY_BYTES_MAX;

/// Numbers of keys from here on are of keys at the border: no key space is so large.
const FIRST_NUMBER: u64 = 1 << 40;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub(super) enum Border {
    /// What stands before the blank of the next ones: a client that splits them reads it.
    Head,
    /// What becomes of a blank that is replaced.
    Underscored,
    /// 250 bytes.
    Longest,
    /// One byte more: cut, it is the one before.
    TooLong,
    Empty,
    Blank,
    Tab,
    LineFeed,
    CrLf,
    Nul,
    /// A second read, of a key of the run.
    InjectedGet,
    /// A second store, to a key of the run.
    InjectedSet,
    /// UTF-8.
    NotAscii,
}

/// What a client must do with a kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Law {
    /// Take it.
    Take,
    /// Take it or refuse it.
    Either,
    /// Refuse it, unless it reaches the node as it stands: in the binary protocol a key may hold
    /// anything.
    RefuseInText,
    /// Refuse it.
    Refuse,
}

impl Border {
    pub(super) const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    pub(super) const fn law(self) -> Law {
        match self {
            Self::Head | Self::Underscored | Self::Longest => Law::Take,
            Self::NotAscii => Law::Either,
            Self::TooLong | Self::Empty => Law::Refuse,
            Self::Blank
            | Self::Tab
            | Self::LineFeed
            | Self::CrLf
            | Self::Nul
            | Self::InjectedGet
            | Self::InjectedSet => Law::RefuseInText,
        }
    }

    /// What reports call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Head => "a key that others begin with",
            Self::Underscored => "a key with an underscore",
            Self::Longest => "a key of 250 bytes",
            Self::TooLong => "a key of 251 bytes",
            Self::Empty => "the empty key",
            Self::Blank => "a key with a blank",
            Self::Tab => "a key with a tab",
            Self::LineFeed => "a key with a line feed",
            Self::CrLf => "a key with CR LF",
            Self::Nul => "a key with a NUL",
            Self::InjectedGet => "a key with a get in it",
            Self::InjectedSet => "a key with a set in it",
            Self::NotAscii => "a key in UTF-8",
        }
    }

    /// The whole key, as the client is told it. `victim` is a whole key of the run.
    pub(super) fn key(self, head: &[u8], victim: &[u8]) -> Vec<u8> {
        let with = |tail: &[u8]| [head, tail].concat();
        let longest = |bytes: usize| {
            let mut key = with(b":");
            key.resize(bytes.max(key.len()), b'l');
            key
        };
        match self {
            Self::Head => head.to_vec(),
            Self::Underscored => with(b"_x"),
            Self::Longest => longest(KEY_BYTES_MAX),
            Self::TooLong => longest(KEY_BYTES_MAX + 1),
            Self::Empty => Vec::new(),
            Self::Blank => with(b" x"),
            Self::Tab => with(b"\tx"),
            Self::LineFeed => with(b"\nx"),
            Self::CrLf => with(b"\r\nx"),
            Self::Nul => with(b"\0x"),
            Self::InjectedGet => [head, b"\r\nget ", victim].concat(),
            Self::InjectedSet => [head, b" 0 0 1\r\nx\r\nset ", victim].concat(),
            Self::NotAscii => with(":sch\u{fc}ssel".as_bytes()),
        }
    }
}

/// What the wire saw of a key while a call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OnTheWire {
    /// A node was asked for it as it stands.
    pub(super) whole: bool,
    /// A node was asked for what stands before its first blank or control character.
    pub(super) head: bool,
}

/// The keys of one worker.
#[derive(Debug)]
pub(super) struct BorderKeys {
    worker: u32,
    run: u32,
    /// The beginning of each, with what the keys of the run begin with.
    head: Vec<u8>,
    victim: Vec<u8>,
    writes: Vec<Writes>,
}

/// The writes of one key, counted from 1.
#[derive(Clone, Copy, Debug, Default)]
struct Writes {
    attempted: u64,
    acknowledged: u64,
}

/// What an answer was, and what is wrong with it.
pub(super) type Judged = (Outcome, Option<(ViolationKind, &'static str)>);

impl BorderKeys {
    pub(super) fn new(worker: u32, run: u32, prefix: &[u8], victim: &[u8]) -> Self {
        let head = [prefix, format!("b:{worker}").as_bytes()].concat();
        let victim = [prefix, victim].concat();
        Self { worker, run, head, victim, writes: vec![Writes::default(); Border::ALL.len()] }
    }

    pub(super) fn key(&self, border: Border) -> Vec<u8> {
        border.key(&self.head, &self.victim)
    }

    /// What a split key begins with.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Begins the next write of a key.
    pub(super) fn begin(&mut self, border: Border) -> Stamp {
        let writes = &mut self.writes[border as usize];
        writes.attempted += 1;
        Stamp {
            run: self.run,
            key: number(self.worker, border),
            writer: self.worker,
            sequence: writes.attempted,
        }
    }

    /// The last write of a key was acknowledged.
    pub(super) fn acknowledged(&mut self, border: Border) {
        let writes = &mut self.writes[border as usize];
        writes.acknowledged = writes.attempted;
    }

    /// What a read of a key, or its absence, is.
    pub(super) fn read(&self, border: Border, content: Option<Content<'_>>) -> Judged {
        let Some(content) = content else { return (Outcome::Miss, None) };
        let writes = self.writes[border as usize];
        let wrong = |outcome, kind, why| (outcome, Some((kind, why)));
        match Stamp::read(content.value) {
            Err(_) => wrong(Outcome::Corrupt, ViolationKind::Corrupt, "bytes that nobody wrote"),
            Ok(stamp) if stamp.run != self.run => {
                wrong(Outcome::Foreign, ViolationKind::Foreign, "a value that another run left")
            }
            Ok(stamp)
                if stamp.key != number(self.worker, border)
                    || stamp.sequence > writes.attempted =>
            {
                wrong(Outcome::Wrong, ViolationKind::Wrong, "the value of another key")
            }
            Ok(stamp) if stamp.sequence < writes.acknowledged => wrong(
                Outcome::Stale,
                ViolationKind::Stale,
                "older than the last acknowledged write",
            ),
            Ok(_) => (Outcome::Hit, None),
        }
    }
}

/// What the outcome of a call on a key at the border is, by the law of its kind and by what passed.
/// `refusal`: the client said that the key, or something that it has no word for, was wrong.
pub(super) fn judge(border: Border, judged: Judged, refusal: bool, wire: OnTheWire) -> Judged {
    let (outcome, _) = judged;
    let must_be_refused = match border.law() {
        Law::Take => return judged,
        Law::Either if refusal => return (Outcome::Refused, None),
        Law::Either => return judged,
        Law::RefuseInText => !wire.whole,
        Law::Refuse => true,
    };
    let broken = |why| (Outcome::IllegalKey, Some((ViolationKind::IllegalKey, why)));
    let is_bad_data = judged.1.is_some();
    if is_bad_data {
        judged
    } else if must_be_refused && wire.head {
        broken("it reached a node in pieces")
    } else if must_be_refused && wire.whole {
        broken("it reached a node as it stands")
    } else if must_be_refused && matches!(outcome, Outcome::Stored | Outcome::Hit) {
        broken("it was accepted")
    } else if refusal {
        (Outcome::Refused, None)
    } else {
        judged
    }
}

fn number(worker: u32, border: Border) -> u64 {
    FIRST_NUMBER + u64::from(worker) * Border::ALL.len() as u64 + border as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErrorClass;
    use crate::protocol::memcached::frame::key::Key;

    /// Catches a kind whose key is not what its law says, and two kinds with the same key.
    #[test]
    fn each_kind_is_what_it_is_called() {
        let keys = BorderKeys::new(7, 1, b"run:", b"k:5");
        for (place, border) in Border::ALL.iter().enumerate() {
            let key = keys.key(*border);
            let is_legal = Key::new(&key).is_ok();
            assert_eq!(is_legal, border.law() == Law::Take, "{border:?}");
            assert!(Border::ALL[..place].iter().all(|other| keys.key(*other) != key), "{border:?}");
        }
        let (longest, too_long) = (keys.key(Border::Longest), keys.key(Border::TooLong));
        assert_eq!((longest.len(), too_long.len()), (250, 251));
        assert!(too_long.starts_with(&longest));
        assert!(keys.key(Border::InjectedSet).ends_with(b"set run:k:5"));
    }

    /// Catches a value of another key that passes under this one, and an old one that does.
    #[test]
    fn values_belong_to_their_key() {
        let mut keys = BorderKeys::new(7, 1, b"run:", b"k:5");
        let mut value = Vec::new();
        let outcome = |keys: &BorderKeys, border, value: &[u8]| {
            keys.read(border, Some(Content { value, flags: 0 })).0
        };
        keys.begin(Border::Blank).write(50, &mut value);
        assert_eq!(outcome(&keys, Border::Blank, &value), Outcome::Hit);
        assert_eq!(outcome(&keys, Border::Underscored, &value), Outcome::Wrong);
        assert_eq!(outcome(&keys, Border::Blank, &value[..40]), Outcome::Corrupt);
        keys.begin(Border::Blank);
        keys.acknowledged(Border::Blank);
        assert_eq!(outcome(&keys, Border::Blank, &value), Outcome::Stale);
        let other = BorderKeys::new(7, 2, b"run:", b"k:5");
        assert_eq!(outcome(&other, Border::Blank, &value), Outcome::Foreign);
        assert_eq!(keys.read(Border::Head, None).0, Outcome::Miss);
    }

    /// Catches a key that must be refused and passes, one that is refused and counts as a failure, and a
    /// binary client that is accused for a blank.
    #[test]
    fn what_must_be_refused_is_refused() {
        let none = OnTheWire::default();
        let (whole, head) = (OnTheWire { whole: true, ..none }, OnTheWire { head: true, ..none });
        let failed = Outcome::Error(ErrorClass::ClientError);
        for (border, outcome, refusal, wire, expected) in [
            (Border::Blank, failed, true, none, Outcome::Refused),
            (Border::Blank, failed, true, head, Outcome::IllegalKey),
            (Border::Blank, Outcome::Stored, false, none, Outcome::IllegalKey),
            (Border::Blank, Outcome::Stored, false, whole, Outcome::Stored),
            (Border::Blank, Outcome::Miss, false, none, Outcome::Miss),
            (Border::TooLong, failed, true, whole, Outcome::IllegalKey),
            (Border::TooLong, failed, true, none, Outcome::Refused),
            (Border::Empty, Outcome::Hit, false, none, Outcome::IllegalKey),
            (Border::NotAscii, failed, true, none, Outcome::Refused),
            (Border::NotAscii, Outcome::Stored, false, whole, Outcome::Stored),
            (Border::Longest, failed, true, none, failed),
            (Border::Longest, Outcome::Stored, false, whole, Outcome::Stored),
        ] {
            let judged = judge(border, (outcome, None), refusal, wire).0;
            assert_eq!(judged, expected, "{border:?} {outcome:?} {wire:?}");
        }
        let wrong = (Outcome::Wrong, Some((ViolationKind::Wrong, "the value of another key")));
        assert_eq!(judge(Border::Blank, wrong, false, head).0, Outcome::Wrong);
    }
}
