//! What a report keeps of wrong data: with it somebody looks for the cause.

use harness::event::{Phase, ViolationKind, WireMessageKind};

use super::Place;

/// Catches an oracle that does not notice another key's value, and evidence that is missing or of
/// another connection: the reply with the wrong value must be the last thing that passed for its key.
#[test]
fn a_wrong_value_is_kept_with_what_passed_on_the_wire() {
    let place = Place::new();
    place.scenario(
        "swaps",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"500ms\"\n\
         fault = \"1s\"\nrecovery = \"500ms\"\n[[faults]]\nname = \"swap\"\non = [\"n1\"]\n\
         memcached_wrong_value = { command = \"get,mg\" }\n",
    );
    let ended = place.play("-scenario swaps.toml -duration 2500ms -nodes embedded -out o");
    let report = ended.report();
    assert!(report.data.totals.wrong > Some(0), "{:?}", report.reasons);
    let wrong: Vec<_> =
        report.data.examples.iter().filter(|e| e.kind == ViolationKind::Wrong).collect();
    assert!(!wrong.is_empty());
    for example in wrong {
        assert!(example.detail.contains("under swap"), "{}", example.detail);
        let wire = example.wire.as_ref().expect("our proxies saw it");
        let of_key = wire.messages.iter().rfind(|message| message.of_key).unwrap();
        assert_eq!(of_key.kind, WireMessageKind::Reply, "{wire}");
        assert!(wire.messages.iter().all(|message| message.at_s <= example.at_s), "{wire}");
        assert!(wire.messages.iter().any(|m| m.status.as_deref() == Some("hit")), "{wire}");
    }
}

/// Catches evidence of a late write that shows the connection of the read: what matters is when the
/// write was given up, and that its node executed it after that.
#[test]
fn a_late_write_is_shown_with_its_own_connection() {
    let place = Place::new();
    place.scenario(
        "late",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"500ms\"\n\
         fault = \"3s\"\nrecovery = \"500ms\"\n[[faults]]\nname = \"slow\"\non = \"all\"\n\
         stream = \"upstream\"\nmemcached_delay = { command = \"set,ms\", delay = \"400ms\", \
         probability = \"10%\" }\n",
    );
    // A late write is only seen on a key that was written again meanwhile: few keys, many writes.
    let hot = "summary = \"made for a test\"\n[arrival]\nconstant = { rate = \"1000/s\" }\n\
               [keys]\nuniform = { count = 20 }\n[values]\nfixed = { size = \"100B\" }\n\
               [mix]\nget = 50\nset = 50\n";
    std::fs::write(place.path("hot.toml"), hot).unwrap();
    let ended = place
        .play("-scenario late.toml -workload hot.toml -duration 4500ms -nodes embedded -out o");
    let report = ended.report();
    let late = report.data.examples.iter().find(|e| e.kind == ViolationKind::LateWrite);
    let late = late.unwrap_or_else(|| panic!("none of {:?}", report.data));
    let wire = late.wire.as_ref().expect("our proxies saw the write");
    let of = |kind| wire.messages.iter().find(|message| message.kind == kind);
    let left = of(WireMessageKind::ClientLeft).unwrap_or_else(|| panic!("nobody left: {wire}"));
    let write = wire.messages.iter().find(|message| message.of_key).unwrap();
    assert_eq!(write.kind, WireMessageKind::Request, "{wire}");
    assert!(write.at_s < left.at_s && left.at_s < late.at_s, "{wire} before {}", late.at_s);
    assert!(late.detail.contains("was given up at"), "{}", late.detail);
    // Each given-up request is one that its client did not get, and had waited for.
    let fault =
        report.wire.iter().flat_map(|wire| &wire.phases).filter(|p| p.phase == Phase::Fault);
    let (count, longest) = fault.fold((0, 0), |(count, longest), phase| {
        let [late, never] = [phase.answered_late_us, phase.never_answered_us];
        let waited = late.max.max(never.max).unwrap_or(0);
        (count + late.count + never.count, longest.max(waited))
    });
    assert!(count > 0 && longest >= 50_000, "{count}, {longest} us: {:?}", report.wire);
}
