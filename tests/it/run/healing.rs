//! The scenario for which self-healing exists, with and without it.

use harness::judge::Verdict;

use super::{Place, assert_sound};

/// Fewer keys than the scenario's own workload, stored in no time.
const FEW_KEYS: &str = r#"
summary = "reads and writes of a few hundred keys"
[arrival]
constant = { rate = "500/s" }
[keys]
uniform = { count = 300 }
[values]
range = { min = "64B", max = "1KiB" }
[mix]
get = 60
set = 30
delete = 5
incr = 5
"#;

const LINE: &str = "-scenario single-node-failure -duration 12s -workload few.toml -nodes embedded \
                    -concurrency 20 -out o";

/// Catches a client that does not come back, and a check that cannot fail: the same scenario must
/// fail when healing is switched off, and say why.
#[test]
fn a_failed_node_comes_back_only_by_healing() {
    std::thread::scope(|threads| {
        let without = threads.spawn(|| {
            let place = Place::new();
            std::fs::write(place.path("few.toml"), FEW_KEYS).unwrap();
            place.play(&format!("{LINE} -client no-healing")).report()
        });
        let place = Place::new();
        std::fs::write(place.path("few.toml"), FEW_KEYS).unwrap();
        let with = place.play(LINE).report();
        let without = without.join().unwrap();

        assert_sound(&with);
        assert!(with.recovery.first_success_s.is_some(), "{:?}", with.reasons);
        assert!(!with.reasons.iter().any(|why| why.contains("did not recover")), "{with:?}");
        assert_eq!((with.nodes[0].breaker.as_ref().unwrap().opens > 0, with.partial), (true, None));

        assert_sound(&without);
        let said = without.reasons.iter().any(|why| why.contains("did not recover"));
        match without.recovery.recovered {
            Some(recovered) => assert_eq!((recovered, said), (false, true), "{without:?}"),
            // A machine that stood still at the end of the recovery: nobody can know.
            None => assert_ne!(without.exit_code, 0, "{:?}", without.reasons),
        }
        // On a machine too busy to be believed nothing is a verdict; it is never a pass.
        let expected = if without.verdict == Verdict::Invalid { 4 } else { 1 };
        assert_eq!(without.exit_code, expected, "{:?}", without.reasons);
    });
}
