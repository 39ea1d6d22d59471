//! Commands that go on until they are done or somebody has had enough.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::exit::Exit;
use super::signals::Signals;
use super::{output, runtime};
use crate::lab::Programs;
use crate::metrics::Board;
use crate::run::Environment;

/// What a session has come to when it is ended at once: 130 until it says otherwise. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Standing(Arc<Mutex<Exit>>);

impl Default for Standing {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Exit::Interrupted)))
    }
}

impl Standing {
    pub(super) fn is(&self, exit: Exit) {
        *self.0.lock() = exit;
    }
}

/// Does `work` on threads that may use so many descriptors, until it ends or is interrupted twice; the
/// first time only its environment says so.
pub(super) fn interruptible<W: Future<Output = Exit>>(
    descriptors: u64,
    work: impl FnOnce(Environment) -> W,
) -> Exit {
    standing(descriptors, |environment, _| work(environment))
}

/// The same of work that has come to something before it ends.
pub(super) fn standing<W: Future<Output = Exit>>(
    descriptors: u64,
    work: impl FnOnce(Environment, Standing) -> W,
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
        let standing = Standing::default();
        tokio::select! {
            exit = work(environment, standing.clone()) => exit,
            () = signals.wait(&interrupt) => *standing.0.lock(),
        }
    });
    // What is left after an orderly end is nothing; after a second Ctrl-C nobody waits for it.
    runtime.shutdown_background();
    exit
}

/// What the outside world gives a run.
pub(super) fn environment(interrupt: CancellationToken) -> std::io::Result<Environment> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let harness = std::env::current_exe()?;
    Ok(Environment {
        programs: Programs { path, harness },
        interrupt,
        board: Board::default(),
        fleet: None,
    })
}
