//! `harness ctl`: drive a control API, with the commands, output and exit codes of `toxiproxy-cli`.

mod show;
mod words;

use std::io::IsTerminal;
use std::process::ExitCode;

use axum::http::Method;
use serde_json::{Value, json};

use super::arguments::Arguments as Root;
use super::output;
use crate::proxy::api::{Remote, RemoteError, TOXIPROXY_VERSION};
use show::Paint;
pub(super) use words::Arguments;
use words::{Change, Command, Target, Toxic, required, stream};

/// Where the API is unless an option or `TOXIPROXY_URL` says otherwise.
const DEFAULT_HOST: &str = "http://localhost:8474";

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a command whose help cannot be found when something is missing.
    #[test]
    fn every_help_is_there() {
        for words in [&[][..], &["create"], &["inspect"], &["toxic", "add"], &["toxic", "remove"]] {
            assert!(help(words).contains("Usage:"), "{words:?}");
        }
    }
}
