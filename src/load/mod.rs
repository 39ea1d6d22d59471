//! The workload: when operations start, what they ask for, and whether the answers are right.
//!
//! It owns the schedules, the keys, the values and the oracle. It never judges a run and never
//! records anything but counts: each operation becomes one [`Sample`](crate::event::Sample), handed
//! to whoever listens.

pub mod arrival;
mod audit;
mod border;
mod cache;
mod config;
mod draft;
mod generator;
mod halt;
mod keeping;
pub mod keys;
mod keyspace;
mod life;
mod metronome;
mod mix;
mod oracle;
mod origin;
mod pacer;
pub mod payload;
mod preload;
mod queue;
mod recorded;
mod refills;
mod service;
mod split;
mod ticket;
mod totals;
pub mod trace;
mod turns;
pub mod values;
mod violation;
mod work;
mod workload;

pub use audit::Audit;
pub use cache::Cache;
pub use config::{LoadConfig, LoadError, longest_call, run_number};
pub use generator::Load;
pub use keeping::{Gone, Kept, Settled, settle};
pub use keyspace::{AUDITED_KEYS_MAX, Keyspace, Slot, Space, space_of};
pub use life::{LIFE_MAX, LIVES_MAX, Life};
pub use mix::{Mix, MixError, WEIGHT_MAX};
pub use oracle::{
    Content, Effect, Lease, Oracle, OracleConfig, Reading, Record, Register, Source, Verdict,
    WriteEnd, classify,
};
pub use origin::{Loading, Origin, OriginSpec, OriginTotals};
pub use recorded::{
    RECORDED_KEY_BYTES_MAX, RECORDED_REQUESTS_MAX, Recording, RecordingError, RecordingFacts,
    TraceFormat, TraceReplay, read as read_recording,
};
pub use service::Service;
pub use split::Split;
pub use ticket::Sampler;
pub use totals::{LoadTotals, Preloaded, Progress};
pub use violation::{EXAMPLES_MAX, LATE_WRITES_MAX, Violation};
pub use workload::{
    Cancel, MULTI_GET_KEYS_MAX, Parts, RateWish, WORKERS_MAX, Workload, WorkloadError,
};
