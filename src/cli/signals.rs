//! What ends a session from outside: Ctrl-C, SIGTERM, and the terminal that is closed.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Where Linux says which signals were ignored when the program was started.
const STATUS: &str = "/proc/self/status";

/// Ctrl-C, SIGTERM and SIGHUP.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None`: `nohup` wants the program to outlive its terminal.
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens from now on. A write beyond the limit for files (`ulimit -f`) fails from now on, as
    /// on a full disk, instead of ending the program.
    pub(super) fn listen() -> io::Result<Self> {
        // Nobody waits for it: that it is listened for is all that is wanted.
        let _ = signal(SignalKind::from_raw(Number::XFSZ.as_raw()))?;
        let hangup = (!hangup_is_ignored()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    /// The first one asks the run to end; returns at the second.
    pub(super) async fn wait(mut self, first: &CancellationToken) {
        self.next().await;
        first.cancel();
        self.next().await;
    }

    /// Returns at the next one, with its name.
    pub(super) async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Whether the program was started with SIGHUP ignored, where the system says so.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string(STATUS).is_ok_and(|status| ignores(&status, Number::HUP))
}

/// Whether this status says that `signal` is ignored: the mask is hexadecimal, signal 1 its lowest bit.
fn ignores(status: &str, signal: Number) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a session that dies with its terminal although `nohup` started it.
    #[test]
    fn what_is_ignored_is_read() {
        let status = "Name:\tharness\nSigIgn:\t0000000000001001\nSigCgt:\tffffffffffffffff\n";
        assert!(ignores(status, Number::HUP));
        assert!(ignores(status, Number::PIPE));
        assert!(!ignores(status, Number::INT));
        assert!(!ignores("", Number::HUP));
    }
}
