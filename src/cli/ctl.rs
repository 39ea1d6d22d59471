//! `harness ctl`: drive a control API, with the commands, output and exit codes of `toxiproxy-cli`.

mod show;

use std::io::IsTerminal;
use std::process::ExitCode;

use axum::http::Method;
use clap::{ArgAction, Subcommand};
use serde_json::{Map, Value, json};

use super::arguments::Arguments as Root;
use super::output;
use crate::proxy::api::{Remote, RemoteError, TOXIPROXY_VERSION};
use show::Paint;

/// Where the API is unless an option or `TOXIPROXY_URL` says otherwise.
const DEFAULT_HOST: &str = "http://localhost:8474";

/// Drive the proxies of a run, of `harness proxy` or of any Toxiproxy.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
#[command(disable_help_subcommand = true)]
pub(super) struct Arguments {
    /// The control API [default: TOXIPROXY_URL, or http://localhost:8474]
    #[arg(long, short = 'h', value_name = "URL")]
    host: Option<String>,
    /// Print the version of Toxiproxy whose client this does the work of
    #[arg(long, short = 'v')]
    version: bool,
    /// Print help
    #[arg(long, action = ArgAction::Help, global = true)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all proxies
    #[command(visible_aliases = ["l", "li", "ls"])]
    List,
    /// Show a proxy's toxics
    #[command(visible_aliases = ["i", "ins"])]
    Inspect(Name),
    /// Create a proxy
    #[command(visible_aliases = ["c", "new"])]
    Create {
        /// Where it listens
        #[arg(long, short, value_name = "ADDRESS")]
        listen: Option<String>,
        /// Where it forwards to
        #[arg(long, short, value_name = "ADDRESS")]
        upstream: Option<String>,
        #[command(flatten)]
        name: Name,
    },
    /// Enable a disabled proxy, disable an enabled one
    #[command(visible_alias = "tog")]
    Toggle(Name),
    /// Delete a proxy
    #[command(visible_alias = "d")]
    Delete(Name),
    /// Add, change or remove a toxic
    #[command(visible_alias = "t", subcommand)]
    Toxic(Toxic),
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

#[derive(Debug, Subcommand)]
enum Toxic {
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

#[derive(Debug, clap::Args)]
struct Name {
    /// The proxy
    #[arg(value_name = "PROXY")]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Target {
    /// The toxic's name
    #[arg(long = "toxicName", short = 'n', alias = "toxic-name", value_name = "NAME")]
    toxic: Option<String>,
    /// The proxy
    #[arg(value_name = "PROXY")]
    proxy: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Change {
    #[command(flatten)]
    target: Target,
    /// The share of connections that it acts on, from 0 to 1
    #[arg(long, alias = "tox", value_name = "SHARE", allow_negative_numbers = true)]
    toxicity: Option<String>,
    /// An attribute; may be repeated
    #[arg(long, short, value_name = "KEY=VALUE", value_delimiter = ',')]
    attribute: Vec<String>,
}

/// Why a command came to nothing.
struct Failure {
    /// The words of the subcommand whose help is shown.
    help: Option<&'static [&'static str]>,
    message: String,
    exit: u8,
}

impl Failure {
    fn new(message: impl Into<String>) -> Self {
        Self { help: None, message: message.into(), exit: 1 }
    }

