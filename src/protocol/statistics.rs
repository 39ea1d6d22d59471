//! What a node says of itself, as far as it tells what became of the data it was to keep.

/// The statistics of a node at one moment, as far as they matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Its process.
    pub pid: u64,
    /// For how long it has run, in seconds.
    pub uptime_s: u64,
    /// How often it was emptied.
    pub flushes: u64,
    /// Items that it dropped to make room.
    pub dropped: u64,
}
