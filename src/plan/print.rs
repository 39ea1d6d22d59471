//! A plan as a scenario's file: what `-dry-run` shows and a run keeps, and what can be run again.

use md5::{Digest, Md5};

use super::model::{FaultPlan, Plan};
use super::text::{TomlText, string};
use super::{chaos, client, driver, fault, groups, objective, suite, wait, workload};
use crate::base::units::Ratio;
use crate::lab::{Backend, Elsewhere, Listen, Network, NodeProgram};
use crate::load::RateWish;
use crate::protocol::Protocol;

impl Plan {
    /// The plan as a scenario's file: reading it back gives this plan.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = TomlText::default();
        text.comment("A resolved plan. `harness -scenario FILE` runs it again.");
        self.print(&mut text);
        text.finish()
    }

    /// Plans as one file: as [`Plan::to_toml`] where there is one, else as a suite's.
    #[must_use]
    pub fn all_to_toml(plans: &[Self]) -> String {
        if let [plan] = plans {
            return plan.to_toml();
        }
        let mut text = TomlText::default();
        text.comment("A resolved suite. `harness -scenario FILE` runs it again.");
        for plan in plans {
            text.within(suite::RUN);
            plan.print(&mut text);
        }
        text.finish()
    }

    fn print(&self, text: &mut TomlText) {
        text.string("name", &self.scenario);
        text.string("summary", &self.summary);
        text.value("seed", &self.seed.to_string());
        text.duration("metrics_interval", self.metrics_interval);
        self.print_what_matters(text);
    }

    /// A number for everything that decides what is run and how it is judged; neither the seed nor
    /// where the results go. Equal plans have equal hashes in every version that prints them alike.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut text = TomlText::default();
        text.string("name", &self.scenario);
        self.print_what_matters(&mut text);
        Md5::digest(text.finish()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn print_what_matters(&self, text: &mut TomlText) {
        text.value("concurrency", &self.concurrency.to_string());
        match self.rate {
            Some(RateWish::PerSecond(rate)) => text.string("rate", &rate.to_string()),
            Some(RateWish::Max) => text.string("rate", "max"),
            None => {}
        }
        if let Some(Elsewhere { address, whose }) = &self.elsewhere {
            text.string(whose.key(), address);
        }
        if self.direct {
            text.value("direct", "true");
        }
        if self.network != Network::User {
            text.string("network", self.network.name());
        }
        if self.names {
            text.value("names", "true");
        }
        text.table("phases");
        for phase in super::model::Phases::PLANNED {
            text.duration(phase.name(), self.phases.length(phase));
        }
        self.print_nodes(text);
        groups::print(text, &self.groups);
        self.print_addresses(text);
        workload::print(text, "workload", &self.workload);
        match &self.driver {
            None => client::print(text, "client", &self.client_profile, &self.client),
            Some(driver) => {
                text.table("client");
                text.string("name", &self.client_profile);
                driver::print(text, "client.driver", driver);
            }
        }
        if let Some(chaos) = &self.chaos {
            chaos::print(text, chaos);
        }
        for planned in &self.faults {
            print_fault(text, planned);
        }
        for planned in &self.objectives {
            objective::print(text, "objective", planned);
        }
    }

    fn print_nodes(&self, text: &mut TomlText) {
        text.table("nodes");
        if self.nodes.discovery {
            text.value("discovery", "true");
        }
        if self.nodes.protocol != Protocol::Memcached {
            text.string("protocol", self.nodes.protocol.name());
        }
        self.nodes.access.asked().for_each(|key| text.value(key, "true"));
        if let Backend::Servers(servers) = &self.nodes.backend {
            let servers: Vec<String> =
                servers.iter().map(|server| string(&server.to_string())).collect();
            return text.value("servers", &format!("[{}]", servers.join(", ")));
        }
        text.string("backend", self.nodes.backend.name());
        text.value("count", &self.nodes.count.to_string());
        let lies: Vec<String> =
            self.nodes.lies.iter().map(|lie| string(&lie.to_string())).collect();
        if !lies.is_empty() {
            text.value("lies", &format!("[{}]", lies.join(", ")));
        }
        if self.nodes.program != NodeProgram::default() {
            print_program(text, &self.nodes.program);
        }
        for (node, other) in &self.nodes.others {
            text.element("nodes.node");
            text.string("name", &node.to_string());
            text.string("backend", other.backend.name());
            print_program(text, &other.program);
        }
    }

    /// Only what was asked for: a file that names an address insists on it.
    fn print_addresses(&self, text: &mut TomlText) {
        let named = [("proxies", self.addresses.proxies), ("api", self.addresses.api)];
        if named.iter().any(|(_, listen)| listen.required) {
            text.table("addresses");
        }
        for (key, Listen { address, required }) in named {
            if required {
                text.string(key, &address.to_string());
            }
        }
    }
}

fn print_program(text: &mut TomlText, NodeProgram { binary, args }: &NodeProgram) {
    if let Some(binary) = binary {
        text.string("binary", &binary.to_string_lossy());
    }
    let args: Vec<String> = args.iter().map(|word| string(word)).collect();
    text.value("args", &format!("[{}]", args.join(", ")));
}

fn print_fault(text: &mut TomlText, planned: &FaultPlan) {
    let FaultPlan { spec, fixed_length } = planned;
    text.element("faults");
    text.string("name", &spec.name);
    let nodes: Vec<String> = spec.nodes.iter().map(|node| string(&node.to_string())).collect();
    text.value("on", &format!("[{}]", nodes.join(", ")));
    if let Some(group) = &spec.group {
        text.string("group", group);
    }
    match &spec.after {
        None => text.duration("at", spec.at),
        Some(after) => wait::print(text, after),
    }
    text.duration("for", spec.length);
    if let Some(touched) = spec.until_touched {
        text.value("until", &format!("{{ touched = {touched} }}"));
    }
    text.value("fixed", &fixed_length.to_string());
    if fault::is_of_network(&spec.fault) {
        text.string("stream", spec.direction.name());
        text.string("toxicity", &share(spec.toxicity));
    }
    fault::print_kind(text, &spec.fault);
}

/// The shortest percentage that reads back to the same share.
fn share(share: f32) -> String {
    let shortest = share.to_string().parse().ok().and_then(Ratio::new);
    shortest.unwrap_or(Ratio::ONE).to_string()
}
