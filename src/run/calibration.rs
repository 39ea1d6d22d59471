//! Calibration: the harness measures what it knows the answer to, on this machine, and says whether
//! it was right. A harness that cannot see a planted stall has no say about a real one.
//!
//! `harness doctor` measures all of it, with narrow limits. Before each run the [`glance`] plants one
//! short stall: it finds a harness that is blind, and leaves it to the noise watch to find a machine
//! that is busy.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::RunError;
use crate::base::family::{Chosen, Settings, Value};
use crate::base::name::NodeIndex;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::base::share::Share;
use crate::base::time::RunClock;
use crate::base::timer::Timer;
use crate::base::units::Rate;
use crate::client::{BreakerConfig, Broken, Client, ClientConfig};
use crate::event::{CalibrationCheck as Check, Events, Operation, Outcome, Sample};
use crate::lab::nemesis::Nemesis;
use crate::lab::timeline::{Direction, FaultSpec};
use crate::lab::{Lab, LabConfig};
use crate::load::{self, Load, LoadConfig, LoadTotals, RateWish, Sampler, Workload, longest_call};

/// How long tasks may take to end, and operations to finish.
const GRACE: Duration = Duration::from_secs(5);

/// Waits of one millisecond whose lateness is measured, and how late they may be at p99.
const WAITS: u32 = 500;
const WAIT_LATE_MAX: Duration = Duration::from_millis(1);

/// How late the generator may be at p99: beyond it, it would see its own stalls.
const START_LATE_MAX: Duration = Duration::from_millis(1);

/// What an operation may take at p99 when nothing is wrong and there is next to no load.
const FLOOR_MAX: Duration = Duration::from_millis(5);

/// The stall: this long, once every period.
const STALL: Duration = Duration::from_millis(200);
const STALL_PERIOD: Duration = Duration::from_secs(1);
const STALLS: u32 = 5;

/// What p99 must then be: a fifth of the operations meet the stall and wait for what is left of it,
/// so one in a hundred of all waits 190 ms or longer.
const STALL_P99: (Duration, Duration) = (Duration::from_millis(170), Duration::from_millis(210));

/// The glance: one stall of this length in the middle of this time. A fifth of the operations meet
/// it, so one in a hundred of all waits 95 ms or longer; it may be longer on a busy machine, which
/// the noise watch judges, but never shorter.
const GLANCE: Duration = Duration::from_millis(500);
const GLANCE_STALL: Duration = Duration::from_millis(100);
const GLANCE_P99: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(395));
const GLANCE_PER_SECOND: f64 = 500.0;

/// Workers, and keys that they read and write.
const WORKERS: u32 = 50;
const KEYS: i64 = 500;

/// Workers of the glance: so few that most of what the stall meets waits for one of them. A stopwatch
/// that runs from the sending, and not from the intended start, sees hardly any of that.
const FEW_WORKERS: u32 = 5;

/// What p90 must be under a stall that a fifth of the operations meet: half of it. Who measures from
/// the sending sees it in a few operations only, one a worker.
const STALL_P90: (Duration, Duration) = (Duration::from_millis(80), Duration::from_millis(140));
const GLANCE_P90: (Duration, Duration) = (Duration::from_millis(35), GLANCE_P99.1);

impl Check {
    fn at_most(name: &str, limit: Duration, measured: Duration) -> Self {
        let expected = format!("at most {}", millis(limit));
        Self {
            name: name.to_owned(),
            expected,
            measured: millis(measured),
            pass: measured <= limit,
        }
    }

    fn between(name: &str, limits: (Duration, Duration), measured: Duration) -> Self {
        let (least, most) = limits;
        let expected = format!("{} to {}", millis(least), millis(most));
        let pass = (least..=most).contains(&measured);
        Self { name: name.to_owned(), expected, measured: millis(measured), pass }
    }

