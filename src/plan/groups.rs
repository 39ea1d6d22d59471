//! `[[groups]]`: clients that are told of other nodes than the rest, or of the same in another order.

use super::error::FileError;
use super::model::Group;
use super::source::{TomlTable, TomlValue};
use super::text::{TomlText, string};
use crate::base::family::unknown;
use crate::base::name::NodeIndex;
use crate::base::units::Ratio;
use crate::lab::fault::{FAULTS, NodeAction};
use crate::lab::members;

/// The most groups: each has a client, or a process, of its own.
const GROUPS_MAX: usize = 8;

/// How far shares may be off from all, as they are decimal fractions.
const SLACK: f64 = 1e-6;

/// Reads the groups; none is one that is told of all.
pub(super) fn read(file: &TomlTable<'_>, nodes: u16) -> Result<Vec<Group>, FileError> {
    let written = file.list("groups")?;
    let Some(first) = written.first() else { return Ok(Vec::new()) };
    if written.len() > GROUPS_MAX {
        return Err(first.error(format!("there are more than {GROUPS_MAX} groups")));
    }
    let mut lists: Vec<members::Group> = Vec::new();
    let mut shares = Vec::new();
    for element in &written {
        let table = element.table()?;
        table.only("key", &["name", "sees", "share"])?;
        let node = table.need("name", "what the group is called, such as \"a\"")?;
        let name = node.name()?.to_owned();
        if lists.iter().any(|other| other.name == name) {
            return Err(node.error(format!("two groups are called `{name}`")));
        }
        let sees = read_sees(&table, nodes)?;
        lists.push(members::Group { name, sees });
        shares.push(table.optional("share", |node| {
            let share = node.parsed::<Ratio>("a ratio such as \"50%\"")?.value();
            let some = share > 0.0;
            if some { Ok(share) } else { Err(node.error("a group of nobody; leave it out")) }
        })?);
    }
    let shares = settled(&shares).map_err(|what| first.error(what))?;
    Ok(lists.into_iter().zip(shares).map(|(list, share)| Group { list, share }).collect())
}

/// The nodes of one group, in the order in which it is told of them.
fn read_sees(table: &TomlTable<'_>, nodes: u16) -> Result<Vec<NodeIndex>, FileError> {
    let node = table.need("sees", "the nodes that it is told of, such as `[\"n1\", \"n2\"]`")?;
    let mut sees = Vec::new();
    for word in &node.list()? {
        let index = read_node(word, nodes)?;
        if sees.contains(&index) {
            return Err(word.error(format!("`{index}` is listed twice")));
        }
        sees.push(index);
    }
    if sees.is_empty() {
        return Err(node.error("the group sees no node; write [\"n1\"], or leave it out"));
    }
    Ok(sees)
}

/// A node by its name.
pub(super) fn read_node(word: &TomlValue<'_>, count: u16) -> Result<NodeIndex, FileError> {
    let name = word.text()?;
    let index = NodeIndex::try_from(name.to_owned()).ok().filter(|index| index.0 < count);
    index.ok_or_else(|| {
        let last = NodeIndex(count.saturating_sub(1));
        word.error(format!("there is no node `{name}`; nodes are n1 to {last}, or \"all\""))
    })
}

/// The share of every group: those that say none have what is left, in equal parts.
fn settled(written: &[Option<f64>]) -> Result<Vec<Ratio>, String> {
    let sum: f64 = written.iter().flatten().sum();
    let silent = written.iter().filter(|share| share.is_none()).count();
    let left = 1.0 - sum;
    let wrong = if silent == 0 { left.abs() > SLACK } else { left <= SLACK };
    if wrong {
        let sum = sum * 100.0;
        let what = match silent {
            0 => "together they are 100%",
            _ => "nothing is left for those that say none, which have equal parts of the rest",
        };
        return Err(format!("the shares of the groups come to {sum}%; {what}"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let rest = left / silent.max(1) as f64;
    let share = |share: &Option<f64>| Ratio::new(share.unwrap_or(rest)).unwrap_or(Ratio::ONE);
    Ok(written.iter().map(share).collect())
}

/// The group whose list a fault changes; `None`: everybody's.
pub(super) fn of_fault(
    fault: &TomlTable<'_>,
    kind: &TomlValue<'_>,
    groups: &[Group],
) -> Result<Option<String>, FileError> {
    let Some(node) = fault.get("group") else { return Ok(None) };
    let of_lists = FAULTS.find(kind.key()).and_then(|it| it.make(&Default::default()).ok());
    if !matches!(of_lists.as_deref(), Some(NodeAction::List(_))) {
        return Err(node.error_at_key(format!(
            "`group` is for faults of the list that clients are told (join, leave, reorder); `{}` is felt \
             by all",
            kind.key()
        )));
    }
    let name = node.name()?;
    let known: Vec<&str> = groups.iter().map(|group| group.list.name.as_str()).collect();
    match known.as_slice() {
        [] => Err(node.error("there are no [[groups]] here; leave `group` out")),
        known if known.contains(&name) => Ok(Some(name.to_owned())),
        known => Err(node.error(unknown("group", name, known))),
    }
}

/// Prints the groups.
pub(super) fn print(text: &mut TomlText, groups: &[Group]) {
    for Group { list, share } in groups {
        text.element("groups");
        text.string("name", &list.name);
        let sees: Vec<String> = list.sees.iter().map(|node| string(&node.to_string())).collect();
        text.value("sees", &format!("[{}]", sees.join(", ")));
        text.string("share", &share.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches shares that leave workers without a group, or a group without workers.
    #[test]
    fn shares_are_all_together() {
        let shares = |written: &[Option<f64>]| {
            settled(written).map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shares(&[None, None]).unwrap(), ["50%", "50%"]);
        assert_eq!(shares(&[Some(0.2), None]).unwrap(), ["20%", "80%"]);
        assert_eq!(shares(&[Some(0.3), Some(0.7)]).unwrap(), ["30%", "70%"]);
        let rest = shares(&[Some(1.0), None]).unwrap_err();
        assert!(rest.contains("nothing is left for those that say none"), "{rest}");
        for wrong in [&[Some(0.5), Some(0.4)][..], &[Some(0.9), Some(0.2)]] {
            assert!(shares(wrong).unwrap_err().contains("together they are 100%"), "{wrong:?}");
        }
    }
}
