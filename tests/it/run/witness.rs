//! What the wire tells of the built-in client, held against what that says of itself.

use harness::judge::Verdict;
use harness::report::ToldOfNode;

use super::{Place, assert_sound};

/// A node that takes requests and never answers, and enough time to come back.
const MUTE: &str = r#"
objectives = ["no-wrong-data"]
[phases]
warmup = "500ms"
steady = "3s"
fault = "2s"
recovery = "6s"
[[faults]]
name = "mute"
on = ["n1"]
mute = {}
"#;

/// The built-in client's own timeout, in seconds.
const TIMEOUT_S: f64 = 0.1;

/// Catches a wire that tells another story than the client: a patience that is not its timeout, a reply
/// that is later than the first success, a node that is not back although the client recovered, and a
/// healthy node that is told of.
#[test]
fn the_wire_and_the_client_agree() {
    let place = Place::new();
    place.scenario("mute", MUTE);
    let report = place.play("-scenario mute.toml -duration 11s -nodes embedded -out o").report();
    assert_sound(&report);
    let told = report.wire.as_ref().unwrap().told.as_ref().expect("the proxies looked");
    assert_eq!(told.nodes.iter().map(|node| node.name.0).collect::<Vec<_>>(), [0]);
    let ToldOfNode { give_up_s, first_request_s, first_reply_s, sustained_s, .. } = &told.nodes[0];
    let give_up_s = give_up_s.expect("a mute node is given up");
    // A proxy that is late to read a request takes the wait for shorter than it was.
    assert!(give_up_s > TIMEOUT_S / 2.0 || report.verdict == Verdict::Invalid, "{give_up_s}");
    let reasons = &told.nodes[0].reasons;
    let first_reply_s = first_reply_s.unwrap_or_else(|| panic!("{reasons:?}"));
    assert!(first_request_s.unwrap() <= first_reply_s, "{told:?}");
    // What came in the piece of the heal is not told apart from what came before it.
    let success = report.recovery.first_success_s.expect("it came back");
    if success > told.resolution_s {
        assert!(first_reply_s <= success, "{first_reply_s} > {success}");
    }
    // On a machine too busy to be believed the load itself is not what it was.
    if report.recovery.recovered == Some(true) && report.verdict != Verdict::Invalid {
        let sustained_s = sustained_s.unwrap_or_else(|| panic!("{reasons:?}"));
        assert!(first_reply_s <= sustained_s, "{told:?}");
    }
    let unaccepted = |row: &harness::report::WirePhase| row.connects_unaccepted.is_some();
    assert!(report.wire.as_ref().unwrap().phases.iter().all(unaccepted), "the client counts them");
}
