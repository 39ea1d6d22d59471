//! What was asked of the run and what was measured, a line each, those that failed first.

use crate::judge::{Grade, measure};
use crate::report::columns::cut;
use crate::report::model::{ObjectiveReport, Report};

/// An objective's name has so many columns.
const NAME_COLUMNS: usize = 27;

/// How many there were of each grade.
pub(super) fn counted(report: &Report) -> String {
    let of = |wanted| report.objectives.iter().filter(move |row| row.grade == wanted).count();
    let counts = [(Grade::Fail, "failed"), (Grade::Inconclusive, "could not be judged")];
    let mut said = format!("{} of {} held", of(Grade::Pass), report.objectives.len());
    for (grade, word) in counts.into_iter().filter(|(grade, _)| of(*grade) > 0) {
        said.push_str(&format!(", {} {word}", of(grade)));
    }
    said
}

/// The grade, and the rest of the line.
pub(super) fn lines(report: &Report) -> Vec<(Grade, String)> {
    let of = |wanted| report.objectives.iter().filter(move |row| row.grade == wanted);
    let in_order = [Grade::Fail, Grade::Inconclusive, Grade::Pass].into_iter().flat_map(of);
    in_order.map(|row| (row.grade, line(row))).collect()
}

/// One word for a grade, in its column.
pub(super) const fn word(grade: Grade) -> &'static str {
    match grade {
        Grade::Fail => "FAILED ",
        Grade::Inconclusive => "unknown",
        Grade::Pass => "held   ",
    }
}

fn line(row: &ObjectiveReport) -> String {
    let show = |value| measure::find(&row.measure).map(|measure| measure.show(value));
    let measured = row.measured.and_then(show).unwrap_or_else(|| "-".to_owned());
    let name = cut(&row.name, NAME_COLUMNS);
    format!(" {name:<NAME_COLUMNS$} {measured:>10}, {}", row.bound)
}
