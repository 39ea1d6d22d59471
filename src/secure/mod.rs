//! Who may talk to a node, and who a node is: certificates of a run's own authority, TLS with them, user
//! names and passwords. It knows no protocol of a cache.
//!
//! | module | owns |
//! |---|---|
//! | [`access`] | what nodes ask for, and what clients are told |
//! | [`account`] | a user name and its password |
//! | [`authority`] | the run's own authority, and the certificates of its nodes, good and flawed |
//! | [`trust`] | TLS as who connects speaks it: whom it believes, and why not |
//! | [`identity`] | TLS as a node speaks it: what it shows |
//! | [`stream`] | a connection, with TLS or without |

pub mod access;
pub mod account;
pub mod authority;
pub mod identity;
mod pem;
pub mod stream;
pub mod trust;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The one library that does the arithmetic.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
