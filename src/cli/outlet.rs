//! stdout or stderr of what goes on for a while, written beside it: a reader that is slow, stops or leaves
//! holds nothing up. What waits for one is bounded, and what finds no room is counted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::base::scope::Scope;

/// What may wait for its reader, in bytes: an hour of `-json` at ten lines a second.
const WAITING_MAX_BYTES: usize = 64 << 20;

/// What is written at once, in bytes: a reader that takes so much while somebody is patient has not stopped.
const PIECE_BYTES: usize = 4096;

/// How often it is looked whether the reader took something meanwhile.
const LOOK: Duration = Duration::from_millis(250);

/// What is said, on its way to a reader. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(super) struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    more: Notify,
    less: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Not yet taken up by the writer, and how many texts it is.
    waiting: Vec<u8>,
    texts_waiting: u64,
    /// Taken up, and not yet written.
    texts_in_hand: u64,
    /// Bytes written so far.
    written: u64,
    lost: u64,
    broken: Option<io::ErrorKind>,
}

/// What became of all that was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Texts that found no room, or were not taken to their end.
    pub(super) lost: u64,
    /// Why nothing can be written any more.
    pub(super) broken: Option<io::ErrorKind>,
}

impl Outlet {
    /// This process's stdout.
    pub(super) fn stdout(scope: &Scope) -> Self {
        Self::start("stdout", scope, tokio::io::stdout())
    }

    /// This process's stderr.
    pub(super) fn stderr(scope: &Scope) -> Self {
        Self::start("stderr", scope, tokio::io::stderr())
    }

    /// One whose texts `writer` gets, in the order in which they were said.
    fn start(name: &str, scope: &Scope, writer: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let outlet = Self::default();
        let shared = Arc::clone(&outlet.0);
        let ended = scope.cancelled();
        scope.spawn(name, async move {
            tokio::select! {
                () = shared.write(writer) => {}
                () = ended => {}
            }
        });
        outlet
    }

    /// Says something; `false`: it is lost.
    pub(super) fn say(&self, text: &str) -> bool {
        let mut state = self.0.state.lock();
        if state.broken.is_some() || state.waiting.len() + text.len() > WAITING_MAX_BYTES {
            state.lost += 1;
            return false;
        }
        state.waiting.extend_from_slice(text.as_bytes());
        state.texts_waiting += 1;
        drop(state);
        self.0.more.notify_one();
        true
    }

    /// Whether all that was said is written, or will never be.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.0.state.lock();
        state.broken.is_some() || state.texts_waiting + state.texts_in_hand == 0
    }

    /// What has become of it so far.
    pub(super) fn told(&self) -> Told {
        let state = self.0.state.lock();
        Told { lost: state.lost, broken: state.broken }
    }

    /// Waits until everything is written, nothing can be any more, or the reader has taken nothing for
    /// `patience`; what then waits is lost.
    pub(super) async fn drain(&self, patience: Duration) -> Told {
        let mut progress = (self.0.state.lock().written, Instant::now());
        loop {
            let less = self.0.less.notified();
            {
                let mut state = self.0.state.lock();
                let left = state.texts_waiting + state.texts_in_hand;
                if state.broken.is_some() || left == 0 {
                    break;
                }
                if state.written != progress.0 {
                    progress = (state.written, Instant::now());
                } else if progress.1.elapsed() >= patience {
                    state.lost += left;
                    state.waiting.clear();
                    state.texts_waiting = 0;
                    break;
                }
            }
            // Whichever is first; the next look says which it was.
            let _ = tokio::time::timeout(LOOK, less).await;
        }
        self.told()
    }
}

impl Shared {
    async fn write(&self, mut writer: impl AsyncWrite + Unpin) {
        loop {
            let taken = {
                let mut state = self.state.lock();
                state.texts_in_hand = std::mem::take(&mut state.texts_waiting);
                std::mem::take(&mut state.waiting)
            };
            if taken.is_empty() {
                self.more.notified().await;
                continue;
            }
            let written = self.write_out(&taken, &mut writer).await;
            let mut state = self.state.lock();
            state.texts_in_hand = 0;
            state.broken = written.err().map(|error| error.kind());
            let is_over = state.broken.is_some();
            drop(state);
            self.less.notify_waiters();
            if is_over {
                return;
            }
        }
    }

    async fn write_out(
        &self,
        taken: &[u8],
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        let mut left = taken;
        while !left.is_empty() {
            let count = writer.write(&left[..left.len().min(PIECE_BYTES)]).await?;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = &left[count..];
            // Written is what the reader's side has, not what lies in a buffer of ours.
            writer.flush().await?;
            self.state.lock().written += count as u64;
        }
        Ok(())
    }
}

impl io::Write for Outlet {
    /// Takes everything: what finds no room is lost, and counted.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.say(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const PIPE_BYTES: usize = 64;
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Catches a reader that has stopped and holds up who speaks, or the end for ever.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_holds_nothing_up() {
        let scope = Scope::current("test");
        let (writer, _reader) = tokio::io::duplex(PIPE_BYTES);
        let outlet = Outlet::start("out", &scope, writer);
        let text = "x".repeat(1000);
        assert!(outlet.say(&text) && outlet.say(&text));
        let began = Instant::now();
        assert_eq!(outlet.drain(PATIENCE).await, Told { lost: 2, broken: None });
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < PATIENCE * 2);
    }

    /// Catches texts that change places, or a slow reader whose texts are given up.
    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_gets_everything_in_order() {
        let scope = Scope::current("test");
        let (writer, mut reader) = tokio::io::duplex(PIPE_BYTES);
        let outlet = Outlet::start("out", &scope, writer);
        let said: Vec<String> = (0..100).map(|number| format!("line {number}\n")).collect();
        said.iter().for_each(|text| assert!(outlet.say(text)));
        let said = said.concat();
        let mut read = vec![0; said.len()];
        let (told, ()) = tokio::join!(outlet.drain(PATIENCE), async {
            for chunk in read.chunks_mut(PIPE_BYTES) {
                tokio::time::sleep(PATIENCE / 2).await;
                reader.read_exact(chunk).await.unwrap();
            }
        });
        assert_eq!(told, Told::default());
        assert_eq!(String::from_utf8(read).unwrap(), said);
    }

    /// Catches a reader that has left and is waited for, and an end that is not told.
    #[tokio::test(start_paused = true)]
    async fn a_reader_that_leaves_is_noticed() {
        let scope = Scope::current("test");
        let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
        let outlet = Outlet::start("out", &scope, writer);
        drop(reader);
        assert!(outlet.say("nobody reads this"));
        let broken = Some(io::ErrorKind::BrokenPipe);
        assert_eq!(outlet.drain(PATIENCE).await, Told { lost: 0, broken });
        assert!(!outlet.say("nor this"));
        assert_eq!(outlet.told(), Told { lost: 1, broken });
    }

    /// Catches a backlog without a bound.
    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded() {
        let scope = Scope::current("test");
        let (writer, _reader) = tokio::io::duplex(PIPE_BYTES);
        let outlet = Outlet::start("out", &scope, writer);
        let text = "x".repeat(WAITING_MAX_BYTES / 8);
        let kept = (0..20).filter(|_| outlet.say(&text)).count();
        assert_eq!((kept, outlet.told().lost), (8, 12));
    }
}
