//! Reads and stores of keys at the border of what memcached takes.

use super::{Done, Hands, over, read_failed, source};
use crate::client::{Failure, Keep, Trace, Ttl};
use crate::event::{ErrorClass, Operation, Outcome};
use crate::load::border::{Border, BorderKeys, Judged, OnTheWire, judge};
use crate::load::oracle::Content;
use crate::load::work::write::stored;

impl Hands {
    /// Whether the next operation is on a key at the border.
    pub(super) fn draws_border(&mut self, operation: Operation) -> bool {
        let share = self.border_share.filter(|_| self.cache.takes_any_key());
        let fits = matches!(operation, Operation::Get | Operation::Set);
        share.is_some_and(|share| fits && self.drafter.draw_border(share))
    }

    /// Reads or stores one of this worker's keys at the border.
    pub(super) async fn at_the_border(&mut self, operation: Operation) -> Done {
        let border = Border::ALL[self.drafter.draw_kind(Border::ALL.len())];
        let key = self.border_keys().key(border);
        if operation == Operation::Set {
            self.store_at_border(border, &key).await
        } else {
            self.read_at_border(border, &key).await
        }
    }

    fn border_keys(&mut self) -> &mut BorderKeys {
        let (worker, prefix) = (self.drafter.seat().worker, self.cache.key_prefix());
        let oracle = &self.oracle;
        self.border.get_or_insert_with(|| {
            let victim = oracle.keyspace().key(oracle.keyspace().first_value());
            BorderKeys::new(worker, oracle.run(), prefix.as_bytes(), victim.as_bytes())
        })
    }

    async fn read_at_border(&mut self, border: Border, key: &[u8]) -> Done {
        let head = self.border_keys().head().to_vec();
        let (call, wire) = self.cache.get_any(key, &head).await;
        let judged = match &call.result {
            Err(failure) => (read_failed(*failure), None),
            Ok(item) => {
                let content = item.as_ref();
                let content = content.map(|item| Content { value: &item.value, flags: item.flags });
                self.border_keys().read(border, content)
            }
        };
        let refusal = call.result.as_ref().is_err_and(is_refusal);
        self.judged_at_border(border, judged, refusal, wire, call.trace)
    }

    async fn store_at_border(&mut self, border: Border, key: &[u8]) -> Done {
        let head = self.border_keys().head().to_vec();
        let length = usize::try_from(self.drafter.draw_bytes()).unwrap_or_default();
        let stamp = self.border_keys().begin(border);
        stamp.write(length, &mut self.buffer);
        let keep = Keep { ttl: Ttl::Never, flags: stamp.flags() };
        let (call, wire) = self.cache.set_any(key, &head, &self.buffer, keep).await;
        let judged = (stored(call.result), None);
        if judged.0 == Outcome::Stored {
            self.border_keys().acknowledged(border);
        }
        let refusal = call.result.as_ref().is_err_and(is_refusal);
        self.judged_at_border(border, judged, refusal, wire, call.trace)
    }

    fn judged_at_border(
        &self,
        border: Border,
        judged: Judged,
        refusal: bool,
        wire: OnTheWire,
        trace: Trace,
    ) -> Done {
        let (outcome, wrong) = judge(border, judged, refusal, wire);
        if let Some((kind, why)) = wrong {
            let now = over(&trace, &self.clock);
            self.oracle.found_at_border(now, kind, border.name(), why, source(&trace));
        }
        Done { outcome, trace }
    }
}

/// Whether a failure may be the client's word for a key that it does not take. One that took its time or
/// broke the connection is none.
const fn is_refusal(failure: &Failure) -> bool {
    matches!(
        failure.class(),
        Some(ErrorClass::ClientError | ErrorClass::TooLarge | ErrorClass::Other)
    )
}
