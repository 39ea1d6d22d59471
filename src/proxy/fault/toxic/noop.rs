//! `noop`: nothing. Toxiproxy has it, and it measures what a toxic costs.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, SettingError};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "noop",
    summary: "pass everything on unchanged",
    settings: &[],
    build: |_| Ok(Box::new(Noop)),
};

#[derive(Clone, Copy, Debug)]
struct Noop;

/// The state of a toxic that does nothing to bytes.
pub(super) fn pass_through() -> Box<dyn Toxic> {
    Box::new(Noop)
}

impl ToxicSpec for Noop {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        pass_through()
    }

    fn idle(&self) -> Option<SettingError> {
        let what = "`noop` changes nothing; write a fault that does something, or take it out";
        Some(SettingError { setting: None, what: what.to_owned() })
    }
}

impl Toxic for Noop {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.data(data);
    }
}
