//! What a node asks of who connects, as it is now: changed while it runs, and true for who connects then.

use parking_lot::Mutex;

use crate::secure::account::Account;
use crate::secure::identity::Identity;

/// The gate of a node; by default it stands open.
#[derive(Debug, Default)]
pub struct Gate {
    /// What it shows; `None`: it speaks no TLS.
    pub identity: Mutex<Option<Identity>>,
    /// Who is let in; `None`: everybody.
    pub account: Mutex<Option<Account>>,
}
