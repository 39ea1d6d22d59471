//! A request to a service, and what its answer is worth.

use super::{Done, Hands};
use crate::base::name::NodeIndex;
use crate::client::Trace;
use crate::load::keyspace::Slot;
use crate::load::service::Service;

/// The place of every operation on a service: it does not tell which nodes it asked.
const SOMEWHERE: NodeIndex = NodeIndex(0);

impl Hands {
    /// Asks the service for the key of `slot`.
    pub(super) async fn request(&mut self, service: &Service, slot: Slot) -> Done {
        let drawn = self.drafter.draw_below(service.weights());
        let (worker, due, clock) = (self.drafter.seat().worker, self.due, self.clock);
        let key = self.key(slot);
        let since_due = || clock.now().since(due);
        let told = service.ask(drawn, key.as_str(), worker as usize, since_due).await;
        let exchange = told.exchange;
        let mut trace = Trace::new(SOMEWHERE);
        trace.served_by = exchange.result.is_ok().then_some(SOMEWHERE);
        trace.sent = exchange.sent;
        trace.answered = Some(exchange.over);
        trace.connection_wait = exchange.connection_wait;
        trace.attempts = exchange.attempts;
        Done { outcome: told.outcome, trace }
    }
}
