//! What a page must say, and that it says what the report says.

use serde_json::{Value, json};

use super::*;
use crate::base::name::NodeIndex;
use crate::event::{Outcome, Phase, ViolationKind, WireMessage, WireMessageKind, WireTrace};
use crate::judge::{Grade, Verdict};
use crate::record::synthetic::{Story, usual};
use crate::report::WireSeries;
use crate::report::format::tests::{run, run_of};
use crate::report::model::{Example, NodeReport};

/// The JSON in a page.
fn embedded(page: &str) -> Value {
    let start = page.find("type=\"application/json\">").expect("a page has its data") + 24;
    let end = start + page[start..].find("</script>").expect("the element ends");
    serde_json::from_str(&page[start..end]).expect("the data is JSON")
}

/// One value of each piece, as report.json has it.
fn column(pieces: &Value, of: impl Fn(&Value) -> Value) -> Value {
    pieces.as_array().expect("pieces").iter().map(of).collect()
}

/// Catches a chart that disagrees with report.json.
#[test]
fn the_figures_behind_the_charts_are_those_of_the_report() {
    let stale = |node, ms| {
        let stale = node == 1 && (2000..4000).contains(&ms);
        if stale { (Outcome::Stale, 200) } else { usual(node, ms) }
    };
    for open_loop in [true, false] {
        let run = run_of(&Story { open_loop, ..Story::default() }, stale);
        let report: Value =
            serde_json::from_str(&(crate::report::format::json::FORMAT.render)(&run)).unwrap();
        let (told, shown) = (&report["pieces"], &embedded(&render(&run))["pieces"]);
        for name in ["at_s", "length_s", "phase"] {
            assert_eq!(shown[name], column(told, |piece| piece[name].clone()), "{name}");
        }
        for name in ["p50", "p95", "p99", "max"] {
            let of = |piece: &Value| piece["response_time_us"][name].clone();
            assert_eq!(shown["response_time_us"][name], column(told, of), "{name}");
        }
        let mut names = std::collections::BTreeSet::new();
        for piece in told.as_array().unwrap() {
            names.extend(piece["outcomes"].as_object().unwrap().keys());
        }
        assert!(names.contains(&"stale".to_owned()));
        assert!(names.iter().copied().eq(shown["outcomes"].as_object().unwrap().keys()));
        for name in names {
            let of =
                |piece: &Value| piece["outcomes"].get(name).cloned().unwrap_or_else(|| json!(0));
            assert_eq!(shown["outcomes"][name], column(told, of), "{name}");
        }
    }
}