    fn equal(name: &str, expected: u64, measured: u64) -> Self {
        let (pass, measured) = (measured == expected, measured.to_string());
        Self { name: name.to_owned(), expected: expected.to_string(), measured, pass }
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// Measures everything, in about ten seconds.
///
/// # Errors
/// When the lab does not come up.
pub async fn calibrate() -> Result<Vec<Check>, RunError> {
    let scope = Scope::current("calibration");
    let checks = in_scope(&scope).await;
    scope.close(GRACE).await;
    checks
}

/// Looks once, for about half a second, whether a planted stall is seen, the rest is quick, and
/// client and wire agree.
///
/// A stopwatch or a generator that is `broken` on purpose is broken here, too.
///
/// # Errors
/// When the lab does not come up.
pub(super) async fn glance(broken: Option<Broken>, scope: &Scope) -> Result<Vec<Check>, RunError> {
    let planted = fault("stall", "pause", GLANCE / 4, GLANCE_STALL);
    let scope = scope.child("calibration");
    let checks = glance_at(&[planted], broken, &scope).await;
    scope.close(GRACE).await;
    checks
}

async fn glance_at(
    planted: &[FaultSpec],
    broken: Option<Broken>,
    scope: &Scope,
) -> Result<Vec<Check>, RunError> {
    let lab = start_lab(scope).await?;
    let load = Planted { per_second: GLANCE_PER_SECOND, length: GLANCE, workers: FEW_WORKERS };
    let seen = measure(&lab, load, planted, broken, scope).await?;
    lab.close().await;
    Ok(seen.of_a_glance())
}

async fn start_lab(scope: &Scope) -> Result<Lab, RunError> {
    let config = LabConfig::embedded(1);
    // Nobody tells the oracle of a loss: it must find the planted one by itself.
    let unsaid = Arc::new(|_| ());
    Ok(Lab::start(&config, Seed::new(1), Events::ignore(), unsaid, scope).await?)
}

async fn in_scope(scope: &Scope) -> Result<Vec<Check>, RunError> {
    let lab = start_lab(scope).await?;
    let mut checks = vec![timers().await];
    let idle = measure(&lab, quiet(100.0, Duration::from_secs(2)), &[], None, scope).await?;
    checks.push(Check::at_most("idle: response time at p99", FLOOR_MAX, idle.p99()));
    let steady = measure(&lab, quiet(2000.0, Duration::from_secs(2)), &[], None, scope).await?;
    checks.extend(steady.of_a_quiet_run());
    let stalled =
        measure(&lab, quiet(2000.0, STALL_PERIOD * STALLS), &stalls(), None, scope).await?;
    checks.extend(stalled.of_a_stall());
    let flushed =
        measure(&lab, quiet(500.0, Duration::from_secs(1)), &[flush()], None, scope).await?;
    checks.push(flushed.of_a_loss());
    lab.close().await;
    Ok(checks)
}

/// The timer by which proxies delay bytes.
async fn timers() -> Check {
    let mut timer = Timer::fine();
    let mut late = Vec::with_capacity(WAITS as usize);
    for _ in 0..WAITS {
        let due = Instant::now() + Duration::from_millis(1);
        timer.until(due).await;
        late.push(Instant::now().saturating_duration_since(due));
    }
    late.sort_unstable();
    Check::at_most("timers: late at p99", WAIT_LATE_MAX, late[late.len() * 99 / 100])
}

fn fault(name: &str, kind: &str, at: Duration, length: Duration) -> FaultSpec {
    FaultSpec {
        name: name.to_owned(),
        nodes: vec![NodeIndex(0)],
        at,
        after: None,
        length,
        until_touched: None,
        direction: Direction::Both,
        toxicity: 1.0,
        group: None,
        fault: Chosen { kind: kind.to_owned(), settings: Settings::default() },
    }
}

fn stalls() -> Vec<FaultSpec> {
    (0..STALLS)
        .map(|n| fault("stall", "pause", STALL_PERIOD * n + STALL_PERIOD / 2, STALL))
        .collect()
}

fn flush() -> FaultSpec {
    fault("loss", "flush", Duration::from_millis(300), Duration::ZERO)
}

/// A load.
#[derive(Clone, Copy)]
struct Planted {
    per_second: f64,
    length: Duration,
    workers: u32,
}

/// A load with workers enough.
const fn quiet(per_second: f64, length: Duration) -> Planted {
    Planted { per_second, length, workers: WORKERS }
}

/// What one load came to.
struct Measured {
    totals: LoadTotals,
    responses: Histogram<u64>,
    /// Requests that the client wrote, and requests that passed the proxy.
    requests: (u64, u64),
}

impl Measured {
    fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.responses.value_at_quantile(quantile))
    }

