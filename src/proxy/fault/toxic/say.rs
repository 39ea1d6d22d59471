//! `say`: bytes that nobody asked for, once on each connection, when the toxic reaches it.
//!
//! They come between two pieces that pass, wherever those were cut: that may be the middle of a reply.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Age, Toxic, ToxicSpec};
use crate::base::family::Kind;
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::{BASE64, HEX, TEXT, age, connections, said};

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "say",
    summary: "say something that nobody asked for, once on each connection",
    settings: &[TEXT, BASE64, HEX, connections("established")],
    build: |settings| Ok(Box::new(Spec { bytes: said(settings)?, only: age(settings)? })),
};

#[derive(Clone, Debug)]
struct Spec {
    bytes: Bytes,
    only: Option<Age>,
}

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(Say { bytes: self.bytes.clone(), at: Some(now) })
    }

    /// Whoever was told is not told again.
    fn resume(&self, now: Instant, _: Stream, told: u64) -> Box<dyn Toxic> {
        Box::new(Say { bytes: self.bytes.clone(), at: (told == 0).then_some(now) })
    }

    fn words(&self) -> Option<String> {
        let whom = match self.only {
            Some(Age::Established) => "on each connection that was open",
            Some(Age::New) => "on each new connection",
            None => "on each connection",
        };
        let count = self.bytes.len();
        Some(format!("{count} bytes that nobody asked for come once {whom}"))
    }

    fn affects(&self, age: Age) -> bool {
        self.only.is_none_or(|only| only == age)
    }
}

#[derive(Debug)]
struct Say {
    bytes: Bytes,
    /// When it is said, unless it was.
    at: Option<Instant>,
}

impl Toxic for Say {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.data(data);
    }

    fn deadline(&self) -> Option<Instant> {
        self.at
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.at = None;
        out.data(std::mem::take(&mut self.bytes));
        out.touch();
    }

    fn carried(&self) -> u64 {
        self.at.is_none().into()
    }
}

#[cfg(test)]
mod tests {
    use crate::base::family::Value;
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches bytes that wait for traffic, come twice, or come again after a change.
    #[test]
    fn it_is_said_once_and_at_once() {
        let mut chosen = settings(&[]);
        chosen.insert("hex", Value::Text("c3 28".into()));
        let mut bench = Bench::new(&super::KIND, &chosen);
        bench.run_to(0).data_at(5, b"x").run_to(1000);
        bench.update(&*super::KIND.make(&settings(&[])).unwrap()).run_to(2000);
        assert_eq!(bench.bytes(), b"\xc3\x28x");
        assert_eq!(bench.touched(), 1);
    }
}
