//! The pieces of a phase that is over, side by side in little memory.
//!
//! A piece in use has room for every outcome and for more response times; one that is over has few
//! of both. An hour's run would grow with each of its phases otherwise.

use super::series::Bin;
use crate::base::time::Offset;
use crate::event::OUTCOMES;

/// Pieces in order, the head before the tail.
#[derive(Clone, Debug)]
pub(super) struct PackedBins {
    bins: Vec<PackedBin>,
    head: usize,
    /// What was counted, for each piece its outcomes and then its response times.
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug)]
struct PackedBin {
    /// Where its cells end; they begin where those of the piece before it end.
    end: usize,
    long: u64,
    first_error: Option<Offset>,
    first_good_at_home: Option<Offset>,
}

/// A count that is not zero. What exceeds 32 bits is in a second cell.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// The position of an outcome, or behind all of those the bucket of a response time.
    what: u16,
    count: u32,
}

/// Where the buckets of response times begin.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen")]
const FIRST_BUCKET: u16 = OUTCOMES as u16;

impl PackedBins {
    pub(super) fn new(head: &[Bin], tail: &[Bin]) -> Self {
        let mut cells = Vec::new();
        let bins: Vec<PackedBin> =
            head.iter().chain(tail).map(|bin| pack(bin, &mut cells)).collect();
        cells.shrink_to_fit();
        Self { bins, head: head.len(), cells }
    }

    /// How many of them belong to the head.
    pub(super) const fn head(&self) -> usize {
        self.head
    }

    /// Every piece, as it was.
    pub(super) fn bins(&self) -> impl Iterator<Item = Bin> {
        let mut from = 0;
        self.bins.iter().map(move |packed| {
            let cells = &self.cells[from..packed.end];
            from = packed.end;
            unpack(packed, cells)
        })
    }

    /// Head and tail, as they were.
    pub(super) fn unpacked(&self) -> (Vec<Bin>, Vec<Bin>) {
        let mut head: Vec<Bin> = self.bins().collect();
        let tail = head.split_off(self.head);
        (head, tail)
    }
}

fn pack(bin: &Bin, cells: &mut Vec<Cell>) -> PackedBin {
    for (position, count) in bin.counts.by_position() {
        let what = u16::try_from(position).expect("outcomes are few");
        let mut rest = count;
        while rest > 0 {
            let count = u32::try_from(rest).unwrap_or(u32::MAX);
            cells.push(Cell { what, count });
            rest -= u64::from(count);
        }
    }
    for (bucket, count) in bin.response.buckets() {
        cells.push(Cell { what: FIRST_BUCKET + bucket, count: *count });
    }
    let Bin { long, first_error, first_good_at_home, .. } = *bin;
    PackedBin { end: cells.len(), long, first_error, first_good_at_home }
}

fn unpack(packed: &PackedBin, cells: &[Cell]) -> Bin {
    let PackedBin { long, first_error, first_good_at_home, .. } = *packed;
    let mut bin = Bin { long, first_error, first_good_at_home, ..Bin::default() };
    for Cell { what, count } in cells {
        match what.checked_sub(FIRST_BUCKET) {
            Some(bucket) => bin.response.add(bucket, *count),
            None => bin.counts.add_at(usize::from(*what), u64::from(*count)),
        }
    }
    bin
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a count that is cut to 32 bits.
    #[test]
    fn large_counts_come_back_whole() {
        let mut bin = Bin::default();
        let counts = [(0, 1), (3, 3 * u64::from(u32::MAX)), (OUTCOMES - 1, 1 << 33)];
        for (position, count) in counts {
            bin.counts.add_at(position, count);
        }
        let (head, tail) = PackedBins::new(&[Bin::default(), bin], &[]).unpacked();
        assert_eq!((head.len(), tail.len()), (2, 0));
        assert_eq!(head[0].counts.by_position().count(), 0);
        assert_eq!(head[1].counts.by_position().collect::<Vec<_>>(), counts);
    }
}
