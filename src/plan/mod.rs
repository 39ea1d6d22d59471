//! All input, resolved: files and options become one immutable [`Plan`].
//!
//! ```text
//! words ─► resolve ─► files (built in, or in the working directory) ─► source (TOML with places)
//!                                                                          │
//!            Plan ◄── scale ◄── scenario ── workload, client, fault, objective
//! ```
//! Every mistake is found here, before the first socket, and shown at its place. Nothing below this
//! module reads a file or interprets an option, and a plan prints itself as a file that reads back
//! to the same plan.

mod access;
mod chaos;
mod client;
mod command;
mod driver;
mod error;
mod fault;
mod files;
mod groups;
mod head;
mod http;
mod lengths;
mod life;
mod model;
mod nodes;
mod objective;
mod options;
mod print;
mod protocol;
mod resolve;
mod scale;
mod scenario;
mod section;
mod shrink;
mod source;
mod suite;
mod text;
mod timeline;
mod trace;
mod traces;
mod wait;
mod workload;

pub use command::{CommandPlan, PHASE_FILE_VARIABLE, Places, TOXIPROXY_VARIABLE, Variable};
pub use error::{FileError, PlanError};
pub use files::{Folder, Library};
pub use life::words as life_words;
pub use model::{Addresses, Chaos, FaultPlan, Group, Phases, Plan, Who};
pub use nodes::chosen_nodes;
pub use options::{
    DURATION_MAX, DURATION_MIN, METRICS_INTERVAL_MIN, Options, SEED_MAX, metrics_interval,
    read_address, read_control_address, read_listen,
};
pub use resolve::{Checked, Choice, check, choose, driver, plan_of, plans, runnable, scenario_of};
pub use section::{Section, sections};
pub use shrink::{Outcome, Shrink, Votes};
pub use source::FileText;
pub use suite::{SUITES, Suite};
pub use trace::words as trace_words;

pub use crate::load::RateWish;