    fn not_good(&self) -> u64 {
        let bad = Outcome::all().filter(|outcome| !outcome.is_good());
        bad.map(|outcome| self.totals.count(outcome)).sum()
    }

    fn of_a_glance(&self) -> Vec<Check> {
        let totals = &self.totals;
        vec![
            Check::between("p99 under a 100 ms stall", GLANCE_P99, self.p99()),
            Check::between("p90 under a 100 ms stall", GLANCE_P90, self.quantile(0.9)),
            Check::at_most("response time at p50", FLOOR_MAX, self.quantile(0.5)),
            Check::equal("operations with an outcome", totals.issued, totals.closed()),
            Check::equal("requests on the wire", self.requests.0, self.requests.1),
            Check::equal("errors and wrong data", 0, self.not_good()),
        ]
    }

    fn of_a_quiet_run(&self) -> Vec<Check> {
        let totals = &self.totals;
        let late = totals.issue_delay.and_then(|delay| delay.p99);
        let start_late = Duration::from_micros(late.unwrap_or_default());
        vec![
            Check::at_most("2,000/s: starts late at p99", START_LATE_MAX, start_late),
            Check::equal("2,000/s: operations with an outcome", totals.issued, totals.closed()),
            Check::equal("2,000/s: requests on the wire", self.requests.0, self.requests.1),
            Check::equal("2,000/s: errors and wrong data", 0, self.not_good()),
        ]
    }

    fn of_a_stall(&self) -> Vec<Check> {
        vec![
            Check::between("200 ms stall each second: p99", STALL_P99, self.p99()),
            Check::between("200 ms stall each second: p90", STALL_P90, self.quantile(0.9)),
        ]
    }

    fn of_a_loss(&self) -> Check {
        let seen = self.totals.data.false_misses.unwrap_or_default();
        Check {
            name: "planted loss of data: seen by the oracle".to_owned(),
            expected: "at least 1".to_owned(),
            measured: seen.to_string(),
            pass: seen > 0,
        }
    }
}

/// Runs a load for `length` while `faults` come and go.
async fn measure(
    lab: &Lab,
    load: Planted,
    faults: &[FaultSpec],
    broken: Option<Broken>,
    scope: &Scope,
) -> Result<Measured, RunError> {
    let clock = RunClock::start();
    let scope = scope.child("load");
    let mut nemesis = Nemesis::new(lab, faults, clock, Events::ignore());
    let tapped = || lab.proxies().tap(&NodeIndex(0).to_string()).map_or(0, |tap| tap.requests());
    let tapped_before = tapped();
    let Planted { per_second, length, workers } = load;
    let config = ClientConfig { broken, ..patient() };
    let deadline = longest_call(&config);
    let servers = super::setup::servers(lab.info());
    let client = Client::start(&servers, config, Seed::new(1), Events::ignore(), &scope)?;
    let responses = Arc::new(Mutex::new(
        Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("constant bounds are valid"),
    ));
    let load_config = LoadConfig {
        workload: workload(),
        concurrency: workers,
        share: Share::ALL,
        rate: Rate::per_second(per_second).map(RateWish::PerSecond),
        seed: Seed::new(1),
        clock,
        run: load::run_number(Seed::new(1), &clock),
        nodes: 1,
        deadline,
        checks: true,
    };
    let sampler = || {
        let responses = Arc::clone(&responses);
        Box::new(move |sample: &Sample| {
            let micros = sample.done.since(sample.due).as_micros();
            responses.lock().saturating_record(u64::try_from(micros).unwrap_or(u64::MAX));
        }) as Sampler
    };
    let load = Load::start(load_config, client.clone(), sampler, Events::ignore(), &scope)?;
    load.preload().await;
    let start = Instant::now();
    let end = clock.offset(start + length);
    let ((), broken) = tokio::join!(load.run_until(end), nemesis.run(start));
    let totals = load.drain(GRACE).await;
    let healed = nemesis.heal_all().await;
    broken.and(healed)?;
    client.close().await;
    let sent = client.snapshot().iter().map(|node| node.requests_sent).sum();
    scope.close(GRACE).await;
    let responses = responses.lock().clone();
    Ok(Measured { totals, responses, requests: (sent, tapped() - tapped_before) })
}

