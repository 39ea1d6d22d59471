//! `harness node`: the embedded node by itself, with memcached's own flags.

use super::exit::Exit;
use super::signals::Signals;
use super::{output, runtime};
use crate::base::scope::Scope;
use crate::protocol::memcached::server::config::NodeConfig;
use crate::protocol::memcached::server::lie::LieSpec;
use crate::protocol::memcached::server::serve::Node;

/// Serve the embedded memcached node until Ctrl-C or SIGTERM; the flags are memcached's own.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The address to listen on [default: 127.0.0.1]
    #[arg(short = 'l', value_name = "ADDRESS")]
    listen: Option<String>,
    /// The port; 0 takes a free one [default: 11211]
    #[arg(short = 'p', value_name = "PORT")]
    port: Option<String>,
    /// The most that all items may weigh, in mebibytes [default: 64]
    #[arg(short = 'm', value_name = "MEBIBYTES")]
    memory: Option<String>,
    /// How many connections are taken [default: 1024]
    #[arg(short = 'c', value_name = "COUNT")]
    connections: Option<String>,
    /// The most that one item may weigh, such as 512k [default: 1m]
    #[arg(short = 'I', value_name = "SIZE")]
    item: Option<String>,
    /// Must be 0: there is no UDP here
    #[arg(short = 'U', value_name = "PORT")]
    udp: Option<String>,
    /// Answer wrongly in this way, in one of N requests that are an occasion for it; may be repeated.
    /// `harness list lies` says which there are
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

/// Serves until a signal.
pub(super) fn main(arguments: &Arguments) -> Exit {
    let config = match NodeConfig::from_flags(arguments.words()) {
        Ok(config) => NodeConfig { lies: arguments.lie.clone(), ..config },
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

async fn serve(config: &NodeConfig) -> Exit {
    // First of all: the first process of a container never gets a signal that it does not listen for.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            output::complain(&format_args!("cannot listen for signals: {error}"));
            return Exit::Internal;
        }
    };
    let scope = Scope::current("node");
    let node = match Node::start(config, &scope).await {
        Ok(node) => node,
        Err(error) => {
            output::complain(&format_args!(
                "cannot listen on {}: {error}; choose another port with -p, or an address with -l",
                config.listen
            ));
            return Exit::LabDown;
        }
    };
    for lie in &config.lies {
        output::remark(&format!("this node lies, as it was told to: {lie} ({})", lie.summary()));
    }
    let printed = output::result(format!("listening on {}\n", node.address()));
    if printed != Exit::Pass {
        return printed;
    }
    signals.next().await;
    node.stop().await;
    Exit::Pass
}
