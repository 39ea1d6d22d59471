//! One of the subjects there are. A run knows no more of it than that it is one.

use super::called::Called;
use super::command::Command;
use super::service::Service;
use super::{LossListener, Output, Relisted, Subject};
use crate::client::NodeSnapshot;
use crate::event::SubjectFacts;
use crate::load::{LoadTotals, Preloaded, Progress};

/// A subject of any kind.
#[derive(Debug)]
pub(crate) enum Any {
    /// A client that our load calls.
    Called(Box<Called>),
    /// A command with a load of its own.
    Command(Command),
    /// An application that our load asks.
    Service(Box<Service>),
}

impl From<Called> for Any {
    fn from(called: Called) -> Self {
        Self::Called(Box::new(called))
    }
}

impl From<Command> for Any {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl From<Service> for Any {
    fn from(service: Service) -> Self {
        Self::Service(Box::new(service))
    }
}

/// The same asked of whichever it is.
macro_rules! ask {
    ($any:expr, $it:ident => $question:expr) => {
        match $any {
            Any::Called($it) => $question,
            Any::Command($it) => $question,
            Any::Service($it) => $question,
        }
    };
}

impl Subject for Any {
    fn facts(&self) -> SubjectFacts {
        ask!(self, it => it.facts())
    }

    fn makes_the_load(&self) -> bool {
        ask!(self, it => it.makes_the_load())
    }

    fn output(&self) -> Option<Output> {
        ask!(self, it => it.output())
    }

    fn planted(&self) -> Option<String> {
        ask!(self, it => it.planted())
    }

    fn trouble(&self) -> Option<String> {
        ask!(self, it => it.trouble())
    }

    fn loss_listener(&self) -> LossListener {
        ask!(self, it => it.loss_listener())
    }

    fn on_relisted(&self) -> Relisted {
        ask!(self, it => it.on_relisted())
    }

    async fn preload(&self) -> Preloaded {
        ask!(self, it => it.preload().await)
    }

    fn begin(&self) {
        ask!(self, it => it.begin())
    }

    fn progress(&self) -> Progress {
        ask!(self, it => it.progress())
    }

    fn snapshot(&self) -> Option<Vec<NodeSnapshot>> {
        ask!(self, it => it.snapshot())
    }

    async fn ended(&self) {
        ask!(self, it => it.ended().await)
    }

    fn stop(&self) {
        ask!(self, it => it.stop())
    }

    async fn drain(&mut self) -> Option<LoadTotals> {
        ask!(self, it => it.drain().await)
    }

    async fn close(self) {
        ask!(self, it => it.close().await);
    }
}
