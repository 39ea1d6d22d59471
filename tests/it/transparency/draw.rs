//! Random requests of all three protocols: well-formed, quiet, silent and broken.
//!
//! What is drawn for one stream leaves out what a server answers according to how its reads cut the
//! stream, for there two runs without any proxy differ too.

use harness::base::seed::Stream;
use rand::RngExt as _;

use super::one_of;
use crate::wire::packet;

/// Longer than any key may be.
const LONG_KEY_BYTES: usize = 251;
/// More than any block of [`Texts`] that a stream may leave unfinished.
const TAIL_BARRIERS: usize = 60;

/// Words in capitals are replaced: `K` a key, `L` one that is too long, `N` the key of a number, `F`
/// flags, `T` an expiry, `D` a small number, `B` the length of a block, which follows the line, `W` a
/// length that is not that of the block, `X` no number, `C` a cas number, `M` meta flags.
const CLASSIC: &[&str] = &[
    "set K F T B",
    "set K F T B",
    "set K F T B noreply",
    "add K F T B",
    "add K F T B noreply",
    "replace K F T B",
    "replace K F T B noreply",
    "append K F T B",
    "append K F T B noreply",
    "prepend K F T B",
    "prepend K F T B noreply",
    "cas K F T B C",
    "cas K F T B C noreply",
    "get K",
    "get K K K K",
    "gets K",
    "gets K K K",
    "gat T K K",
    "gats T K",
    "bget K",
    "delete K",
    "delete K 0",
    "delete K noreply",
    "incr N D",
    "incr N D noreply",
    "decr N D",
    "decr N D noreply",
    "touch K T",
    "touch K T noreply",
    "flush_all",
    "flush_all 0",
    "flush_all noreply",
    "version",
    "verbosity 0",
    "verbosity 1 noreply",
    "cache_memlimit 64",
    "cache_memlimit 64 noreply",
    "slabs automove 0",
    "slabs reassign 1 1",
    "lru mode flat",
    "lru tune 10 20 0.1 2.0",
    "lru_crawler sleep 100",
    "lru_crawler tocrawl 0",
    "stats reset",
    "stats nosuch",
    "stats detail on",
    "stats detail dump",
    "stats detail off",
    "stats settings",
    "stats sizes_disable",
    "shutdown",
];

const META: &[&str] = &[
    "mg K M",
    "mg K v",
    "mg K v q",
    "mg K v k q OK",
    "mg K s v f c N0",
    "mg Zm9v b k v",
    "ms K B M",
    "ms K B",
    "ms K B q",
    "ms Zm9v B b k",
    "ms K B MA q OK",
    "ms K B C C",
    "md K M",
    "md K q",
    "md K I T0 q",
    "ma N M",
    "ma N N0 J50000 v",
    "ma N N0 J50000 q",
    "ma N MD D D v",
    "me K",
    "mn",
    "mn",
];

const BROKEN: &[&str] = &[
    "",
    " get K",
    "get",
    "gets",
    "gat",
    "gat 0",
    "gat x K",
    "GET K",
    "get  K   K ",
    "SET K F T B",
    "set K F T X",
    "set K X T B",
    "set K F X B",
    "set K F T",
    "set K F T B x y z",
    "set K F T B x",
    "set K F T W",
    "set L F T B",
    "set L F T B noreply",
    "append K F T W noreply",
    "cas K F T B",
    "cas K F T B X",
    "delete",
    "delete L",
    "delete K 10",
    "delete K x noreply",
    "incr N",
    "incr N X",
    "incr K D",
    "touch K X",
    "touch L 0",
    "flush_all X",
    "verbosity",
    "cache_memlimit",
    "slabs",
    "lru",
    "lru_crawler",
    "stats detail",
    "foo noreply",
    "noreply",
    "mg",
    "mg L v",
    "mg K v v",
    "mg K !",
    "mg K b v",
    "mg K O12345678901234567890123456789012345",
    "ms",
    "ms K X",
    "ms K W",
    "ms L B",
    "ms K B !",
    "ms K B MX",
    "ms K B O12345678901234567890123456789012345",
    "md L",
    "ma K",
    "ma L q",
    "mx K",
    "me",
    "m",
];

