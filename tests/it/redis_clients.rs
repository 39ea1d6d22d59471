//! Published clients of Redis: their drivers, and what they are known to do to data.

use std::path::Path;

use serde_json::Value;

use crate::drivers::{check, run};

/// One reply in three of a node is lost with its connection, after its command has run.
const LOST_REPLIES: &str = r#"
summary = "replies are lost with their connections"
workload = "counters"
rate = "300/s"
objectives = ["no-double-increments", "no-wrong-data"]

[phases]
warmup = "1s"
steady = "2s"
fault = "3s"
recovery = "1s"

[[faults]]
name = "lost"
on = ["n1"]
drop = { when = "after", probability = "33%" }
"#;

/// Every reply of a node is late by more than a caller waits.
const LATE_REPLIES: &str = r#"
summary = "replies come after callers have given up"
workload = "mixed"
rate = "300/s"
objectives = ["no-wrong-data"]

[phases]
warmup = "1s"
steady = "2s"
fault = "3s"
recovery = "2s"

[[faults]]
name = "late"
on = ["n1"]
stream = "downstream"
latency = { latency = "150ms" }
"#;

/// What the oracle counted of a client in this scenario.
fn data(scenario: &str, client: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.toml");
    std::fs::write(&file, scenario).unwrap();
    let named = |path: &Path| path.to_str().unwrap().to_owned();
    let report = run(&named(&file), client, &["-once", "-protocol", "resp", "-nodes", "redis"]);
    assert!(report["data"].is_object(), "{client}: {report}");
    report["data"].clone()
}

macro_rules! with_clients {
    ($($(#[$about:meta])* fn $name:ident() $body:block)*) => {$(
        $(#[$about])*
        #[test]
        #[cfg_attr(
            not(all(real_clients, real_redis)),
            ignore = "needs redis-server and what clients/install installs (HARNESS_REQUIRE=clients,redis)"
        )]
        fn $name() $body
    )*};
}

/// Catches a driver of a published client that no longer keeps to the protocol, or that is held to what
/// only memcached does.
fn keeps_to_the_protocol(clients: &[&str]) {
    for client in clients {
        let (exit, said) = check(&[client, "-nodes", "redis"]);
        assert_eq!(exit, 0, "{client}: {said}");
        assert!(said.contains(" 0 failed"), "{client}: {said}");
    }
}

with_clients! {
    fn python_drivers_of_redis_keep_to_the_protocol() { keeps_to_the_protocol(&["valkey-py/tuned"]); }
    fn node_drivers_of_redis_keep_to_the_protocol() {
        keeps_to_the_protocol(&["ioredis/tuned", "node-redis/tuned"]);
    }
    fn ruby_drivers_of_redis_keep_to_the_protocol() {
        keeps_to_the_protocol(&["redis-rb/tuned", "redis-rb/interrupts"]);
    }
    // As it comes: its workers wait for a minute where the input ends.
    fn php_drivers_of_redis_keep_to_the_protocol() { keeps_to_the_protocol(&["phpredis"]); }
    fn c_drivers_of_redis_keep_to_the_protocol() { keeps_to_the_protocol(&["hiredis/tuned"]); }

    /// Catches a harness that no longer finds an increment which a client sends again after its reply was
    /// lost, and one that accuses a client that does not.
    fn increments_that_are_sent_again_count_twice() {
        for client in ["redis-rb", "valkey-py/retries"] {
            let found = data(LOST_REPLIES, client);
            assert!(found["counter_ahead"].as_u64() > Some(0), "{client}: {found}");
        }
        assert_eq!(data(LOST_REPLIES, "redis-rb/tuned")["counter_ahead"], 0);
    }

    /// Catches a harness that no longer finds a connection which is used on after a timeout, where each
    /// caller reads the reply of the one before, and one that accuses a client that closes it.
    fn a_late_reply_is_the_next_calls_where_its_connection_is_used_on() {
        let found = data(LATE_REPLIES, "hiredis/reuse");
        assert!(found["wrong"].as_u64() > Some(0), "{found}");
        assert_eq!(data(LATE_REPLIES, "hiredis/tuned")["wrong"], 0);
    }
}
