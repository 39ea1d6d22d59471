//! Whose runs became one: the members of a fleet, which of them count, and why the others do not.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inputs::Partial;
use crate::event::{MEMBERS_MAX, Member};

/// How far the clocks of two members may be apart in doubt, and how far apart their phases may begin: half a
/// piece, so that each piece of one lies nearest to its own piece of the other.
pub const APART_MAX: Duration = Duration::from_millis(50);

/// What becomes of a fleet's run of which a part is missing.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// It is invalid: it was to be judged under the load of all.
    #[default]
    Invalid,
    /// It is judged by the load of the others, and says so.
    Narrow,
}

/// Everybody whose facts are in a summary, or should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet {
    /// What all of them call this run.
    pub run_id: String,
    /// What becomes of it when a part is missing.
    pub missing: Missing,
    /// Every member, in order.
    pub members: Vec<MemberSeen>,
}

/// One member as whoever merges sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberSeen {
    /// Which.
    pub index: u32,
    /// What it says of itself; `None`: it left nothing.
    pub told: Option<Member>,
    /// Whether its load counts.
    pub standing: Standing,
    /// How far its phases began from member 0's; `None`: there is none of both.
    pub phases_apart: Option<Duration>,
    /// Operations that it intended.
    pub offered: Option<u64>,
    /// Whether all of them were accounted for, and every one came to an end.
    pub accounted: bool,
    /// What was late on its machine, in sentences.
    pub noise: Vec<String>,
    /// What its own run came to, in one word.
    pub verdict: Option<String>,
}

/// Whether a member's load counts, and why it does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// It counts.
    Counted,
    /// It left nothing.
    Absent,
    /// Its run ended before its plan did, and the others' did not.
    Ended(Partial),
    /// Its load began this many seconds after the agreed moment.
    Late(f64),
    /// Nobody knows how its clock stands to member 0's.
    ClockUnknown,
    /// Its clock stands to member 0's within this only.
    ClockDoubtful(Duration),
    /// One of its phases began this far from member 0's.
    PhasesApart(Duration),
    /// Its phases are others than member 0's.
    OtherPhases,
}

impl Fleet {
    /// A fleet of `of` members of which nothing is known yet.
    #[must_use]
    pub fn expected(run_id: &str, of: u32, missing: Missing) -> Self {
        let absent = |index| MemberSeen {
            index,
            told: None,
            standing: Standing::Absent,
            phases_apart: None,
            offered: None,
            accounted: true,
            noise: Vec::new(),
            verdict: None,
        };
        let members = (0..of.min(MEMBERS_MAX)).map(absent).collect();
        Self { run_id: run_id.to_owned(), missing, members }
    }

    /// Those whose load counts.
    pub fn counted(&self) -> impl Iterator<Item = &MemberSeen> {
        self.members.iter().filter(|member| member.standing == Standing::Counted)
    }

    /// Those whose load does not count.
    pub fn left_out(&self) -> impl Iterator<Item = &MemberSeen> {
        self.members.iter().filter(|member| member.standing != Standing::Counted)
    }

    /// Those of them that may have made load all the same: the proxies counted it.
    pub fn uncounted_load(&self) -> impl Iterator<Item = &MemberSeen> {
        let zero = self.members.first().and_then(|member| member.told.as_ref());
        let without = zero.map(|told| told.without.as_slice()).unwrap_or_default();
        self.left_out().filter(|member| !without.contains(&member.index))
    }

    /// By how much a moment that another member than 0 saw may be wrong: its clock, and when it took its
    /// phases to begin.
    #[must_use]
    pub fn moments_within(&self) -> Duration {
        let within = |member: &MemberSeen| {
            let clock = member.told.as_ref().and_then(|told| told.clock_uncertainty_us);
            let clock = Duration::from_micros(clock.unwrap_or_default());
            clock.saturating_add(member.phases_apart.unwrap_or_default())
        };
        self.counted().map(within).max().unwrap_or_default()
    }
}

impl MemberSeen {
    /// Which, and on which machine.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.told {
            Some(told) => format!("member {} ({})", self.index, told.host),
            None => format!("member {}", self.index),
        }
    }
}

impl Standing {
    /// Why a member's load does not count by what it says of itself; `None`: nothing speaks against it.
    #[must_use]
    pub fn by_words(member: &Member) -> Option<Self> {
        let within = member.clock_uncertainty_us.map(Duration::from_micros);
        match (member.clock_offset_us, within) {
            (None, _) | (_, None) => Some(Self::ClockUnknown),
            (_, Some(within)) if within > APART_MAX => Some(Self::ClockDoubtful(within)),
            _ => member.late_s.filter(|late| *late > APART_MAX.as_secs_f64()).map(Self::Late),
        }
    }

    /// Why its load does not count; `None`: it does.
    #[must_use]
    pub fn why(&self) -> Option<String> {
        let ms = |time: &Duration| time.as_micros().div_ceil(1000);
        let most = APART_MAX.as_millis();
        Some(match self {
            Self::Counted => return None,
            Self::Absent => "it left no facts".to_owned(),
            Self::Ended(Partial::Interrupted) => "it was interrupted".to_owned(),
            Self::Ended(_) => "its run ended before its plan did".to_owned(),
            Self::Late(seconds) => format!("its load began {seconds:.3} s late"),
            Self::ClockUnknown => "nobody measured how its clock stands to member 0's".to_owned(),
            Self::ClockDoubtful(within) => format!(
                "its clock stands to member 0's within {} ms only (at most {most} ms allowed)",
                ms(within)
            ),
            Self::PhasesApart(apart) => format!(
                "one of its phases began {} ms from member 0's (at most {most} ms allowed)",
                ms(apart)
            ),
            Self::OtherPhases => "its phases are others than member 0's".to_owned(),
        })
    }
}
