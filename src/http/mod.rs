//! HTTP/1.1 as a caller speaks it: what is asked of a service, what its answer must be, and the
//! connections on which that passes.
//!
//! ```text
//!  spec ─► template (key, number, worker) ─► caller ─► a pool of connections │ service
//!  expectation ◄── status, body, time ◄──────┘
//! ```

mod address;
mod caller;
mod expectation;
mod link;
mod ready;
mod spec;
mod template;

pub use address::Address;
pub use caller::{Answer, BODY_BYTES_MAX, Caller, Exchange, Trouble};
pub use expectation::{Expectation, StatusPattern, Unmet};
pub use ready::{NotReady, until_ready};
pub use spec::{HttpSpec, RequestSpec};
pub use template::{Filling, Template};
