//! What the lists are after faults that come and go.

use proptest::prelude::*;

use super::*;

const N1: NodeIndex = NodeIndex(0);
const N2: NodeIndex = NodeIndex(1);
const N3: NodeIndex = NodeIndex(2);

fn group(name: &str, sees: &[NodeIndex]) -> Group {
    Group { name: name.to_owned(), sees: sees.to_vec() }
}

/// The lists of all groups, as words.
fn lists(members: &Members) -> Vec<String> {
    let words =
        |nodes: Vec<NodeIndex>| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    members.all().map(|listed| words(listed.nodes)).collect()
}

/// Catches a list that keeps who left, forgets who came back, or has no order of its own.
#[test]
fn a_list_has_members_in_an_order() {
    let mut members = Members::new(3, &[], &[]);
    assert_eq!(lists(&members), ["n1 n2 n3"]);
    let changed = members.begin(None, N1, Relist::Reorder).unwrap();
    assert_eq!(changed, [Listed { group: 0, nodes: vec![N2, N3, N1] }]);
    members.begin(None, N3, Relist::Leave).unwrap();
    assert_eq!(lists(&members), ["n2 n1"]);
    members.end(None, N3, Relist::Leave);
    members.end(None, N1, Relist::Reorder);
    assert_eq!(lists(&members), ["n1 n2 n3"]);
}

/// Catches a node that is in the list before it joins, joins twice, or leaves when the fault ends.
#[test]
fn who_joins_was_not_there_and_stays() {
    let joins = Joins { group: None, nodes: vec![N2] };
    let mut members = Members::new(3, &[], &[joins]);
    assert_eq!(lists(&members), ["n1 n3"]);
    assert_eq!(members.begin(None, N2, Relist::Join).unwrap().len(), 1);
    assert_eq!(lists(&members), ["n1 n2 n3"]);
    assert_eq!(members.begin(None, N2, Relist::Join).unwrap(), [], "nothing is new");
    assert_eq!(members.end(None, N2, Relist::Join), []);
    assert_eq!(lists(&members), ["n1 n2 n3"]);
}

/// Catches a list without anybody in it, which no client can use, and one that is half changed by the
/// attempt.
#[test]
fn the_last_one_cannot_leave() {
    let groups = [group("a", &[N1, N2]), group("b", &[N2])];
    let mut members = Members::new(2, &groups, &[]);
    let refused = members.begin(None, N2, Relist::Leave).unwrap_err();
    assert!(refused.contains("n2 is the last one in the list of group `b`"), "{refused}");
    assert_eq!(lists(&members), ["n1 n2", "n2"]);
    assert_eq!(members.begin(Some("a"), N2, Relist::Leave).unwrap().len(), 1);
    assert_eq!(lists(&members), ["n1", "n2"]);
}

/// Catches a fault of one group that changes another's list, and a group's list that is not in its order.
#[test]
fn each_group_has_a_list_of_its_own() {
    let groups = [group("a", &[N3, N1]), group("b", &[N1, N2, N3])];
    let mut members = Members::new(3, &groups, &[]);
    assert_eq!(lists(&members), ["n3 n1", "n1 n2 n3"]);
    members.begin(Some("a"), N2, Relist::Join).unwrap();
    assert_eq!(lists(&members), ["n3 n1 n2", "n1 n2 n3"]);
    members.begin(Some("b"), N1, Relist::Reorder).unwrap();
    assert_eq!(lists(&members), ["n3 n1 n2", "n2 n3 n1"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Catches faults that overlap and, healed in another order than they began, leave a list that is not
    /// what it was.
    #[test]
    fn healing_gives_back_exactly_what_was_taken(
        begun in prop::collection::vec((0_u16..4, any::<bool>()), 0..20),
        order in any::<prop::sample::Index>(),
    ) {
        let mut members = Members::new(4, &[], &[]);
        let what = |leaves| if leaves { Relist::Leave } else { Relist::Reorder };
        let mut active: Vec<_> = begun
            .into_iter()
            .map(|(node, leaves)| (NodeIndex(node), what(leaves)))
            .filter(|(node, what)| members.begin(None, *node, *what).is_ok())
            .collect();
        if !active.is_empty() {
            let start = order.index(active.len());
            active.rotate_left(start);
        }
        for (node, what) in active {
            prop_assert!(!lists(&members)[0].is_empty());
            members.end(None, node, what);
        }
        prop_assert_eq!(lists(&members), ["n1 n2 n3 n4"]);
    }
}
