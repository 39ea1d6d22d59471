//! From the bytes of a question to those of the answer.

use std::net::IpAddr;
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, OPT, RData, SRV};
use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
};

use super::table::{Answer, Asked, Record, Said, Table, name_of};

/// How long an answer may be kept, in seconds: who keeps one longer does not look at it.
const TIME_TO_LIVE: u32 = 1;
/// The longest datagram where the asker names none (RFC 1035).
const DATAGRAM_MAX: usize = 512;
/// The longest datagram that we send: it passes any link whole.
const OWN_DATAGRAM_MAX: u16 = 1232;
/// The head of a message.
const HEAD_BYTES: usize = 12;
/// The bit of the third byte that tells answers from questions.
const IS_ANSWER: u8 = 0x80;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In a datagram: what is longer than the asker takes is cut, and said to be.
    Datagram,
    /// Over a connection.
    Connection,
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It is no question.
    NoQuestion,
    /// It is never answered.
    Never,
    /// This is the answer, so long after the question.
    After(Duration, Vec<u8>),
}

/// What to say to a message.
pub(super) fn answer(message: &[u8], way: Way, table: &mut Table) -> Reply {
    let is_question = message.len() >= HEAD_BYTES && message[2] & IS_ANSWER == 0;
    if !is_question {
        return Reply::NoQuestion;
    }
    let id = u16::from_be_bytes([message[0], message[1]]);
    let Ok(asked) = Packet::parse(message) else {
        return refusal(Packet::new_reply(id), RCODE::FormatError);
    };
    let mut reply = Packet::new_reply(id);
    if asked.has_flags(PacketFlag::RECURSION_DESIRED) {
        reply.set_flags(PacketFlag::RECURSION_DESIRED);
    }
    if asked.opcode() != OPCODE::StandardQuery {
        *reply.opcode_mut() = asked.opcode();
        return refusal(reply, RCODE::NotImplemented);
    }
    let [question] = asked.questions.as_slice() else {
        return refusal(reply, RCODE::FormatError);
    };
    reply.questions.push(question.clone());
    if asked.opt().is_some() {
        let opt = OPT { opt_codes: Vec::new(), udp_packet_size: OWN_DATAGRAM_MAX, version: 0 };
        *reply.opt_mut() = Some(opt);
    }
    let said = of_table(question, table);
    let Some(after) = said.after else { return Reply::Never };
    put(&mut reply, question, said.answer);
    let most = match way {
        Way::Connection => usize::from(u16::MAX),
        Way::Datagram if said.is_cut => 0,
        Way::Datagram => longest_datagram(&asked),
    };
    finished(after, within(reply, most))
}

/// The longest datagram that the asker takes and we send.
fn longest_datagram(asked: &Packet<'_>) -> usize {
    let taken = asked.opt().map_or(0, |opt| opt.udp_packet_size.min(OWN_DATAGRAM_MAX));
    usize::from(taken).max(DATAGRAM_MAX)
}

/// Puts what there is to say into a reply.
fn put<'a>(reply: &mut Packet<'a>, question: &Question<'a>, answer: Answer) {
    match answer {
        Answer::Records(records) => {
            reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
            let records = records.iter().filter_map(|record| shown(question, record));
            reply.answers = records.collect();
        }
        Answer::Unknown => {
            reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
            *reply.rcode_mut() = RCODE::NameError;
        }
        Answer::Refused => *reply.rcode_mut() = RCODE::Refused,
        Answer::Failed => *reply.rcode_mut() = RCODE::ServerFailure,
    }
}

/// The bytes of a reply, without its answers where they are more than `most`.
fn within(mut reply: Packet<'_>, most: usize) -> Option<Vec<u8>> {
    let whole = reply.build_bytes_vec_compressed().ok()?;
    if whole.len() <= most {
        return Some(whole);
    }
    reply.answers.clear();
    reply.set_flags(PacketFlag::TRUNCATION);
    reply.build_bytes_vec_compressed().ok()
}

fn refusal(mut reply: Packet<'_>, code: RCODE) -> Reply {
    *reply.rcode_mut() = code;
    finished(Duration::ZERO, reply.build_bytes_vec_compressed().ok())
}

