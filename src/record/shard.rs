//! A worker's own end of the recorder.

use std::sync::Arc;

use parking_lot::Mutex;

use super::recorder::Totals;
use crate::event::Sample;

/// Samples that a shard holds before its worker folds them itself. Far above what one worker
/// measures between two ticks; reached only when nobody ticks.
const SAMPLES_MAX: usize = 8192;

/// Where one worker records. Its lock is only ever wanted by the tick, a few times a second, which
/// holds it for as long as swapping two vectors takes.
#[derive(Clone, Debug)]
pub struct Shard {
    buffer: Arc<Buffer>,
    totals: Arc<Mutex<Totals>>,
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    samples: Mutex<Vec<Sample>>,
    /// Swapped with `samples`, so that a tick allocates nothing either.
    spare: Mutex<Vec<Sample>>,
}

impl Buffer {
    /// Folds what is there into `totals`. The worker is held up by the swap alone.
    pub(super) fn drain_into(&self, totals: &mut Totals) {
        totals.refresh();
        let mut spare = self.spare.lock();
        std::mem::swap(&mut *self.samples.lock(), &mut *spare);
        for sample in spare.drain(..) {
            totals.add(&sample);
        }
    }
}

impl Shard {
    pub(super) fn new(buffer: Arc<Buffer>, totals: Arc<Mutex<Totals>>) -> Self {
        Self { buffer, totals }
    }

    /// Records one operation.
    pub fn record(&self, sample: &Sample) {
        let mut samples = self.buffer.samples.lock();
        samples.push(*sample);
        if samples.len() >= SAMPLES_MAX {
            drop(samples);
            self.buffer.drain_into(&mut self.totals.lock());
        }
    }
}
