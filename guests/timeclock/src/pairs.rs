//! The layout `pairs`: a row for each stretch of work, once it is finished.

use punchcard_sdk::{Accepted, Cell, Certainty, Column, ColumnKind, Event, Instant, Row};
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
    /// The start is a guess. A state that does not say so is one of before there were any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

impl Running {
    fn start(project: String, event: &Event) -> Self {
        Self {
            project,
            started_at: event.at.unix_micros,
            utc_offset_minutes: event.at.utc_offset_minutes,
            estimated: event.certainty == Certainty::Estimated,
        }
    }

    fn certainty(&self) -> Certainty {
        if self.estimated { Certainty::Estimated } else { Certainty::Known }
    }

    fn started(&self) -> Instant {
        Instant { unix_micros: self.started_at, utc_offset_minutes: self.utc_offset_minutes }
    }

    /// What the idle panel says: `Garden since 09:02`.
    pub fn standing(&self) -> String {
        format!("{} since {}", wording::project(&self.project), wording::about(self.started(), self.certainty()))
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
pub(crate) fn press(running: &mut Option<Running>, project: String, event: &Event) -> Accepted {
    let finished = running.take();
    let switched = finished.as_ref().is_none_or(|finished| finished.project != project);
    let row = finished.as_ref().map(|finished| finish(finished, event));
    let notice = match (&finished, switched) {
        (Some(finished), false) => {
            let span = seconds(finished, event).map_or_else(|| "finished".to_owned(), wording::span);
            format!("{}: {span}", wording::project(&finished.project))
        }
        _ => format!("{}: started", wording::project(&project)),
    };
    if switched {
        *running = Some(Running::start(project, event));
    }
    Accepted { rows: row.into_iter().collect(), notice: Some(notice) }
}

fn finish(running: &Running, event: &Event) -> Row {
    Row {
        key: String::new(),
        cells: vec![
            Cell::Text(running.project.clone()),
            running.certainty().moment(running.started()),
            event.moment(),
            seconds(running, event).map_or(Cell::Empty, Cell::Seconds),
        ],
    }
}

/// The stretch's length by UTC: a clock that goes to summer time meanwhile gives and takes nothing. A clock that was set
/// back gives no negative hours; start and finish show what happened. `None`: one of them is a guess.
fn seconds(running: &Running, event: &Event) -> Option<f64> {
    if running.estimated || event.certainty == Certainty::Estimated {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "microseconds of 285 years are exact")]
    let micros = event.at.unix_micros.saturating_sub(running.started_at).max(0) as f64;
    Some(micros / 1_000_000.0)
}
