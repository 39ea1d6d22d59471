//! The meta dialect: flags, and where a meta request ends.

use super::command::Command;
use super::key::KEY_BYTES_MAX;
use super::number;
use super::request::{Block, Due, Framing, Shape};
use super::text::{self, Tokens};

/// The most tokens of a meta line that 1.6.18 takes, command and key included.
const OLD_TOKENS_MAX: usize = 19;

/// One flag of a meta line: a character and what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag<'a> {
    /// The character.
    pub name: u8,
    /// The rest of the token, often empty.
    pub argument: &'a [u8],
}

/// The flags of a meta request or reply.
#[derive(Clone, Debug)]
pub struct Flags<'a>(Tokens<'a>);

impl<'a> Iterator for Flags<'a> {
    type Item = Flag<'a>;

    fn next(&mut self) -> Option<Flag<'a>> {
        let (name, argument) = self.0.next()?.split_first()?;
        Some(Flag { name: *name, argument })
    }
}

/// The flags of a request line: what follows the key, and for `ms` the length.
#[must_use]
pub fn request_flags(command: Command, line: &[u8]) -> Flags<'_> {
    skip(line, if command == Command::MetaSet { 3 } else { 2 })
}

/// The flags of a reply line: what follows the code, and for `VA` the length.
#[must_use]
pub fn reply_flags(line: &[u8]) -> Flags<'_> {
    skip(line, if line.starts_with(b"VA ") { 2 } else { 1 })
}

fn skip(line: &[u8], count: usize) -> Flags<'_> {
    let mut tokens = text::tokens(line);
    for _ in 0..count {
        tokens.next();
    }
    Flags(tokens)
}

/// Before 1.6.40.
pub(super) fn frame_old(command: Command, line: &[u8]) -> Framing {
    let flags_fit = || text::tokens(line).take(OLD_TOKENS_MAX + 1).count() <= OLD_TOKENS_MAX;
    let mut framing = frame(command, line, number::old_block);
    if command != Command::MetaNoop && (key(line).is_none_or(is_long) || !flags_fit()) {
        framing.block = Block::None;
        framing.regular = false;
    }
    framing.regular &= command != Command::MetaSet
        || length_token(line).is_none_or(|token| token.iter().all(u8::is_ascii_digit))
            && request_flags(command, line).all(|flag| flag_has_block(flag.name));
    framing
}

/// From 1.6.40.
pub(super) fn frame_new(command: Command, line: &[u8]) -> Framing {
    let mut framing = frame(command, line, number::new_block);
    if command == Command::MetaSet
        && request_flags(command, line).any(|flag| !flag_has_block(flag.name))
    {
        framing.block = Block::None;
        framing.regular = false;
    }
    framing
}

/// From 1.6.40 a flag outside these makes a line unreadable, and its block is then a command.
const fn flag_has_block(name: u8) -> bool {
    matches!(name, b'A'..=b'z' | b'0'..=b'9')
}

fn is_long(key: &[u8]) -> bool {
    key.len() > KEY_BYTES_MAX
}

fn key(line: &[u8]) -> Option<&[u8]> {
    text::tokens(line).nth(1)
}

fn length_token(line: &[u8]) -> Option<&[u8]> {
    text::tokens(line).nth(2)
}

fn frame(command: Command, line: &[u8], block: fn(&[u8]) -> Option<u64>) -> Framing {
    if command == Command::MetaNoop {
        return Framing::line(command);
    }
    let mut tokens = text::tokens(line);
    tokens.next();
    let Some((at, key)) = tokens.next_at() else { return Framing::malformed(command) };
    let base = Framing { keys: text::span(at, key.len()), ..Framing::line(command) };
    let quiet = || match request_flags(command, line).any(|flag| flag.name == b'q') {
        true => Due::Maybe,
        false => Due::Always,
    };
    match command {
        Command::MetaSet => match length_token(line).and_then(block) {
            Some(length) => Framing { block: Block::Bytes(length + 2), due: quiet(), ..base },
            None => Framing { regular: false, ..base },
        },
        Command::MetaGet | Command::MetaArithmetic => {
            Framing { shape: Shape::Value, due: quiet(), ..base }
        }
        Command::MetaDelete => Framing { due: quiet(), ..base },
        _ => base,
    }
}
