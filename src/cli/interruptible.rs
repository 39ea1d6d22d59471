//! Commands that go on until they are done or somebody has had enough.

use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::signals::Signals;
use super::{output, runtime};
use crate::lab::Programs;
use crate::metrics::Board;
use crate::run::Environment;

/// Does `work` on threads that may use so many descriptors, until it ends or is interrupted twice; the
/// first time only its environment says so.
pub(super) fn interruptible<W: Future<Output = Exit>>(
    descriptors: u64,
    work: impl FnOnce(Environment) -> W,
) -> Exit {
    let runtime = match runtime::threads(descriptors) {
        Ok(runtime) => runtime,
        Err(what) => {
            output::complain(&what);
            return Exit::LabDown;
        }
    };
    let exit = runtime.block_on(async {
        let interrupt = CancellationToken::new();
        let signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                output::complain(&format_args!("cannot listen for signals: {error}"));
                return Exit::Internal;
            }
        };
        let environment = match environment(interrupt.clone()) {
            Ok(environment) => environment,
            Err(error) => {
                output::complain(&error);
                return Exit::Internal;
            }
        };
        tokio::select! {
            exit = work(environment) => exit,
            () = signals.wait(&interrupt) => Exit::Interrupted,
        }
    });
    // What is left after an orderly end is nothing; after a second Ctrl-C nobody waits for it.
    runtime.shutdown_background();
    exit
}

/// What the outside world gives a run.
fn environment(interrupt: CancellationToken) -> std::io::Result<Environment> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let harness = std::env::current_exe()?;
    Ok(Environment { programs: Programs { path, harness }, interrupt, board: Board::default() })
}
