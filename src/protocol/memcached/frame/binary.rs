//! The binary protocol: the header of a packet, and what an opcode asks for.

use super::command::{Command, Dialect};
use super::key::KEY_BYTES_MAX;
use super::request::{Block, Due, Framing, KeySpan, Shape};
use super::response::Status;

/// How long the header of a packet is.
pub const HEADER_BYTES: usize = 24;
/// The first byte of a request packet, hence of a binary connection.
pub const REQUEST_MAGIC: u8 = 0x80;
/// The first byte of a reply packet.
pub const REPLY_MAGIC: u8 = 0x81;
/// The opcode of a no-op: answered after everything before it.
pub const NOOP: u8 = 0x0a;
/// The opcode of `flush_all`.
pub const FLUSH_ALL: u8 = 0x08;
/// The opcode of `version`.
pub const VERSION: u8 = 0x0b;
/// The opcode of `stats`.
pub const STATS: u8 = 0x10;
/// The opcode that begins a login by SASL.
pub const SASL_START: u8 = 0x21;
/// The status of a login that is refused.
pub const UNAUTHENTICATED: u16 = 0x20;
/// The longest extras of any request.
const EXTRAS_BYTES_MAX: usize = 20;
/// The longest head of a well-formed request: header, extras and key.
pub const HEAD_BYTES_MAX: usize = HEADER_BYTES + EXTRAS_BYTES_MAX + KEY_BYTES_MAX;

/// The header of a packet, request and reply alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// [`REQUEST_MAGIC`] or [`REPLY_MAGIC`].
    pub magic: u8,
    /// What is asked; a reply repeats it.
    pub opcode: u8,
    /// The length of the key.
    pub key_bytes: u16,
    /// The length of the extras.
    pub extras_bytes: u8,
    /// The status of a reply; the vbucket of a request.
    pub status: u16,
    /// The length of extras, key and value together.
    pub body_bytes: u32,
    /// What the client chose; a reply repeats it.
    pub opaque: u32,
    /// The cas.
    pub cas: u64,
}

impl Header {
    /// Reads a header. `None`: fewer than [`HEADER_BYTES`].
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        let [magic, opcode, k0, k1, extras, _, s0, s1, b0, b1, b2, b3, o0, o1, o2, o3, cas @ ..] =
            *bytes;
        Some(Self {
            magic,
            opcode,
            key_bytes: u16::from_be_bytes([k0, k1]),
            extras_bytes: extras,
            status: u16::from_be_bytes([s0, s1]),
            body_bytes: u32::from_be_bytes([b0, b1, b2, b3]),
            opaque: u32::from_be_bytes([o0, o1, o2, o3]),
            cas: u64::from_be_bytes(cas),
        })
    }

    /// The bytes of the header.
    #[must_use]
    pub fn bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.magic;
        bytes[1] = self.opcode;
        bytes[2..4].copy_from_slice(&self.key_bytes.to_be_bytes());
        bytes[4] = self.extras_bytes;
        bytes[6..8].copy_from_slice(&self.status.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.body_bytes.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.opaque.to_be_bytes());
        bytes[16..].copy_from_slice(&self.cas.to_be_bytes());
        bytes
    }

    /// What a reply repeats of its request.
    #[must_use]
    pub(super) const fn tag(&self) -> u64 {
        (self.opcode as u64) << 32 | self.opaque as u64
    }

    /// How long the head is: header, extras and key. The header alone when they do not fit a
    /// well-formed request or the body.
    #[must_use]
    pub fn head_bytes(&self) -> usize {
        let beyond = usize::from(self.extras_bytes) + usize::from(self.key_bytes);
        if self.is_malformed() { HEADER_BYTES } else { HEADER_BYTES + beyond }
    }

    /// Whether the server refuses it, whatever the opcode, with an error packet and a close.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        usize::from(self.key_bytes) > KEY_BYTES_MAX
            || usize::from(self.extras_bytes) > EXTRAS_BYTES_MAX
            || u32::from(self.key_bytes) + u32::from(self.extras_bytes) > self.body_bytes
    }
}

/// What an opcode asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The command.
    pub command: Command,
    /// Quiet: a reading command hides its miss, any other its success.
    pub quiet: bool,
    /// Whether the reply repeats the key.
    pub with_key: bool,
}

/// Looks an opcode up.
#[must_use]
pub const fn operation(opcode: u8) -> Operation {
    let (command, quiet) = match opcode {
        0x00 | 0x0c => (Command::Get, false),
        0x09 | 0x0d => (Command::Get, true),
        0x1d | 0x23 => (Command::Gat, false),
        0x1e | 0x24 => (Command::Gat, true),
        0x1c => (Command::Touch, false),
        0x01 => (Command::Set, false),
        0x02 => (Command::Add, false),
        0x03 => (Command::Replace, false),
        0x11 => (Command::Set, true),
        0x12 => (Command::Add, true),
        0x13 => (Command::Replace, true),
        0x0e => (Command::Append, false),
        0x0f => (Command::Prepend, false),
        0x19 => (Command::Append, true),
        0x1a => (Command::Prepend, true),
        0x04 => (Command::Delete, false),
        0x14 => (Command::Delete, true),
        0x05 => (Command::Incr, false),
        0x06 => (Command::Decr, false),
        0x15 => (Command::Incr, true),
        0x16 => (Command::Decr, true),
        0x07 => (Command::Quit, false),
        0x17 => (Command::Quit, true),
        0x08 => (Command::FlushAll, false),
        0x18 => (Command::FlushAll, true),
        0x0a => (Command::Noop, false),
        0x0b => (Command::Version, false),
        0x10 => (Command::Stats, false),
        0x1b => (Command::Verbosity, false),
        0x20..=0x22 => (Command::Sasl, false),
        _ => (Command::Unknown, false),
    };
    Operation { command, quiet, with_key: matches!(opcode, 0x0c | 0x0d | 0x23 | 0x24) }
}

