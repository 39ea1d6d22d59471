//! How a trace is written, and who reads its lines.

use super::line::Line;
use super::{memcached, twitter};

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum TraceFormat {
    /// Twitter's public traces of caches: seven columns with commas between them.
    Twitter,
    /// What memcached prints after `watch fetchers mutations`.
    Memcached,
}

impl TraceFormat {
    /// Every format.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Its name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The format of a trace whose first line is this; `None`: it looks like neither.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        if memcached::is_first(line) {
            Some(Self::Memcached)
        } else {
            twitter::read(line).is_ok().then_some(Self::Twitter)
        }
    }

    pub(super) fn read(self, line: &[u8]) -> Result<Line, &'static str> {
        match self {
            Self::Twitter => twitter::read(line),
            Self::Memcached => memcached::read(line),
        }
    }
}
