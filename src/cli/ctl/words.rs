//! The words of `harness ctl`, and the bodies that they stand for.

use std::time::Duration;

use clap::{ArgAction, Subcommand};
use serde_json::{Map, Value, json};

use super::Failure;
use crate::cli::values;

/// Drive the proxies of a run, of `harness proxy` or of any Toxiproxy.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(disable_help_subcommand = true)]
pub(in crate::cli) struct Arguments {
    /// The control API [default: TOXIPROXY_URL, or http://localhost:8474]
    #[arg(long, short = 'h', value_name = "URL")]
    pub(super) host: Option<String>,
    /// Print the version of Toxiproxy whose client this does the work of
    #[arg(long, short = 'v')]
    pub(super) version: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help, global = true)]
    pub(super) help: Option<bool>,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all proxies
    #[command(visible_aliases = ["l", "li", "ls"])]
    List,
    /// Show a proxy's toxics
    #[command(visible_aliases = ["i", "ins"])]
    Inspect(Name),
    /// Create a proxy
    #[command(visible_aliases = ["c", "new"])]
    Create(Create),
    /// Enable a disabled proxy, disable an enabled one
    #[command(visible_alias = "tog")]
    Toggle(Name),
    /// Delete a proxy
    #[command(visible_alias = "d")]
    Delete(Name),
    /// Add, change or remove a toxic
    #[command(visible_alias = "t", subcommand)]
    Toxic(Toxic),
    /// Say something to clients that they did not ask for, now
    Say(Say),
    /// Say that something has happened, for a fault that waits for it
    Event(Happened),
    /// Break things as a scenario does, in a lab that is up; Ctrl-C takes everything back
    Run(Play),
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

#[derive(Debug, Subcommand)]
pub(super) enum Toxic {
    /// Add a toxic
    #[command(visible_alias = "a")]
    Add {
        /// The kind of toxic; `harness -list` shows them
        #[arg(long = "type", short = 't', value_name = "KIND")]
        kind: Option<String>,
        /// It acts on what clients send
        #[arg(long, short)]
        upstream: bool,
        /// It acts on what the server sends (the default)
        #[arg(long, short)]
        downstream: bool,
        #[command(flatten)]
        change: Change,
    },
    /// Change a toxic; what is not given stays as it is
    #[command(visible_alias = "u")]
    Update(Change),
    /// Remove a toxic
    #[command(visible_aliases = ["r", "delete", "d"])]
    Remove(Target),
}

/// Not one of Toxiproxy's.
#[derive(Debug, clap::Args)]
pub(super) struct Say {
    /// What is said, as it is: no line end is added
    #[arg(long, value_name = "TEXT")]
    pub(super) text: Option<String>,
    /// The same for any bytes
    #[arg(long, value_name = "BASE64")]
    pub(super) base64: Option<String>,
    /// The same for any bytes
    #[arg(long, value_name = "DIGITS")]
    pub(super) hex: Option<String>,
    /// On this connection, by its number in `GET /proxies/PROXY/connections`, instead of all
    #[arg(long, value_name = "NUMBER")]
    pub(super) connection: Option<u64>,
    #[command(flatten)]
    pub(super) name: Name,
}

/// Not one of Toxiproxy's.
#[derive(Debug, clap::Args)]
pub(super) struct Happened {
    /// What: the name that the fault has in `after = { event = "NAME" }`
    #[arg(value_name = "NAME")]
    pub(super) name: String,
}

/// Not one of Toxiproxy's.
#[derive(Debug, clap::Args)]
pub(super) struct Play {
    /// The scenario whose faults these are: a name or a TOML file
    #[arg(value_name = "SCENARIO")]
    pub(super) scenario: String,
    /// How long the whole scenario would last; its faults are scaled with it
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub(super) duration: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// Where it listens
    #[arg(long, short, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Where it forwards to
    #[arg(long, short, value_name = "ADDRESS")]
    pub(super) upstream: Option<String>,
    /// It does not listen before it is enabled
    #[arg(long)]
    pub(super) disabled: bool,
    #[command(flatten)]
    pub(super) name: Name,
}

