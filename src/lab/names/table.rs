//! Which name stands for which address, as it is now.
//!
//! It decides and asks nobody: whoever answers questions holds it, and faults change it.

use std::net::{IpAddr, SocketAddr};

use crate::base::name::NodeIndex;

/// The zone in which all names are. `test` is set aside for such (RFC 6761): no name there is real.
const ZONE: &str = "harness.test";
/// The name of all nodes that are in the list.
const LIST: &str = "nodes";
/// The name under which their ports are told as well (RFC 2782).
const SERVICE: &str = "_memcached._tcp.nodes";

/// The name of a node, which `n1.harness.test` stands for.
pub(super) fn name_of(node: NodeIndex) -> String {
    format!("{node}.{ZONE}")
}

/// What is asked of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Its IPv4 addresses.
    V4,
    /// Its IPv6 addresses.
    V6,
    /// Where its service is.
    Service,
    /// Something that no name here has.
    Other,
}

/// One thing that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Address(IpAddr),
    Service { node: NodeIndex, port: u16 },
}

/// What there is to say to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All of this; empty: the name is there, and has nothing of the kind.
    Records(Vec<Record>),
    /// There is no such name in the zone.
    Unknown,
    /// The name is somebody else's.
    Refused,
}

/// The names of a lab.
#[derive(Debug, Default)]
pub(super) struct Table {
    hosts: Vec<Host>,
    /// Those in the list of all, in its order.
    listed: Vec<NodeIndex>,
}

/// What is known of a node.
#[derive(Debug)]
struct Host {
    current: SocketAddr,
    /// Where it can be instead; `None`: nowhere.
    spare: Option<SocketAddr>,
    /// Whether every other answer is the spare address.
    alternates: bool,
    /// How often its name was asked for since it moved or began to alternate.
    told: u64,
}

impl Host {
    /// The address for this question.
    const fn shown(&mut self) -> SocketAddr {
        self.told += 1;
        match self.spare {
            // The other one first, so that a single question is enough.
            Some(spare) if self.alternates && self.told % 2 == 1 => spare,
            _ => self.current,
        }
    }
}

impl Table {
    /// Every node at its address, and where it can be instead.
    pub(super) fn new(hosts: impl Iterator<Item = (SocketAddr, Option<SocketAddr>)>) -> Self {
        let host = |(current, spare)| Host { current, spare, alternates: false, told: 0 };
        let hosts: Vec<Host> = hosts.map(host).collect();
        let listed = (0..).map(NodeIndex).take(hosts.len()).collect();
        Self { hosts, listed }
    }

    /// What `name`, with or without a dot at its end, stands for.
    pub(super) fn answer(&mut self, name: &str, asked: Asked) -> Answer {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Some(word) = name.strip_suffix(ZONE) else { return Answer::Refused };
        let word = match word.strip_suffix('.') {
            Some(word) => word,
            None if word.is_empty() => return Answer::Records(Vec::new()),
            // The zone of somebody whose name ends like ours.
            None => return Answer::Refused,
        };
        let kind = |address: &SocketAddr| match asked {
            Asked::V4 => address.is_ipv4(),
            Asked::V6 => address.is_ipv6(),
            Asked::Service | Asked::Other => false,
        };
        let addresses = |them: Vec<SocketAddr>| {
            them.into_iter().filter(kind).map(|it| Record::Address(it.ip())).collect()
        };
        match word {
            LIST => Answer::Records(addresses(self.list().map(|(_, host)| host.current).collect())),
            SERVICE if asked == Asked::Service => Answer::Records(
                self.list()
                    .map(|(node, host)| Record::Service { node, port: host.current.port() })
                    .collect(),
            ),
            SERVICE | "_tcp.nodes" => Answer::Records(Vec::new()),
            _ => match self.host_called(word) {
                // Only questions that it answers count.
                Some(host) if kind(&host.current) => Answer::Records(addresses(vec![host.shown()])),
                Some(_) => Answer::Records(Vec::new()),
                None => Answer::Unknown,
            },
        }
    }

    /// How many nodes there are.
    pub(super) fn count(&self) -> u16 {
        u16::try_from(self.hosts.len()).unwrap_or(u16::MAX)
    }

    /// Where a node is now.
    pub(super) fn current(&self, node: NodeIndex) -> Option<SocketAddr> {
        self.hosts.get(node.position()).map(|host| host.current)
    }

    /// Where a node is now, and where it can be instead.
    pub(super) fn places(&self, node: NodeIndex) -> Option<(SocketAddr, SocketAddr)> {
        let host = self.hosts.get(node.position())?;
        Some((host.current, host.spare?))
    }

    /// The node is where it could be, and can be where it was.
    pub(super) fn moved(&mut self, node: NodeIndex) {
        if let Some(host) = self.hosts.get_mut(node.position())
            && let Some(spare) = host.spare.replace(host.current)
        {
            host.current = spare;
            host.told = 0;
        }
    }

    /// These nodes are in the list of all, in this order.
    pub(super) fn list_these(&mut self, nodes: &[NodeIndex]) {
        self.listed = nodes.to_vec();
    }

    /// Every other answer for the node's name is the address at which it is not.
    pub(super) fn alternate(&mut self, node: NodeIndex) {
        self.change(node, |host| (host.alternates, host.told) = (true, 0));
    }

