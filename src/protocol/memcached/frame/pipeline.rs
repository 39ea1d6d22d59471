//! Which request a reply belongs to.
//!
//! Replies come in the order of the requests, so a queue would do, were it not for requests that
//! are answered only sometimes. The queue holds every request that may still be answered; a reply
//! belongs to the first that can have it, and those before it were silent. What cannot be decided
//! is guessed and remembered as doubt, until a reply that fits one request only dispels it.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::binary;
use super::command::{Command, Dialect};
use super::meta::{self, Flag};
use super::owners::{LOOKED_AT_MAX, Owner, Owners};
use super::request::{Due, Framing, Shape};
use super::response::{Code, Codes};
use crate::protocol::exchange::{OUTSTANDING_MAX, Standing};

/// How far ahead another request is looked for that could have the same reply.
const LOOKAHEAD_MAX: usize = 64;
/// A queue that grew beyond this gives its memory back when it is empty.
const KEPT_MAX: usize = 1024;
/// The error that an over-long key of a `get` is answered with.
const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format";

/// A request, as its reply names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paired<T> {
    /// Its place among the requests of the connection, from 0; unanswered ones count too.
    pub sequence: u64,
    /// How it was said.
    pub dialect: Dialect,
    /// What it asked for.
    pub command: Command,
    /// Whether it was quiet, or an unknown version may not answer it.
    pub due: Due,
    /// What the caller gave with the chunk that held its first byte.
    pub stamp: T,
}

/// Why a request will have no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Quiet, and a later request was answered.
    Silent,
    /// The server threw its reply away with those before an over-long key.
    Lost,
    /// Its reply was taken for an earlier quiet request's.
    Mistaken,
}

/// What tells two requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// Nothing.
    None,
    /// The hash of a meta opaque.
    Opaque(u64),
    /// The hash of a key that the reply repeats.
    Key(u64),
    /// Opcode and opaque of a packet, and the hash of the key that its reply repeats, or 0.
    Packet(u64, u64),
    /// Nobody looked.
    Unread,
}

impl Tag {
    /// That of a packet, with the key that a reply repeats.
    pub(super) fn packet(tag: u64, key: Option<&[u8]>) -> Self {
        Self::Packet(tag, key.map_or(0, hash))
    }

    /// Whether a reply with this tag may belong to a request with this one.
    fn fits(self, reply: Self) -> bool {
        match (self, reply) {
            (Self::Packet(tag, key), Self::Packet(other, named)) => {
                tag == other && (key == 0 || named == 0 || key == named)
            }
            (Self::Unread, _) => true,
            _ => self == reply,
        }
    }

    /// Whether its reply can be told from that of a request behind it, which has this tag.
    const fn is_told_from(self, other: Self) -> bool {
        match (self, other) {
            // Who does not give each packet an opaque of its own gives all of them the same.
            (Self::Packet(tag, key), Self::Packet(other, _)) => {
                tag & OPAQUE != other & OPAQUE || key != 0
            }
            (Self::Opaque(_) | Self::Key(_), _) => true,
            _ => false,
        }
    }
}

/// The bits of a packet's tag that the client chose.
const OPAQUE: u64 = 0xffff_ffff;

/// A request that may still be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<T> {
    pub(super) paired: Paired<T>,
    pub(super) shape: Shape,
    regular: bool,
    pub(super) wipes_earlier: bool,
    tag: Tag,
}

impl<T: Copy> Entry<T> {
    /// `tagged`: what tells a request that is not quiet from others is wanted, too.
    pub(super) fn text(
        framing: &Framing,
        line: &[u8],
        sequence: u64,
        stamp: T,
        tagged: bool,
    ) -> Self {
        let tag = match (framing.dialect, framing.due) {
            (Dialect::Meta, Due::Maybe) => request_tag(framing, line),
            (Dialect::Meta, _) if tagged => request_tag(framing, line),
            (Dialect::Meta, _) => Tag::Unread,
            _ => Tag::None,
        };
        Self::new(framing, sequence, stamp, tag)
    }

    pub(super) const fn packet(framing: &Framing, tag: Tag, sequence: u64, stamp: T) -> Self {
        Self::new(framing, sequence, stamp, tag)
    }

