//! The layout `pairs`: a row for each stretch of work, once it is finished.

use punchcard_sdk::{Accepted, Cell, Column, ColumnKind, Instant, Row};
use serde::{Deserialize, Serialize};

use crate::wording;

/// What is being worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    project: String,
    /// Microseconds since 1970-01-01T00:00:00Z.
    started_at: i64,
    /// Minutes east of UTC then.
    utc_offset_minutes: i16,
}

impl Running {
    fn start(project: String, at: Instant) -> Self {
        Self { project, started_at: at.unix_micros, utc_offset_minutes: at.utc_offset_minutes }
    }

    fn started(&self) -> Instant {
        Instant { unix_micros: self.started_at, utc_offset_minutes: self.utc_offset_minutes }
    }

    /// What the idle panel says: `Garden since 09:02`.
    pub fn standing(&self) -> String {
        format!("{} since {}", wording::project(&self.project), wording::clock(self.started()))
    }
}

pub(crate) fn columns() -> Vec<Column> {
    let column = |key: &str, title: &str, kind| Column { key: key.into(), title: title.into(), kind };
    vec![
        column("project", "Project", ColumnKind::Text),
        column("start", "Start", ColumnKind::DateTime),
        column("finish", "Finish", ColumnKind::DateTime),
        column("hours", "Hours", ColumnKind::Duration),
    ]
}

/// What a press with this project chosen leads to.
pub(crate) fn press(running: &mut Option<Running>, project: String, at: Instant) -> Accepted {
    let finished = running.take();
    let switched = finished.as_ref().is_none_or(|finished| finished.project != project);
    let row = finished.as_ref().map(|finished| finish(finished, at));
    let notice = match (&finished, switched) {
        (Some(finished), false) => {
            format!("{}: {}", wording::project(&finished.project), wording::span(seconds(finished, at)))
        }
        _ => format!("{}: started", wording::project(&project)),
    };
    if switched {
        *running = Some(Running::start(project, at));
    }
    Accepted { rows: row.into_iter().collect(), notice: Some(notice) }
}

fn finish(running: &Running, at: Instant) -> Row {
    Row {
        key: String::new(),
        cells: vec![
            Cell::Text(running.project.clone()),
            Cell::Moment(running.started()),
            Cell::Moment(at),
            Cell::Seconds(seconds(running, at)),
        ],
    }
}

/// The stretch's length by UTC: a clock that goes to summer time meanwhile gives and takes nothing. A clock that was set
/// back gives no negative hours; start and finish show what happened.
fn seconds(running: &Running, at: Instant) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of 285 years are exact")]
    let micros = at.unix_micros.saturating_sub(running.started_at).max(0) as f64;
    micros / 1_000_000.0
}
