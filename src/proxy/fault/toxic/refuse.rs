//! `refuse`: new connections are refused, open ones are reset, as when a process dies.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Entrance, Toxic, ToxicSpec};
use crate::base::family::Kind;
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "refuse",
    summary: "refuse new connections, reset open ones",
    settings: &[],
    build: |_| Ok(Box::new(Spec)),
};

#[derive(Clone, Copy, Debug)]
struct Spec;

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(Refuse { at: Some(now) })
    }

    fn has_directions(&self) -> bool {
        false
    }

    fn entrance(&self) -> Entrance {
        Entrance::Refused
    }
}

#[derive(Debug)]
struct Refuse {
    at: Option<Instant>,
}

impl Toxic for Refuse {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.discard(data);
    }

    fn deadline(&self) -> Option<Instant> {
        self.at
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.at = None;
        out.reset();
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches an open connection that waits for traffic before it is reset.
    #[test]
    fn open_connections_are_reset_at_once() {
        let mut bench = Bench::new(&super::KIND, &settings(&[]));
        bench.run_to(0);
        assert_eq!(bench.out(), ["0 reset"]);
    }
}
