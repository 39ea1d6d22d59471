//! One end of a connection between two members: words in, words out, and the files of a run behind a word.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::words::LINE_BYTES_MAX;
use crate::base::lines::Lines;
use crate::base::scope::Scope;

/// How long nothing may be heard of somebody, or be taken by him, before he is out. Each member asks for the
/// time much more often.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Words that wait to be written. Whoever takes so few is out.
const WAITING_MAX: usize = 1024;

/// Something to be written.
pub(super) enum Outgoing<T> {
    Word(T),
    /// A word, and so many bytes of a file.
    File(T, PathBuf, u64),
}

/// What is written. Nobody waits for the other end.
pub(super) type Outbox<T> = mpsc::Sender<Outgoing<T>>;

/// What is read.
pub(super) struct Inbox(Lines<OwnedReadHalf>);

impl Inbox {
    /// The next word.
    ///
    /// # Errors
    /// Why there is none: the end, silence, or something that is no word.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        self.within(SILENCE_MAX).await
    }

    /// The next word, where it comes within `patience`.
    ///
    /// # Errors
    /// As [`Inbox::next`].
    pub(super) async fn within<T: DeserializeOwned>(
        &mut self,
        patience: Duration,
    ) -> Result<T, String> {
        match timeout(patience, self.0.next()).await {
            Err(_) => Err(format!("said nothing for {patience:?}")),
            Ok(None) => Err("closed its connection".to_owned()),
            Ok(Some(Err(_))) => Err(format!("sent a line of more than {LINE_BYTES_MAX} bytes")),
            Ok(Some(Ok(line))) => serde_json::from_slice(line)
                .map_err(|error| format!("sent what is no word of a member ({error})")),
        }
    }

    /// Stores the bytes that follow a word.
    ///
    /// # Errors
    /// What the disk says, and when they do not come.
    pub(super) async fn store(&mut self, bytes: u64, path: &PathBuf) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
        let mut file = File::create(path).await.map_err(failed)?;
        let copied = timeout(FILE_TIME_MAX, self.0.copy(bytes, &mut file)).await;
        let copied = copied.map_err(|_| format!("a file took longer than {FILE_TIME_MAX:?}"))?;
        if copied.map_err(failed)? < bytes {
            return Err("closed its connection in the middle of a file".to_owned());
        }
        file.flush().await.map_err(failed)
    }
}

/// How long one file may take.
const FILE_TIME_MAX: Duration = Duration::from_secs(60);

/// Both ends of what `stream` carries; what is written is written by a task of `scope`, until the outbox is
/// dropped.
pub(super) fn open<T: Serialize + Send + Sync + 'static>(
    stream: TcpStream,
    name: &str,
    scope: &Scope,
) -> (Inbox, Outbox<T>) {
    // A word is short and somebody waits for it.
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let (outbox, waiting) = mpsc::channel(WAITING_MAX);
    scope.spawn(format!("post[{name}]"), write_all(write, waiting, scope.cancelled()));
    (Inbox(Lines::of(read, LINE_BYTES_MAX)), outbox)
}

async fn write_all<T: Serialize>(
    mut write: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<Outgoing<T>>,
    over: impl Future<Output = ()>,
) {
    let (mut over, mut is_over) = (std::pin::pin!(over), false);
    loop {
        let next = tokio::select! {
            biased;
            () = &mut over, if !is_over => {
                // What was said last is still written.
                waiting.close();
                is_over = true;
                continue;
            }
            next = waiting.recv() => next,
        };
        let Some(next) = next else { break };
        // Whoever reads finds out that this end is gone.
        if put(&mut write, &next).await.is_none() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

async fn put<T: Serialize>(write: &mut OwnedWriteHalf, next: &Outgoing<T>) -> Option<()> {
    let (Outgoing::Word(word) | Outgoing::File(word, ..)) = next;
    let mut line = serde_json::to_vec(word).ok()?;
    line.push(b'\n');
    timeout(SILENCE_MAX, write.write_all(&line)).await.ok()?.ok()?;
    if let Outgoing::File(_, path, bytes) = next {
        let mut file = File::open(path).await.ok()?.take(*bytes);
        let copied = timeout(FILE_TIME_MAX, tokio::io::copy(&mut file, write)).await.ok()?.ok()?;
        // The other end waits for all of them.
        return (copied == *bytes).then_some(());
    }
    Some(())
}