#[derive(Debug, clap::Args)]
pub(super) struct Name {
    /// The proxy
    #[arg(value_name = "PROXY")]
    pub(super) name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The toxic's name
    #[arg(long = "toxicName", short = 'n', alias = "toxic-name", value_name = "NAME")]
    pub(super) toxic: Option<String>,
    /// The proxy
    #[arg(value_name = "PROXY")]
    pub(super) proxy: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Change {
    #[command(flatten)]
    pub(super) target: Target,
    /// The share of connections that it acts on, from 0 to 1
    #[arg(long, alias = "tox", value_name = "SHARE", allow_negative_numbers = true)]
    pub(super) toxicity: Option<String>,
    /// An attribute; may be repeated
    #[arg(long, short, value_name = "KEY=VALUE", value_delimiter = ',')]
    pub(super) attribute: Vec<String>,
}

impl Name {
    pub(super) fn given(&self, help: &'static [&'static str]) -> Result<&str, Failure> {
        let missing = || Failure::usage(help, "Proxy name is required as the first argument.\n");
        self.name.as_deref().filter(|name| !name.is_empty()).ok_or_else(missing)
    }
}

impl Target {
    /// The proxy and the toxic, whose name may be empty: the server then chooses one, or refuses.
    pub(super) fn given(&self, help: &'static [&'static str]) -> Result<(&str, &str), Failure> {
        let missing = || Failure::usage(help, "Proxy name is missing.\n");
        let proxy = self.proxy.as_deref().filter(|name| !name.is_empty()).ok_or_else(missing)?;
        Ok((proxy, self.toxic.as_deref().unwrap_or_default()))
    }
}

impl Say {
    pub(super) fn body(&self) -> Value {
        let Self { text, base64, hex, connection, .. } = self;
        let mut body = json!({});
        for (member, given) in [("text", text), ("base64", base64), ("hex", hex)] {
            if let Some(given) = given {
                body[member] = given.as_str().into();
            }
        }
        if let Some(connection) = connection {
            body["connection"] = (*connection).into();
        }
        body
    }
}

impl Change {
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let mut body = json!({ "attributes": attributes(&self.attribute) });
        if let Some(text) = self.toxicity.as_deref().filter(|text| !text.is_empty()) {
            let toxicity = text.parse::<f32>().ok().filter(|share| (0.0..=1.0).contains(share));
            let wrong = || Failure::new("toxicity should be a float between 0 and 1.\n");
            body["toxicity"] = toxicity.ok_or_else(wrong)?.into();
        }
        Ok(body)
    }
}

pub(super) fn stream(upstream: bool, downstream: bool) -> Result<&'static str, Failure> {
    match (upstream, downstream) {
        (true, true) => {
            Err(Failure::new("Only one should be specified: upstream or downstream.\n"))
        }
        (true, false) => Ok("upstream"),
        (false, _) => Ok("downstream"),
    }
}

pub(super) fn required<'a>(
    help: &'static [&'static str],
    name: &str,
    value: Option<&'a str>,
) -> Result<&'a str, Failure> {
    let missing = || Failure::usage(help, format!("Required argument '{name}' was empty.\n"));
    value.filter(|value| !value.is_empty()).ok_or_else(missing)
}

/// Numbers where they are numbers; a word without an equals sign is left out, as Toxiproxy does.
fn attributes(words: &[String]) -> Map<String, Value> {
    let pairs = words.iter().filter_map(|word| word.split_once('='));
    pairs.map(|(key, text)| (key.to_owned(), number(text).unwrap_or_else(|| text.into()))).collect()
}

fn number(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    let number: f64 = text.parse().ok()?;
    serde_json::Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an attribute that reaches the server with another type than toxiproxy-cli sends.
    #[test]
    fn attributes_are_numbers_where_they_can_be() {
        let words = ["a=1", "b=1.5", "c=x=y", "d", "e=-2", "f=5%", "g="].map(str::to_owned);
        let expected = json!({ "a": 1, "b": 1.5, "c": "x=y", "e": -2, "f": "5%", "g": "" });
        assert_eq!(Value::Object(attributes(&words)), expected);
    }

    /// Catches a toxicity that is sent although nobody gave one: it would undo an earlier one.
    #[test]
    fn an_update_sends_only_what_was_given() {
        let target = || Target { toxic: None, proxy: None };
        let change = |toxicity: Option<&str>| Change {
            target: target(),
            toxicity: toxicity.map(str::to_owned),
            attribute: Vec::new(),
        };
        assert_eq!(change(None).body().ok(), Some(json!({ "attributes": {} })));
        let half = json!({ "attributes": {}, "toxicity": 0.5 });
        assert_eq!(change(Some("0.5")).body().ok(), Some(half));
        for wrong in ["1.1", "-0.1", "NaN", "much"] {
            assert!(change(Some(wrong)).body().is_err(), "{wrong}");
        }
    }
}
