//! The pieces of a phase that is over, as bytes: a few dozen for each instead of a few hundred.
//!
//! Numbers are LEB128, kinds as the distance to the one before. Nothing of it leaves the process.

use super::piece::Piece;
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

    /// How many of them belong to the head.
    pub(super) const fn head(&self) -> usize {
        self.head
    }

    /// Every piece, as it was.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let mut rest = &*self.bytes;
        std::iter::from_fn(move || (!rest.is_empty()).then(|| read_piece(&mut rest)))
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

fn read_piece(rest: &mut &[u8]) -> Piece {
    let mut piece = Piece::default();
    let mut kind = 0;
    for _ in 0..read(rest) {
        kind += number::<u16>(rest);
        piece.cells.add(kind, number(rest));
    }
    piece.long = read(rest);
    for moment in [&mut piece.first_error, &mut piece.first_good_at_home] {
        *moment = read(rest).checked_sub(1).map(Offset);
    }
    piece
}

fn number<T: TryFrom<u64>>(rest: &mut &[u8]) -> T {
    let Ok(number) = T::try_from(read(rest)) else { panic!("it reads what it has written") };
    number
}

fn write(bytes: &mut Vec<u8>, number: u64) {
    leb128::write::unsigned(bytes, number).expect("memory takes every byte");
}

fn read(rest: &mut &[u8]) -> u64 {
    leb128::read::unsigned(rest).expect("it reads what it has written")
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
            prop_assert_eq!(packed.unpacked(), (head, tail));
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