/// Catches an outcome that a row counts twice or not at all.
#[test]
fn every_outcome_is_in_one_layer() {
    let story = run_of(&Story::default(), |node, ms| {
        let outcomes: Vec<Outcome> = Outcome::all().collect();
        let (_, us) = usual(node, ms);
        (outcomes[usize::try_from(ms / 10).unwrap_or_default() % outcomes.len()], us)
    });
    let data = embedded(&render(&story));
    let layers = data["keys"]["throughput"].as_object().unwrap();
    let mut counted: Vec<&str> = layers
        .values()
        .flat_map(|names| names.as_array().unwrap())
        .filter_map(Value::as_str)
        .collect();
    counted.sort_unstable();
    let names: Vec<&str> =
        data["pieces"]["outcomes"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(counted, names);
}

/// Catches wrong data that the chart leaves out because only the first of each kind are kept with their
/// evidence, and pieces of intervals although there are better ones.
#[test]
fn all_wrong_data_is_on_the_chart() {
    let stale = |node, ms| {
        let stale = node == 1 && (2000..4000).contains(&ms);
        if stale { (Outcome::Stale, 200) } else { usual(node, ms) }
    };
    let page = render(&run_of(&Story::default(), stale));
    assert!(page.contains("stale (400)"), "{page}");
    assert!(page.contains("class=\"area stale\" d=\"M2000 1000V"), "{page}");
    let mut old = run();
    old.report.pieces.clear();
    let page = render(&old);
    assert!(page.contains("This run was stored without pieces"), "{page}");
    assert_eq!(embedded(&page)["pieces"]["outcomes"]["hit"], json!([800, 800]));
}

/// Catches text that gets out of its element, a page that fetches something, and one that says nothing
/// to a reader who does not see.
#[test]
fn the_page_stands_alone() {
    let mut run = run();
    run.report.nodes[0].backend = "</script><b>".to_owned();
    run.report.reasons.push("it's <b>".to_owned());
    run.report.faults[0].name = "</script><b>".to_owned();
    let page = render(&run);
    assert!(page.contains("sequence 4 &lt; 7 &lt;b&gt;"), "the violation is marked");
    assert!(!page.contains("src=") && !page.contains("http:") && !page.contains("https:"));
    assert!(!page.contains("<b>") && !page.contains("NaN") && !page.contains("<pre"));
    assert_eq!(page.matches("<script").count(), 2, "the data and the script");
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(page.matches("<svg").count(), page.matches("role=\"img\"").count());
    for part in ["<header>", "<nav ", "<main>", "name=\"viewport\"", "scope=\"row\""] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<th ").count(), page.matches("<th scope=").count());
    assert!(page.contains(">fail</span>"));
}

/// Catches a failed objective below those that held, and one that was not judged without a reason.
#[test]
fn what_failed_stands_first() {
    let mut run = run();
    let graded = run.report.objectives[0].clone();
    for (name, grade) in
        [("held", Grade::Pass), ("open", Grade::Inconclusive), ("bad", Grade::Fail)]
    {
        let why = format!("{name}: because of {name}");
        run.report.objectives.push(crate::report::ObjectiveReport {
            name: name.to_owned(),
            grade,
            why,
            ..graded.clone()
        });
    }
    let page = render(&run);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
    assert!(at("<td>because of bad</td>") < at("<td>because of open</td>"));
    assert!(at("<td>because of open</td>") < at("<td>because of held</td>"));
}

/// Catches a line at zero where nobody looked.
#[test]
fn what_was_not_looked_at_says_so() {
    let mut run = run_of(&Story { open_loop: false, ..Story::default() }, usual);
    run.report.wire = None;
    run.report.data = crate::report::DataReport::default();
    run.report.harness.stalls.count = None;
    run.intervals.clear();
    let page = render(&run);
    for why in [
        "a closed loop has no intended starts",
        "no proxy of ours was between client and nodes",
        "neither the client nor a proxy told how many connections were open",
        "nobody watched the machine",
        "Nobody knows whether data was wrong",
        "not looked at: nobody looked",
    ] {
        assert!(page.contains(why), "{why}: {page}");
    }
    assert_eq!(embedded(&page)["wire"]["length_s"], Value::Null);
}

/// Catches a verdict without its sentence, and wrong data that is not told first.
#[test]
fn a_stranger_reads_the_verdict() {
    let mut run = run();
    for (verdict, sentence) in [
        (Verdict::Pass, "Every objective held."),
        (Verdict::Fail, "An objective failed"),
        (Verdict::Invalid, "This run proves nothing, good or bad"),
        (Verdict::Vacuous, "touched too few operations"),
    ] {
        run.report.verdict = verdict;
        assert!(render(&run).contains(sentence), "{sentence}");
    }
    run.report.data.totals.wrong = Some(3);
    let page = render(&run);
    let wrong = page.find("Data was wrong: </strong>3 wrong values").expect("it is told");
    assert!(wrong < page.find("<ul class=\"reasons\">").expect("reasons"));
}

/// Catches data that is called wrong where nobody promised more, and wrong data that hides behind it.
#[test]
fn what_a_late_write_left_is_old_and_not_wrong() {
    let mut run = run();
    let totals = &mut run.report.data.totals;
    (totals.stale, totals.stale_by_late_write) = (Some(5), Some(5));
    assert!(render(&run).contains("Old values were read: </strong>5 stale values"));
    run.report.data.totals.stale = Some(6);
    assert!(render(&run).contains("Data was wrong: </strong>6 stale values"));
    run.report.data.totals.stale = Some(5);
    run.report.data.totals.corrupt = Some(1);
    assert!(render(&run).contains("Data was wrong: </strong>"));
}

/// Catches an example whose messages are not drawn, and a reply to a client that had left which
/// reaches it.
#[test]
fn what_passed_before_is_drawn() {
    let message = |kind, status: Option<&str>, of_key| WireMessage {
        at_s: 1.5,
        kind,
        request: Some(41),
        command: Some("set".to_owned()),
        status: status.map(str::to_owned),
        of_key,
    };
    let mut run = run();
    run.report.data.examples = vec![Example {
        at_s: 1.5,
        phase: Phase::Fault,
        kind: ViolationKind::LateWrite,
        node: NodeIndex(0),
        detail: "older".to_owned(),
        wire: Some(WireTrace {
            connection: 7,
            messages: vec![
                message(WireMessageKind::Request, None, true),
                message(WireMessageKind::ClientLeft, None, false),
                message(WireMessageKind::Reply, Some("stored"), true),
            ],
        }),
    }];
    let page = render(&run);
    assert!(page.contains("late write from n1 at 1.50 s"), "{page}");
    assert!(page.contains("The last 3 messages of connection 7"), "{page}");
    assert!(page.contains(">set #41</text>") && page.contains(">the client left</text>"));
    assert!(page.contains("x1=\"410\" x2=\"250\""), "the reply ends at the proxy: {page}");
    assert!(page.contains(">stored #41, nobody waits</text>"), "{page}");
}

/// Catches a page that grows with the length of a run or the number of its nodes.
#[test]
fn a_page_is_bounded() {
    let story = Story { end_ms: 400_000, every_ms: 50, ..Story::default() };
    let mut run = run_of(&story, usual);
    let node = run.report.nodes[0].clone();
    run.report.nodes =
        (0..300).map(|it| NodeReport { name: NodeIndex(it), ..node.clone() }).collect();
    let series = |it| WireSeries {
        node: NodeIndex(it),
        length_s: 0.4,
        connects: vec![1000; 1000],
        requests: vec![100_000; 1000],
    };
    run.report.wire = Some(crate::report::WireReport {
        totals: crate::record::WireTotals::default(),
        phases: Vec::new(),
        told: None,
        series: (0..300).map(series).collect(),
    });
    run.intervals = vec![run.intervals[0].clone(); 20_000];
    let event = run.events[0].clone();
    run.events = vec![event; 20_000];
    let page = render(&run);
    assert!(page.len() < 1 << 20, "{} bytes", page.len());
}

/// Catches a command that makes another run, and one that a shell would take apart.
#[test]
fn the_run_can_be_made_again() {
    let mut run = run();
    let facts = crate::event::SubjectFacts { kind: "builtin".to_owned(), ..Default::default() };
    run.report.subject = Some(facts);
    let page = render(&run);
    assert!(page.contains("harness -scenario plan.toml"), "{page}");
    let command = "harness -scenario single-node-failure -workload mixed -client default -network user \
                   -duration 20500ms -seed 42";
    assert!(page.contains(command), "{page}");
    run.report.scenario = "a; rm".to_owned();
    assert!(!render(&run).contains("-seed 42"));
}
