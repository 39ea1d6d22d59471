//! Byte faults, one file each: pure state machines over one direction of one connection.
//!
//! A kind is a row of [`TOXICS`]; its spec is what was asked for, its [`Toxic`] the state on one
//! direction of one connection. No toxic sleeps, touches a socket, reads a clock or draws from
//! anything but the stream it is given.

mod bandwidth;
mod blackhole;
mod bucket;
mod corrupt;
mod latency;
mod latency_distribution;
mod limit_data;
mod limit_time;
mod mute;
mod noop;
mod packet_loss;
mod refuse;
mod reset_peer;
mod slicer;
mod slow_close;
mod slow_connect;
mod spec;
#[cfg(test)]
pub(crate) mod testing;
mod timeout;

pub(in crate::proxy) use noop::pass_through;
pub use spec::{Age, Clear, Entrance, HELD_BYTES_MAX, Toxic, ToxicSpec};

pub(in crate::proxy) use spec::{never, no_delay, share, size, time};

use crate::base::family::{Family, Settings};
use crate::proxy::fault::message::kinds;

/// What toxics of Toxiproxy's can do here and not there, and is not asked for by default.
const ADDED: &[(&str, &str)] =
    &[("bandwidth", "shared"), ("bandwidth", "burst"), ("packet_loss", "rto")];

/// Whether a toxic of Toxiproxy's name has this setting only here.
pub fn is_added(kind: &str, setting: &str) -> bool {
    ADDED.contains(&(kind, setting))
}

/// The first setting that asks a toxic of Toxiproxy's for something that Toxiproxy does not do.
pub fn asks_for_more<'a>(kind: &str, settings: &'a Settings) -> Option<&'a str> {
    let known = TOXICS.find(kind)?;
    let is_asked = |name, value| known.setting(name).is_some_and(|it| !it.is_default(value));
    let mut added = settings.iter().filter(|(name, _)| is_added(kind, name));
    added.find(|(name, value)| is_asked(name, value)).map(|(name, _)| name)
}

/// Every toxic: Toxiproxy's under its names and settings first, then ours, then those
/// that know memcached.
pub static TOXICS: Family<dyn ToxicSpec> = Family {
    noun: "toxic",
    kinds: &[
        latency::KIND,
        bandwidth::KIND,
        slow_close::KIND,
        timeout::KIND,
        reset_peer::KIND,
        slicer::KIND,
        limit_data::KIND,
        noop::KIND,
        latency_distribution::KIND,
        packet_loss::KIND,
        blackhole::KIND,
        refuse::KIND,
        mute::KIND,
        slow_connect::KIND,
        limit_time::KIND,
        corrupt::KIND,
        kinds::ERROR,
        kinds::RESPONSE,
        kinds::DELAY,
        kinds::HOLD,
        kinds::DROP,
        kinds::TRUNCATE,
        kinds::SHORT_LENGTH,
        kinds::CORRUPT,
        kinds::WRONG_KEY,
        kinds::WRONG_VALUE,
        kinds::DUPLICATE,
        kinds::UNSOLICITED,
        kinds::SERVER_ERROR,
        kinds::CLIENT_ERROR,
        kinds::NOT_STORED,
        kinds::EXISTS,
        kinds::ITEM_TOO_LARGE,
        kinds::BUSY,
        kinds::SLOW_COMMAND,
        kinds::CONNECTION_DROP,
    ],
};
