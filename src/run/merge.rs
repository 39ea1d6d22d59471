//! Many machines' runs become one: their facts are added, judged and reported as those of one run are.
//!
//! One member's facts are in memory at a time, beside the sum: 256 members take no more than two.

mod folders;

use std::path::{Path, PathBuf};

use super::setup;
use crate::base::seed::Seed;
use crate::base::time::Wall;
use crate::event::{Event, EventKind, Member, Phase};
use crate::judge::{Judgement, judge, noise};
use crate::plan::{Library, Options, Plan, PlanError, plans};
use crate::record::facts::{self, FACTS, FactsError, Head, Identity, Shift, read};
use crate::record::journal::{Journal, JournalError, PLAN};
use crate::record::{Fleet, MemberSeen, Missing, Standing, Summary};
use crate::report::{Header, LINES_MAX, Line, Report, Stored, write_all};

/// Why nothing can be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The facts of a member cannot be read.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// A folder cannot be looked into.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was named is no fleet, or not one; what to do.
    #[error("{0}")]
    NoFleet(String),
    /// Two folders are not of the same run.
    #[error(
        "{path}: its {what} is {theirs}, and that of {other} is {ours}; name the members of one run"
    )]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Another one.
        other: PathBuf,
        /// What differs.
        what: &'static str,
        /// That of the folder.
        theirs: String,
        /// That of the other.
        ours: String,
    },
    /// The plan cannot be read.
    #[error("{0}")]
    Plan(#[from] PlanError),
}

/// The run that all members together made, not stored yet.
#[derive(Debug)]
pub struct Merged {
    /// Its report.
    pub report: Report,
    started: Wall,
    seed: Seed,
    plan: String,
    events: Vec<Event>,
}

/// Leaves the facts of a member beside its report.
///
/// # Errors
/// When they cannot be written.
pub fn leave_facts(
    folder: &Path,
    member: &Member,
    header: &Header,
    summary: &Summary,
    judgement: &Judgement,
) -> Result<(), JournalError> {
    let identity = Identity {
        version: header.version.clone(),
        seed: header.seed,
        workload: header.workload.clone(),
        client_profile: header.client_profile.clone(),
        plan_hash: header.plan_hash.clone(),
        network: header.network.clone(),
        machine: header.machine.clone(),
        planned_s: header.planned_s,
    };
    facts::write(folder, member, &identity, judgement.verdict.name(), summary)
}

/// Merges the runs of a fleet: of each folder its own run, or every run that lies in it.
///
/// # Errors
/// When they are not the runs of one fleet, member 0's is not among them, or one cannot be read.
pub fn merge(named: &[PathBuf], missing: Missing) -> Result<Merged, MergeError> {
    let found = folders::find(named)?;
    let members = folders::members(&found.runs)?;
    let (zero, head) = &members[0];
    let plan = plan_of(zero, head)?;
    let (objectives, _) = setup::objectives(&plan);
    let mut summary = read(zero, head)?;
    known_nodes(zero, &summary, &plan)?;
    let mut fleet = Fleet::expected(&head.member.run_id, head.member.of, missing);
    prepare(&mut summary, &head.member);
    fleet.members[0] = seen(head, &summary, Standing::Counted);
    for (folder, theirs) in &members[1..] {
        let member = add(&mut summary, folder, theirs, zero)?;
        let place = member.index as usize;
        fleet.members[place] = member;
    }
    summary.fleet = Some(fleet);
    let judgement = judge(&summary, &objectives);
    let mut report = Report::new(header(head), &summary, &judgement);
    report.harness.limits.extend(plan.trace_remarks());
    report.harness.limits.extend(found.remarks);
    let events = events(zero, &summary, &mut report);
    let (started, plan_text) = (summary.started_at, plan.to_toml());
    Ok(Merged { report, started, seed: plan.seed, plan: plan_text, events })
}

/// The plan that they share.
fn plan_of(folder: &Path, head: &Head) -> Result<Plan, MergeError> {
    let path = folder.join(PLAN);
    let word = path.to_string_lossy().into_owned();
    let mut plans = plans(&Library::new("."), &[word], &Options::default(), Seed::new(0))?;
    let plan = plans.remove(0);
    if plan.hash() != head.identity.plan_hash {
        return Err(MergeError::NoFleet(format!(
            "{}: this is not the plan that the members ran; restore the file of member 0",
            path.display()
        )));
    }
    Ok(plan)
}

/// Facts that name other nodes than the plan has are no facts of it.
fn known_nodes(folder: &Path, summary: &Summary, plan: &Plan) -> Result<(), MergeError> {
    let (told, planned) = (summary.config.nodes, usize::from(plan.nodes.count));
    let most = summary.phases.iter().map(|phase| phase.nodes.len()).max().unwrap_or_default();
    if told == planned && most <= planned && summary.inputs.nodes.len() <= planned {
        return Ok(());
    }
    let path = folder.join(FACTS);
    let path = path.display();
    Err(MergeError::NoFleet(format!(
        "{path}: facts of {told} nodes; the plan beside it has {planned}"
    )))
}

