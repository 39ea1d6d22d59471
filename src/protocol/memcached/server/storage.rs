//! Commands with a block: what their line said, until the block is there, and what is done then.

use std::borrow::Cow;

use super::base64_key;
use super::clock::Now;
use super::counts::Count;
use super::entry::{Attributes, Entry, Incoming};
use super::item::{Item, Marks, weight};
use super::reply;
use super::session::Context;
use super::store::Store;

/// What closes a block.
const BLOCK_END: &[u8] = b"\r\n";
/// The longest opaque token of a meta request, its letter included.
pub(super) const OPAQUE_BYTES_MAX: usize = 32;

/// Under which condition a value is stored, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// In any case.
    Set,
    /// When there is none.
    Add,
    /// When there is one.
    Replace,
    /// Behind the one there is.
    Append,
    /// Before the one there is.
    Prepend,
    /// When the one there is has this cas unique.
    Cas,
}

/// How the client wants to hear about it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    /// In a word, or not at all.
    Classic {
        /// Not even errors are told.
        noreply: bool,
    },
    /// In two letters and the flags that were asked for.
    Meta(MetaAnswer),
}

/// The flags of an answer to `ms`, in the order asked; each can be asked for once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MetaAnswer {
    /// Success is not told.
    pub(super) quiet: bool,
    flags: [u8; 3],
    flag_count: usize,
    opaque: [u8; OPAQUE_BYTES_MAX],
    opaque_bytes: usize,
}

impl MetaAnswer {
    /// Adds the flag `c`, `k` or, with the token, `O`. `false`: the token is too long.
    pub(super) fn push(&mut self, token: &[u8]) -> bool {
        let Some(slot) = self.flags.get_mut(self.flag_count) else { return true };
        if token[0] == b'O' {
            let Some(opaque) = self.opaque.get_mut(..token.len()) else { return false };
            opaque.copy_from_slice(token);
            self.opaque_bytes = token.len();
        }
        *slot = token[0];
        self.flag_count += 1;
        true
    }

