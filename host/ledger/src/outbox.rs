//! The outbox: the rows of each sink in the order in which they go to its service.
//!
//! The design, which `requeue`, `redelivery`, `correction`, `batch` and `delivered_rows` build on:
//! - A row is known by three numbers: the event that it is made of, its position among that event's rows, and its revision,
//!   0 as it was made first and n as its n-th correction. Its key ([`row_key`](super::row_key)) says the same.
//! - Each time that a row goes, it has an [`Ordinal`] of its own: 1, 2, 3, … of its sink, without a gap. A row that goes
//!   again, because the service refused it (`requeue`) or no longer has it (`redelivery`), and a row that stands in the
//!   place of an earlier one (`correction`) are further ordinals. None is ever changed, moved or inserted before another.
//! - A batch is a range of ordinals. `sink.last_ordinal` is the last row that was made, `sink.settled_through` the last up to
//!   which all arrived or were refused: what lies between waits, or is on its way.
//! - What became of a row is what became of its last ordinal. A row is replaced once a higher revision of it was made, and
//!   never goes again from then on: of one event and position, the highest ordinal has the highest revision.
//! - What the service refused of a row is in `set_aside` by its ordinal, what a formatter refused by the event.
//! - An event that goes through a formatter once more is a `requeue`: a place in the ledger's order which refers to the
//!   event, and which that sink alone takes. `event` holds what happened and nothing else, so a press writes one page.
//! - Rows are found by ordinal (the table) or by event (its index). Pruning takes the settled rows of an event with it.
//!
//! An index by event costs a commit of rows a page more than rows in the order of events would. A press writes neither.

use punchcard_core::plugin::delivery::CorrectionKind;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};
use ulid::Ulid;

use super::row_key::render_key;

/// The place of a row in its sink's outbox, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(pub u64);

impl Ordinal {
    pub(super) fn from_column(ordinal: i64) -> Self {
        Self(u64::try_from(ordinal).unwrap_or(0))
    }

    /// SQLite's integers have a sign; an outbox never comes near it.
    pub(super) fn column(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

/// Which row it is, however often it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowId {
    /// The sequence of the event that it is made of.
    pub(super) event: i64,
    /// Its position among the rows of that event.
    pub(super) position: u32,
    /// As which correction, from 1; 0: it is none.
    pub(super) revision: u32,
}

impl RowId {
    /// Its columns in `outbox`, for [`RowId::parse`].
    pub(super) const COLUMNS: &str = "outbox.event, outbox.position, outbox.revision";

    pub(super) fn parse(row: &Row<'_>, first: usize) -> Result<Self, rusqlite::Error> {
        Ok(Self { event: row.get(first)?, position: row.get(first + 1)?, revision: row.get(first + 2)? })
    }

    /// The row at an ordinal, while it is kept.
    pub(super) fn at(connection: &Connection, sink: i64, ordinal: i64) -> Result<Option<Self>, rusqlite::Error> {
        let find = "SELECT event, position, revision FROM outbox WHERE sink = ?1 AND ordinal = ?2";
        let mut find = connection.prepare_cached(find)?;
        find.query_row((sink, ordinal), |row| Self::parse(row, 0)).optional()
    }

    /// Its key, of the event with this id.
    pub(super) fn key(self, event: Ulid) -> String {
        render_key(event, self.position, self.revision)
    }

