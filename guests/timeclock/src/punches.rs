//! The layout `punches`: a row for each press.

use punchcard_sdk::{Accepted, Cell, Column, ColumnKind, Event, Row};

use crate::{Choice, wording};

pub(crate) fn columns(has_person: bool) -> Vec<Column> {
    let column = |key: &str, title: &str, kind| Column { key: key.into(), title: title.into(), kind };
    let person = has_person.then(|| column("person", "Person", ColumnKind::Text));
    let punch = [column("project", "Project", ColumnKind::Text), column("input", "Input", ColumnKind::Text)];
    [column("time", "Time", ColumnKind::DateTime)].into_iter().chain(person).chain(punch).collect()
}

/// The row of a press.
pub(crate) fn press(choice: Choice, event: &Event) -> Accepted {
    let Choice { person, project } = choice;
    let work = wording::work(person.as_deref().unwrap_or_default(), &project);
    let notice = format!("{work}: {}", wording::about(event.at, event.certainty));
    let punch = [Cell::Text(project), Cell::Text(event.source.clone())];
    let cells = [event.moment()].into_iter().chain(person.map(Cell::Text)).chain(punch).collect();
    Accepted { rows: vec![Row { key: String::new(), cells }], notice: Some(notice) }
}
