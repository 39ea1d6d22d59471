//! `harness ctl`: drive a control API, with the commands, output and exit codes of `toxiproxy-cli`.

mod play;
mod show;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use axum::http::Method;
use serde_json::{Value, json};

use super::arguments::Arguments as Root;
use super::{output, runtime};
use crate::base::terminal::Text;
use crate::control::{Remote, RemoteError, TOXIPROXY_VERSION};
use show::Paint;
pub(super) use words::Arguments;
use words::{Change, Command, Create, Say, Target, Toxic, required, stream};

/// Where the API is unless an option or `TOXIPROXY_URL` says otherwise.
const DEFAULT_HOST: &str = "http://localhost:8474";

/// What people write for this program, as opposed to Toxiproxy's.
const OURS: &str = "harness ctl";

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

/// As what these commands were called.
pub(super) struct Program {
    /// What people write in front of a command.
    pub(super) name: &'static str,
    /// What servers are told.
    pub(super) agent: String,
    /// Its words, for the help.
    pub(super) command: fn() -> clap::Command,
}

impl Program {
    /// `harness ctl`.
    pub(super) fn harness() -> Self {
        Self {
            name: OURS,
            agent: concat!("harness-ctl/", env!("CARGO_PKG_VERSION")).to_owned(),
            command: || {
                let mut root = Root::command_built();
                root.find_subcommand_mut("ctl").map(std::mem::take).unwrap_or_default()
            },
        }
    }

    /// The help of the program or of a command below it.
    fn help(&self, words: &[&str]) -> String {
        let mut command = (self.command)();
        let mut found = Some(&mut command);
        for word in words {
            found = found.and_then(|command| command.find_subcommand_mut(word));
        }
        found.map(|command| command.render_help().to_string()).unwrap_or_default()
    }
}

/// Does one command.
pub(super) fn main(arguments: &Arguments, program: &Program) -> ExitCode {
    if arguments.version {
        let version = format!("toxiproxy-cli version {TOXIPROXY_VERSION}\n");
        return output::result(version).into();
    }
    let Some(command) = &arguments.command else {
        return output::result(program.help(&[])).into();
    };
    let host = arguments.host.clone().or_else(|| std::env::var("TOXIPROXY_URL").ok());
    let host = host.as_deref().unwrap_or(DEFAULT_HOST);
    let done = match command {
        Command::Run(play) if program.name == OURS => {
            play::play(host, play, program).map(ExitCode::from)
        }
        command => execute(host, command, program).map(|text| output::result(text).into()),
    };
    match done {
        Ok(exit) => exit,
        Err(Failure { help: asked, message, exit }) => {
            if let Some(words) = asked {
                output::result(program.help(words));
            }
            output::remark(&message);
            ExitCode::from(exit)
        }
    }
}

fn execute(host: &str, command: &Command, program: &Program) -> Result<Text, Failure> {
    let remote = Remote::new(host, program.agent.as_str())
        .map_err(|error| Failure::new(error.to_string()))?;
    let runtime = runtime::thread().map_err(Failure::new)?;
    let paint = Paint { on: std::io::stdout().is_terminal(), program: program.name };
    runtime.block_on(Ctl { remote, paint }.run(command))
}

fn unknown(word: &str) -> Failure {
    Failure { exit: 3, ..Failure::new(format!("No help topic for '{word}'")) }
}

struct Ctl {
    remote: Remote,
    paint: Paint,
}

impl Ctl {
    async fn run(&self, command: &Command) -> Result<Text, Failure> {
        match command {
            Command::List => self.list().await,
            Command::Inspect(name) => {
                let proxy = self.proxy(name.given(&["inspect"])?).await?;
                Ok(show::inspect(&proxy, self.paint))
            }
            Command::Create(create) => self.create(create).await,
            Command::Toggle(name) => self.toggle(name.given(&["toggle"])?).await,
            Command::Delete(name) => self.delete(name.given(&["delete"])?).await,
            Command::Toxic(Toxic::Add { kind, upstream, downstream, change }) => {
                let stream = stream(*upstream, *downstream);
                self.add(change, kind.as_deref(), stream).await
            }
            Command::Toxic(Toxic::Update(change)) => self.update(change).await,
            Command::Toxic(Toxic::Remove(target)) => self.remove(target).await,
            Command::Say(say) if self.paint.program == OURS => self.say(say).await,
            // Toxiproxy's program has no such words.
            Command::Event(event) if self.paint.program == OURS => self.happened(&event.name).await,
            Command::Say(_) => Err(unknown("say")),
            Command::Event(_) => Err(unknown("event")),
            Command::Run(_) => Err(unknown("run")),
            Command::Unknown(words) => Err(unknown(words.first().map_or("", String::as_str))),
        }
    }

