//! Clients that are broken in one known way, so that a run can show that it notices.
//!
//! None is a profile: a client is broken only by a file that says so (`broken = "leaking-pool"` in its
//! `[client]` table), and every report of such a run says it. What some settings can break is not
//! here: no healing, no breaker, a ring that moves every key.

/// One way in which a client may be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Broken {
    /// A connection goes back to the pool although a reply is still owed on it.
    ReuseAfterTimeout,
    /// A connection that timed out never comes back, and nor does its place in the pool.
    LeakingPool,
    /// No jitter, and a whole pool of connections at each attempt.
    SynchronisedReconnects,
    /// The caller of a read cannot tell a broken node from an absent key.
    ErrorsAsMisses,
    /// Latency runs from when a request was sent, not from when it was due.
    LateStopwatch,
    /// Operations are issued after they were due.
    LateGenerator,
}

impl Broken {
    /// Every one.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it does, in one line.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::ReuseAfterTimeout => "a connection is used again after a timeout",
            Self::LeakingPool => "a timeout costs the pool a connection for good",
            Self::SynchronisedReconnects => {
                "all connections of a pool come back at once, without jitter"
            }
            Self::ErrorsAsMisses => "a read that failed is told as a miss",
            Self::LateStopwatch => {
                "latency is measured from the sending, not from the intended start"
            }
            Self::LateGenerator => "operations are issued 40 ms after they were due",
        }
    }
}