    /// A no-op that is sent in the place of this request, or behind it.
    pub(super) const fn barrier(&self, sequence: u64) -> Self {
        let stamp = self.paired.stamp;
        match self.tag {
            Tag::Packet(tag, _) => {
                let framing = Framing {
                    dialect: Dialect::Binary,
                    shape: Shape::Packet,
                    ..Framing::line(Command::Noop)
                };
                let tag = Tag::Packet((binary::NOOP as u64) << 32 | tag & OPAQUE, 0);
                Self::new(&framing, sequence, stamp, tag)
            }
            _ => Self::new(&Framing::line(Command::MetaNoop), sequence, stamp, Tag::None),
        }
    }

    const fn new(framing: &Framing, sequence: u64, stamp: T, tag: Tag) -> Self {
        let Framing { dialect, command, due, .. } = *framing;
        Self {
            paired: Paired { sequence, dialect, command, due, stamp },
            shape: framing.shape,
            regular: framing.regular,
            wipes_earlier: framing.wipes_earlier,
            tag,
        }
    }

    fn is_certain(&self) -> bool {
        self.paired.due == Due::Always && self.is_plain()
    }

    const fn is_plain(&self) -> bool {
        self.regular && !self.wipes_earlier
    }

    /// Whether a reply may be its own; unlike [`Entry::takes`] this is about requests that are not quiet
    /// as well: what a reply repeats of another request it does not have from this one.
    pub(super) fn may_own(&self, reply: &Reply<'_>) -> bool {
        let repeats = self.paired.dialect == Dialect::Meta
            && reply.code.is_some()
            && !reply.is_error()
            && reply.tag != Tag::None;
        self.takes(reply, true) && (!repeats || self.tag.fits(reply.tag))
    }

    /// Whether its reply is no other request's, quiet ones before it included.
    const fn is_told(&self) -> bool {
        let named = matches!(self.tag, Tag::Opaque(_) | Tag::Key(_));
        !matches!(self.paired.dialect, Dialect::Meta)
            || named
            || matches!(self.paired.command, Command::MetaNoop)
    }

    /// Whether its own error may read like that of an over-long key.
    fn may_be_bad_format(&self) -> bool {
        !self.regular || self.paired.command.is_admin() || self.paired.command == Command::MetaDebug
    }

    fn takes(&self, reply: &Reply<'_>, strict: bool) -> bool {
        let quiet = self.paired.due == Due::Maybe;
        let codes = match reply.code {
            None => return self.tag.fits(reply.tag),
            Some(Code::Empty) => return self.wipes_earlier,
            Some(code) => {
                let hushed =
                    if quiet && strict { Codes::hushed(self.paired.command) } else { Codes::NONE };
                Codes::answering(self.paired.command, self.shape).without(hushed).has(code)
            }
        };
        codes && (!quiet || !strict || reply.is_error() || self.tag.fits(reply.tag))
    }
}

/// The head of a reply, as far as it tells whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'a> {
    line: &'a [u8],
    /// `None` for a packet.
    code: Option<Code>,
    tag: Tag,
}

impl<'a> Reply<'a> {
    pub(super) const fn packet(tag: Tag) -> Self {
        Self { line: &[], code: None, tag }
    }

    pub(super) const fn line(line: &'a [u8], code: Code) -> Self {
        Self { line, code: Some(code), tag: Tag::None }
    }

    /// Whether it may be the error of an over-long key.
    fn may_wipe(&self) -> bool {
        self.line == BAD_FORMAT || self.code == Some(Code::Empty)
    }

    fn is_error(&self) -> bool {
        self.code.is_some_and(Code::is_error)
    }
}

/// The requests that may still be answered, in their order.
#[derive(Clone, Debug)]
pub(super) struct Pipeline<T> {
    queue: VecDeque<Entry<T>>,
    /// How many in the queue are not certain to be answered as their command is.
    uncertain: usize,
    /// How many of those are more than quiet.
    irregular: usize,
    /// How many in the queue may wipe out earlier replies.
    wiping: usize,
    /// A reply was given to a request that may not have been its own.
    doubt: bool,
    /// The last request that will certainly be answered; it may have been by now.
    last_due: Option<Paired<T>>,
    owners: Owners,
}

