//! A run whose calls a command made itself: all that is known is what the wire shows, and how the
//! command ended.
//!
//! The first of these that applies decides:
//!
//! 1. `fail`: the command ended by itself and not with exit code 0, tasks leaked or panicked. That a
//!    machine was busy excuses no exit code.
//! 2. `invalid`: the harness failed, a fault was never healed, or the machine was busy and a time was asked for.
//! 3. `vacuous`: there were faults, and some of them met no traffic; or no request came through at all.
//! 4. `fail`, `invalid`: an objective failed, or is inconclusive although the command ran to the end of the run.
//! 5. `degraded`: whoever made calls to the end of the run never asked a healed node again.
//! 6. `pass`, with what the wire showed.

use super::Analysis;
use super::finding::{gates, never_asked_again, noise, unfinished};
use super::measure::Measure;
use super::measure::command::EXIT_CODE;
use super::measure::told::ALL as TOLD_BY_THE_WIRE;
use super::objective::{Bound, Grade, Graded, Objective, show_us};
use super::unmet::unmet;
use super::verdict::{Verdict, first_found};
use crate::base::family::Unit;
use crate::event::{CommandFacts, Phase, SubjectFacts};
use crate::record::{NodeGroup, Summary, WireCounts, ratio};

/// Fewer requests without an answer are those that were under way when the command ended.
const UNANSWERED_MIN: u64 = 30;
/// The share of requests without an answer below which the same may have happened now and then.
const UNANSWERED_SHARE_MIN: f64 = 0.01;

/// Whether `measure` needs neither our load nor our client: what the wire tells, and how it ended.
#[must_use]
pub fn can_tell(measure: &Measure) -> bool {
    measure == &EXIT_CODE || TOLD_BY_THE_WIRE.contains(&measure)
}

/// What every command is judged by.
#[must_use]
pub fn command_succeeds() -> Objective {
    Objective {
        name: "command-succeeds".to_owned(),
        summary: "the command ends with exit code 0".to_owned(),
        measure: &EXIT_CODE,
        phase: None,
        nodes: NodeGroup::All,
        bound: Bound::AtMost(0.0),
        min_samples: 1,
    }
}

/// Whether there is something to grade: a command that was ended with the run neither succeeds nor fails.
pub(super) fn is_asked(summary: &Summary, objective: &Objective) -> bool {
    let cut = summary.command().is_some_and(|command| command.ended_by_harness);
    !(cut && objective.measure == &EXIT_CODE)
}

pub(super) fn decide(
    summary: &Summary,
    analysis: &Analysis,
    command: &CommandFacts,
    objectives: &[Objective],
    grades: &[Graded],
) -> (Verdict, Vec<String>) {
    let of = |wanted, exit: bool| {
        let is_exit = |graded: &Graded| graded.objective.measure == &EXIT_CODE;
        let these = grades.iter().filter(move |graded| graded.grade == wanted);
        these.filter(move |graded| is_exit(graded) == exit).map(|graded| graded.why.clone())
    };
    let failed = command.failed().then(|| how(command));
    // Where a command that ended by itself cut the last round short, that is nobody's failure, and what of that round
    // cannot be judged is said.
    let ended_itself = command.ended.is_some() && !command.ended_by_harness;
    let (unjudged, invalid): (Vec<String>, Vec<String>) =
        of(Grade::Inconclusive, false).partition(|_| ended_itself);
    let is_time = |graded: &Graded| {
        graded.grade != Grade::Inconclusive
            && matches!(graded.objective.measure.unit, Unit::Microseconds | Unit::Seconds)
    };
    let times_in_doubt = if grades.iter().any(is_time) { noise(summary) } else { Vec::new() };
    let is_said = !times_in_doubt.is_empty();
    let lasting = (!ended_itself).then(|| never_asked_again(summary, analysis, objectives));
    let stages: [(Verdict, Vec<String>); 6] = [
        (
            Verdict::Fail,
            failed
                .into_iter()
                .chain(of(Grade::Fail, true))
                .chain(gates(summary, objectives))
                .collect(),
        ),
        (Verdict::Invalid, unfinished(summary).into_iter().chain(times_in_doubt).collect()),
        (Verdict::Vacuous, unmet(summary).into_iter().chain(unseen(summary)).collect()),
        (Verdict::Fail, of(Grade::Fail, false).collect()),
        (Verdict::Invalid, invalid),
        (Verdict::Degraded, lasting.flatten().into_iter().collect()),
    ];
    let decided = first_found(&stages);
    let mut reasons: Vec<String> = stages.into_iter().flat_map(|(_, found)| found).collect();
    let is_of_others = summary.inputs.subject.as_ref().is_some_and(SubjectFacts::is_of_others);
    if !command.failed() && !is_of_others {
        reasons.push(how(command));
    }
    reasons.push(told_by_the_wire(summary));
    reasons.extend(unjudged.into_iter().map(|why| format!("not judged: {why}")));
    reasons.extend(unanswered(summary));
    reasons.extend(noise(summary).into_iter().filter(|_| !is_said));
    (decided.unwrap_or(Verdict::Pass), reasons)
}

