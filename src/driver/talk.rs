//! A driver without a load: lines there, lines back, for whoever checks how it speaks.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::config::DriverConfig;
use super::process::{self, READY_TIMEOUT, STDERR_LINE_BYTES_MAX, StartError, Started};
use super::speech::{self, LINE_BYTES_MAX, Nonsense, Ready, Said};
use crate::base::group::{Ended, Group};
use crate::base::lines::{Lines, TooLong};
use crate::base::scope::Scope;
use crate::secure::access::Invitation;

/// Lines that wait to be written or to be read; more make their sender wait.
const LINES_MAX: usize = 1024;

/// Lines of stderr that are kept.
const LAST_WORDS: usize = 5;

/// What came of listening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line of the protocol.
    Said {
        /// What it says.
        said: Said,
        /// The line itself, cut short.
        line: String,
    },
    /// A line that is none of the protocol's.
    Nonsense(Nonsense),
    /// Nothing in time.
    Nothing,
    /// It closed its output, or ended.
    Over,
}

/// A running driver that is spoken to line by line. It ends when this is dropped.
#[derive(Debug)]
pub struct Talk {
    group: Group,
    outbox: Option<mpsc::Sender<Vec<u8>>>,
    inbox: mpsc::Receiver<Heard>,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Talk {
    /// Starts a driver, greets it and waits until it is ready.
    ///
    /// # Errors
    /// When it cannot be started, says nothing, or something that is not the protocol.
    pub async fn start(
        config: &DriverConfig,
        servers: &[String],
        harness: &Path,
        scope: &Scope,
    ) -> Result<(Self, Ready), StartError> {
        let Started { group, stdin, stdout, stderr } = process::spawn(config, harness)?;
        let (outbox, to_write) = mpsc::channel(LINES_MAX);
        let (heard, inbox) = mpsc::channel(LINES_MAX);
        let last_words = Arc::default();
        scope.spawn("driver-stdin", process::write(stdin, to_write));
        scope.spawn("driver-stdout", listen(stdout, heard));
        scope.spawn("driver-stderr", keep_stderr(stderr, Arc::clone(&last_words)));
        let mut talk = Self { group, outbox: Some(outbox), inbox, last_words };
        talk.say(process::greeting(config, servers, &Invitation::default())).await;
        match talk.hear(Instant::now() + READY_TIMEOUT).await {
            Heard::Said { said: Said::Ready(ready), .. } => Ok((talk, ready)),
            Heard::Said { line, .. } => {
                let nonsense = Nonsense::new(line.as_bytes(), "its first line is not `ready`");
                Err(StartError::nonsense(config, nonsense))
            }
            Heard::Nonsense(nonsense) => Err(StartError::nonsense(config, nonsense)),
            Heard::Nothing => Err(StartError::silent(config, &talk.last_words())),
            Heard::Over => {
                let how = talk.ended(READY_TIMEOUT).await;
                Err(StartError::ended(config, how, &talk.last_words()))
            }
        }
    }

    /// Hands over a line. One that ended takes it and does nothing.
    pub async fn say(&self, line: Vec<u8>) {
        if let Some(outbox) = &self.outbox {
            // A driver that reads no more has ended: that is heard.
            let _ = outbox.send(line).await;
        }
    }

    /// Waits for its next line.
    pub async fn hear(&mut self, until: Instant) -> Heard {
        match timeout_at(until, self.inbox.recv()).await {
            Ok(heard) => heard.unwrap_or(Heard::Over),
            Err(_) => Heard::Nothing,
        }
    }

    /// Ends its input, once it has read what it was told.
    pub fn hang_up(&mut self) {
        self.outbox = None;
    }

    /// Waits until the process has ended; `None`: it has not, in this time.
    pub async fn ended(&mut self, within: Duration) -> Option<Ended> {
        timeout(within, self.group.ended()).await.ok()?.ok()
    }

    /// The last lines of its stderr.
    #[must_use]
    pub fn last_words(&self) -> String {
        let words: Vec<String> = self.last_words.lock().iter().cloned().collect();
        words.join("\n  ")
    }
}

async fn listen(stdout: ChildStdout, heard: mpsc::Sender<Heard>) {
    let mut lines = Lines::of(stdout, LINE_BYTES_MAX);
    while let Some(line) = lines.next().await {
        let one = match line {
            Ok(line) => match speech::read(line) {
                Ok(said) => Heard::Said { said, line: speech::shown(line) },
                Err(nonsense) => Heard::Nonsense(nonsense),
            },
            Err(TooLong) => {
                let what = format!("a line is longer than {LINE_BYTES_MAX} bytes");
                Heard::Nonsense(Nonsense::new(b"", what))
            }
        };
        // Nobody listens any more.
        if heard.send(one).await.is_err() {
            return;
        }
    }
}

async fn keep_stderr(stderr: ChildStderr, last_words: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = Lines::of(stderr, STDERR_LINE_BYTES_MAX);
    while let Some(line) = lines.next().await {
        let Ok(line) = line else { continue };
        let mut kept = last_words.lock();
        if kept.len() >= LAST_WORDS {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(line).into_owned());
    }
}
