//! The lines of a stream that somebody else writes, each of a bounded length.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};

/// What is read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A line that is longer than it may be. What is left of it was skipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLong;

/// The lines of a stream, each of a bounded length.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    max: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn of(stream: R, max: usize) -> Self {
        Self { reader: BufReader::with_capacity(CHUNK_BYTES, stream), line: Vec::new(), max }
    }

    /// Copies the next so many bytes, whatever they are; returns how many there were.
    pub(crate) async fn copy(
        &mut self,
        bytes: u64,
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<u64> {
        tokio::io::copy(&mut (&mut self.reader).take(bytes), to).await
    }

    /// The next line without its end; `None`: the stream is over, or broken.
    pub(crate) async fn next(&mut self) -> Option<Result<&[u8], TooLong>> {
        self.line.clear();
        let mut whole = true;
        loop {
            let room = (self.max + 1 - self.line.len()) as u64;
            let read =
                (&mut self.reader).take(room).read_until(b'\n', &mut self.line).await.ok()?;
            if self.line.pop_if(|last| *last == b'\n').is_some() {
                self.line.pop_if(|last| *last == b'\r');
                return Some(if whole { Ok(&self.line) } else { Err(TooLong) });
            }
            if read == 0 {
                let rest = !self.line.is_empty();
                return rest.then_some(if whole { Ok(&self.line) } else { Err(TooLong) });
            }
            if self.line.len() > self.max {
                whole = false;
                self.line.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a line that grows without bound, and one behind it that is lost with it.
    #[tokio::test]
    async fn a_long_line_is_skipped_whole() {
        let text = b"one\r\n\n123456789\n12345678\nlast";
        let mut lines = Lines::of(&text[..], 8);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await {
            seen.push(line.map_or_else(|TooLong| "-".into(), String::from_utf8_lossy).into_owned());
        }
        assert_eq!(seen, ["one", "", "-", "12345678", "last"]);
    }
}
