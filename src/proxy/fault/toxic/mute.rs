//! `mute`: connections are accepted and nothing on them is answered, as by a stopped process.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Age, Toxic, ToxicSpec};
use crate::base::family::Kind;
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::{Due, Outbox};
use crate::proxy::fault::setting::{age, connections};

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "mute",
    summary: "accept connections, pass nothing on until healed",
    settings: &[connections("all")],
    build: |settings| Ok(Box::new(Spec { only: age(settings)? })),
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    only: Option<Age>,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(Mute)
    }

    fn words(&self) -> Option<String> {
        let whom = match self.only {
            None => "connections are accepted, and nothing passes",
            Some(Age::New) => "new connections are accepted, and pass nothing; open ones work",
            Some(Age::Established) => "open connections pass nothing; new ones work",
        };
        Some(format!("{whom}; what was kept back comes at the end"))
    }

    fn affects(&self, age: Age) -> bool {
        self.only.is_none_or(|only| only == age)
    }
}

#[derive(Debug)]
struct Mute;

impl Toxic for Mute {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.data_at(Due::Never, data);
    }

    fn on_end(&mut self, _: Instant, out: &mut Outbox) {
        out.end_at(Due::Never);
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches an answer, or a close that gives the silence away.
    #[test]
    fn nothing_is_answered() {
        let mut bench = Bench::new(&super::KIND, &settings(&[]));
        bench.data_at(0, b"x").end_at(1).run_to(1_000_000);
        assert_eq!(bench.out(), ["never x", "never end"]);
    }
}
