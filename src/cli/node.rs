//! `harness node`: the embedded node by itself, with memcached's own flags, whatever it speaks.

use std::io;

use super::exit::Exit;
use super::signals::Signals;
use super::{output, runtime, values};
use crate::base::scope::Scope;
use crate::protocol::Protocol;
use crate::protocol::memcached::server::config::{FlagError, NodeConfig};
use crate::protocol::memcached::server::lie::LieSpec;
use crate::protocol::memcached::server::serve::Node;
use crate::protocol::node::serve::{self, Service};
use crate::protocol::resp;
use crate::protocol::resp::server::config::NodeConfig as RespConfig;

/// Serve the embedded node until Ctrl-C or SIGTERM; the flags are memcached's own.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What it speaks [default: memcached]
    #[arg(long, value_name = "PROTOCOL", value_parser = values::word(&Protocol::WORDS))]
    protocol: Option<Protocol>,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(short = 'l', value_name = "ADDRESS")]
    listen: Option<String>,
    /// The port; 0 takes a free one [default: 11211, of resp 6379]
    #[arg(short = 'p', value_name = "PORT")]
    port: Option<String>,
    /// The most that all items may weigh, in mebibytes [default: 64]
    #[arg(short = 'm', value_name = "MEBIBYTES")]
    memory: Option<String>,
    /// How many connections are taken [default: 1024]
    #[arg(short = 'c', value_name = "COUNT")]
    connections: Option<String>,
    /// The most that one item may weigh, such as 512k; not of resp [default: 1m]
    #[arg(short = 'I', value_name = "SIZE")]
    item: Option<String>,
    /// Must be 0: there is no UDP here
    #[arg(short = 'U', value_name = "PORT")]
    udp: Option<String>,
    /// Answer wrongly in this way, in one of N requests that are an occasion for it; may be repeated.
    /// `harness list lies` says which there are; not of resp
    #[arg(long, value_name = "NAME[:1/N]")]
    lie: Vec<LieSpec>,
}

impl Arguments {
    /// The flags as memcached would see them; the node itself reads and checks them.
    fn words(&self) -> impl Iterator<Item = &str> {
        [
            ("-l", &self.listen),
            ("-p", &self.port),
            ("-m", &self.memory),
            ("-c", &self.connections),
            ("-I", &self.item),
            ("-U", &self.udp),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some([flag, value.as_deref()?]))
        .flatten()
    }
}

/// What is to be served.
enum Config {
    Memcached(NodeConfig),
    Resp(RespConfig),
}

impl Arguments {
    fn config(&self) -> Result<Config, String> {
        let text = |error: FlagError| error.to_string();
        if self.protocol.unwrap_or_default() == Protocol::Memcached {
            let config = NodeConfig::from_flags(self.words()).map_err(text)?;
            return Ok(Config::Memcached(NodeConfig { lies: self.lie.clone(), ..config }));
        }
        if self.item.is_some() || !self.lie.is_empty() {
            return Err(
                "-I and -lie are memcached's; leave them out with -protocol resp".to_owned()
            );
        }
        let port = resp::program::PORT.to_string();
        // Of a flag that comes twice, the last counts.
        let words = ["-p", &port].into_iter().chain(self.words());
        let NodeConfig { listen, memory, max_connections, .. } =
            NodeConfig::from_flags(words).map_err(text)?;
        Ok(Config::Resp(RespConfig { listen, memory, max_connections }))
    }
}

/// Serves until a signal.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let config = match arguments.config() {
        Ok(config) => config,
        Err(error) => {
            output::complain(&error);
            return Exit::Usage;
        }
    };
    match runtime::threads(0) {
        Ok(runtime) => runtime.block_on(serve(&config)),
        Err(what) => {
            output::complain(&what);
            Exit::LabDown
        }
    }
}

async fn serve(config: &Config) -> Exit {
    // First of all: the first process of a container never gets a signal that it does not listen for.
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            output::complain(&format_args!("cannot listen for signals: {error}"));
            return Exit::Internal;
        }
    };
    let scope = Scope::current("node");
    match config {
        Config::Memcached(config) => {
            for lie in &config.lies {
                let told = format!("this node lies, as it was told to: {lie} ({})", lie.summary());
                output::remark(&told);
            }
            until(signals, Node::start(config, &scope).await, &config.listen).await
        }
        Config::Resp(config) => {
            let started = resp::server::serve::Node::start(config, &scope).await;
            until(signals, started, &config.listen).await
        }
    }
}

/// Until a signal.
async fn until<S: Service>(
    mut signals: Signals,
    started: io::Result<serve::Node<S>>,
    listen: &str,
) -> Exit {
    let node = match started {
        Ok(node) => node,
        Err(error) => {
            output::complain(&format_args!(
                "cannot listen on {listen}: {error}; choose another port with -p, or an address with -l"
            ));
            return Exit::LabDown;
        }
    };
    let printed = output::result(format!("listening on {}\n", node.address()));
    if printed != Exit::Pass {
        return printed;
    }
    signals.next().await;
    node.stop().await;
    Exit::Pass
}
