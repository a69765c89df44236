//! The layout `punches`: a row for each press.

use punchcard_sdk::{Accepted, Cell, Column, ColumnKind, Event, Row};

use crate::wording;

pub(crate) fn columns() -> Vec<Column> {
    let column = |key: &str, title: &str, kind| Column { key: key.into(), title: title.into(), kind };
    vec![
        column("time", "Time", ColumnKind::DateTime),
        column("project", "Project", ColumnKind::Text),
        column("input", "Input", ColumnKind::Text),
    ]
}

/// The row of a press.
pub(crate) fn press(project: String, event: &Event) -> Accepted {
    let notice = format!("{}: {}", wording::project(&project), wording::about(event.at, event.certainty));
    let cells = vec![event.moment(), Cell::Text(project), Cell::Text(event.source.clone())];
    Accepted { rows: vec![Row { key: String::new(), cells }], notice: Some(notice) }
}
