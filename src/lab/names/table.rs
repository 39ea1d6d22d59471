//! Which name stands for which address, as it is now.
//!
//! It decides and asks nobody: whoever answers questions holds it, and faults change it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::lab::fault::Failure;

/// The zone in which all names are. `test` is set aside for such (RFC 6761): no name there is real.
const ZONE: &str = "harness.test";
/// The name of all nodes that are in the list.
const LIST: &str = "nodes";
/// The name under which their ports are told as well (RFC 2782).
const SERVICE: &str = "_memcached._tcp.nodes";

/// The name of a node, which `n1.harness.test` stands for.
pub(in crate::lab) fn name_of(node: NodeIndex) -> String {
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

impl Asked {
    const fn is_for(self, address: &SocketAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Service | Self::Other => false,
        }
    }
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
    /// The server cannot say.
    Failed,
}

/// An answer, and how it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) answer: Answer,
    /// How long it takes; `None`: for ever.
    pub(super) after: Option<Duration>,
    /// Whether a datagram says no more than that it is too short.
    pub(super) is_cut: bool,
}

impl From<Answer> for Said {
    fn from(answer: Answer) -> Self {
        Self { answer, after: Some(Duration::ZERO), is_cut: false }
    }
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
    /// Whether somebody else has the name as well, at the spare address.
    is_shared: bool,
    /// Faults of its answers, and how many questions each has met. The last one counts.
    failures: Vec<(Failure, u64)>,
    /// How often its name was asked for since it moved, began to alternate or was shared.
    told: u64,
}

impl Host {
    const fn new((current, spare): (SocketAddr, Option<SocketAddr>)) -> Self {
        let failures = Vec::new();
        Self { current, spare, alternates: false, is_shared: false, failures, told: 0 }
    }

    /// The addresses for this question, in their order.
    fn shown(&mut self) -> Vec<SocketAddr> {
        self.told += 1;
        // The other one first, so that a single question is enough.
        let is_others_turn = self.told % 2 == 1;
        match self.spare {
            Some(spare) if self.is_shared && is_others_turn => vec![spare, self.current],
            Some(spare) if self.is_shared => vec![self.current, spare],
            Some(spare) if self.alternates && is_others_turn => vec![spare],
            _ => vec![self.current],
        }
    }
}

impl Table {
    /// Every node at its address, and where it can be instead.
    pub(super) fn new(hosts: impl Iterator<Item = (SocketAddr, Option<SocketAddr>)>) -> Self {
        let hosts: Vec<Host> = hosts.map(Host::new).collect();
        let listed = (0..).map(NodeIndex).take(hosts.len()).collect();
        Self { hosts, listed }
    }

    /// What `name`, with or without a dot at its end, stands for, and how that is said.
    pub(super) fn answer(&mut self, name: &str, asked: Asked) -> Said {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let Some(rest) = name.strip_suffix(ZONE) else { return Answer::Refused.into() };
        let Some(word) = rest.strip_suffix('.') else {
            // The zone itself has nothing, and one whose name ends like ours is somebody else's.
            let is_ours = rest.is_empty();
            let answer = if is_ours { Answer::Records(Vec::new()) } else { Answer::Refused };
            return answer.into();
        };
        match self.failure(word, asked) {
            None => self.stands_for(word, asked).into(),
            Some(Failure::ServFail) => Answer::Failed.into(),
            Some(Failure::NxDomain) => Answer::Unknown.into(),
            Some(Failure::Silence) => Said { after: None, ..Answer::Failed.into() },
            Some(Failure::Late(time)) => {
                Said { after: Some(time), ..self.stands_for(word, asked).into() }
            }
            Some(Failure::Truncated) => {
                Said { is_cut: true, ..self.stands_for(word, asked).into() }
            }
        }
    }

    fn stands_for(&mut self, word: &str, asked: Asked) -> Answer {
        let addresses = |them: Vec<SocketAddr>| {
            let them = them.into_iter().filter(|it| asked.is_for(it));
            Answer::Records(them.map(|it| Record::Address(it.ip())).collect())
        };
        match word {
            LIST => addresses(self.list().map(|(_, host)| host.current).collect()),
            SERVICE if asked == Asked::Service => Answer::Records(
                self.list()
                    .map(|(node, host)| Record::Service { node, port: host.current.port() })
                    .collect(),
            ),
            SERVICE | "_tcp.nodes" => Answer::Records(Vec::new()),
            _ => match self.host_called(word) {
                // Only questions that it answers count.
                Some(host) if asked.is_for(&host.current) => addresses(host.shown()),
                Some(_) => Answer::Records(Vec::new()),
                None => Answer::Unknown,
            },
        }
    }