    /// Every answer is the address of the node again; says how many were not.
    pub(super) fn settle(&mut self, node: NodeIndex) -> u64 {
        let Some(host) = self.hosts.get_mut(node.position()) else { return 0 };
        if std::mem::take(&mut host.alternates) { host.told.div_ceil(2) } else { 0 }
    }

    /// How often the node's name was asked for since it moved.
    pub(super) fn told(&self, node: NodeIndex) -> u64 {
        self.hosts.get(node.position()).map_or(0, |host| host.told)
    }

    fn change(&mut self, node: NodeIndex, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(node.position()) {
            change(host);
        }
    }

    fn list(&self) -> impl Iterator<Item = (NodeIndex, &Host)> {
        self.listed.iter().filter_map(|node| Some((*node, self.hosts.get(node.position())?)))
    }

    fn host_called(&mut self, word: &str) -> Option<&mut Host> {
        let node = NodeIndex::try_from(word.to_owned()).ok()?;
        // `n01` and `n+1` are numbers as well, but no names.
        self.hosts.get_mut(node.position()).filter(|_| node.to_string() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn table() -> Table {
        Table::new((1..=3).map(|node| {
            let address = |host: u16| at(&format!("127.77.0.{host}:21211"));
            (address(node), Some(address(node + 100)))
        }))
    }

    fn hosts(table: &mut Table, name: &str) -> Vec<String> {
        match table.answer(name, Asked::V4) {
            Answer::Records(records) => records
                .into_iter()
                .map(|record| match record {
                    Record::Address(address) => address.to_string().replace("127.77.0.", ""),
                    Record::Service { .. } => panic!("a service"),
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }

    /// Catches a name that is answered although it is nobody's here, and one that is not although it is.
    #[test]
    fn only_names_of_the_zone_are_answered() {
        let mut table = table();
        for name in ["n2.harness.test", "N2.Harness.TEST."] {
            assert_eq!(hosts(&mut table, name), ["2"], "{name}");
        }
        assert_eq!(hosts(&mut table, "nodes.harness.test"), ["1", "2", "3"]);
        assert_eq!(hosts(&mut table, "harness.test"), [""; 0]);
        for name in ["n0", "n4", "n01", "n+1", "nodes.n1", "", "x"] {
            let name = format!("{name}.harness.test");
            assert_eq!(table.answer(&name, Asked::V4), Answer::Unknown, "{name}");
        }
        for name in ["", "example.org", "test", "n1.otherharness.test", "n1"] {
            assert_eq!(table.answer(name, Asked::V4), Answer::Refused, "{name}");
        }
    }

    /// Catches a name without addresses of a kind that is taken for no name: a resolver would give up.
    #[test]
    fn what_a_name_does_not_have_is_an_empty_answer() {
        let mut table = table();
        let nothing = Answer::Records(Vec::new());
        for asked in [Asked::V6, Asked::Service, Asked::Other] {
            assert_eq!(table.answer("n1.harness.test", asked), nothing);
        }
        assert_eq!(table.answer("_memcached._tcp.nodes.harness.test", Asked::V4), nothing);
        let mut table = Table::new(std::iter::once((at("[::1]:7"), None)));
        let address = Record::Address("::1".parse().unwrap());
        assert_eq!(table.answer("n1.harness.test", Asked::V6), Answer::Records(vec![address]));
        assert_eq!(table.answer("n1.harness.test", Asked::V4), nothing);
        let service = Record::Service { node: NodeIndex(0), port: 7 };
        assert_eq!(
            table.answer("_memcached._tcp.nodes.harness.test", Asked::Service),
            Answer::Records(vec![service])
        );
    }

    /// Catches a node that is answered for where it no longer is, or that cannot go back.
    #[test]
    fn a_name_follows_its_node() {
        let mut table = table();
        table.moved(NodeIndex(0));
        assert_eq!(hosts(&mut table, "n1.harness.test"), ["101"]);
        assert_eq!(hosts(&mut table, "nodes.harness.test"), ["101", "2", "3"]);
        table.moved(NodeIndex(0));
        assert_eq!(hosts(&mut table, "n1.harness.test"), ["1"]);
    }

    /// Catches a list that is not as it was told, and a node whose own name goes with it.
    #[test]
    fn the_list_is_as_it_was_told() {
        let mut table = table();
        table.list_these(&[NodeIndex(1), NodeIndex(0), NodeIndex(9)]);
        assert_eq!(hosts(&mut table, "nodes.harness.test"), ["2", "1"]);
        assert_eq!(hosts(&mut table, "n3.harness.test"), ["3"], "its own name stays");
    }

    /// Catches an alternation that a question for something else moves on, or that stays.
    #[test]
    fn answers_alternate() {
        let mut table = table();
        table.alternate(NodeIndex(1));
        for expected in ["102", "2", "102", "2"] {
            table.answer("n2.harness.test", Asked::V6);
            assert_eq!(hosts(&mut table, "n2.harness.test"), [expected]);
        }
        assert_eq!(table.settle(NodeIndex(1)), 2);
        assert_eq!(hosts(&mut table, "n2.harness.test"), ["2"]);
    }
}
