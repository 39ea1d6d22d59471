//! A published client in a process of its own, which speaks the driver protocol.
//!
//! ```text
//!  call ─► a slot of `concurrency` ─► line ─► stdin │ driver ─► client ─► our proxies
//!      ◄── answer ◄── table of calls ◄── line ◄── stdout │
//! ```
//! Where a key lives and whether a node was asked at all, a driver does not say: the proxies have seen
//! it ([`crate::base::carried`]).

mod border;
mod calls;
mod config;
mod handle;
mod list;
mod operations;
mod outcome;
mod process;
pub mod speech;
mod state;
mod talk;
mod web;
mod witness;

pub use calls::OpenCall;
pub use config::{DriverConfig, Servers};
pub use handle::{Driver, Wire};
pub use process::StartError;
pub use state::{Crash, Floor, Story};
pub use talk::{Heard, Talk};
pub(crate) use web::Web;
