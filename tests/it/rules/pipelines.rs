//! Random pipelines of quiet and other requests under a rule for one key: every other request must have
//! the answer that it has without.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use harness::base::seed::{Seed, Stream as Draws};
use rand::RngExt as _;

use super::{World, talk, text};

/// How many pipelines.
const PIPELINES: u64 = 60;
/// Requests in one, at most.
const REQUESTS_MAX: usize = 40;
/// What they are: nothing here changes what a later one is answered. `K` is a key, `#` a number of its
/// own.
const REQUESTS: &[&str] = &[
    "get K\r\n",
    "get K\r\n",
    "mg K v\r\n",
    "mg K v O#\r\n",
    "mg K v q\r\n",
    "mg K v q\r\n",
    "mg K v q k\r\n",
    "mg K v q k\r\n",
    "mg K v q O#\r\n",
    "mg K v q O#\r\n",
    "ms K 1 ME q\r\nx\r\n",
    "md y q\r\n",
    "mn\r\n",
];

/// Every request with what the server itself answers; whether it names b.
async fn draw(world: &World, draws: &mut Draws) -> Vec<(String, Vec<u8>, bool)> {
    let mut all = Vec::new();
    for number in 0..draws.random_range(2..REQUESTS_MAX) {
        let request = REQUESTS[draws.random_range(0..REQUESTS.len())];
        // A store of a key that is not there would be one.
        let keys = if request.starts_with("ms") { 2 } else { 3 };
        let key = ["b", "a", "y"][draws.random_range(0..keys)];
        let request = request.replace('K', key).replace('#', &number.to_string());
        let answer = world.server(format!("{request}mn\r\n").as_bytes()).await;
        let answer = answer.strip_suffix(b"MN\r\n").expect("the barrier is answered").to_vec();
        let is_b = request.split_ascii_whitespace().nth(1) == Some("b");
        all.push((request, answer, is_b));
    }
    all.push(("mn\r\n".into(), b"MN\r\n".to_vec(), false));
    all
}

fn shown(all: &[(String, Vec<u8>, bool)]) -> String {
    all.iter().fold(String::new(), |mut shown, (request, answer, _)| {
        let _ = writeln!(shown, "{request:?} -> {}", answer.escape_ascii());
        shown
    })
}

/// Catches an answer of ours in a quiet pipeline that is missing, or in another place than that of its
/// request.
#[tokio::test]
async fn an_answer_has_its_place_in_any_pipeline() {
    let world = World::new().await;
    world.server(b"set a 0 0 1\r\nA\r\nset b 0 0 1\r\nB\r\n").await;
    world.rule("memcached_error", &[("key", text("b"))]).await;
    let mut matched = 0;
    for seed in 0..PIPELINES {
        let all = draw(&world, &mut Seed::new(seed).stream()).await;
        let sent: String = all.iter().map(|(request, ..)| request.as_str()).collect();
        let expected: Vec<u8> = all
            .iter()
            .flat_map(|(_, answer, is_b)| match is_b {
                true => b"SERVER_ERROR injected fault\r\n".to_vec(),
                false => answer.clone(),
            })
            .collect();
        for address in [world.rules, world.cut] {
            let seen = talk(address, sent.as_bytes()).await;
            let (seen, expected) = (seen.escape_ascii(), expected.escape_ascii());
            let (seen, expected) = (seen.to_string(), expected.to_string());
            assert_eq!(seen, expected, "seed {seed}\n{}", shown(&all));
        }
        matched += all.iter().filter(|(.., is_b)| *is_b).count() as u64;
    }
    assert_eq!(world.touched(), matched, "not every one was answered");
}

/// Catches a change that meets the reply to another key, and one that is counted as something else than
/// it came to.
#[tokio::test]
async fn a_change_meets_its_own_key_in_any_pipeline() {
    let world = World::new().await;
    world.server(b"set a 0 0 1\r\nA\r\nset b 0 0 1\r\nB\r\n").await;
    world.rule("memcached_duplicate", &[("key", text("b"))]).await;
    let counts = || world.proxies.get("rules").unwrap().toxics[0].counts.unwrap();
    let mut matched = 0;
    for seed in 0..PIPELINES {
        let all = draw(&world, &mut Seed::new(seed).stream()).await;
        let sent: String = all.iter().map(|(request, ..)| request.as_str()).collect();
        for address in [world.rules, world.cut] {
            let before = counts().fired;
            let seen = talk(address, sent.as_bytes()).await;
            let twice = repeated(&all, &seen);
            let story = || format!("seed {seed}: {}\n{}", seen.escape_ascii(), shown(&all));
            assert!(!twice.is_empty(), "a reply changed that is not b's, {}", story());
            let fired = counts().fired - before;
            assert!(address == world.cut || twice.contains(&fired), "{fired} fired, {}", story());
        }
        matched += all.iter().filter(|(.., is_b)| *is_b).count() as u64;
    }
    let counts = counts();
    let all = counts.fired + counts.passed_as_uncertain + counts.could_not_fire;
    assert_eq!(all, matched, "{counts:?}");
    assert!(counts.fired > matched / 2, "{counts:?} of {matched}: out of reach");
}

/// How many replies of b may have come twice, if only those did; nothing when that does not explain
/// what was seen.
fn repeated(all: &[(String, Vec<u8>, bool)], seen: &[u8]) -> BTreeSet<u64> {
    let mut states = BTreeSet::from([(0, 0)]);
    for (_, answer, is_b) in all {
        let mut next = BTreeSet::new();
        for (at, twice) in states {
            let once = at + answer.len();
            if seen.get(at..once) != Some(answer) {
                continue;
            }
            next.insert((once, twice));
            let again = once + answer.len();
            if *is_b && !answer.is_empty() && seen.get(once..again) == Some(answer) {
                next.insert((again, twice + 1));
            }
        }
        states = next;
    }
    states.into_iter().filter(|(at, _)| *at == seen.len()).map(|(_, twice)| twice).collect()
}
