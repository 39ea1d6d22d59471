//! A circuit breaker per node: whether to send now, decided by exact counts.
//!
//! failsafe's state machine is in the middle. What it leaves open is closed around it:
//!
//! ```text
//!  Breaker  one lock, one atomic word for the closed path, events
//!   └ Gate  pure, takes `now`: open time, at most 3 probes, generations
//!      └ failsafe::StateMachine   closed ─ open ─ half-open
//!         └ RatioWindow           when to trip: failures / calls over an exact window
//! ```
//! failsafe reads a clock of its own and cannot be given ours. So every open period that it is told
//! of is zero: to it, a breaker that opened may be tried at once. The gate asks it only when *our*
//! open period, measured on the `now` that was passed in, is over. No decision depends on its clock.

mod gate;
mod permit;
mod window;

pub use gate::CallOutcome;
pub use permit::{Breaker, Permit, Recorded};