const KEYS: &[&str] = &["a", "b", "p:c", "foo", "d\te", "f\x01g", "nosuch"];
const NO_NUMBERS: &[&str] = &["x", "-1", "5abc", "0x5", "99999999999999999999", "2147483646"];
const META_FLAGS: &[&str] =
    &["c", "f", "k", "s", "O1", "Oab", "q", "v", "T0", "I", "MS", "MA", "MP", "ME", "MR", "F7"];
/// What a value holds that was taken for a reply or a request by proxies before us.
const TRICKS: &[&str] = &["END\r\n", "VALUE a 0 3\r\nabc\r\n", "\r\n", "STORED\r\n", "get a\r\n"];

/// Draws text streams.
pub(super) struct Texts<'a>(pub(super) &'a mut Stream);

impl Texts<'_> {
    /// A stream of so many requests that ends where no block can be unfinished.
    pub(super) fn stream(&mut self, requests: usize) -> Vec<u8> {
        let mut stream = b"flush_all\r\n".to_vec();
        for _ in 0..requests {
            self.request(&mut stream);
        }
        stream.extend_from_slice(&b"mn\r\n".repeat(TAIL_BARRIERS));
        if self.chance(3) {
            stream.extend_from_slice(b"quit\r\n");
        }
        stream
    }

    /// One request, broken ones included.
    pub(super) fn request(&mut self, stream: &mut Vec<u8>) {
        match self.0.random_range(0..10) {
            0..=4 => self.template(CLASSIC, stream),
            5..=7 => self.template(META, stream),
            8 => self.template(BROKEN, stream),
            _ if self.chance(3) => self.noise(stream),
            _ => self.template(BROKEN, stream),
        }
    }

    fn chance(&mut self, of: u32) -> bool {
        self.0.random_range(0..of) == 0
    }

    fn template(&mut self, templates: &[&str], stream: &mut Vec<u8>) {
        let template = *one_of(self.0, templates);
        let value = self.value();
        let mut has_block = false;
        for (at, word) in template.split(' ').enumerate() {
            if at > 0 {
                stream.push(b' ');
            }
            has_block |= matches!(word, "B" | "W");
            let text = self.word(word, value.len());
            stream.extend_from_slice(text.as_bytes());
        }
        stream.extend_from_slice(if self.chance(20) { b"\n" } else { b"\r\n" });
        if has_block {
            stream.extend_from_slice(&value);
            stream.extend_from_slice(b"\r\n");
        }
    }

    fn word(&mut self, word: &str, value_bytes: usize) -> String {
        match word {
            "K" => (*one_of(self.0, KEYS)).to_owned(),
            "OK" => format!("O{}", self.0.random_range(0..100)),
            "L" => "k".repeat(LONG_KEY_BYTES),
            "N" => (*one_of(self.0, &["n1", "n2"])).to_owned(),
            "F" => self.0.random_range(0..9).to_string(),
            "T" => (*one_of(self.0, &["0", "0", "0", "-1", "9000"])).to_owned(),
            "D" => self.0.random_range(1..9).to_string(),
            "B" => value_bytes.to_string(),
            "W" => self.0.random_range(0..40).to_string(),
            "X" => (*one_of(self.0, NO_NUMBERS)).to_owned(),
            "C" => self.0.random_range(0..2000).to_string(),
            "M" => {
                let count = self.0.random_range(0..4);
                (0..count).map(|_| *one_of(self.0, META_FLAGS)).collect::<Vec<_>>().join(" ")
            }
            other => other.to_owned(),
        }
    }

    /// Letters, so that no number in a value gets shorter, and what looks like something else.
    fn value(&mut self) -> Vec<u8> {
        if self.chance(4) {
            return one_of(self.0, TRICKS).as_bytes().to_vec();
        }
        let count = self.0.random_range(0..40);
        (0..count).map(|_| self.0.random_range(b'p'..=b'y')).collect()
    }

    /// A line of any bytes, but for its first, which decides on the protocol, and for letters and
    /// digits, which could make a command that is left out on purpose.
    fn noise(&mut self, stream: &mut Vec<u8>) {
        stream.push(b'~');
        let count = self.0.random_range(0..60);
        stream.extend((0..count).map(|_| self.0.random_range(0x80..=0xff_u8)));
        stream.extend_from_slice(b"\r\n");
    }
}