/// Gets and sets of small values on keys that all are there.
fn workload() -> Workload {
    let chosen = |kind: &str, setting: &str, value: i64| {
        let mut settings = Settings::default();
        settings.insert(setting, Value::Integer(value));
        Chosen { kind: kind.to_owned(), settings }
    };
    Workload {
        name: "calibration".to_owned(),
        keys: chosen("uniform", "count", KEYS),
        values: chosen("fixed", "size", 100),
        mix: vec![(Operation::Get, 9), (Operation::Set, 1)],
        ..Workload::default()
    }
}

/// A client that waits through every stall: what is measured is the harness, not its breaker.
fn patient() -> ClientConfig {
    let time = Duration::from_secs(2);
    ClientConfig {
        connect_timeout: time,
        operation_timeout: time,
        pool_wait: time,
        breaker: BreakerConfig { min_requests: u32::MAX, ..BreakerConfig::default() },
        ..ClientConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a limit that is read the wrong way round.
    #[test]
    fn limits_hold_at_the_limit() {
        let limit = Duration::from_millis(5);
        assert!(Check::at_most("x", limit, limit).pass);
        assert!(!Check::at_most("x", limit, limit + Duration::from_micros(1)).pass);
        assert!(Check::equal("x", 3, 3).pass && !Check::equal("x", 3, 4).pass);
    }

    /// Catches a glance that cannot fail: without its stall it must miss it, and nothing else.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_stall_that_is_not_seen_fails_the_glance() {
        let scope = Scope::current("test");
        let blind = glance_at(&[], None, &scope).await.unwrap();
        let seeing = glance(None, &scope).await.unwrap();
        scope.close(GRACE).await;
        let p99 = |checks: &[Check]| {
            let check = checks.iter().find(|check| check.name.starts_with("p99 under")).unwrap();
            (check.measured.trim_end_matches(" ms").parse::<f64>().unwrap(), check.pass)
        };
        let least = GLANCE_P99.0.as_secs_f64() * 1e3;
        assert!(p99(&seeing).0 >= least, "a stall of 100 ms cannot look shorter: {seeing:?}");
        // A machine that stood still for that long itself is as good as a stall.
        let (measured, pass) = p99(&blind);
        assert!(measured >= least || !pass, "{blind:?}");
        // How fast anything was is the machine's; what was counted is not.
        for name in ["operations with an outcome", "requests on the wire", "errors and wrong data"]
        {
            for checks in [&blind, &seeing] {
                assert!(checks.iter().any(|check| check.name == name && check.pass), "{checks:?}");
            }
        }
    }

    /// Catches a stopwatch that starts when a request is sent, and a generator that is late: both hide
    /// or make up what others must wait for, and no run with them may be believed.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_broken_stopwatch_or_generator_fails_the_glance() {
        let scope = Scope::current("test");
        let stopwatch = glance(Some(Broken::LateStopwatch), &scope).await.unwrap();
        let generator = glance(Some(Broken::LateGenerator), &scope).await.unwrap();
        scope.close(GRACE).await;
        let failed = |checks: &[Check], name: &str| {
            checks.iter().any(|check| check.name == name && !check.pass)
        };
        assert!(failed(&stopwatch, "p90 under a 100 ms stall"), "{stopwatch:?}");
        assert!(failed(&generator, "response time at p50"), "{generator:?}");
    }

    /// Catches a stall of another share than the expected p99 is computed for.
    #[test]
    fn the_expected_p99_follows_from_the_stall() {
        let waits = STALL.saturating_sub(STALL_PERIOD / 100);
        let (least, most) = STALL_P99;
        assert!(least < waits && waits < most);
        let waits = GLANCE_STALL.saturating_sub(GLANCE / 100);
        assert!(GLANCE_P99.0 < waits && waits < GLANCE_P99.1);
        // A fifth meets the stall, so that one in ten of all waits for half of it or longer.
        assert!(STALL_P90.0 < STALL / 2 && STALL / 2 < STALL_P90.1);
        assert!(GLANCE_P90.0 < GLANCE_STALL / 2 && GLANCE_STALL / 2 < GLANCE_P90.1);
        assert!(stalls().iter().all(|stall| stall.at + stall.length < STALL_PERIOD * STALLS));
    }
}