/// Reads the head of a request packet. `head` begins with the header.
#[must_use]
pub fn frame_request(header: &Header, head: &[u8]) -> Framing {
    let Operation { command, quiet, .. } = operation(header.opcode);
    // A store with a cas is what the server runs and counts as `cas`, whatever its opcode says.
    let command = match command {
        Command::Set | Command::Add | Command::Replace if header.cas != 0 => Command::Cas,
        command => command,
    };
    let extras_end = HEADER_BYTES + usize::from(header.extras_bytes);
    let head_end = header.head_bytes();
    let body = HEADER_BYTES as u64 + u64::from(header.body_bytes) - head_end as u64;
    let keyless = header.key_bytes == 0 && header.extras_bytes == 0;
    let sizes = || matches!(head.get(extras_end..), Some(b"sizes_enable" | b"sizes_disable"));
    Framing {
        dialect: Dialect::Binary,
        command,
        // After an unknown opcode 1.6.18 consumes extras and key and then the whole body again.
        block: match command {
            Command::Unknown if !keyless => Block::Unknown,
            _ if body > 0 => Block::Bytes(body),
            _ => Block::None,
        },
        due: match (command, quiet) {
            (Command::Quit, true) => Due::Never,
            (_, true) => Due::Maybe,
            (_, false) => Due::Always,
        },
        shape: match command {
            Command::Stats if !sizes() => Shape::Stats,
            _ => Shape::Packet,
        },
        // The key of a SASL request is the name of a mechanism.
        keys: match header.key_bytes > 0 && head_end > extras_end && command != Command::Sasl {
            #[expect(clippy::cast_possible_truncation, reason = "a head is below 300 bytes")]
            true => KeySpan::One(extras_end as u32, head_end as u32),
            false => KeySpan::None,
        },
        regular: !header.is_malformed() && !matches!(command, Command::Unknown),
        wipes_earlier: false,
    }
}

/// What a reply packet means.
#[must_use]
pub const fn status(header: &Header) -> Status {
    let command = operation(header.opcode).command;
    match header.status {
        0 => match command {
            Command::Get | Command::Gat => Status::Hit,
            Command::Set | Command::Add | Command::Replace => Status::Stored,
            Command::Append | Command::Prepend => Status::Stored,
            Command::Delete => Status::Deleted,
            Command::Incr | Command::Decr => Status::Number,
            Command::Touch => Status::Touched,
            Command::Version => Status::Version,
            Command::Stats => Status::Stat,
            _ => Status::Ok,
        },
        1 if matches!(command, Command::Get | Command::Gat) => Status::Miss,
        1 => Status::NotFound,
        2 => Status::Exists,
        5 => Status::NotStored,
        4 | 6 | UNAUTHENTICATED => Status::ClientError,
        0x21 => Status::Ok,
        0x81 => Status::Error,
        _ => Status::ServerError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a header that is not written as it is read.
    #[test]
    fn a_header_round_trips() {
        let bytes: Vec<u8> = (0x80..0x98).collect();
        let header = Header::read(&bytes).unwrap();
        let mut expected = bytes.clone();
        expected[5] = 0;
        assert_eq!(header.bytes().as_slice(), expected);
        assert_eq!(header.body_bytes, 0x8889_8a8b);
        assert_eq!(header.opaque, 0x8c8d_8e8f);
        assert!(Header::read(&bytes[..23]).is_none());
    }

    /// Catches a quiet opcode that would be waited for, or a loud one that would not.
    #[test]
    fn exactly_the_quiet_opcodes_are_quiet() {
        let quiet: Vec<u8> = (0..=0xff).filter(|opcode| operation(*opcode).quiet).collect();
        let expected =
            [0x09, 0x0d, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1e, 0x24];
        assert_eq!(quiet, expected);
    }

    /// Catches a stale cas that cannot be asked for on a binary connection, because it is called set.
    #[test]
    fn a_store_with_a_cas_is_a_cas() {
        let command = |opcode, cas| {
            let header = Header::read(&[0; HEADER_BYTES]).unwrap();
            let header = Header { magic: REQUEST_MAGIC, opcode, cas, ..header };
            frame_request(&header, &header.bytes()).command
        };
        assert_eq!([0x01, 0x11, 0x03].map(|opcode| command(opcode, 7)), [Command::Cas; 3]);
        assert_eq!(command(0x01, 0), Command::Set);
        assert_eq!(command(0x04, 7), Command::Delete);
    }

    /// Catches a packet whose lengths would carry us past its end.
    #[test]
    fn lengths_that_contradict_each_other_are_malformed() {
        let header = |key_bytes, extras_bytes, body_bytes| {
            let header = Header::read(&[0; HEADER_BYTES]).unwrap();
            Header { magic: REQUEST_MAGIC, key_bytes, extras_bytes, body_bytes, ..header }
        };
        assert!(!header(3, 8, 11).is_malformed());
        assert!(header(3, 8, 10).is_malformed());
        assert!(header(251, 0, 251).is_malformed());
        assert_eq!(header(3, 8, 20).head_bytes(), HEADER_BYTES + 11);
        let framing = frame_request(&header(3, 8, 20), &[0; 35]);
        assert_eq!(framing.block, Block::Bytes(9));
        let framing = frame_request(&header(300, 0, 300), &[0; 24]);
        assert_eq!((framing.block, framing.regular), (Block::Bytes(300), false));
    }
}
