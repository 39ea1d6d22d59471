//! What passed on a connection before something was wrong.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The last messages of one connection, as its proxy saw them, oldest first. Neither keys nor values
/// are in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WireTrace {
    /// The connection, counted per proxy.
    pub connection: u64,
    /// Its last messages.
    pub messages: Vec<WireMessage>,
}

impl WireTrace {
    /// The last so many of its messages.
    #[must_use]
    pub fn last(&self, count: usize) -> Self {
        let from = self.messages.len().saturating_sub(count);
        Self { connection: self.connection, messages: self.messages[from..].to_vec() }
    }

    /// What became of the write of the key that went out first at `begun_s` or later: when it was sent,
    /// given up and executed, as far as that passed here.
    #[must_use]
    pub fn story_of_write(&self, begun_s: f64) -> Option<String> {
        let is_it = |message: &&WireMessage| {
            message.kind == WireMessageKind::Request && message.of_key && message.at_s >= begun_s
        };
        let sent = self.messages.iter().find(is_it)?;
        let later = |wanted: &dyn Fn(&WireMessage) -> bool| {
            let at = self.messages.iter().find(|message| wanted(message))?.at_s;
            Some(format!("{at:.3} s"))
        };
        let left = later(&|message| message.kind == WireMessageKind::ClientLeft);
        let answered = later(&|message| {
            message.kind == WireMessageKind::Reply && message.request == sent.request
        });
        Some(format!(
            "the write went out at {:.3} s, was given up at {}, and the node had executed it by {}",
            sent.at_s,
            left.as_deref().unwrap_or("a time that was not seen"),
            answered.as_deref().unwrap_or("a time that was not seen")
        ))
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WireMessage {
    /// When it passed, in seconds since the start of the run.
    pub at_s: f64,
    /// What it is.
    pub kind: WireMessageKind,
    /// Its place among the requests of the connection, from 0; of a reply, that of its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// The command: that of a reply is what it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What a reply says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Whether it is about the key in question.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_key: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WireMessageKind {
    /// From the client.
    Request,
    /// The end of a reply.
    Reply,
    /// An error line from the server that answers nothing.
    Unsolicited,
    /// The client closed its side: it waits for nothing any more.
    ClientLeft,
}

impl fmt::Display for WireTrace {
    /// One line: `the proxy's connection 7: 3.104211 get #41, 3.104480 #41 hit`, `*` behind what is about the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy's connection {}:", self.connection)?;
        for (place, message) in self.messages.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma} {:.6}", message.at_s)?;
            let words = match message.kind {
                WireMessageKind::Request => message.command.as_deref(),
                WireMessageKind::Reply => None,
                WireMessageKind::Unsolicited => Some("unsolicited line"),
                WireMessageKind::ClientLeft => Some("client left"),
            };
            if let Some(words) = words {
                write!(f, " {words}")?;
            }
            if let Some(request) = message.request {
                write!(f, " #{request}")?;
            }
            if let Some(status) = &message.status {
                write!(f, " {status}")?;
            }
            if message.of_key {
                f.write_str("*")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a trace that a person cannot read: requests, replies and which of them matter.
    #[test]
    fn a_trace_is_one_line() {
        let message = |at_s, kind, request, command: Option<&str>, status: Option<&str>, of_key| {
            let (command, status) = (command.map(str::to_owned), status.map(str::to_owned));
            WireMessage { at_s, kind, request, command, status, of_key }
        };
        let trace = WireTrace {
            connection: 7,
            messages: vec![
                message(1.5, WireMessageKind::Request, Some(41), Some("get"), None, true),
                message(1.500_25, WireMessageKind::Unsolicited, None, None, None, false),
                message(1.501, WireMessageKind::Reply, Some(41), Some("get"), Some("hit"), true),
            ],
        };
        assert_eq!(
            trace.to_string(),
            "the proxy's connection 7: 1.500000 get #41*, 1.500250 unsolicited line, 1.501000 #41 hit*"
        );
        assert_eq!(trace.last(1).to_string(), "the proxy's connection 7: 1.501000 #41 hit*");
        let left = message(1.502, WireMessageKind::ClientLeft, None, None, None, false);
        let abandoned =
            WireTrace { connection: 7, messages: vec![trace.messages[0].clone(), left] };
        assert_eq!(
            abandoned.to_string(),
            "the proxy's connection 7: 1.500000 get #41*, 1.502000 client left"
        );
        assert_eq!(
            abandoned.story_of_write(1.4).unwrap(),
            "the write went out at 1.500 s, was given up at 1.502 s, and the node had executed it by a \
             time that was not seen"
        );
        assert_eq!(abandoned.story_of_write(1.6), None);
        assert_eq!(trace.last(9), trace);
        assert_eq!(trace.last(0).to_string(), "the proxy's connection 7:");
    }
}