    fn write(&self, out: &mut Vec<u8>, key: &[u8], key_encoded: bool, cas: u64) {
        for flag in &self.flags[..self.flag_count] {
            match flag {
                b'O' => {
                    out.push(b' ');
                    out.extend_from_slice(&self.opaque[..self.opaque_bytes]);
                }
                b'k' => write_key(out, key, key_encoded),
                _ => reply::flag(out, b'c', cas),
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the flag `k`, and `b` when the key is told in base64.
pub(super) fn write_key(out: &mut Vec<u8>, key: &[u8], encoded: bool) {
    out.extend_from_slice(b" k");
    if encoded {
        base64_key::encode(out, key);
        out.extend_from_slice(b" b");
    } else {
        out.extend_from_slice(key);
    }
}

/// What a storage line said.
#[derive(Clone, Debug)]
pub(super) struct Header<'a> {
    /// The condition.
    pub(super) mode: Mode,
    /// The key, decoded.
    pub(super) key: Cow<'a, [u8]>,
    /// The client's flags.
    pub(super) flags: u32,
    /// The expiry, in node seconds.
    pub(super) deadline: u32,
    /// How long the value is.
    pub(super) value_bytes: usize,
    /// The cas unique asked for; 0: none.
    pub(super) cas: u64,
    /// An older cas unique than the item's stores too, as a stale value.
    pub(super) stale_allowed: bool,
    /// The key came in base64.
    pub(super) key_encoded: bool,
    /// How to answer.
    pub(super) answer: Answer,
}

/// A storage command whose block is not complete.
#[derive(Debug)]
pub(super) struct Pending {
    header: Header<'static>,
    block: Vec<u8>,
}

impl Pending {
    /// The block so far and how many bytes it needs.
    pub(super) fn buffer(&mut self) -> (&mut Vec<u8>, usize) {
        let needed = self.header.block_bytes() - self.block.len();
        (&mut self.block, needed)
    }

    /// Executes the command: the block is complete.
    pub(super) fn finish(mut self, out: &mut Vec<u8>, context: &Context<'_>) {
        if self.block.ends_with(BLOCK_END) {
            self.block.truncate(self.header.value_bytes);
            self.header.store(Incoming::Owned(self.block), out, context);
        } else {
            self.header.refuse(out, context);
        }
    }
}

/// What storing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Stored, under this cas unique.
    Done(u64),
    Refused,
    Exists,
    NotFound,
    NoMemory,
}

impl Header<'_> {
    /// How long the block is, its end included.
    #[must_use]
    pub(super) const fn block_bytes(&self) -> usize {
        self.value_bytes + BLOCK_END.len()
    }

    /// Keeps the header until the block has come. The item limit was checked, so the memory that is
    /// set aside for the block is bounded by it.
    #[must_use]
    pub(super) fn into_pending(self) -> Pending {
        let block = Vec::with_capacity(self.block_bytes());
        Pending { header: Header { key: Cow::Owned(self.key.into_owned()), ..self }, block }
    }

    /// Executes the command with its block, end included.
    pub(super) fn finish(&self, block: &[u8], out: &mut Vec<u8>, context: &Context<'_>) {
        match block.strip_suffix(BLOCK_END) {
            Some(value) => self.store(Incoming::Borrowed(value), out, context),
            None => self.refuse(out, context),
        }
    }

    fn refuse(&self, out: &mut Vec<u8>, context: &Context<'_>) {
        context.store.entry(&self.key, context.now).count(Count::Set);
        let silent = matches!(self.answer, Answer::Classic { noreply: true });
        reply::line_unless(silent, out, reply::BAD_CHUNK);
    }

    fn store(&self, value: Incoming<'_>, out: &mut Vec<u8>, context: &Context<'_>) {
        let outcome = self.apply(value, context.store, context.now);
        match self.answer {
            Answer::Classic { noreply } => reply::line_unless(noreply, out, classic_word(outcome)),
            Answer::Meta(answer) => self.answer_meta(&answer, outcome, out),
        }
    }

    fn answer_meta(&self, answer: &MetaAnswer, outcome: Outcome, out: &mut Vec<u8>) {
        let (code, cas) = match outcome {
            Outcome::Done(_) if answer.quiet => return,
            Outcome::Done(cas) => ("HD", cas),
            Outcome::Refused => ("NS", 0),
            Outcome::Exists => ("EX", 0),
            Outcome::NotFound => ("NF", 0),
            Outcome::NoMemory => return reply::line(out, reply::NO_MEMORY),
        };
        out.extend_from_slice(code.as_bytes());
        answer.write(out, &self.key, self.key_encoded, cas);
    }

    fn apply(&self, value: Incoming<'_>, store: &Store, now: Now) -> Outcome {
        let value_bytes = value.as_bytes().len();
        let needed = match self.mode {
            Mode::Append | Mode::Prepend => value_bytes,
            _ => weight(self.key.len(), self.flags, value_bytes),
        };
        let room = store.room(needed, now);
        let mut entry = store.entry(&self.key, now);
        let Some(room) = room else {
            entry.count(Count::NoMemory);
            self.drop_old(&mut entry);
            return Outcome::NoMemory;
        };
        entry.count(Count::Set);
        let (count, action) = match entry.item() {
            None => self.decide_absent(),
            Some(item) => self.decide_present(item, store.fits(item.weight() + value_bytes)),
        };
        if let Some(count) = count {
            entry.count(count);
        }
        match action {
            Action::Put(attributes) => Outcome::Done(entry.put(value, attributes, room)),
            Action::Extend { before } => {
                entry.extend(value.as_bytes(), before, room).map_or(Outcome::Refused, Outcome::Done)
            }
            Action::Use => {
                entry.use_without_reading();
                Outcome::Refused
            }
            Action::Nothing(outcome) => outcome,
        }
    }

    /// Whether the item may be stored at all; one that is too large is counted and dropped.
    pub(super) fn admit(&self, context: &Context<'_>) -> bool {
        let fits = context.store.fits(weight(self.key.len(), self.flags, self.value_bytes));
        if !fits {
            let mut entry = context.store.entry(&self.key, context.now);
            entry.count(Count::TooLarge);
            self.drop_old(&mut entry);
        }
        fits
    }

    /// Drops what is stored, as a value that cannot be stored must not leave an older one behind.
    /// Classic commands other than `set` leave it.
    fn drop_old(&self, entry: &mut Entry<'_>) {
        if self.mode == Mode::Set || matches!(self.answer, Answer::Meta(_)) {
            entry.remove();
        }
    }

    const fn attributes(&self) -> Attributes {
        let marks = Marks {
            key_encoded: self.key_encoded,
            fetched: false,
            active: false,
            stale: false,
            token_sent: false,
        };
        Attributes { flags: self.flags, deadline: self.deadline, marks }
    }

    const fn decide_absent(&self) -> (Option<Count>, Action) {
        match self.mode {
            Mode::Set | Mode::Add => (None, Action::Put(self.attributes())),
            Mode::Cas => (Some(Count::CasMiss), Action::Nothing(Outcome::NotFound)),
            Mode::Replace | Mode::Append | Mode::Prepend => {
                (None, Action::Nothing(Outcome::Refused))
            }
        }
    }

    fn decide_present(&self, item: &Item, fits: bool) -> (Option<Count>, Action) {
        match self.mode {
            Mode::Set | Mode::Replace => (None, Action::Put(self.attributes())),
            Mode::Add => (None, Action::Use),
            Mode::Append | Mode::Prepend if self.cas != 0 && self.cas != item.cas => {
                (None, Action::Nothing(Outcome::Exists))
            }
            Mode::Append | Mode::Prepend if !fits => (None, Action::Nothing(Outcome::Refused)),
            Mode::Append | Mode::Prepend => {
                (None, Action::Extend { before: self.mode == Mode::Prepend })
            }
            Mode::Cas if self.cas == item.cas => {
                (Some(Count::CasHit), Action::Put(self.attributes()))
            }
            Mode::Cas if self.stale_allowed && self.cas != 0 && self.cas < item.cas => {
                let mut attributes = self.attributes();
                attributes.deadline = item.deadline;
                attributes.marks.stale = true;
                attributes.marks.token_sent = item.marks.token_sent;
                (Some(Count::CasHit), Action::Put(attributes))
            }
            Mode::Cas => (Some(Count::CasBadValue), Action::Nothing(Outcome::Exists)),
        }
    }
}

/// What is done with a value.
#[derive(Clone, Copy, Debug)]
enum Action {
    Put(Attributes),
    Extend {
        before: bool,
    },
    /// The old item counts as used.
    Use,
    Nothing(Outcome),
}

const fn classic_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "STORED",
        Outcome::Refused => "NOT_STORED",
        Outcome::Exists => "EXISTS",
        Outcome::NotFound => "NOT_FOUND",
        Outcome::NoMemory => reply::NO_MEMORY,
    }
}
