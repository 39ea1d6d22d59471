//! `harness proxy`: a stand-alone server of proxies, started and driven like `toxiproxy-server`.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::BoolishValueParser;
use tracing::{error, info};

use super::exit::Exit;
use super::outlet::Outlet;
use super::signals::Signals;
use super::{healthcheck, log, output, runtime};
use crate::base::file;
use crate::base::scope::Scope;
use crate::base::seed::Seed;
use crate::base::time::RunClock;
use crate::control::{self, ApiOptions, Feed, TOXIPROXY_VERSION};
use crate::event::Events;
use crate::proxy::ProxySet;

/// How long the file of proxies may be: as long as the body of a request.
const CONFIG_BYTES_MAX: u64 = 8 << 20;

/// How long requests and connections may take to end after a signal.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// How long whoever reads the log may take nothing of its end.
const LOG_GRACE: Duration = Duration::from_secs(5);

/// Serve fault-injecting proxies; Toxiproxy's clients, flags and files work unchanged.
#[derive(Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub(super) struct Arguments {
    /// The host on which the control API listens
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: String,
    /// The port on which the control API listens
    #[arg(long, value_name = "PORT", default_value_t = 8474)]
    port: u16,
    /// A JSON file with proxies to create, in the form of the body of /populate
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Makes every draw repeatable [default: drawn, and logged]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    seed: Option<i64>,
    #[command(flatten)]
    metrics: MetricsFlags,
    /// Another name under which the control API may be asked; addresses that it listens on, loopback
    /// and names without a dot need none. May be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    allow_host: Vec<String>,
    /// Ask the server that already listens on -host and -port whether it answers, and end: with 0 if so,
    /// else with 1
    #[arg(long)]
    healthcheck: bool,
    /// Print the version of Toxiproxy whose contract this server keeps
    #[arg(long)]
    version: bool,
}

/// Flags that Go's programs also take with a value.
#[derive(Debug, clap::Args)]
struct MetricsFlags {
    /// Show figures about this process on /metrics
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true",
          value_parser = BoolishValueParser::new(), action = ArgAction::Set,
          hide_default_value = true, hide_possible_values = true)]
    runtime_metrics: bool,
    /// Show the proxies' figures on /metrics
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true",
          value_parser = BoolishValueParser::new(), action = ArgAction::Set,
          hide_default_value = true, hide_possible_values = true)]
    proxy_metrics: bool,
}

/// Serves until a signal.
pub(super) fn main(arguments: &Arguments) -> ExitCode {
    if arguments.version {
        return output::result(format!("toxiproxy-server version {TOXIPROXY_VERSION}\n")).into();
    }
    if arguments.healthcheck {
        return healthcheck::main(&arguments.host, arguments.port);
    }
    let runtime = match runtime::threads(0) {
        Ok(runtime) => runtime,
        Err(what) => {
            output::complain(&what);
            return Exit::LabDown.into();
        }
    };
    let exit = runtime.block_on(logged(arguments)).unwrap_or_else(|(exit, what)| {
        output::complain(&what);
        exit
    });
    // A thread may be writing to a reader that has stopped.
    runtime.shutdown_background();
    exit.into()
}

/// Serves, and says so to whoever reads the log; one that stops reading holds up nothing.
async fn logged(arguments: &Arguments) -> Result<Exit, (Exit, String)> {
    let scope = Scope::current("log");
    // First of all: the first process of a container never gets a signal that it does not listen for.
    let mut signals = Signals::listen()
        .map_err(|error| (Exit::Internal, format!("cannot listen for signals: {error}")))?;
    let outlet = Outlet::stdout(&scope);
    log::start(std::env::var("LOG_LEVEL").ok().as_deref(), outlet.clone());
    let served = serve(arguments, &mut signals).await;
    // Whoever asks twice does not want to wait.
    tokio::select! {
        _ = outlet.drain(LOG_GRACE) => {}
        _ = signals.next() => {}
    }
    served
}

async fn serve(arguments: &Arguments, signals: &mut Signals) -> Result<Exit, (Exit, String)> {
    let seed =
        arguments.seed.map_or_else(Seed::from_system, |seed| Seed::new(seed.cast_unsigned()));
    let scope = Scope::current("proxy");
    let feed = Feed::new(RunClock::start());
    let set = ProxySet::new(seed, feed.events(Events::ignore()), &scope);
    let (host, port) = (&arguments.host, arguments.port);
    let not_bound = |error: io::Error| {
        let what = format!("cannot listen on {host}:{port}: {error}; choose with -host and -port");
        (Exit::LabDown, what)
    };
    let bound = async {
        // Before the API listens: a client that reaches it finds the proxies of the file.
        if let Some(path) = &arguments.config {
            populate(&set, path).await;
        }
        control::bind(host, port).await.map_err(not_bound)
    };
    // A file may be a pipe that nobody writes, and a name may be looked up for long.
    let listener = tokio::select! {
        bound = bound => bound?,
        _ = signals.next() => return Ok(Exit::Interrupted),
    };
    let options = ApiOptions {
        proxy_metrics: arguments.metrics.proxy_metrics,
        runtime_metrics: arguments.metrics.runtime_metrics,
        feed: Some(feed),
        // Who was told to listen under a name is asked under it.
        allow_hosts: arguments.allow_host.iter().chain([host]).cloned().collect(),
        board: None,
        meddling: None,
        told: None,
    };
    let address = control::serve(listener, set, options, &scope).map_err(not_bound)?;
    let version = env!("CARGO_PKG_VERSION");
    // Toxiproxy's words: scripts and modules for containers wait for them.
    info!(%address, seed = seed.value(), version, "Starting Toxiproxy HTTP server");
    let signal = signals.next().await;
    info!(signal, "shutting down");
    tokio::select! {
        _ = scope.close(SHUTDOWN_GRACE) => Ok(Exit::Pass),
        // Whoever asks twice does not want to wait.
        _ = signals.next() => Ok(Exit::Interrupted),
    }
}

/// The file, which may be a pipe: shells make one of what a command prints.
async fn read(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    let text = tokio::task::spawn_blocking(move || {
        file::text(std::fs::File::open(path)?, CONFIG_BYTES_MAX)
    });
    text.await.map_err(io::Error::other)?
}

/// As Toxiproxy: a file that cannot be used is a line in the log, not the end.
async fn populate(set: &ProxySet, path: &Path) {
    let config = path.display();
    let populated = match read(path).await {
        Ok(body) => control::populate(set, body.as_bytes()).await,
        Err(error) => Err(error.to_string()),
    };
    match populated {
        Ok(proxies) => info!(%config, proxies, "proxies populated from the file"),
        Err(error) => error!(%config, error, "the file could not be populated completely"),
    }
}