impl<T: Copy> Pipeline<T> {
    pub(super) const fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            uncertain: 0,
            irregular: 0,
            wiping: 0,
            doubt: false,
            last_due: None,
            owners: Owners::new(),
        }
    }

    /// From now on follows which requests a reply may belong to.
    pub(super) fn follow_owners(&mut self) {
        self.owners.follow(self.is_certain());
    }

    pub(super) const fn follows_owners(&self) -> bool {
        self.owners.are_followed()
    }

    /// Which requests the last reply may belong to; none when nobody knows.
    pub(super) fn owners(&self) -> &[Owner] {
        self.owners.possible()
    }

    /// How the place of a reply of our own to `request`, which is not sent, can be found.
    pub(super) fn standing(&self, request: &Entry<T>) -> Standing {
        if self.is_certain() {
            return Standing::Next;
        }
        if !self.owners.are_followed() || self.owners.are_lost() || self.irregular > 0 {
            return Standing::Unknown;
        }
        for (quiet, entry) in self.queue.iter().rev().take(LOOKED_AT_MAX).enumerate() {
            match entry.paired.due {
                Due::Maybe if !entry.tag.is_told_from(request.tag) => {
                    return Standing::NeedsBarrier;
                }
                Due::Maybe => {}
                _ if !entry.is_told() => return Standing::NeedsBarrier,
                _ if quiet > 0 => return Standing::Told,
                _ => return Standing::Next,
            }
        }
        match self.owners.are_certain() && self.queue.len() <= LOOKED_AT_MAX {
            true => Standing::Told,
            false => Standing::NeedsBarrier,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// The requests that will certainly be answered, in their order.
    pub(super) fn due(&self) -> impl Iterator<Item = Paired<T>> {
        self.queue.iter().map(|entry| entry.paired).filter(|paired| paired.due == Due::Always)
    }

    /// A request that will certainly be answered, the first where it is at hand: behind quiet ones it may
    /// be the last.
    pub(super) fn one_due(&self) -> Option<Paired<T>> {
        let first = self.queue.front()?.paired;
        match first.due {
            Due::Always => Some(first),
            // Requests leave in their order: what is not before the first is still there.
            _ => self.last_due.filter(|last| last.sequence >= first.sequence),
        }
    }

    /// The sequence of the last request.
    pub(super) fn last(&self) -> Option<u64> {
        self.queue.back().map(|entry| entry.paired.sequence)
    }

    /// Whether it is known of every outstanding request that it will be answered, and how.
    pub(super) const fn is_certain(&self) -> bool {
        self.uncertain == 0 && !self.doubt
    }

    /// Forgets everything; for a connection that is no longer understood.
    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Adds a request. `false`: there are too many, and none that may be given up.
    pub(super) fn push(&mut self, entry: Entry<T>) -> bool {
        if self.queue.len() >= OUTSTANDING_MAX {
            match self.pop() {
                Some(oldest) if oldest.paired.due == Due::Maybe => {
                    self.doubt = true;
                    self.owners.lose();
                }
                _ => return false,
            }
        }
        self.uncertain += usize::from(!entry.is_certain());
        self.irregular += usize::from(!entry.is_plain());
        self.wiping += usize::from(entry.wipes_earlier);
        if entry.paired.due == Due::Always {
            self.last_due = Some(entry.paired);
        }
        self.queue.push_back(entry);
        true
    }

    /// Takes out the request that a reply belongs to. `None`: there is none.
    pub(super) fn take(
        &mut self,
        mut reply: Reply<'_>,
        passed: &mut impl FnMut(Paired<T>, Unanswered),
    ) -> Option<Entry<T>> {
        let head = self.queue.front()?;
        let certain = self.is_certain();
        // In doubt, a quiet request may become the head below.
        let may_be_quiet = head.paired.due == Due::Maybe || self.doubt;
        let follows = self.owners.are_followed() && !certain;
        if (may_be_quiet || follows) && !reply.is_error() && reply.code.is_some() {
            reply.tag = reply_tag(reply.line);
        }
        if self.wiping > 0 {
            self.owners.lose();
        } else if !certain {
            self.owners.next(&self.queue, &reply);
        }
        let entry = self.pair(reply, passed)?;
        if certain || self.queue.is_empty() && self.owners.are_lost() {
            self.owners.settle(entry.paired.sequence);
        } else {
            self.owners.check(entry.paired.sequence);
        }
        Some(entry)
    }

    fn pair(
        &mut self,
        reply: Reply<'_>,
        passed: &mut impl FnMut(Paired<T>, Unanswered),
    ) -> Option<Entry<T>> {
        let head = self.queue.front()?;
        if reply.may_wipe() && self.wiping > 0 && !head.wipes_earlier {
            // The next request may have the same error of its own. Once in doubt, what follows is
            // found again by what only it can be answered with.
            let lost = !self.doubt && !head.may_be_bad_format();
            self.doubt |= self.wiping > 1 || !lost;
            if lost {
                let first = self.queue.iter().position(|entry| entry.wipes_earlier)?;
                self.pass(first, Unanswered::Lost, passed);
                return self.pop();
            }
        } else if reply.may_wipe() && self.wiping > 1 {
            self.doubt = true;
        }
        loop {
            let found = self.find(&reply, true).or_else(|_| self.find(&reply, false));
            match found {
                Ok(index) => {
                    self.pass(index, Unanswered::Silent, passed);
                    let entry = self.pop()?;
                    self.weigh(&entry, &reply);
                    return Some(entry);
                }
                Err(cannot) if self.doubt && cannot > 0 => {
                    self.pass(cannot, Unanswered::Mistaken, passed);
                }
                Err(_) => return None,
            }
        }
    }

    /// The first request that can have the reply, up to the first that must have one. Else how many
    /// requests that is.
    fn find(&self, reply: &Reply<'_>, strict: bool) -> Result<usize, usize> {
        for (index, entry) in self.queue.iter().enumerate() {
            if entry.takes(reply, strict) {
                return Ok(index);
            }
            if entry.paired.due == Due::Always {
                return Err(index + 1);
            }
        }
        Err(self.queue.len())
    }

    /// Notes whether another request could have had this reply.
    fn weigh(&mut self, entry: &Entry<T>, reply: &Reply<'_>) {
        if self.queue.is_empty() || reply.code == Some(Code::Mn) {
            // Everything sent so far is accounted for.
            self.doubt = false;
        } else if entry.paired.due == Due::Maybe {
            self.doubt |= self.has_rival(reply);
        }
    }

    fn has_rival(&self, reply: &Reply<'_>) -> bool {
        for entry in self.queue.iter().take(LOOKAHEAD_MAX) {
            if entry.takes(reply, true) {
                return true;
            }
            if entry.paired.due == Due::Always {
                return false;
            }
        }
        self.queue.len() > LOOKAHEAD_MAX
    }

    fn pass(
        &mut self,
        count: usize,
        why: Unanswered,
        passed: &mut impl FnMut(Paired<T>, Unanswered),
    ) {
        for _ in 0..count {
            if let Some(entry) = self.pop() {
                passed(entry.paired, why);
            }
        }
    }

    fn pop(&mut self) -> Option<Entry<T>> {
        let entry = self.queue.pop_front()?;
        self.uncertain -= usize::from(!entry.is_certain());
        self.irregular -= usize::from(!entry.is_plain());
        self.wiping -= usize::from(entry.wipes_earlier);
        if self.queue.is_empty() && self.queue.capacity() > KEPT_MAX {
            self.queue = VecDeque::new();
        }
        Some(entry)
    }
}

// === what tells quiet requests apart ===

fn request_tag(framing: &Framing, line: &[u8]) -> Tag {
    // The old parser ends the line there, the new one reads on: what comes back is not known.
    if memchr::memchr(0, line).is_some() {
        return Tag::Unread;
    }
    let flags = meta::request_flags(framing.command, line);
    let mut asks_key = false;
    let mut is_base64 = false;
    for flag in flags {
        match flag.name {
            b'O' => return Tag::Opaque(hash(flag.argument)),
            b'k' => asks_key = true,
            b'b' => is_base64 = true,
            _ => {}
        }
    }
    let key = framing.keys(line).next();
    key.filter(|_| asks_key).map_or(Tag::None, |key| key_tag(key, is_base64))
}

fn reply_tag(line: &[u8]) -> Tag {
    let mut key = None;
    let mut is_base64 = false;
    for Flag { name, argument } in meta::reply_flags(line) {
        match name {
            b'O' => return Tag::Opaque(hash(argument)),
            b'k' => key = Some(argument),
            b'b' => is_base64 = true,
            _ => {}
        }
    }
    key.map_or(Tag::None, |key| key_tag(key, is_base64))
}

/// A key asked for raw may come back as base64, so it is the key itself that is compared.
fn key_tag(key: &[u8], is_base64: bool) -> Tag {
    let decoded = is_base64.then(|| BASE64.decode(key).ok()).flatten();
    Tag::Key(hash(decoded.as_deref().unwrap_or(key)))
}

/// FNV-1a: short inputs, no need to withstand an attacker, who could only confuse his own pairing.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
