//! Which operation comes next: a weighted choice.

use rand::RngExt;

use crate::base::seed::Stream;
use crate::event::Operation;

/// The largest weight, so that a sum cannot overflow.
pub const WEIGHT_MAX: u32 = 1_000_000;

/// A weighted choice of operation: at least one has a weight above zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Each operation with the sum of all weights up to and with its own.
    sums: Vec<(u32, Operation)>,
}

/// Why some weights are no mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// Nothing would ever be done.
    #[error("the mix has no operation with a weight above 0; write for example get = 90, set = 10")]
    Empty,
    /// A weight is beyond any sense.
    #[error("the weight of `{}` is above 1000000", operation.name())]
    Weight {
        /// Whose weight it is.
        operation: Operation,
    },
    /// An operation is there twice.
    #[error("`{}` is in the mix twice", operation.name())]
    Twice {
        /// Which.
        operation: Operation,
    },
}

impl Mix {
    /// Checks the weights. Their sum can be anything; 0 leaves an operation out.
    ///
    /// # Errors
    /// When nothing is left to choose from, and for a weight that makes no sense.
    pub fn new(weights: &[(Operation, u32)]) -> Result<Self, MixError> {
        let mut sums: Vec<(u32, Operation)> = Vec::new();
        let mut sum = 0;
        for &(operation, weight) in weights {
            if weight > WEIGHT_MAX {
                return Err(MixError::Weight { operation });
            }
            if sums.iter().any(|(_, other)| *other == operation) {
                return Err(MixError::Twice { operation });
            }
            if weight > 0 {
                sum += weight;
                sums.push((sum, operation));
            }
        }
        if sums.is_empty() { Err(MixError::Empty) } else { Ok(Self { sums }) }
    }

    /// Draws one operation.
    pub fn draw(&self, stream: &mut Stream) -> Operation {
        let total = self.sums.last().map_or(1, |(sum, _)| *sum);
        let at = stream.random_range(0..total);
        let position = self.sums.partition_point(|(sum, _)| *sum <= at);
        self.sums[position].1
    }

    /// Whether `operation` can be drawn.
    #[must_use]
    pub fn has(&self, operation: Operation) -> bool {
        self.sums.iter().any(|(_, other)| *other == operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    /// Catches weights that are not kept, and an operation of weight 0 that is drawn.
    #[test]
    fn operations_come_by_their_weight() {
        let weights = [(Operation::Get, 60), (Operation::Add, 0), (Operation::Set, 40)];
        let mix = Mix::new(&weights).unwrap();
        let mut stream = Seed::new(2).stream();
        let drawn: Vec<Operation> = (0..100_000).map(|_| mix.draw(&mut stream)).collect();
        let gets = drawn.iter().filter(|operation| **operation == Operation::Get).count();
        assert!((59_000..61_000).contains(&gets), "{gets}");
        assert!(drawn.iter().all(|operation| *operation != Operation::Add));
        assert!(mix.has(Operation::Set) && !mix.has(Operation::Add));
    }

    /// Catches a mix of which nothing can be drawn.
    #[test]
    fn senseless_mixes_are_refused() {
        assert_eq!(Mix::new(&[]), Err(MixError::Empty));
        assert_eq!(Mix::new(&[(Operation::Get, 0)]), Err(MixError::Empty));
        let twice = [(Operation::Get, 1), (Operation::Get, 2)];
        assert_eq!(Mix::new(&twice), Err(MixError::Twice { operation: Operation::Get }));
        let heavy = [(Operation::Get, 1_000_001)];
        assert_eq!(Mix::new(&heavy), Err(MixError::Weight { operation: Operation::Get }));
    }
}
