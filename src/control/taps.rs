//! `GET /proxies/{name}/connections`: what passes a proxy, while it passes.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::json::Quoted;
use super::output::{joined, list};
use crate::proxy::{ConnectionView, Foreign, LatencyView, LatencyWindow, Reuse, TapSnapshot};

/// The proxy's counters, and each connection that is open.
pub(super) fn connections(tap: &TapSnapshot, open: &[ConnectionView]) -> String {
    let closed = tap.closed.iter().map(|((closer, manner), count)| {
        let (closer, manner) = (closer.name(), manner.name());
        format!(r#"{{"by":"{closer}","how":"{manner}","count":{count}}}"#)
    });
    format!(
        concat!(
            r#"{{"opened":{},"open":{},"refused":{},"closed":{},"foreign":{},"opaque":{},{},"#,
            r#""outstanding":{},"received_bytes":{},"sent_bytes":{},"#,
            r#""requests":{},"replies":{},"touched":{},"skipped_uncertain":{},"could_not_fire":{},"#,
            r#""wire_latency_us":{},"recent_latency_us":{},"answered_late_us":{},"#,
            r#""never_answered_us":{},"connections":{}}}"#
        ),
        tap.opened,
        tap.open,
        or_null(tap.refused),
        list(closed),
        or_null(tap.foreign.as_ref().map(foreign)),
        tap.opaque,
        reuse(tap.reuse),
        tap.outstanding,
        directions(tap.bytes_from_clients, tap.bytes_from_servers),
        directions(tap.bytes_to_servers, tap.bytes_to_clients),
        counts(&tap.requests_by_command),
        counts(&tap.replies_by_status),
        counts(&tap.touched),
        tap.skipped_uncertain,
        tap.could_not_fire,
        latency(&tap.wire_latency),
        list(tap.recent_latency.iter().map(window)),
        latency(&tap.answered_late),
        latency(&tap.never_answered),
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

fn or_null(value: Option<impl Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

/// Members of an object. What nobody can tell is `null`, with the reason beside it.
fn reuse(reuse: Reuse) -> String {
    let told = reuse.overlaps_after_silence();
    format!(
        concat!(
            r#""overlaps":{},"overlaps_after_silence":{},"overlaps_after_silence_reason":{},"#,
            r#""pipelining":{}"#
        ),
        or_null(reuse.overlaps()),
        or_null(told.ok()),
        or_null(told.err().map(Quoted)),
        or_null(reuse.pipelining().map(|how| Quoted(how.name())))
    )
}

fn foreign(foreign: &Foreign) -> String {
    let Foreign { connections, requests, clients } = foreign;
    let clients = list(clients.iter().map(|client| format!(r#""{client}""#)));
    format!(r#"{{"connections":{connections},"requests":{requests},"clients":{clients}}}"#)
}

fn latency(view: &LatencyView) -> String {
    format!("{{{}}}", figures(view))
}

fn window(window: &LatencyWindow) -> String {
    format!(r#"{{"age_s":{:.3},{}}}"#, window.age.as_secs_f64(), figures(&window.latency))
}

/// Quantiles are absent as long as nothing was measured.
fn figures(view: &LatencyView) -> String {
    if view.count() == 0 {
        return r#""count":0"#.to_owned();
    }
    let [p50, p95, p99] = [0.50, 0.95, 0.99].map(|share| view.quantile(share).as_micros());
    let (count, max) = (view.count(), view.max().as_micros());
    format!(r#""count":{count},"p50":{p50},"p95":{p95},"p99":{p99},"max":{max}"#)
}

fn connection(view: &ConnectionView) -> String {
    format!(
        concat!(
            r#"{{"id":{},"client":"{}","age_s":{:.3},"received_bytes":{},"sent_bytes":{},"#,
            r#""requests":{},"outstanding":{},{},"own":{},"opaque":{}}}"#
        ),
        view.id,
        view.client,
        view.age.as_secs_f64(),
        view.bytes_from_client,
        view.bytes_to_client,
        view.requests,
        view.outstanding,
        reuse(view.reuse),
        or_null(view.own),
        or_null(view.opaque.map(Quoted))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches text that is no JSON, a figure that is made up from nothing, and a `null` without a reason.
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
            reuse: Reuse { asked: 3, overlapping: 1, after_silence: 0, untold: 1 },
            own: Some(true),
            opaque: Some("not_memcached"),
        };
        let json: serde_json::Value =
            serde_json::from_str(&connections(&tap, &[view])).expect("JSON");
        assert_eq!(json["touched"]["a\"b"], 3);
        assert_eq!(json["connections"][0]["age_s"], 1.5);
        assert_eq!(json["connections"][0]["opaque"], "not_memcached");
        let open = &json["connections"][0];
        assert_eq!((&open["overlaps"], &open["pipelining"]), (&1.into(), &"under_load".into()));
        assert_eq!(open["overlaps_after_silence"], serde_json::Value::Null);
        assert!(open["overlaps_after_silence_reason"].is_string(), "why nobody can tell");
        for unknown in ["refused", "foreign", "overlaps", "overlaps_after_silence", "pipelining"] {
            assert_eq!(json[unknown], serde_json::Value::Null, "nobody looked: {unknown}");
        }
        assert_eq!(json["wire_latency_us"], serde_json::json!({ "count": 0 }));
    }
}
