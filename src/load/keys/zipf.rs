//! `zipf`: popularity falls with the rank, as it does in real caches.
//!
//! Rank r is drawn with a probability proportional to 1 / (r + 1)^skew. An alias table (Walker
//! 1977, built as Vose 1991) makes a draw one random number and one look-up, whatever the count.

use std::sync::{Arc, OnceLock};

use rand::Rng;

use super::{COUNT, KeySpec, Keys, Seat, count};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;

/// Above this, nearly every draw is the first key.
const SKEW_MAX: f64 = 10.0;

pub(super) const KIND: Kind<dyn KeySpec> = Kind {
    name: "zipf",
    summary: "popularity falls with the rank: a few hot keys, a long tail",
    settings: &[
        COUNT,
        Setting {
            name: "skew",
            unit: Unit::Number,
            default: Some("0.99"),
            summary: "0 is uniform; real caches lie between 0.6 and 1.2",
        },
    ],
    build: |settings| {
        let skew = settings.number("skew")?;
        if !(0.0..=SKEW_MAX).contains(&skew) {
            return Err(SettingError::at("skew", "`skew` must lie between 0 and 10; write 0.99"));
        }
        Ok(Box::new(Zipf { count: count(settings)?, skew, table: OnceLock::new() }))
    },
};

#[derive(Debug)]
struct Zipf {
    count: u64,
    skew: f64,
    /// Built on the first start: a plan that is only checked does not pay for it.
    table: OnceLock<Arc<AliasTable>>,
}

impl KeySpec for Zipf {
    fn count(&self) -> u64 {
        self.count
    }

    fn start(&self, _: Seat, stream: Stream) -> Box<dyn Keys> {
        let table = self.table.get_or_init(|| {
            let weights = (1..=self.count).map(|rank| (rank as f64).powf(-self.skew)).collect();
            Arc::new(AliasTable::new(weights))
        });
        Box::new(Draws { table: Arc::clone(table), stream })
    }
}

#[derive(Debug)]
struct Draws {
    table: Arc<AliasTable>,
    stream: Stream,
}

impl Keys for Draws {
    fn next_rank(&mut self) -> u64 {
        self.table.draw(self.stream.next_u64())
    }
}

/// Draws an index with a probability proportional to its weight.
#[derive(Debug)]
struct AliasTable {
    columns: Vec<Column>,
}

/// Half of a draw picks a column, the other half decides between its own index and the alias.
#[derive(Clone, Copy, Debug)]
struct Column {
    /// Below this of 2^32: the column's own index.
    own: u32,
    alias: u32,
}

impl AliasTable {
    fn new(mut weights: Vec<f64>) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        weights.iter_mut().for_each(|weight| *weight /= mean);
        let index = |position: usize| u32::try_from(position).expect("KEY_COUNT_MAX fits");
        let mut columns: Vec<Column> =
            (0..weights.len()).map(|at| Column { own: u32::MAX, alias: index(at) }).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|at| weights[*at] < 1.0);
        // Each poor column is filled up by a rich one, which so becomes poorer.
        while let (Some(low), Some(high)) = (poor.pop(), rich.last().copied()) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of 2^32; the cast saturates at the edge"
            )]
            let own = (weights[low] * 2f64.powi(32)) as u32;
            columns[low] = Column { own, alias: index(high) };
            weights[high] -= 1.0 - weights[low];
            if weights[high] < 1.0 {
                rich.pop();
                poor.push(high);
            }
        }
        Self { columns }
    }

    /// The index for 64 random bits.
    fn draw(&self, bits: u64) -> u64 {
        let (high, low) = (bits >> 32, bits & u64::from(u32::MAX));
        let at = (high * self.columns.len() as u64) >> 32;
        let column = self.columns[usize::try_from(at).expect("below the number of columns")];
        if low < u64::from(column.own) { at } else { u64::from(column.alias) }
    }
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Zipf as Exact};

    use crate::base::family::Value;
    use crate::base::seed::Seed;
    use crate::load::keys::tests::{drawn, spec};

    const DRAWS: u64 = 400_000;

    /// Catches a table that does not give each rank its share: the head against the formula.
    #[test]
    fn the_head_has_its_share() {
        let settings = [("count", Value::Integer(1000)), ("skew", Value::Float(0.99))];
        let counts = drawn(&*spec("zipf", &settings), DRAWS);
        let total: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-0.99)).sum();
        for rank in [0_usize, 1, 9, 99] {
            let share = ((rank + 1) as f64).powf(-0.99) / total;
            let expected = share * DRAWS as f64;
            let deviation = (expected * (1.0 - share)).sqrt();
            let seen = counts[rank] as f64;
            assert!((seen - expected).abs() < 6.0 * deviation, "rank {rank}: {seen} / {expected}");
        }
    }

    /// Catches an own idea of Zipf: the first ranks against an independent implementation.
    #[test]
    fn agrees_with_an_independent_sampler() {
        let settings = [("count", Value::Integer(100)), ("skew", Value::Float(1.2))];
        let ours = drawn(&*spec("zipf", &settings), DRAWS);
        let exact = Exact::new(100.0, 1.2).unwrap();
        let mut stream = Seed::new(4).stream();
        let mut theirs = [0_u64; 100];
        for _ in 0..DRAWS {
            let rank: f64 = exact.sample(&mut stream);
            theirs[rank as usize - 1] += 1;
        }
        for rank in 0..10 {
            let (a, b) = (ours[rank] as f64, theirs[rank] as f64);
            assert!((a - b).abs() < 6.0 * (a + b).sqrt(), "rank {rank}: {a} and {b}");
        }
    }
}
