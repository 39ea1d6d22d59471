//! `GET /proxies/{name}/connections`: what passes a proxy, while it passes.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::json::Quoted;
use super::output::{joined, list};
use crate::proxy::{ConnectionView, TapSnapshot};

/// The proxy's counters, and each connection that is open.
pub(super) fn connections(tap: &TapSnapshot, open: &[ConnectionView]) -> String {
    let closed = tap.closed.iter().map(|((closer, manner), count)| {
        let (closer, manner) = (closer.name(), manner.name());
        format!(r#"{{"by":"{closer}","how":"{manner}","count":{count}}}"#)
    });
    format!(
        concat!(
            r#"{{"opened":{},"open":{},"closed":{},"opaque":{},"dirty_reuse":{},"#,
            r#""outstanding":{},"received_bytes":{},"sent_bytes":{},"#,
            r#""requests":{},"replies":{},"touched":{},"skipped_uncertain":{},"could_not_fire":{},"wire_latency_us":{},"connections":{}}}"#
        ),
        tap.opened,
        tap.open,
        list(closed),
        tap.opaque,
        tap.dirty_reuse,
        tap.outstanding,
        directions(tap.bytes_from_clients, tap.bytes_from_servers),
        directions(tap.bytes_to_servers, tap.bytes_to_clients),
        counts(&tap.requests_by_command),
        counts(&tap.replies_by_status),
        counts(&tap.touched),
        tap.skipped_uncertain,
        tap.could_not_fire,
        latency(tap),
        list(open.iter().map(connection))
    )
}

fn directions(upstream: u64, downstream: u64) -> String {
    format!(r#"{{"upstream":{upstream},"downstream":{downstream}}}"#)
}

fn counts<K: Display>(counts: &BTreeMap<K, u64>) -> String {
    let members = counts.iter().map(|(key, count)| format!("{}:{count}", Quoted(&key.to_string())));
    format!("{{{}}}", joined(members))
}

/// Quantiles are absent as long as nothing was measured.
fn latency(tap: &TapSnapshot) -> String {
    let wire = &tap.wire_latency;
    if wire.count() == 0 {
        return r#"{"count":0}"#.to_owned();
    }
    let [p50, p95, p99] = [0.50, 0.95, 0.99].map(|share| wire.quantile(share).as_micros());
    format!(r#"{{"count":{},"p50":{p50},"p95":{p95},"p99":{p99}}}"#, wire.count())
}

fn connection(view: &ConnectionView) -> String {
    format!(
        concat!(
            r#"{{"id":{},"client":"{}","age_s":{:.3},"received_bytes":{},"sent_bytes":{},"#,
            r#""requests":{},"outstanding":{},"opaque":{}}}"#
        ),
        view.id,
        view.client,
        view.age.as_secs_f64(),
        view.bytes_from_client,
        view.bytes_to_client,
        view.requests,
        view.outstanding,
        view.opaque.map_or_else(|| "null".to_owned(), |why| format!(r#""{why}""#))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches text that is no JSON, and a quantile that is made up from nothing.
    #[test]
    fn snapshots_are_json() {
        let mut tap = TapSnapshot { opened: 2, open: 1, ..TapSnapshot::default() };
        tap.touched.insert("a\"b".to_owned(), 3);
        let view = ConnectionView {
            id: 7,
            client: ([127, 0, 0, 1], 9).into(),
            age: std::time::Duration::from_millis(1500),
            bytes_from_client: 1,
            bytes_to_client: 2,
            requests: 3,
            outstanding: 4,
            opaque: Some("not_memcached"),
        };
        let json: serde_json::Value =
            serde_json::from_str(&connections(&tap, &[view])).expect("JSON");
        assert_eq!(json["touched"]["a\"b"], 3);
        assert_eq!(json["connections"][0]["age_s"], 1.5);
        assert_eq!(json["connections"][0]["opaque"], "not_memcached");
        assert_eq!(json["wire_latency_us"], serde_json::json!({ "count": 0 }));
    }
}
