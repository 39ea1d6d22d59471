//! `harness examine`: what kind of client is this? A card, after a battery of short runs.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::compare::Format;
use super::exit::Exit;
use super::interruptible::interruptible;
use super::placed::placed_as;
use super::run::NodeFlags;
use super::session::exit_of;
use super::{output, values};
use crate::base::seed::Seed;
use crate::lab::Backend;
use crate::plan::{Library, Options, Plan, PlanError, RateWish, scenario_of};
use crate::report::{
    Card, CardLine, Line, TRIALS, Trial, Tried, card, card_html, card_markdown, card_text,
};
use crate::run::{Environment, Observer, RunError, possible, run};

/// Find out what kind of client this is: where it puts keys, how long it waits, whether it asks again,
/// how it tells errors, when it comes back. A card, after ten short runs (about two minutes).
#[derive(Debug, clap::Args)]
#[command(after_help = "  harness examine -client pymemcache\n  \
                        harness examine -client clients/mine/client.toml -format markdown")]
pub(super) struct Arguments {
    /// The client: a name or a file
    #[arg(long, value_name = "NAME|FILE")]
    client: String,
    /// Only the questions of this run; may be repeated
    #[arg(long, value_name = "SCENARIO", value_parser = PossibleValuesParser::new(TRIALS.map(|trial| trial.scenario)))]
    only: Vec<String>,
    #[command(flatten)]
    nodes: NodeFlags,
    /// Intended operations a second
    #[arg(long, value_name = "RATE", value_parser = values::rate, default_value = "500/s")]
    rate: RateWish,
    /// How to print the card
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    format: Format,
    /// Where journals and reports go
    #[arg(long, value_name = "DIR", default_value = "runs/examine")]
    out: PathBuf,
    /// Same seed, same decisions [default: random, printed]
    #[arg(long, value_name = "NUMBER", value_parser = values::seed)]
    seed: Option<u64>,
}

impl Arguments {
    fn plan(&self, library: &Library, trial: &Trial, seed: u64) -> Result<Plan, PlanError> {
        let options = Options {
            client: Some(self.client.clone()),
            duration: Some(trial.duration),
            rate: Some(self.rate),
            out: Some(self.out.clone()),
            seed: Some(seed),
            ..self.nodes.options()
        };
        scenario_of(library, trial.scenario, &options)
    }

    /// Those that can be had with these nodes and this client, unless none can.
    fn plans(&self) -> Result<Vec<Plan>, PlanError> {
        let library = Library::new(".");
        let seed = self.seed.unwrap_or_else(|| Seed::from_system().value());
        let wanted = |trial: &&Trial| {
            self.only.is_empty() || self.only.iter().any(|name| name == trial.scenario)
        };
        let (mut plans, mut left_out) = (Vec::new(), Vec::new());
        for trial in TRIALS.iter().filter(wanted) {
            match self.plan(&library, trial, seed) {
                Ok(plan) => plans.push(plan),
                Err(error) => left_out.push((trial.scenario, error)),
            }
        }
        if plans.is_empty() && !left_out.is_empty() {
            return Err(left_out.swap_remove(0).1);
        }
        for (scenario, error) in left_out {
            output::remark(&format!("{scenario}: left out: {error}"));
        }
        Ok(plans)
    }
}

/// Runs the battery and prints the card.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let plans = match arguments.plans() {
        Ok(plans) => plans,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    let descriptors = plans.iter().map(Plan::descriptors).max();
    interruptible(descriptors.unwrap_or_default(), |environment| async move {
        match examine(arguments, &plans, &environment).await {
            Ok(card) => print(arguments, &card),
            Err(RunError::Interrupted) => Exit::Interrupted,
            Err(error) => {
                output::complain(&error);
                exit_of(&error)
            }
        }
    })
}

async fn examine(
    arguments: &Arguments,
    plans: &[Plan],
    environment: &Environment,
) -> Result<Card, RunError> {
    let placement = placement(arguments, plans, environment).await;
    let mut tried = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        if environment.interrupt.is_cancelled() {
            return Err(RunError::Interrupted);
        }
        let progress = format!("{:2}/{} {}", number + 1, plans.len(), plan.scenario);
        output::remark(&format!("{progress}, {} s", plan.phases.total().as_secs()));
        if let Err(error) = possible(plan, environment) {
            output::remark(&format!("{progress}: left out: {error}"));
            continue;
        }
        let finished = run(plan, environment, &mut Quiet).await?;
        tried.push(Tried { report: finished.report, folder: finished.folder });
    }
    card(&tried, placement).ok_or_else(|| RunError::Internal("no run could be made".to_owned()))
}

/// Where it puts its keys, where a driver tells.
async fn placement(
    arguments: &Arguments,
    plans: &[Plan],
    environment: &Environment,
) -> Option<CardLine> {
    let config = plans.first()?.driver.clone()?;
    let backend = arguments.nodes.backend().unwrap_or(Backend::Auto);
    let found = crate::check::placement(&config, backend, &environment.programs).await;
    let answer = match found {
        Ok(placement) => placed_as(&placement),
        Err(error) => format!("could not be found out: {error}"),
    };
    Some(CardLine::without_a_run("places keys", answer))
}

fn print(arguments: &Arguments, card: &Card) -> Exit {
    output::result(match arguments.format {
        Format::Text => card_text(card),
        Format::Markdown => card_markdown(card),
        Format::Html => card_html(card),
        Format::Json => {
            let text = serde_json::to_string_pretty(card).expect("a card is plain JSON");
            text + "\n"
        }
    })
}

/// The runs say nothing: their reports are in their folders.
struct Quiet;

impl Observer for Quiet {
    fn line(&mut self, _line: &Line) {}

    fn note(&mut self, _text: &str) {}

    fn warn(&mut self, text: &str) {
        output::remark(text);
    }
}