fn how(command: &CommandFacts) -> String {
    match &command.ended {
        _ if command.ended_by_harness => "the command ran until the run was over".to_owned(),
        Some(how) => format!("the command ended by itself: {how}"),
        None => "the command ended, and nobody knows how".to_owned(),
    }
}

/// That no node was used, where somebody would have seen it; what faults met is said without that.
fn unseen(summary: &Summary) -> Option<String> {
    let wire = &summary.inputs.wire;
    let is_told = summary.inputs.faults.is_empty() && !wire.is_empty();
    let is_used = || wire.iter().any(|wire| wire.requests > 0);
    (is_told && !is_used()).then(|| {
        "no request came through the proxies; whoever makes the calls must use the servers that they are told"
            .to_owned()
    })
}

/// What the proxies saw after the warm-up, in a sentence.
fn told_by_the_wire(summary: &Summary) -> String {
    let [mut requests, mut late, mut never, mut longest] = [0_u64; 4];
    for wire in summary.wire(None) {
        requests += wire.requests;
        late += wire.answered_late.count;
        never += wire.never_answered.count;
        longest = longest.max(wire.delivered.max.unwrap_or_default());
    }
    let dials = match summary.dials(None) {
        Some(dials) => format!(", {dials} attempts to connect"),
        None => String::new(),
    };
    #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
    let longest = show_us(longest as f64);
    format!(
        "the wire showed {requests} requests{dials}; {late} were answered after the client had left, {never} \
         never; the longest answer took {longest}"
    )
}

