//! What can be broken by hand while a run goes on: a short list, each a request to the control API, so that it
//! is in the journal and the report says that somebody changed the proxies.

use crate::base::name::NodeIndex;

/// Something to break at one node.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice {
    /// What people read.
    pub words: &'static str,
    /// The name of its toxic; nothing of the plan is called so.
    pub name: &'static str,
    /// The toxic: its type and its settings; `None`: the proxy is switched off.
    pub toxic: Option<(&'static str, &'static [(&'static str, u64)])>,
}

/// What can be chosen from.
pub const CHOICES: &[Choice] = &[
    Choice {
        words: "latency: replies come 500 ms later",
        name: "by-hand-latency",
        toxic: Some(("latency", &[("latency", 500)])),
    },
    Choice {
        words: "slow line: 10 KB a second",
        name: "by-hand-bandwidth",
        toxic: Some(("bandwidth", &[("rate", 10)])),
    },
    Choice {
        words: "silent: nothing comes back",
        name: "by-hand-timeout",
        toxic: Some(("timeout", &[("timeout", 0)])),
    },
    Choice {
        words: "reset: connections are reset",
        name: "by-hand-reset",
        toxic: Some(("reset_peer", &[("timeout", 0)])),
    },
    Choice { words: "refused: no connection is taken", name: "by-hand-refused", toxic: None },
];

/// Something that was broken by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// Where.
    pub node: NodeIndex,
    /// Which of [`CHOICES`].
    pub choice: usize,
}

impl Touch {
    /// What it is.
    #[must_use]
    pub fn what(&self) -> &'static Choice {
        &CHOICES[self.choice.min(CHOICES.len() - 1)]
    }
}
