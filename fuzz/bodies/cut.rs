//! An input that says how it is cut: into turns, and turns into pieces.
//!
//! Three bytes are signs, everything else stands for itself, so that a seed is written by hand and a
//! mutation of one byte changes one thing.

/// The next piece of the same turn begins.
const PIECE: u8 = 0xfd;
/// The next turn begins.
const TURN: u8 = 0xfe;
/// The next byte stands for itself.
const LITERAL: u8 = 0xfc;

/// The turns of an input, each in its pieces.
pub(super) fn turns(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let mut turns = vec![vec![Vec::new()]];
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        let pieces = turns.last_mut().expect("there is always a turn");
        match *byte {
            TURN => turns.push(vec![Vec::new()]),
            PIECE => pieces.push(Vec::new()),
            byte => {
                let byte = if byte == LITERAL { bytes.next().copied() } else { Some(byte) };
                pieces.last_mut().expect("a turn has a piece").extend(byte);
            }
        }
    }
    turns
}