/// Draws binary streams.
pub(super) struct Packets<'a>(pub(super) &'a mut Stream);

impl Packets<'_> {
    /// A stream of so many packets and a barrier.
    pub(super) fn stream(&mut self, packets: usize) -> Vec<u8> {
        let mut stream = packet(0x08, b"", b"", b"", 0);
        for _ in 0..packets {
            stream.extend_from_slice(&self.request());
        }
        stream.extend_from_slice(&packet(0x0a, b"", b"", b"", 1));
        match self.0.random_range(0..3) {
            0 => stream.extend_from_slice(&packet(0x07, b"", b"", b"", 2)),
            1 => stream.extend_from_slice(&packet(0x17, b"", b"", b"", 2)),
            _ => {}
        }
        stream
    }

    /// One packet that leaves the connection open.
    pub(super) fn request(&mut self) -> Vec<u8> {
        let opaque = self.0.random_range(0..1000);
        let key = one_of(self.0, KEYS).as_bytes();
        let number = one_of(self.0, &["n1", "n2"]).as_bytes();
        let value: Vec<u8> = Texts(self.0).value();
        let expiry = *one_of(self.0, &[[0; 4], [0, 0, 0x20, 0], [0xff; 4]]);
        let store = [&7_u32.to_be_bytes()[..], &expiry].concat();
        let delta = u64::from(self.0.random_range(1..9_u8)).to_be_bytes();
        let count = [&delta[..], &50_000_u64.to_be_bytes(), &[0; 4]].concat();
        let opcode = *one_of(self.0, OPCODES);
        let mut bytes = match opcode {
            0x01..=0x03 | 0x11..=0x13 => packet(opcode, &store, key, &value, opaque),
            0x05 | 0x06 | 0x15 | 0x16 => packet(opcode, &count, number, b"", opaque),
            0x0e | 0x0f | 0x19 | 0x1a => packet(opcode, b"", key, &value, opaque),
            0x00 | 0x09 | 0x0c | 0x0d | 0x04 | 0x14 => packet(opcode, b"", key, b"", opaque),
            0x1c..=0x1e | 0x23 | 0x24 => packet(opcode, &expiry, key, b"", opaque),
            0x10 => {
                let names: [&[u8]; 3] = [b"reset", b"nosuch", b"detail dump"];
                let name = *one_of(self.0, &names);
                packet(opcode, b"", name, b"", opaque)
            }
            // Commands that there are not: with a value, but no key, which would lose the place.
            0x25.. => packet(opcode, b"", b"", &value, opaque),
            _ => packet(opcode, b"", b"", b"", opaque),
        };
        if self.0.random_range(0..8) == 0 {
            bytes[16..24].copy_from_slice(&self.0.random_range(1..2000_u64).to_be_bytes());
        }
        bytes
    }
}

/// Every opcode that leaves the connection open, some that there are not, and the often used ones
/// more than once.
const OPCODES: &[u8] = &[
    0x00, 0x00, 0x01, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x08, 0x09, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
    0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x18, 0x19, 0x1a, 0x1c, 0x1d,
    0x1e, 0x20, 0x23, 0x24, 0x25, 0x3f, 0x7f, 0xff,
];