    /// Something that must be given was not.
    fn usage(help: &'static [&'static str], message: impl Into<String>) -> Self {
        Self { help: Some(help), ..Self::new(message) }
    }
}

/// Does one command.
pub(super) fn main(arguments: &Arguments) -> ExitCode {
    if arguments.version {
        let version = format!("toxiproxy-cli version {TOXIPROXY_VERSION}\n");
        return output::result(&version).into();
    }
    let Some(command) = &arguments.command else {
        return output::result(&help(&[])).into();
    };
    match execute(arguments, command) {
        Ok(text) => output::result(&text).into(),
        Err(Failure { help: asked, message, exit }) => {
            if let Some(words) = asked {
                output::result(&help(words));
            }
            output::remark(&message);
            ExitCode::from(exit)
        }
    }
}

/// The help of `harness ctl` or of a command below it.
fn help(words: &[&str]) -> String {
    let mut command = Root::command_built();
    let mut found = Some(&mut command);
    for word in ["ctl"].iter().chain(words) {
        found = found.and_then(|command| command.find_subcommand_mut(word));
    }
    found.map(|command| command.render_help().to_string()).unwrap_or_default()
}

fn execute(arguments: &Arguments, command: &Command) -> Result<String, Failure> {
    let host = arguments.host.clone().or_else(|| std::env::var("TOXIPROXY_URL").ok());
    let agent = concat!("harness-ctl/", env!("CARGO_PKG_VERSION"));
    let remote = Remote::new(host.as_deref().unwrap_or(DEFAULT_HOST), agent)
        .map_err(|error| Failure::new(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(error.to_string()))?;
    let paint = Paint { on: std::io::stdout().is_terminal() };
    runtime.block_on(Ctl { remote, paint }.run(command))
}

struct Ctl {
    remote: Remote,
    paint: Paint,
}

impl Ctl {
    async fn run(&self, command: &Command) -> Result<String, Failure> {
        match command {
            Command::List => self.list().await,
            Command::Inspect(name) => {
                let proxy = self.proxy(name.given(&["inspect"])?).await?;
                Ok(show::inspect(&proxy, self.paint))
            }
            Command::Create { listen, upstream, name } => {
                self.create(name.given(&["create"])?, listen, upstream).await
            }
            Command::Toggle(name) => self.toggle(name.given(&["toggle"])?).await,
            Command::Delete(name) => self.delete(name.given(&["delete"])?).await,
            Command::Toxic(Toxic::Add { kind, upstream, downstream, change }) => {
                let stream = stream(*upstream, *downstream);
                self.add(change, kind.as_deref(), stream).await
            }
            Command::Toxic(Toxic::Update(change)) => self.update(change).await,
            Command::Toxic(Toxic::Remove(target)) => self.remove(target).await,
            Command::Unknown(words) => {
                let word = words.first().map_or("", String::as_str);
                Err(Failure { exit: 3, ..Failure::new(format!("No help topic for '{word}'")) })
            }
        }
    }

    async fn list(&self) -> Result<String, Failure> {
        let proxies = self
            .remote
            .send(Method::GET, &["proxies"], None)
            .await
            .map_err(|error| Failure::new(format!("Failed to retrieve proxies: {error}")))?;
        Ok(show::list(&proxies, self.paint))
    }

    async fn proxy(&self, name: &str) -> Result<Value, Failure> {
        let proxy = self.remote.send(Method::GET, &["proxies", name], None).await;
        proxy.map_err(|error| Failure::new(format!("Failed to retrieve proxy {name}: {error}\n")))
    }

    async fn create(
        &self,
        name: &str,
        listen: &Option<String>,
        upstream: &Option<String>,
    ) -> Result<String, Failure> {
        let listen = required(&["create"], "listen", listen.as_deref())?;
        let upstream = required(&["create"], "upstream", upstream.as_deref())?;
        let body = json!({ "name": name, "listen": listen, "upstream": upstream, "enabled": true });
        let created = self.remote.send(Method::POST, &["proxies"], Some(&body)).await;
        created
            .map_err(|error| Failure::new(format!("Failed to create proxy: create: {error}\n")))?;
        Ok(format!("Created new proxy {name}\n"))
    }

    async fn toggle(&self, name: &str) -> Result<String, Failure> {
        let enabled = !show::is_enabled(&self.proxy(name).await?);
        let body = json!({ "enabled": enabled });
        let toggled = self.remote.send(Method::POST, &["proxies", name], Some(&body)).await;
        toggled
            .map_err(|error| Failure::new(format!("Failed to toggle proxy {name}: {error}\n")))?;
        Ok(show::toggled(name, enabled, self.paint))
    }

    async fn delete(&self, name: &str) -> Result<String, Failure> {
        self.proxy(name).await?;
        let deleted = self.remote.send(Method::DELETE, &["proxies", name], None).await;
        deleted
            .map_err(|error| Failure::new(format!("Failed to delete proxy: Delete: {error}\n")))?;
        Ok(format!("Deleted proxy {name}\n"))
    }

    async fn add(
        &self,
        change: &Change,
        kind: Option<&str>,
        stream: Result<&str, Failure>,
    ) -> Result<String, Failure> {
        let (proxy, toxic) = change.target.given(&["toxic", "add"])?;
        let kind = required(&["toxic", "add"], "type", kind)?;
        let mut body = change.body()?;
        body["name"] = toxic.into();
        body["type"] = kind.into();
        body["stream"] = stream?.into();
        let failed = |error| Failure::new(format!("Failed to add toxic: {error}\n"));
        self.exists(proxy).await.map_err(failed)?;
        let path = ["proxies", proxy, "toxics"];
        let added = self.remote.send(Method::POST, &path, Some(&body)).await.map_err(|error| {
            failed(format!("failed to add toxic to proxy {proxy}: AddToxic: {error}"))
        })?;
        let [stream, kind, name] = ["stream", "type", "name"].map(|key| show::text(&added, key));
        Ok(format!("Added {stream} {kind} toxic '{name}' on proxy '{proxy}'\n"))
    }

    async fn update(&self, change: &Change) -> Result<String, Failure> {
        let (proxy, toxic) = change.target.given(&["toxic", "update"])?;
        let body = change.body()?;
        let failed = |error| Failure::new(format!("Failed to update toxic: {error}\n"));
        self.exists(proxy).await.map_err(failed)?;
        let path = ["proxies", proxy, "toxics", toxic];
        let updated =
            self.remote.send(Method::PATCH, &path, Some(&body)).await.map_err(|error| {
                failed(format!("failed to update toxic '{toxic}' of proxy '{proxy}': {error}"))
            })?;
        Ok(format!("Updated toxic '{}' on proxy '{proxy}'\n", show::text(&updated, "name")))
    }

    async fn remove(&self, target: &Target) -> Result<String, Failure> {
        let (proxy, toxic) = target.given(&["toxic", "remove"])?;
        let failed = |error| Failure::new(format!("Failed to remove toxic: {error}\n"));
        self.exists(proxy).await.map_err(failed)?;
        let path = ["proxies", proxy, "toxics", toxic];
        self.remote.send(Method::DELETE, &path, None).await.map_err(|error| {
            failed(format!("failed to remove toxic '{toxic}' from proxy '{proxy}': {error}"))
        })?;
        Ok(format!("Removed toxic '{toxic}' on proxy '{proxy}'\n"))
    }

    /// Toxiproxy's client asks for the proxy before it changes a toxic; so the error names it.
    async fn exists(&self, proxy: &str) -> Result<(), String> {
        let found = self.remote.send(Method::GET, &["proxies", proxy], None).await;
        found.map(drop).map_err(|error: RemoteError| {
            format!("failed to retrieve proxy with name `{proxy}`: {error}")
        })
    }
}

impl Name {
    fn given(&self, help: &'static [&'static str]) -> Result<&str, Failure> {
        let missing = || Failure::usage(help, "Proxy name is required as the first argument.\n");
        self.name.as_deref().filter(|name| !name.is_empty()).ok_or_else(missing)
    }
}

impl Target {
    /// The proxy and the toxic, whose name may be empty: the server then chooses one, or refuses.
    fn given(&self, help: &'static [&'static str]) -> Result<(&str, &str), Failure> {
        let missing = || Failure::usage(help, "Proxy name is missing.\n");
        let proxy = self.proxy.as_deref().filter(|name| !name.is_empty()).ok_or_else(missing)?;
        Ok((proxy, self.toxic.as_deref().unwrap_or_default()))
    }
}

impl Change {
    fn body(&self) -> Result<Value, Failure> {
        let mut body = json!({ "attributes": attributes(&self.attribute) });
        if let Some(text) = self.toxicity.as_deref().filter(|text| !text.is_empty()) {
            let toxicity = text.parse::<f32>().ok().filter(|share| (0.0..=1.0).contains(share));
            let wrong = || Failure::new("toxicity should be a float between 0 and 1.\n");
            body["toxicity"] = toxicity.ok_or_else(wrong)?.into();
        }
        Ok(body)
    }
}

fn stream(upstream: bool, downstream: bool) -> Result<&'static str, Failure> {
    match (upstream, downstream) {
        (true, true) => {
            Err(Failure::new("Only one should be specified: upstream or downstream.\n"))
        }
        (true, false) => Ok("upstream"),
        (false, _) => Ok("downstream"),
    }
}

fn required<'a>(
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

    /// Catches a command whose help cannot be found when something is missing.
    #[test]
    fn every_help_is_there() {
        for words in [&[][..], &["create"], &["inspect"], &["toxic", "add"], &["toxic", "remove"]] {
            assert!(help(words).contains("Usage:"), "{words:?}");
        }
    }
}