    /// When it went first and last, of the ordinals that are kept.
    pub(super) fn ordinals(self, connection: &Connection, sink: i64) -> Result<Option<(i64, i64)>, rusqlite::Error> {
        let find = "SELECT min(ordinal), max(ordinal) FROM outbox
                    WHERE sink = ?1 AND event = ?2 AND position = ?3 AND revision = ?4";
        let mut find = connection.prepare_cached(find)?;
        let (first, last): (Option<i64>, Option<i64>) =
            find.query_row((sink, self.event, self.position, self.revision), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(first.zip(last))
    }

    /// Whether a later correction stands in its place.
    pub(super) fn is_replaced(self, connection: &Connection, sink: i64) -> Result<bool, rusqlite::Error> {
        let latest = latest_revision(connection, sink, self.event, self.position)?;
        Ok(latest.is_some_and(|(revision, _)| revision > self.revision))
    }
}

/// The highest revision of a row of an event, and how that corrects, where it does. `None`: there is no such row.
pub(super) fn latest_revision(
    connection: &Connection,
    sink: i64,
    event: i64,
    position: u32,
) -> Result<Option<(u32, Option<CorrectionKind>)>, rusqlite::Error> {
    let latest = "SELECT revision, correction FROM outbox WHERE sink = ?1 AND event = ?2 AND position = ?3
                  ORDER BY revision DESC LIMIT 1";
    let mut latest = connection.prepare_cached(latest)?;
    let parse = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(correction_from_column)));
    latest.query_row((sink, event, position), parse).optional()
}

/// A row that is added to an outbox.
pub(super) struct NewRow<'a> {
    pub(super) id: RowId,
    /// How it corrects the revision before it; `None` for the first.
    pub(super) correction: Option<CorrectionKind>,
    pub(super) event_id: [u8; 16],
    pub(super) column_set: i64,
    /// In their stored form.
    pub(super) cells: &'a str,
}

/// Adds rows to a sink's outbox, and keeps count of them at the end.
pub(super) struct Appending<'a> {
    transaction: &'a Transaction<'a>,
    sink: i64,
    last: i64,
}

impl<'a> Appending<'a> {
    pub(super) fn begin(transaction: &'a Transaction<'a>, sink: i64) -> Result<Self, rusqlite::Error> {
        let last = "SELECT last_ordinal FROM sink WHERE id = ?1";
        let last = transaction.prepare_cached(last)?.query_row([sink], |row| row.get(0))?;
        Ok(Self { transaction, sink, last })
    }

    pub(super) fn push(&mut self, row: &NewRow<'_>) -> Result<(), rusqlite::Error> {
        self.last += 1;
        let insert = "INSERT INTO outbox
                          (sink, ordinal, event, position, revision, correction, event_id, column_set, cells)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.transaction.prepare_cached(insert)?.execute((
            self.sink,
            self.last,
            row.id.event,
            row.id.position,
            row.id.revision,
            row.correction.map(correction_column),
            row.event_id,
            row.column_set,
            row.cells,
        ))?;
        Ok(())
    }

    /// Adds the row at an ordinal once more.
    pub(super) fn push_again(&mut self, ordinal: i64) -> Result<(), rusqlite::Error> {
        self.last += 1;
        let copy =
            "INSERT INTO outbox (sink, ordinal, event, position, revision, correction, event_id, column_set, cells)
                    SELECT sink, ?3, event, position, revision, correction, event_id, column_set, cells
                    FROM outbox WHERE sink = ?1 AND ordinal = ?2";
        let copied = self.transaction.prepare_cached(copy)?.execute((self.sink, ordinal, self.last))?;
        // An ordinal without a row would stand in a batch that has fewer rows than its range.
        if copied == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(copied)) }
    }

    /// Keeps the last ordinal.
    pub(super) fn end(self) -> Result<(), rusqlite::Error> {
        let keep = "UPDATE sink SET last_ordinal = ?2 WHERE id = ?1 AND last_ordinal <> ?2";
        self.transaction.prepare_cached(keep)?.execute((self.sink, self.last))?;
        Ok(())
    }
}

fn correction_column(kind: CorrectionKind) -> i64 {
    match kind {
        CorrectionKind::Changed => 0,
        CorrectionKind::Added => 1,
        CorrectionKind::Withdrawn => 2,
    }
}

pub(super) fn correction_from_column(column: i64) -> CorrectionKind {
    match column {
        1 => CorrectionKind::Added,
        2 => CorrectionKind::Withdrawn,
        _ => CorrectionKind::Changed,
    }
}