    async fn list(&self) -> Result<Text, Failure> {
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

    async fn create(&self, create: &Create) -> Result<Text, Failure> {
        let name = create.name.given(&["create"])?;
        let listen = required(&["create"], "listen", create.listen.as_deref())?;
        let upstream = required(&["create"], "upstream", create.upstream.as_deref())?;
        let enabled = !create.disabled;
        let body =
            json!({ "name": name, "listen": listen, "upstream": upstream, "enabled": enabled });
        let created = self.remote.send(Method::POST, &["proxies"], Some(&body)).await;
        created
            .map_err(|error| Failure::new(format!("Failed to create proxy: create: {error}\n")))?;
        Ok(format!("Created new proxy {name}\n").into())
    }

    async fn toggle(&self, name: &str) -> Result<Text, Failure> {
        let enabled = !show::is_enabled(&self.proxy(name).await?);
        let body = json!({ "enabled": enabled });
        let toggled = self.remote.send(Method::POST, &["proxies", name], Some(&body)).await;
        toggled
            .map_err(|error| Failure::new(format!("Failed to toggle proxy {name}: {error}\n")))?;
        Ok(show::toggled(name, enabled, self.paint))
    }

    async fn delete(&self, name: &str) -> Result<Text, Failure> {
        self.proxy(name).await?;
        let deleted = self.remote.send(Method::DELETE, &["proxies", name], None).await;
        deleted
            .map_err(|error| Failure::new(format!("Failed to delete proxy: Delete: {error}\n")))?;
        Ok(format!("Deleted proxy {name}\n").into())
    }

    async fn add(
        &self,
        change: &Change,
        kind: Option<&str>,
        stream: Result<&str, Failure>,
    ) -> Result<Text, Failure> {
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
        Ok(format!("Added {stream} {kind} toxic '{name}' on proxy '{proxy}'\n").into())
    }

    async fn update(&self, change: &Change) -> Result<Text, Failure> {
        let (proxy, toxic) = change.target.given(&["toxic", "update"])?;
        let body = change.body()?;
        let failed = |error| Failure::new(format!("Failed to update toxic: {error}\n"));
        self.exists(proxy).await.map_err(failed)?;
        let path = ["proxies", proxy, "toxics", toxic];
        let updated =
            self.remote.send(Method::PATCH, &path, Some(&body)).await.map_err(|error| {
                failed(format!("failed to update toxic '{toxic}' of proxy '{proxy}': {error}"))
            })?;
        let name = show::text(&updated, "name");
        Ok(format!("Updated toxic '{name}' on proxy '{proxy}'\n").into())
    }

    async fn remove(&self, target: &Target) -> Result<Text, Failure> {
        let (proxy, toxic) = target.given(&["toxic", "remove"])?;
        let failed = |error| Failure::new(format!("Failed to remove toxic: {error}\n"));
        self.exists(proxy).await.map_err(failed)?;
        let path = ["proxies", proxy, "toxics", toxic];
        self.remote.send(Method::DELETE, &path, None).await.map_err(|error| {
            failed(format!("failed to remove toxic '{toxic}' from proxy '{proxy}': {error}"))
        })?;
        Ok(format!("Removed toxic '{toxic}' on proxy '{proxy}'\n").into())
    }

    async fn say(&self, say: &Say) -> Result<Text, Failure> {
        let name = say.name.given(&["say"])?;
        let path = ["proxies", name, "say"];
        let said = self.remote.send(Method::POST, &path, Some(&say.body())).await;
        let said =
            said.map_err(|error| Failure::new(format!("Failed to say it on {name}: {error}\n")))?;
        let count = |member: &str| said[member].as_u64().unwrap_or_default();
        let mut text = format!("Said it on {} connections of {name}\n", count("connections"));
        if count("refused") > 0 {
            text += &format!("{} take nothing and were not told\n", count("refused"));
        }
        Ok(text.into())
    }

    async fn happened(&self, name: &str) -> Result<Text, Failure> {
        let told = self.remote.send(Method::POST, &["events", name], None).await;
        let told = told.map_err(|error| match error {
            RemoteError::Refused { status: 404, .. } => Failure::new(
                "nobody waits for events there: only the control API of a run or of `harness up` \
                 takes them\n",
            ),
            error => Failure::new(format!("Failed to say that {name} happened: {error}\n")),
        });
        told.map(|_| format!("Said that {name} happened\n").into())
    }

    /// Toxiproxy's client asks for the proxy before it changes a toxic; so the error names it.
    async fn exists(&self, proxy: &str) -> Result<(), String> {
        let found = self.remote.send(Method::GET, &["proxies", proxy], None).await;
        found.map(drop).map_err(|error: RemoteError| {
            format!("failed to retrieve proxy with name `{proxy}`: {error}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a command whose help cannot be found when something is missing.
    #[test]
    fn every_help_is_there() {
        for words in [&[][..], &["create"], &["inspect"], &["toxic", "add"], &["toxic", "remove"]] {
            assert!(Program::harness().help(words).contains("Usage: harness ctl"), "{words:?}");
        }
    }
}
