//! One run of one scenario, from the first socket to the report.

use super::control::Control;
use super::desk::{Desk, Finished};
use super::machine::machine;
use super::phases::perform;
use super::stage::Stage;
use super::teardown::CLOSE_GRACE;
use super::{Environment, Observer, RunError, fleet, leave_facts, setup};
use crate::base::scope::Scope;
use crate::fleet::Seat;
use crate::judge::judge;
use crate::plan::Plan;
use crate::report::{Header, Line, Report};

/// Whether `plan` can be run here, as far as that is known before anything is started.
///
/// # Errors
/// What it wants and cannot have: a process of its own where servers were given, say.
pub fn possible(plan: &Plan, environment: &Environment) -> Result<(), RunError> {
    if let Some(seat) = &environment.fleet {
        fleet::refusal(plan, seat.share()).map_or(Ok(()), |what| Err(RunError::Fleet(what)))?;
    }
    setup::able_command(plan, environment)?;
    Ok(setup::able_lab(plan, environment).map(drop)?)
}

/// Runs `plan` and judges it.
///
/// # Errors
/// When there is nothing to report: the lab did not come up, or the run was interrupted before the
/// steady phase. Whatever was started is ended then, too.
pub async fn run(
    plan: &Plan,
    environment: &Environment,
    observer: &mut dyn Observer,
) -> Result<Finished, RunError> {
    let scope = Scope::current("run");
    let finished = in_scope(plan, environment, observer, &scope).await;
    if let Err(error) = &finished {
        environment.board.abandon();
        fleet::abandon(environment.fleet.as_ref(), error);
        scope.close(CLOSE_GRACE).await;
    }
    finished
}

async fn in_scope(
    plan: &Plan,
    environment: &Environment,
    observer: &mut dyn Observer,
    scope: &Scope,
) -> Result<Finished, RunError> {
    observer.note(&setup::greeting(plan));
    let (stage, sink) = tokio::select! {
        biased;
        () = environment.interrupt.cancelled() => return Err(RunError::Interrupted),
        stage = Stage::assemble(plan, environment, scope) => stage?,
    };
    let control = stage.control.as_ref().and_then(Control::notice);
    for notice in stage.lab.notices().iter().map(String::as_str).chain(control) {
        observer.note(notice);
    }
    for notice in stage.planted() {
        observer.note(&notice);
    }
    let header = Header { machine: Some(machine()), ..setup::header(plan) };
    let mut desk = Desk::open(plan, &stage, sink, observer);
    if let Some(Seat::Host(host)) = &environment.fleet {
        host.keep_in(desk.folder());
    }
    let own = stage.control.as_ref().map(|control| control.address().to_string());
    let api = own.or_else(|| plan.elsewhere.as_ref().map(|it| it.address.clone()));
    desk.show(Line::Start(setup::start(plan, &header, stage.lab.info(), api)));
    if plan.command.as_ref().is_some_and(|command| !command.is_started()) {
        let api = stage.control.as_ref().map(Control::address);
        let files = stage.phase_file.as_deref();
        desk.observer.note(&setup::invitation(
            plan.nodes.protocol,
            plan.nodes.access,
            &setup::places(&stage.lab, api, files),
        ));
    }
    let (end, records) = perform(plan, environment, &stage, &mut desk).await?;
    let (objectives, left_out) = setup::objectives(plan);
    let unseen = setup::unseen(plan, &left_out);
    let (mut inputs, recorder) = stage.tear_down(&mut desk, end, &records, unseen).await;
    inputs.subject.iter_mut().for_each(|subject| subject.not_judged.clone_from(&left_out));
    desk.deliver_waiting();
    let summary = recorder.finish(inputs);
    let judgement = judge(&summary, &objectives);
    let mut report = Report::new(header.clone(), &summary, &judgement);
    report.harness.limits.extend(plan.trace_remarks());
    report.harness.limits.splice(0..0, setup::uncounted(plan, &left_out));
    if plan.attempt > 1 {
        let before = format!("attempt {}: those before it proved nothing", plan.attempt);
        report.harness.limits.insert(0, before);
    }
    let member = environment.fleet.as_ref().map(Seat::member);
    report.member.clone_from(&member);
    environment.board.end(&report, &setup::asked(&objectives));
    let Some((seat, member)) = environment.fleet.as_ref().zip(member) else {
        return Ok(desk.finish(report, true));
    };
    let finished = desk.finish(report, seat.host().is_none());
    if let Some(folder) = &finished.folder
        && let Err(error) = leave_facts(folder, &member, &header, &summary, &judgement)
    {
        observer.warn(&format!("lost: {error}"));
    }
    Ok(fleet::leave(seat, plan, finished, observer).await)
}