/// What tells one member's facts from another's when they are together.
fn prepare(summary: &mut Summary, member: &Member) {
    summary.mark(member.index);
    if member.of > 1 {
        let name = format!("member {} ({})", member.index, member.host);
        let harness = &mut summary.inputs.harness;
        harness.limits.iter_mut().for_each(|limit| *limit = format!("{name}: {limit}"));
        harness.calibration.iter_mut().for_each(|check| {
            check.name = format!("{name}: {}", check.name);
        });
    }
}

/// Adds a member's facts, as far as they count; says whether they do.
fn add(
    summary: &mut Summary,
    folder: &Path,
    head: &Head,
    zero: &Path,
) -> Result<MemberSeen, MergeError> {
    let mut theirs = read(folder, head)?;
    let settings = |summary: &Summary| format!("{:?}", summary.config);
    let is_alike = theirs.config == summary.config
        && theirs.inputs.nodes.len() <= summary.config.nodes
        && theirs.phases.iter().all(|phase| phase.nodes.len() <= summary.config.nodes);
    if !is_alike {
        return Err(MergeError::Foreign {
            path: folder.to_owned(),
            other: zero.to_owned(),
            what: "setting",
            theirs: settings(&theirs),
            ours: settings(summary),
        });
    }
    prepare(&mut theirs, &head.member);
    let offset = head.member.clock_offset_us;
    let shift = Shift::between(summary, &theirs, offset.unwrap_or_default());
    let (by_facts, apart) = summary.standing_of(&theirs, shift);
    let standing = Standing::by_words(&head.member).unwrap_or(by_facts);
    let member = MemberSeen { phases_apart: apart, ..seen(head, &theirs, standing) };
    if standing == Standing::Counted {
        summary.absorb(theirs, shift);
    } else {
        summary.absorb_proof(theirs, shift);
    }
    Ok(member)
}

fn seen(head: &Head, summary: &Summary, standing: Standing) -> MemberSeen {
    let (offered, counted) = summary.conservation();
    let closed = summary.inputs.load.tickets_closed;
    MemberSeen {
        index: head.member.index,
        told: Some(head.member.clone()),
        standing,
        phases_apart: None,
        offered: Some(offered),
        accounted: offered == counted && offered == closed,
        noise: noise(summary),
        verdict: Some(head.verdict.clone()),
    }
}

fn header(head: &Head) -> Header {
    let Identity {
        version,
        seed,
        workload,
        client_profile,
        plan_hash,
        network,
        machine,
        planned_s,
    } = head.identity.clone();
    Header { version, seed, workload, client_profile, plan_hash, network, machine, planned_s }
}

/// What member 0 has in its journal, and what of the others is in their facts, in order.
fn events(zero: &Path, summary: &Summary, report: &mut Report) -> Vec<Event> {
    let mut stored = Stored::of(report.clone());
    if let Err(error) = stored.read_lines(zero) {
        report.harness.limits.push(format!("events of member 0 are missing: {error}"));
    }
    let others = summary.events.iter().filter(|event| event.member != Some(0)).cloned();
    let changes = summary.transitions.iter().filter(|change| change.member != 0).map(|change| {
        let (node, from, to, cause) = (change.node, change.from, change.to, change.cause.clone());
        let phase = summary.phases.iter().rfind(|phase| phase.start <= change.at);
        Event {
            at_s: change.at.as_secs_f64(),
            at: summary.started_at.after(change.at.as_duration()).rfc3339(),
            phase: phase.map_or(Phase::Warmup, |phase| phase.phase),
            member: Some(change.member),
            kind: EventKind::BreakerChanged { node, from, to, cause },
        }
    });
    let mut events = stored.events;
    events.extend(others.chain(changes));
    events.sort_by(|one, next| one.at_s.total_cmp(&next.at_s));
    events.truncate(usize::try_from(LINES_MAX).unwrap_or(usize::MAX));
    events
}

impl Merged {
    /// Leaves the run below `out` as any run: its plan, its events and every format. Returns the folder,
    /// and what could not be written.
    ///
    /// # Errors
    /// When there is no room for it at all.
    pub fn leave(self, out: &Path) -> Result<(PathBuf, Vec<String>), JournalError> {
        let Self { report, started, seed, plan, events } = self;
        let mut journal = Journal::create(out, &report.scenario, started, &seed, &plan)?;
        for event in &events {
            journal.event(&Line::Event(event.clone()));
        }
        journal.flush();
        let mut losses = journal.losses();
        let mut stored = Stored { events, ..Stored::of(report) };
        stored.report.harness.limits.splice(0..0, losses.iter().cloned());
        losses.extend(write_all(&journal, &mut stored).iter().map(ToString::to_string));
        Ok((journal.folder().to_owned(), losses))
    }
}

#[cfg(test)]
mod tests;
