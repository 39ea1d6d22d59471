//! Proxies that run elsewhere and stand in for the lab's own, driven over their control API.

/// Where they are, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// The address of their control API, `host:port`.
    pub address: String,
    /// Who runs them, and so which faults they know.
    pub whose: Whose,
}

/// Who runs proxies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A `harness proxy`, which knows every fault.
    Harness,
    /// Any Toxiproxy, which knows what all of them do.
    Toxiproxy,
}

impl Whose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Harness, Self::Toxiproxy];

    /// How it is asked for in a file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.flag().split_at(1).1
    }

    /// How it is asked for on a command line.
    #[must_use]
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Harness => "-proxy",
            Self::Toxiproxy => "-toxiproxy",
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Harness => "harness proxy",
            Self::Toxiproxy => "Toxiproxy",
        }
    }
}
