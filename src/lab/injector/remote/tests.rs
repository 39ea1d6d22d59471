//! What faults are for proxies elsewhere.

use super::*;
use crate::base::family::{Chosen, Settings, Value as Given};

fn fault(kind: &str, settings: &[(&str, Given)], direction: Direction) -> FaultSpec {
    let mut given = Settings::default();
    for (name, value) in settings {
        given.insert(*name, value.clone());
    }
    FaultSpec {
        group: None,
        name: "f".into(),
        nodes: vec![NodeIndex(0)],
        at: Duration::ZERO,
        after: None,
        length: Duration::from_secs(1),
        until_touched: None,
        direction,
        toxicity: 0.5,
        fault: Chosen { kind: kind.into(), settings: given },
    }
}

/// Catches a fault that arrives as another, or on one stream instead of both.
#[test]
fn faults_are_put_in_toxiproxys_terms() {
    let latency = fault("latency", &[("latency", Given::Float(20.0))], Direction::Both);
    let toxics = wanted(Whose::Toxiproxy, &latency, None).unwrap();
    let names: Vec<&str> = toxics.iter().map(|toxic| toxic.name.as_str()).collect();
    assert_eq!(names, ["f_latency_upstream", "f_latency_downstream"]);
    assert_eq!(
        toxics[0].body,
        json!({ "name": "f_latency_upstream", "type": "latency", "stream": "upstream",
                "toxicity": 0.5, "attributes": { "latency": 20, "jitter": 0 } })
    );
    assert!(toxics[0].is(&toxics[0].body) && !toxics[0].is(&toxics[1].body));
}

/// Catches a fault that only our proxies have and that does not arrive there as it was asked for: what a
/// command, a key and a text are, a length of time to the microsecond, and both directions in one.
#[test]
fn proxies_of_ours_have_every_fault() {
    let settings = [
        ("command", Given::Text("get".into())),
        ("key", Given::Text("k:7".into())),
        ("message", Given::Text("MOVED 1 {address}".into())),
    ];
    let error = fault("error", &settings, Direction::Both);
    let toxics = wanted(Whose::Harness, &error, None).unwrap();
    let [Wanted { name, body }] = &toxics[..] else { panic!("{toxics:?}") };
    assert_eq!(
        (name.as_str(), &body["type"], &body["stream"]),
        ("f", &json!("error"), &json!("both"))
    );
    for (name, text) in [("command", "get"), ("key", "k:7"), ("message", "MOVED 1 {address}")] {
        assert_eq!(body["settings"][name], text, "{body}");
    }
    let there = wanted(Whose::Harness, &error, Some("127.0.0.1:6379")).unwrap();
    assert_eq!(there[0].body["settings"]["message"], "MOVED 1 127.0.0.1:6379");
    let shown = json!({ "counts": { "fired": 0 } });
    let mut found = body.clone();
    found["counts"] = shown["counts"].clone();
    assert!(toxics[0].is(&found), "what it says besides");
    found["settings"]["key"] = "k:8".into();
    assert!(!toxics[0].is(&found));
    let fine = fault("latency", &[("latency", Given::Float(0.25))], Direction::Upstream);
    let fine = wanted(Whose::Harness, &fine, None).unwrap();
    assert_eq!(fine[0].body["settings"]["latency"], 0.25, "{}", fine[0].body);
}

/// Catches a fault that is quietly rounded, or begun although it cannot be done.
#[test]
fn what_it_cannot_do_is_named() {
    let of =
        |kind, settings: &[_]| can(Whose::Toxiproxy, &fault(kind, settings, Direction::Upstream));
    assert!(of("packet_loss", &[]).unwrap_err().contains("packet_loss"));
    assert_eq!(of("reset_peer", &[]), Ok(()));
    let fraction = of("latency", &[("latency", Given::Float(0.25))]).unwrap_err();
    assert!(fraction.starts_with("`latency` is 0.25 in Toxiproxy's unit"), "{fraction}");
    assert_eq!(of("bandwidth", &[("rate", Given::Integer(7))]), Ok(()));
}
