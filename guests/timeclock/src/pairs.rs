//! The layout `pairs`: a row for each stretch of work, once it is finished.

use punchcard_sdk::{Accepted, Cell, Certainty, Column, ColumnKind, Event, Row, Verdict};

use crate::at_work::{AtWork, MOST_AT_WORK, Running};
use crate::{Choice, wording};

pub(crate) fn columns(has_person: bool) -> Vec<Column> {
    let column = |key: &str, title: &str, kind| Column { key: key.into(), title: title.into(), kind };
    let person = has_person.then(|| column("person", "Person", ColumnKind::Text));
    let stretch = [
        column("project", "Project", ColumnKind::Text),
        column("start", "Start", ColumnKind::DateTime),
        column("finish", "Finish", ColumnKind::DateTime),
        column("hours", "Hours", ColumnKind::Duration),
    ];
    person.into_iter().chain(stretch).collect()
}

/// What a press leads to. It finishes what this person does, and starts what they chose where that is something else.
pub(crate) fn press(at_work: &mut AtWork, choice: Choice, event: &Event) -> Verdict {
    let Choice { person, project } = choice;
    let name = person.clone().unwrap_or_default();
    let finished = at_work.take(&name);
    let starts = finished.as_ref().is_none_or(|finished| finished.project != project);
    if starts && at_work.is_full() {
        return Verdict::Reject(format!("{MOST_AT_WORK} people are at work already, and nobody else can start"));
    }
    let row = finished.as_ref().map(|finished| finish(person, finished, event));
    let notice = match &finished {
        Some(finished) if !starts => {
            let span = seconds(finished, event).map_or_else(|| "finished".to_owned(), wording::span);
            format!("{}: {span}", wording::work(&name, &finished.project))
        }
        _ => format!("{}: started", wording::work(&name, &project)),
    };
    if starts {
        at_work.put(name, Running::start(project, event));
    }
    Verdict::Accepted(Accepted { rows: row.into_iter().collect(), notice: Some(notice) })
}

fn finish(person: Option<String>, running: &Running, event: &Event) -> Row {
    let stretch = [
        Cell::Text(running.project.clone()),
        running.certainty().moment(running.started()),
        event.moment(),
        seconds(running, event).map_or(Cell::Empty, Cell::Seconds),
    ];
    Row { key: String::new(), cells: person.map(Cell::Text).into_iter().chain(stretch).collect() }
}

/// The stretch's length by UTC: a clock that goes to summer time meanwhile gives and takes nothing. A clock that was set
/// back gives no negative hours; start and finish show what happened. `None`: one of them is a guess.
fn seconds(running: &Running, event: &Event) -> Option<f64> {
    if running.certainty() == Certainty::Estimated || event.certainty == Certainty::Estimated {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds of 285 years are exact")]
    let micros = event.at.unix_micros.saturating_sub(running.started().unix_micros).max(0) as f64;
    Some(micros / 1_000_000.0)
}
