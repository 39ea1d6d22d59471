//! Keeps the runtime's timer due soon while a load runs.
//!
//! Each call of the client sets a deadline and takes it back when its answer is there. A runtime
//! that sleeps until a later deadline, or for ever, is woken through the kernel to learn of each
//! new one: a system call and a switch of threads for every operation, most of what an operation at
//! a fixed rate costs. A tick that is always due earlier than any deadline spares it that.

use std::time::Duration;

use crate::base::scope::Scope;

/// The time between two ticks: shorter than any deadline that matters, long enough to cost nothing.
const PERIOD: Duration = Duration::from_millis(10);

/// Ticks until the scope ends.
pub(super) async fn run(scope: Scope) {
    let mut cancelled = Box::pin(scope.cancelled());
    loop {
        tokio::select! {
            biased;
            () = &mut cancelled => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}