/// Many requests without an answer where no fault can have swallowed them: on nodes that had none, and on the
/// others before it.
fn unanswered(summary: &Summary) -> Option<String> {
    let is_without = |wire: &&WireCounts| {
        wire.phase == Phase::Steady || summary.faults_on(wire.node).next().is_none()
    };
    let (mut requests, mut never) = (0, 0);
    for wire in summary.wire(None).filter(is_without) {
        requests += wire.requests;
        never += wire.never_answered.count;
    }
    let share = ratio(never, requests)?;
    let many = never >= UNANSWERED_MIN && share >= UNANSWERED_SHARE_MIN;
    many.then(|| {
        format!(
            "{never} of {requests} requests ({:.1} %) were never answered although no fault was there to \
             swallow them: whoever sent them left, or took no replies",
            share * 100.0
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::judge;
    use crate::record::synthetic::{HEAL_MS, Story, watched};
    use crate::record::{WireCounts, WirePiece, WireTimes};

    /// A run of a command that ended like this, in which the fault counted so much itself.
    fn told(
        command: CommandFacts,
        touched: Option<u64>,
        edit: fn(&mut Summary),
    ) -> (Verdict, String) {
        let mut summary = Story::default().tell(|_, _| (crate::event::Outcome::Hit, 200));
        summary.inputs.subject =
            Some(SubjectFacts { command: Some(command), ..SubjectFacts::default() });
        summary.inputs.faults[0].operations_touched = touched;
        edit(&mut summary);
        let judgement = judge(&summary, &[command_succeeds()]);
        (judgement.verdict, judgement.reasons.join("\n"))
    }

    fn exited(code: i32) -> CommandFacts {
        let ended = Some(format!("exit code {code}"));
        CommandFacts { ended, exit_code: Some(code), ..CommandFacts::default() }
    }

    fn quiet(wire: &mut WireCounts) {
        wire.requests = 0;
    }

    /// Catches a client that asks and takes no replies and passes without a word, and one that is accused for
    /// what a fault swallowed, or for the last requests before it ended.
    #[test]
    fn requests_that_nobody_answered_are_remarked() {
        type Edit = fn(&mut WireCounts);
        let cases: [(Edit, Option<&str>); 4] = [
            (|wire| wire.never_answered.count = 500, Some("1500 of 12600 requests (11.9 %)")),
            (|wire| wire.never_answered.count = u64::from(wire.node.0 > 0) * 9, None),
            (|wire| (wire.requests, wire.never_answered.count) = (100_000, 300), None),
            (
                |wire| {
                    wire.phase = Phase::Fault;
                    wire.never_answered.count = u64::from(wire.node.0 == 0) * 4000;
                },
                None,
            ),
        ];
        for (edit, expected) in cases {
            let mut summary = Story::default().tell(|_, _| (crate::event::Outcome::Hit, 200));
            summary.inputs.wire.iter_mut().for_each(edit);
            let said = unanswered(&summary);
            match expected {
                Some(part) => {
                    assert!(said.as_deref().unwrap_or_default().contains(part), "{said:?}")
                }
                None => assert_eq!(said, None),
            }
        }
    }

    /// Catches times of a busy machine that are held against a command, or for it.
    #[test]
    fn no_time_is_judged_on_a_busy_machine() {
        let mut summary = Story::default().tell(|_, _| (crate::event::Outcome::Hit, 200));
        summary.inputs.wire_nodes = vec![watched(WireTimes::default())];
        summary.inputs.faults[0].operations_touched = Some(40);
        summary.inputs.subject =
            Some(SubjectFacts { command: Some(exited(0)), ..SubjectFacts::default() });
        let asked = Objective {
            measure: &crate::judge::measure::told::FIRST_REQUEST,
            bound: Bound::AtMost(1.0),
            ..command_succeeds()
        };
        let verdict = |summary: &Summary| judge(summary, std::slice::from_ref(&asked)).verdict;
        assert_eq!(verdict(&summary), Verdict::Pass);
        let delay = crate::record::DelayUs { p50: None, p99: Some(31_000), max: None };
        summary.inputs.harness.timer_delay = Some(delay);
        assert_eq!(verdict(&summary), Verdict::Invalid);
    }

    /// Catches a command that fails and passes, one that was ended with the run and fails for it, a
    /// fault that met nothing and passes, and a busy machine that excuses an exit code.
    #[test]
    fn each_end_has_its_verdict() {
        let killed = CommandFacts {
            ended: Some("signal 9 (SIGKILL)".to_owned()),
            signal: Some(9),
            ..CommandFacts::default()
        };
        let cut = CommandFacts { ended_by_harness: true, ..killed.clone() };
        type Edit = fn(&mut Summary);
        let noisy: Edit = |s| {
            let delay = crate::record::DelayUs { p50: None, p99: Some(31_000), max: None };
            s.inputs.harness.timer_delay = Some(delay);
        };
        let gone: Edit = |s| {
            let mut node = watched(WireTimes::default());
            let heal = usize::try_from(HEAL_MS / 20).expect("a place");
            node.pieces.all[heal..].fill(WirePiece::default());
            s.inputs.wire_nodes = vec![node];
        };
        let cases: [(CommandFacts, Option<u64>, Edit, Verdict, &str); 12] = [
            (exited(0), Some(40), |_| {}, Verdict::Pass, "exit code 0\nthe wire showed"),
            (exited(0), None, |_| {}, Verdict::Pass, "the wire showed"),
            (exited(3), Some(40), |_| {}, Verdict::Fail, "exit_code is 3 (at most 0 asked)"),
            (exited(3), Some(40), noisy, Verdict::Fail, "31 ms late at p99"),
            (exited(0), Some(40), noisy, Verdict::Pass, "31 ms late at p99"),
            (
                killed,
                Some(40),
                |_| {},
                Verdict::Fail,
                "signal 9 (SIGKILL)\ncommand-succeeds: exit_code is 137",
            ),
            (
                cut.clone(),
                Some(40),
                |_| {},
                Verdict::Pass,
                "the command ran until the run was over",
            ),
            (cut, Some(40), gone, Verdict::Degraded, "the node was not asked again"),
            (exited(0), Some(40), gone, Verdict::Pass, "exit code 0"),
            (exited(0), Some(0), |_| {}, Verdict::Vacuous, "the fault `down` met no traffic"),
            (
                exited(0),
                None,
                |s| s.inputs.wire.iter_mut().for_each(quiet),
                Verdict::Vacuous,
                "the fault `down` met no traffic",
            ),
            (
                exited(0),
                None,
                |s| {
                    s.inputs.faults.clear();
                    s.inputs.wire.iter_mut().for_each(quiet);
                },
                Verdict::Vacuous,
                "no request came through the proxies",
            ),
        ];
        for (command, touched, edit, expected, reason) in cases {
            let (verdict, reasons) = told(command, touched, edit);
            assert_eq!(verdict, expected, "{reasons}");
            assert!(reasons.contains(reason), "{reasons}");
        }
    }
}