/// What cannot be put into bytes is never said.
fn finished(after: Duration, bytes: Option<Vec<u8>>) -> Reply {
    bytes.map_or(Reply::Never, |bytes| Reply::After(after, bytes))
}

fn of_table(question: &Question<'_>, table: &mut Table) -> Said {
    if !matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY) {
        return Answer::Refused.into();
    }
    let asked = match question.qtype {
        QTYPE::TYPE(TYPE::A) => Asked::V4,
        QTYPE::TYPE(TYPE::AAAA) => Asked::V6,
        QTYPE::TYPE(TYPE::SRV) => Asked::Service,
        _ => Asked::Other,
    };
    table.answer(&question.qname.to_string(), asked)
}

/// A record as the answer to `question`; its name is the one that was asked for, letter by letter.
fn shown<'a>(question: &Question<'a>, record: &Record) -> Option<ResourceRecord<'a>> {
    let data = match record {
        Record::Address(IpAddr::V4(address)) => RData::A(A { address: (*address).into() }),
        Record::Address(IpAddr::V6(address)) => RData::AAAA(AAAA { address: (*address).into() }),
        Record::Service { node, port } => {
            let target = Name::new(&name_of(*node)).ok()?.into_owned();
            RData::SRV(SRV { priority: 0, weight: 0, port: *port, target })
        }
    };
    Some(ResourceRecord::new(question.qname.clone(), CLASS::IN, TIME_TO_LIVE, data))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::base::name::NodeIndex;
    use crate::lab::fault::Failure;

    fn table(count: u16) -> Table {
        let at = |node: u16| SocketAddr::from(([127, 77, 0, node as u8], 21211));
        Table::new((1..=count).map(|node| (at(node), None)))
    }

    fn question(name: &str, kind: TYPE) -> Packet<'_> {
        let mut packet = Packet::new_query(7);
        let name = Name::new(name).unwrap();
        packet.questions.push(Question::new(name, kind.into(), CLASS::IN.into(), false));
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet
    }

    fn bytes(packet: &Packet<'_>) -> Vec<u8> {
        packet.build_bytes_vec().unwrap()
    }

    /// What is said at once to a message.
    fn told(message: &[u8], way: Way, table: &mut Table) -> Vec<u8> {
        match answer(message, way, table) {
            Reply::After(Duration::ZERO, bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    /// Catches an answer that the resolver of a machine would not take for its own, or would keep.
    #[test]
    fn an_answer_says_what_was_asked() {
        let asked = bytes(&question("N1.harness.test", TYPE::A));
        let said = told(&asked, Way::Datagram, &mut table(3));
        let said = Packet::parse(&said).unwrap();
        assert_eq!((said.id(), said.rcode()), (7, RCODE::NoError));
        assert!(said.has_flags(PacketFlag::RESPONSE | PacketFlag::AUTHORITATIVE_ANSWER));
        assert!(said.has_flags(PacketFlag::RECURSION_DESIRED));
        assert_eq!(said.questions[0].qname.to_string(), "N1.harness.test");
        assert_eq!(said.answers[0].ttl, TIME_TO_LIVE);
        let address = RData::A(A { address: u32::from_be_bytes([127, 77, 0, 1]) });
        assert_eq!(said.answers[0].rdata, address);
        for (name, code) in [
            ("n9.harness.test", RCODE::NameError),
            ("example.org", RCODE::Refused),
            ("nodes.harness.test", RCODE::NoError),
        ] {
            let said = told(&bytes(&question(name, TYPE::A)), Way::Datagram, &mut table(3));
            assert_eq!(Packet::parse(&said).unwrap().rcode(), code, "{name}");
        }
    }

    /// Catches an answer that is longer than its asker takes, or that is cut in silence.
    #[test]
    fn what_is_too_long_for_a_datagram_is_cut_and_said_to_be() {
        let mut asked = question("nodes.harness.test", TYPE::A);
        let said = |asked: &Packet<'_>, way| {
            let said = told(&bytes(asked), way, &mut table(100));
            let packet = Packet::parse(&said).unwrap();
            (packet.answers.len(), packet.has_flags(PacketFlag::TRUNCATION), said.len())
        };
        let (count, is_cut, length) = said(&asked, Way::Datagram);
        assert!(count == 0 && is_cut && length <= DATAGRAM_MAX);
        let (count, is_cut, _) = said(&asked, Way::Connection);
        assert!(count == 100 && !is_cut);
        *asked.opt_mut() = Some(OPT { opt_codes: Vec::new(), udp_packet_size: 9000, version: 0 });
        let (count, is_cut, _) = said(&asked, Way::Datagram);
        assert!(count == 0 && is_cut, "more than we send in one");
    }

    /// Catches ports that are told of other nodes than those they belong to.
    #[test]
    fn the_service_names_nodes_and_ports() {
        let asked = bytes(&question("_memcached._tcp.nodes.harness.test", TYPE::SRV));
        let said = told(&asked, Way::Connection, &mut table(2));
        let said = Packet::parse(&said).unwrap();
        let targets = said.answers.iter().map(|record| match &record.rdata {
            RData::SRV(it) => (it.target.to_string(), it.port),
            other => panic!("{other:?}"),
        });
        let expected = [1, 2].map(|node| (format!("n{node}.harness.test"), 21211));
        assert_eq!(targets.collect::<Vec<_>>(), expected);
    }

    /// Catches an answer to an answer, which two servers would send to each other for ever.
    #[test]
    fn only_questions_are_answered() {
        let mut asked = question("n1.harness.test", TYPE::A);
        asked.set_flags(PacketFlag::RESPONSE);
        for message in [&bytes(&asked)[..], b"", &[0; HEAD_BYTES - 1]] {
            assert_eq!(answer(message, Way::Datagram, &mut table(1)), Reply::NoQuestion);
        }
        let none = told(&[0; HEAD_BYTES], Way::Datagram, &mut table(1));
        assert_eq!(Packet::parse(&none).unwrap().rcode(), RCODE::FormatError, "no question");
        let mut update = question("n1.harness.test", TYPE::A);
        *update.opcode_mut() = OPCODE::Update;
        let said = told(&bytes(&update), Way::Datagram, &mut table(1));
        assert_eq!(Packet::parse(&said).unwrap().rcode(), RCODE::NotImplemented);
    }

    /// Catches a failure that a resolver would not take for one, and a cut answer that it could not have whole.
    #[test]
    fn failures_are_told_in_the_words_of_the_protocol() {
        let asked = bytes(&question("n1.harness.test", TYPE::A));
        let said = |failure, way| {
            let mut table = table(1);
            table.fail(NodeIndex(0), failure);
            answer(&asked, way, &mut table)
        };
        let read = |reply: Reply| match reply {
            Reply::After(after, bytes) => {
                let packet = Packet::parse(&bytes).unwrap();
                let is_cut = packet.has_flags(PacketFlag::TRUNCATION);
                (after, packet.rcode(), packet.answers.len(), is_cut)
            }
            other => panic!("{other:?}"),
        };
        let (at_once, second) = (Duration::ZERO, Duration::from_secs(1));
        for (failure, code) in
            [(Failure::ServFail, RCODE::ServerFailure), (Failure::NxDomain, RCODE::NameError)]
        {
            for way in [Way::Datagram, Way::Connection] {
                assert_eq!(read(said(failure, way)), (at_once, code, 0, false));
            }
        }
        let late = read(said(Failure::Late(second), Way::Datagram));
        assert_eq!(late, (second, RCODE::NoError, 1, false));
        assert_eq!(said(Failure::Silence, Way::Connection), Reply::Never);
        let cut = read(said(Failure::Truncated, Way::Datagram));
        assert_eq!(cut, (at_once, RCODE::NoError, 0, true));
        let whole = read(said(Failure::Truncated, Way::Connection));
        assert_eq!(whole, (at_once, RCODE::NoError, 1, false));
    }

    proptest! {
        /// Catches a message that ends the server.
        #[test]
        fn any_bytes_are_survived(noise in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..64) {
            let mut asked = bytes(&question("nodes.harness.test", TYPE::A));
            asked.truncate(cut);
            asked.extend(noise);
            if let Reply::After(_, said) = answer(&asked, Way::Datagram, &mut table(3)) {
                prop_assert!(said.len() <= usize::from(OWN_DATAGRAM_MAX));
            }
        }
    }
}
