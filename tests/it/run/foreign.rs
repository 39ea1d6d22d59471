//! What others send through the proxies of a run.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use harness::event::{EventKind, Phase};
use harness::judge::Grade;
use harness::report::Line;

use super::{Place, assert_sound};

const QUIET: &str = r#"
objectives = ["no-wrong-data", "wire-matches-client", "no-dirty-reuse"]
[phases]
warmup = "500ms"
steady = "2s"
"#;

/// Requests of the stranger, all in one piece: it pipelines.
const REQUESTS: usize = 2000;

/// Catches a stranger's traffic that is charged to the client of the run: as requests that it did not
/// write, as connections used dirty, as amplification; and one that leaves no trace.
#[test]
fn a_strangers_traffic_is_told_apart() {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    let mut running = place.start("-scenario quiet.toml -duration 2500ms -nodes embedded -out o");
    let Line::Start(start) = running.until(|line| matches!(line, Line::Start(_))) else {
        unreachable!("waited for it")
    };
    running.until(|line| {
        matches!(line, Line::Event(event)
            if event.kind == EventKind::PhaseStarted && event.phase == Phase::Steady)
    });
    let mut stranger = TcpStream::connect(&start.nodes[0].proxy_address).unwrap();
    let address = stranger.local_addr().unwrap().to_string();
    stranger.write_all(&b"get other\r\n".repeat(REQUESTS)).unwrap();
    let mut replies = vec![0; REQUESTS * b"END\r\n".len()];
    stranger.read_exact(&mut replies).unwrap();
    drop(stranger);
    let (lines, _) = running.rest();
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert_sound(report);
    let wire = report.wire.as_ref().expect("our proxies counted");
    let foreign = wire.totals.foreign.as_ref().expect("the run's keys carry its number");
    assert_eq!((foreign.connections, foreign.requests), (1, REQUESTS as u64));
    assert_eq!(foreign.clients, std::slice::from_ref(&address));
    let named = |limit: &String| limit.contains(&address) && limit.contains("2000 requests");
    assert!(report.harness.limits.iter().any(named), "{:?}", report.harness.limits);
    for objective in &report.objectives {
        assert_eq!(objective.grade, Grade::Pass, "{}: {}", objective.name, objective.why);
    }
    let amplification = report.load.request_amplification.unwrap();
    assert!(amplification < 1.5, "{amplification}");
    let answers = wire.phases.iter().map(|phase| {
        // On a busy machine the client may have given up some of them.
        phase.delivered_us.count + phase.answered_late_us.count + phase.never_answered_us.count
    });
    let requests: u64 = wire.phases.iter().map(|phase| phase.requests).sum();
    assert_eq!(answers.sum::<u64>(), requests, "the stranger's is not in it");
}
