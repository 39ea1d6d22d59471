//! All input, resolved: files and options become one immutable [`Plan`](model::Plan).

mod error;
mod source;

pub use error::{FileError, PlanError};
pub use source::Source;