    /// How the answer to a question for `word` fails, if it does. Of the list, when those of all its nodes do.
    fn failure(&mut self, word: &str, asked: Asked) -> Option<Failure> {
        let host = match word {
            LIST | SERVICE => {
                let all_fail = self.list().all(|(_, host)| !host.failures.is_empty());
                let first = self.listed.first().filter(|_| all_fail)?;
                self.hosts.get_mut(first.position())
            }
            _ => self.host_called(word),
        };
        let host = host?;
        // Who looks for a host asks for both kinds of address: it is one question.
        let counts = asked.is_for(&host.current) || asked == Asked::Service;
        let (failure, met) = host.failures.last_mut()?;
        *met += u64::from(counts);
        Some(*failure)
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

    /// The node's name has both addresses, which take turns in being the first.
    pub(super) fn share(&mut self, node: NodeIndex) {
        self.change(node, |host| (host.is_shared, host.told) = (true, 0));
    }

    /// The node has its name for itself again; says how often both were told.
    pub(super) fn unshare(&mut self, node: NodeIndex) -> u64 {
        let Some(host) = self.hosts.get_mut(node.position()) else { return 0 };
        if std::mem::take(&mut host.is_shared) { host.told } else { 0 }
    }

    /// Answers for the node's name fail like this.
    pub(super) fn fail(&mut self, node: NodeIndex, failure: Failure) {
        self.change(node, |host| host.failures.push((failure, 0)));
    }

    /// They do so no more; says how many have.
    pub(super) fn fail_no_more(&mut self, node: NodeIndex, failure: Failure) -> u64 {
        let Some(host) = self.hosts.get_mut(node.position()) else { return 0 };
        let place = host.failures.iter().position(|(it, _)| *it == failure);
        place.map_or(0, |place| host.failures.remove(place).1)
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
        match table.answer(name, Asked::V4).answer {
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
            assert_eq!(table.answer(&name, Asked::V4).answer, Answer::Unknown, "{name}");
        }
        for name in ["", "example.org", "test", "n1.otherharness.test", "n1"] {
            assert_eq!(table.answer(name, Asked::V4).answer, Answer::Refused, "{name}");
        }
    }

    /// Catches a name without addresses of a kind that is taken for no name: a resolver would give up.
    #[test]
    fn what_a_name_does_not_have_is_an_empty_answer() {
        let mut table = table();
        let nothing = Answer::Records(Vec::new());
        for asked in [Asked::V6, Asked::Service, Asked::Other] {
            assert_eq!(table.answer("n1.harness.test", asked).answer, nothing);
        }
        assert_eq!(table.answer("_memcached._tcp.nodes.harness.test", Asked::V4).answer, nothing);
        let mut table = Table::new(std::iter::once((at("[::1]:7"), None)));
        let address = Record::Address("::1".parse().unwrap());
        assert_eq!(
            table.answer("n1.harness.test", Asked::V6).answer,
            Answer::Records(vec![address])
        );
        assert_eq!(table.answer("n1.harness.test", Asked::V4).answer, nothing);
        let service = Record::Service { node: NodeIndex(0), port: 7 };
        assert_eq!(
            table.answer("_memcached._tcp.nodes.harness.test", Asked::Service).answer,
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

    /// Catches an owner that nobody is told of, one that is always the second, and one that stays.
    #[test]
    fn two_owners_take_turns() {
        let mut table = table();
        table.share(NodeIndex(1));
        for expected in [["102", "2"], ["2", "102"], ["102", "2"]] {
            assert_eq!(hosts(&mut table, "n2.harness.test"), expected);
        }
        assert_eq!(hosts(&mut table, "n1.harness.test"), ["1"], "of nobody else");
        assert_eq!(table.unshare(NodeIndex(1)), 3);
        assert_eq!(hosts(&mut table, "n2.harness.test"), ["2"]);
        assert_eq!(table.unshare(NodeIndex(1)), 0);
    }

    /// Catches a failure that is not what it is called, meets other names, or does not end.
    #[test]
    fn answers_fail_as_they_are_told_to() {
        let second = Duration::from_secs(1);
        let right = || Answer::Records(vec![Record::Address("127.77.0.2".parse().unwrap())]);
        let said = |answer, after, is_cut| Said { answer, after, is_cut };
        for (failure, expected) in [
            (Failure::ServFail, said(Answer::Failed, Some(Duration::ZERO), false)),
            (Failure::NxDomain, said(Answer::Unknown, Some(Duration::ZERO), false)),
            (Failure::Silence, said(Answer::Failed, None, false)),
            (Failure::Late(second), said(right(), Some(second), false)),
            (Failure::Truncated, said(right(), Some(Duration::ZERO), true)),
        ] {
            let mut table = table();
            table.fail(NodeIndex(1), failure);
            assert_eq!(table.answer("n2.harness.test", Asked::V4), expected);
            table.answer("n2.harness.test", Asked::V6);
            assert_eq!(hosts(&mut table, "n1.harness.test"), ["1"]);
            assert_eq!(hosts(&mut table, "nodes.harness.test").len(), 3, "{failure:?}");
            let met = table.fail_no_more(NodeIndex(1), failure);
            assert_eq!(met, 1, "who asks for both kinds of address asks once");
            assert_eq!(table.answer("n2.harness.test", Asked::V4), right().into());
        }
    }

    /// Catches a list that is told while the whole name service is down, and failures of which the end of one
    /// ends another.
    #[test]
    fn a_list_fails_with_all_its_nodes() {
        let mut table = table();
        table.list_these(&[NodeIndex(0), NodeIndex(2)]);
        let list = |table: &mut Table| table.answer("nodes.harness.test", Asked::V4).answer;
        table.fail(NodeIndex(0), Failure::ServFail);
        assert!(matches!(list(&mut table), Answer::Records(_)));
        table.fail(NodeIndex(2), Failure::ServFail);
        assert_eq!(list(&mut table), Answer::Failed);
        table.fail(NodeIndex(0), Failure::NxDomain);
        assert_eq!(list(&mut table), Answer::Unknown, "the last one counts");
        assert_eq!(table.fail_no_more(NodeIndex(0), Failure::ServFail), 1);
        assert_eq!(list(&mut table), Answer::Unknown);
        assert_eq!(table.fail_no_more(NodeIndex(0), Failure::NxDomain), 2);
        assert!(matches!(list(&mut table), Answer::Records(_)));
    }
}
