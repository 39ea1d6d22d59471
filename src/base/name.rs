//! Names and indices that must not be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which node of the run, counted from zero in the order of the plan. In JSON and in text it is the
/// node's name, `n1` for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[derive(schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct NodeIndex(pub u16);

impl NodeIndex {
    /// The position as an index into a slice of nodes.
    #[must_use]
    pub const fn position(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", u32::from(self.0) + 1)
    }
}

impl From<NodeIndex> for String {
    fn from(index: NodeIndex) -> Self {
        index.to_string()
    }
}

impl TryFrom<String> for NodeIndex {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.strip_prefix('n')
            .and_then(|number| number.parse::<u16>().ok())
            .and_then(|number| number.checked_sub(1))
            .map(Self)
            .ok_or_else(|| format!("`{name}` is no node; nodes are called n1, n2, ..."))
    }
}
