//! A rule in words, as its settings make it: for who reads what a scenario does.

use std::fmt::Write;

use super::action::{Action, Ending, When};
use crate::base::family::{SettingError, Settings};
use crate::base::time::DurationText;
use crate::base::units::Ratio;
use crate::protocol::exchange::{CannedReply, Change, Position};
use crate::proxy::close::CloseManner;
use crate::proxy::config::Stream;
use crate::proxy::fault::setting::{share, size};

/// Which requests are meant, and how often: "20% of `get,mg` requests, at most 1 on each connection".
pub(super) fn whom(settings: &Settings) -> Result<String, SettingError> {
    let (command, key) = (settings.text("command")?, settings.text("key")?);
    let mut words = match Ratio::new(share(settings, "probability")?) {
        Some(share) if share.value() < 1.0 => format!("{share} of "),
        _ => "all ".to_owned(),
    };
    if command != "*" {
        push(&mut words, format_args!("`{command}` "));
    }
    words.push_str("requests");
    if key != "*" {
        push(&mut words, format_args!(" for keys like `{key}`"));
    }
    let (skip, every, count) =
        (size(settings, "skip")?, size(settings, "every")?, size(settings, "count")?);
    if skip > 0 {
        push(&mut words, format_args!(" after the first {skip}"));
    }
    if every > 1 {
        push(&mut words, format_args!(", one in {every}"));
    }
    if count > 0 {
        push(&mut words, format_args!(", at most {count}"));
    }
    if skip > 0 || every > 1 || count > 0 {
        words.push_str(match settings.text("per")? {
            "connection" => " on each connection",
            _ => " on all connections together",
        });
    }
    words.push_str(match settings.text("connections")? {
        "established" => ", on connections that were open",
        "new" => ", on new connections",
        _ => "",
    });
    Ok(words)
}

fn push(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(words);
}

impl Action {
    /// What happens to a message that is meant; `stream` matters only to what is done on the way.
    pub(super) fn words(&self, stream: Stream) -> String {
        let message = match stream {
            Stream::Upstream => "the request",
            Stream::Both => "the request and the reply",
            Stream::Downstream => "the reply",
        };
        match self {
            Self::Answer(reply) => format!("{}; the server does not see them", answered(reply)),
            Self::Delay { delay, jitter, after_bytes } => {
                let more = match jitter.is_zero() {
                    true => String::new(),
                    false => format!(" and up to {} more", DurationText(*jitter)),
                };
                let what = match after_bytes {
                    0 => message.to_owned(),
                    count => format!("all but the first {count} bytes of {message}"),
                };
                format!("{what} is {}{more} late, and all that follows", DurationText(*delay))
            }
            Self::Hold => format!("{message} is kept back, and all that follows, until the end"),
            Self::Drop { when, how } => {
                let when = match when {
                    When::Before => "before the command runs",
                    When::After => "once the command has run, before its reply",
                    When::MidReply => "in the middle of the reply",
                };
                format!("the connection is {} {when}", ended(*how))
            }
            Self::Swap { across: true, wait } => format!(
                "the reply changes places with one of another connection that comes within {}",
                DurationText(*wait)
            ),
            Self::Swap { across: false, wait } => format!(
                "the reply changes places with that to the next request of the connection, if that was \
                 asked already and is answered within {}",
                DurationText(*wait)
            ),
            Self::Change(change, ending) => {
                let then = match ending {
                    None => String::new(),
                    Some(Ending::Close(how)) => format!(", then the connection is {}", ended(*how)),
                    Some(Ending::Stall) => ", then nothing more".to_owned(),
                };
                format!("{}{then}", changed(change))
            }
        }
    }
}

const fn ended(how: CloseManner) -> &'static str {
    match how {
        CloseManner::Fin => "closed",
        CloseManner::Reset => "reset",
    }
}

fn answered(reply: &CannedReply) -> String {
    match reply {
        CannedReply::Miss => "answered as if nothing were there".to_owned(),
        CannedReply::NotStored => "answered as not stored".to_owned(),
        CannedReply::Exists => "answered as changed by somebody else".to_owned(),
        CannedReply::Done => "answered as done, although nothing was".to_owned(),
        CannedReply::Nil => "answered with nil".to_owned(),
        CannedReply::Empty => "answered with something empty".to_owned(),
        CannedReply::Value(value) => format!("answered with the value {}", quoted(value)),
        CannedReply::Bytes(bytes) => format!("answered {}", quoted(bytes)),
        CannedReply::Error { line, .. } => format!("answered {}", quoted(line)),
    }
}

fn changed(change: &Change) -> String {
    let words = match change {
        Change::Half => "half of the value is sent",
        Change::ShortLength => "half of the value's length is announced, the whole is sent",
        Change::CorruptValue => "a byte of the value is changed",
        Change::CorruptLine => "the first line of the reply is garbage",
        Change::WrongKey => "the value comes under another key",
        Change::WrongValue => "the value of another key comes under the right key",
        Change::Duplicate => "the reply comes twice",
        Change::Said(Position::Instead, said) if said.is_empty() => "the reply is lost",
        Change::Said(position, said) => {
            let place = match position {
                Position::Before => "before the reply",
                Position::After => "after the reply",
                Position::Instead => "instead of the reply",
            };
            return format!("{} comes {place}", quoted(said));
        }
        Change::Field(field, value) => {
            return format!("the field {} of the header says {value}", field.name());
        }
        Change::Message(words) => {
            return format!(
                "a message of {}, which nobody asked for, comes before the reply",
                quoted(words)
            );
        }
        Change::Extra(reply) => {
            return format!("{}, which nobody asked for, and then by the server", answered(reply));
        }
        Change::Unsolicited(line) => {
            return format!("{}, which nobody asked for, comes before the reply", quoted(line));
        }
    };
    words.to_owned()
}

/// What is said, as far as a line of text shows it.
fn quoted(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 60;
    let line = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
    match line.len() > SHOWN_BYTES_MAX {
        true => format!("`{}`... ({} bytes)", line[..SHOWN_BYTES_MAX].escape_ascii(), bytes.len()),
        false => format!("`{}`", line.escape_ascii()),
    }
}
