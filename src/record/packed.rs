//! The pieces of a phase that is over, as bytes: a few dozen for each instead of a few hundred.
//!
//! Numbers are LEB128, kinds as the distance to the one before. A member of a fleet leaves them so, too.

use super::piece::{KINDS, Piece};
use crate::base::time::Offset;

/// Pieces in order, the head before the tail.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    head: usize,
}

impl Packed {
    pub(super) fn new(head: &[Piece], tail: &[Piece]) -> Self {
        let mut bytes = Vec::new();
        for piece in head.iter().chain(tail) {
            write_piece(&mut bytes, piece);
        }
        Self { bytes: bytes.into_boxed_slice(), head: head.len() }
    }

    /// Those that somebody else wrote; `None`: they are none, or not as many as they should be.
    pub(super) fn read(bytes: Vec<u8>, head: usize, tail: usize) -> Option<Self> {
        let mut rest = &*bytes;
        for _ in 0..head.checked_add(tail)? {
            read_piece(&mut rest)?;
        }
        rest.is_empty().then(|| Self { bytes: bytes.into_boxed_slice(), head })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many of them belong to the head.
    pub(super) const fn head(&self) -> usize {
        self.head
    }

    /// Every piece, as it was.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let mut rest = &*self.bytes;
        let read = |rest: &mut &[u8]| read_piece(rest).expect("it reads what it has written");
        std::iter::from_fn(move || (!rest.is_empty()).then(|| read(&mut rest)))
    }

    /// Head and tail, as they were.
    pub(super) fn unpacked(&self) -> (Vec<Piece>, Vec<Piece>) {
        let mut head: Vec<Piece> = self.pieces().collect();
        let tail = head.split_off(self.head);
        (head, tail)
    }
}

fn write_piece(bytes: &mut Vec<u8>, piece: &Piece) {
    let cells = piece.cells.cells();
    write(bytes, cells.len() as u64);
    let mut before = 0;
    for (kind, count) in cells {
        write(bytes, u64::from(kind - before));
        write(bytes, u64::from(count));
        before = kind;
    }
    write(bytes, piece.long);
    for moment in [piece.first_error, piece.first_good_at_home] {
        write(bytes, moment.map_or(0, |moment| moment.0.saturating_add(1)));
    }
}

/// The next piece; `None`: it is none.
fn read_piece(rest: &mut &[u8]) -> Option<Piece> {
    let mut piece = Piece::default();
    let mut kind = 0_u64;
    for place in 0..read(rest)? {
        let gap = read(rest)?;
        if place > 0 && gap == 0 {
            return None;
        }
        kind = kind.checked_add(gap).filter(|kind| *kind < u64::from(KINDS))?;
        piece.cells.add(u16::try_from(kind).ok()?, u32::try_from(read(rest)?).ok()?);
    }
    piece.long = read(rest)?;
    for moment in [&mut piece.first_error, &mut piece.first_good_at_home] {
        *moment = read(rest)?.checked_sub(1).map(Offset);
    }
    Some(piece)
}

fn write(bytes: &mut Vec<u8>, number: u64) {
    leb128::write::unsigned(bytes, number).expect("memory takes every byte");
}

fn read(rest: &mut &[u8]) -> Option<u64> {
    leb128::read::unsigned(rest).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let count = prop_oneof![1_u32..200, Just(u32::MAX), any::<u32>()];
        let moment = proptest::option::of(prop_oneof![0_u64..5, 0_u64..1 << 62].prop_map(Offset));
        let cells = proptest::collection::vec((0_u16..900, count), 0..12);
        let piece = (cells, any::<u64>(), moment.clone(), moment).prop_map(
            |(cells, long, first_error, first_good_at_home)| {
                let mut piece = Piece { long, first_error, first_good_at_home, ..Piece::default() };
                cells.into_iter().for_each(|(kind, count)| piece.cells.add(kind, count));
                piece
            },
        );
        proptest::collection::vec(piece, 0..6)
    }

    proptest! {
        /// Catches any piece that comes back as another, is lost, or moves between head and tail.
        #[test]
        fn everything_comes_back(head in pieces(), tail in pieces()) {
            let packed = Packed::new(&head, &tail);
            prop_assert_eq!(packed.head(), head.len());
            let read = Packed::read(packed.bytes().to_vec(), head.len(), tail.len());
            prop_assert_eq!(read.unwrap().unpacked(), (head.clone(), tail.clone()));
            prop_assert_eq!(packed.unpacked(), (head, tail));
        }

        /// Catches bytes of a stranger that end the program, and those that are believed in part.
        #[test]
        fn anything_else_is_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
            head in 0_usize..4,
        ) {
            if let Some(packed) = Packed::read(bytes, head, 0) {
                prop_assert_eq!(packed.pieces().count(), head);
            }
        }
    }

    /// Catches packing that saves nothing.
    #[test]
    fn a_usual_piece_takes_a_few_dozen_bytes() {
        let mut piece =
            Piece { first_good_at_home: Some(Offset(60_000_000_000)), ..Piece::default() };
        for kind in 0..16 {
            piece.cells.add(60 + 3 * kind, 7);
        }
        let packed = Packed::new(&vec![piece; 100], &[]);
        assert!(packed.bytes.len() < 5_000, "{}", packed.bytes.len());
    }
}
