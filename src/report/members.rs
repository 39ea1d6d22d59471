//! The members of a fleet as people read them.

use super::columns::cut;
use super::fleet::{FleetReport, MemberReport};
use super::model::Report;
use super::show;

/// What the name of a machine may take of a line.
const MACHINE_COLUMNS: usize = 14;

/// What stands over the cells of a member.
pub(super) const HEADS: [&str; 7] =
    ["member", "machine", "offered", "clock", "within", "phases apart", "its load"];

/// One sentence.
pub(super) fn told(fleet: &FleetReport) -> String {
    let FleetReport { run_id, counted, of, .. } = fleet;
    let within = show::us(Some(fleet.moments_within_us));
    format!("{counted} of {of} members of {run_id}; their moments agree within {within}")
}

/// A sentence and a table of no more than `most` members, those first of whom somebody should know: left
/// out, then noisy. Nothing of a run that is of one machine.
pub(super) fn lines(report: &Report, most: usize) -> Vec<String> {
    let Some(fleet) = &report.fleet else { return Vec::new() };
    let mut members: Vec<&MemberReport> = report.members.iter().collect();
    members.sort_by_key(|member| (member.left_out.is_none(), member.noise.is_empty()));
    let mut lines = vec![told(fleet), row(HEADS)];
    for member in members.into_iter().take(most) {
        lines.push(row(cells(member).each_ref().map(String::as_str)));
    }
    let rest = report.members.len().saturating_sub(most);
    lines.extend((rest > 0).then(|| format!("and {rest} more")));
    lines
}

fn row([member, machine, offered, clock, within, apart, load]: [&str; HEADS.len()]) -> String {
    let machine = cut(machine, MACHINE_COLUMNS);
    let machine = format!("{machine:<MACHINE_COLUMNS$}");
    format!("{member:>6} {machine} {offered:>9} {clock:>9} {within:>8} {apart:>12}  {load}")
}

/// The cells of a member's row, as [`HEADS`] has them.
pub(super) fn cells(member: &MemberReport) -> [String; HEADS.len()] {
    let load = match (&member.left_out, member.noise.is_empty()) {
        (Some(why), _) => format!("left out: {why}"),
        (None, false) => "noisy".to_owned(),
        (None, true) => "counts".to_owned(),
    };
    [
        member.index.to_string(),
        member.host.clone().unwrap_or_else(show::dash),
        show::count(member.offered),
        member.clock_offset_us.map_or_else(show::dash, signed),
        show::us(member.clock_uncertainty_us),
        show::us(member.phases_apart_us),
        load,
    ]
}

/// Microseconds with their sign.
fn signed(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "+" };
    format!("{sign}{}", show::us(Some(us.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(index: u32) -> MemberReport {
        MemberReport {
            index,
            host: Some("a-machine-with-a-long-name".to_owned()),
            left_out: None,
            clock_offset_us: Some(-1500),
            clock_uncertainty_us: Some(80),
            phases_apart_us: Some(2100),
            offered: Some(60_000),
            noise: Vec::new(),
            verdict: None,
        }
    }

    /// Catches a table that is wider than a terminal, and one that shows those who are well before those of
    /// whom somebody must know.
    #[test]
    fn those_who_do_not_count_come_first() {
        let mut members: Vec<MemberReport> = (0..9).map(member).collect();
        members[5].noise = vec!["late".to_owned()];
        members[7] = MemberReport {
            host: None,
            left_out: Some("it left no facts".to_owned()),
            clock_offset_us: None,
            clock_uncertainty_us: None,
            phases_apart_us: None,
            offered: None,
            ..member(7)
        };
        let report = Report { members, ..Report::synthetic() };
        assert_eq!(lines(&report, 3), [""; 0], "a run of one machine");
        let run_id = "r1".to_owned();
        let missing = crate::record::Missing::Narrow;
        let fleet = FleetReport { run_id, missing, moments_within_us: 2180, of: 9, counted: 8 };
        let report = Report { fleet: Some(fleet), ..report };
        assert_eq!(
            lines(&report, 3),
            [
                "8 of 9 members of r1; their moments agree within 2.18ms",
                "member machine          offered     clock   within phases apart  its load",
                "     7 -                      -         -        -            -  left out: it left no facts",
                "     5 a-machine-w...     60000    -1.5ms     80us        2.1ms  noisy",
                "     0 a-machine-w...     60000    -1.5ms     80us        2.1ms  counts",
                "and 6 more",
            ]
        );
    }
}
