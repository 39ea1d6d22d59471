//! One client's conversation: commands in, answers out. No I/O.

use bytes::{Buf, BytesMut};

use super::answer::Answer;
use super::command;
use super::refusal::Refusal;
use super::state::{Context, Replies, State};
use crate::protocol::node::output::Output;
use crate::protocol::node::serve::Step;
use crate::protocol::resp::frame::command::{Commands, Event};

/// No further command is taken up while this much waits to be written.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// How much longer than all items together a command may be: its other words.
const WORDS_BYTES_MAX: usize = 1 << 20;

/// The state of a conversation between two pieces of input.
#[derive(Debug)]
pub struct Session {
    commands: Commands,
    state: State,
}

impl Session {
    /// The conversation with this number, with a node that holds so many bytes at most.
    #[must_use]
    pub fn new(id: u64, memory_bytes: u64) -> Self {
        let keep = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
        let commands = Commands::new(keep.saturating_add(WORDS_BYTES_MAX));
        Self { commands, state: State::of(id) }
    }

    /// Executes what is complete in `input` and appends the replies to `out`.
    pub fn run(&mut self, input: &mut BytesMut, out: &mut Output, context: &Context<'_>) -> Step {
        let mut rest = &input[..];
        let step = loop {
            if out.byte_count() >= OUTPUT_BYTES_MAX {
                break Step::Output;
            }
            let event = match self.commands.next(&mut rest) {
                Ok(Some(event)) => event,
                Ok(None) => break Step::Input,
                Err(malformed) => {
                    let line = format!("ERR Protocol error: {}", malformed.message());
                    let mut answer = Answer { out, version: self.state.version };
                    answer.error(&Refusal::saying(line));
                    break Step::Close;
                }
            };
            if let Event::Begun(_) = event {
                continue;
            }
            context.facts.count_command();
            if self.state.replies == Replies::NotNext {
                self.state.replies = Replies::NotThis;
            }
            let (mut unheard, is_heard) = (Output::default(), self.state.replies == Replies::All);
            let heard = if is_heard { &mut *out } else { &mut unheard };
            let mut answer = Answer { out: heard, version: self.state.version };
            match event {
                Event::Command(command) => {
                    command::execute(command, context, &mut self.state, answer);
                }
                Event::Begun(_) | Event::Ended { .. } => answer.error(&Refusal::FULL),
            }
            match self.state.replies {
                // It ended the silence, and says so.
                Replies::All => out.text().append(unheard.text()),
                Replies::NotThis => self.state.replies = Replies::All,
                Replies::NotNext | Replies::None => {}
            }
            if self.state.is_closing() {
                break Step::Close;
            }
        };
        let taken = input.len() - rest.len();
        input.advance(taken);
        step
    }
}
