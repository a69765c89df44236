//! From events to rows: what a sink's formatter is given, and what it made of it.
//!
//! The formatter's state, its rows and the sink's cursor are one transaction, and only from where they were read: of two
//! that formatted the same events, the second is refused. So is what was made with a time that is known better by then.

use punchcard_core::event::Sequence;
use punchcard_core::name::SinkName;
use punchcard_core::plugin::delivery::CorrectionKind;
use punchcard_core::plugin::format::TimedEvent;
use punchcard_core::row::{Column, Row};
use punchcard_core::time::Certainty;
use rusqlite::{OptionalExtension as _, Transaction};
use thiserror::Error;

use super::Ledger;
use super::boot_times::BootTimes;
use super::checkpoint::{self, Checkpoint};
use super::encoding::{self, NotFinite};
use super::error::StorageError;
use super::event::{self, EventRow, from_column, to_column};
use super::moment::Moment;
use super::outbox::{Appending, NewRow, RowId, latest_revision};
use super::reader::Reader;
use super::requeue::event_at;
use super::set_aside::{self, SetAsideBy};
use super::sink::{self, SinkError};
use super::writer::Way;

/// Bytes of events that are read at once, about.
const MOST_BYTES: usize = 1 << 20;
/// Events that are looked at in one read, of any kind.
const MOST_LOOKED_AT: u64 = 50_000;
/// So many events of other kinds are worth a write, which spares looking at them again.
const WORTH_SKIPPING: u64 = 1000;

/// What a sink's formatter is called with next.
#[derive(Debug, Clone, PartialEq)]
pub struct Unformatted {
    /// What its last call returned; empty before the first.
    pub state: Vec<u8>,
    /// Where it stood when this was read.
    pub cursor: Sequence,
    /// The sink's events after the cursor, in the ledger's order, all with a time or with an estimate that stays. One that
    /// goes through the formatter once more has the sequence of its further place.
    pub events: Vec<TimedEvent>,
    /// How far was looked. Up to here, no other event is the sink's.
    pub through: Sequence,
    /// The next event of the sink waits for the device to know the time.
    pub blocked_by_unknown_time: bool,
    /// There may be more to read right after this.
    pub more: bool,
    /// How often the formatter failed on the first of `events`. More than 0: call it with that one alone.
    pub failures: u32,
    /// What the times of `events` go by.
    pub boots: BootTimes,
}

/// What a formatter made.
#[derive(Debug, Clone, PartialEq)]
pub struct FormattedCommit {
    /// [`Unformatted::cursor`], as it was read.
    pub from: Sequence,
    /// The last event that is done with: [`Unformatted::through`], or an earlier one where not all was formatted.
    pub through: Sequence,
    /// [`Unformatted::boots`], as they were read.
    pub boots: BootTimes,
    /// The formatter's new state.
    pub state: Vec<u8>,
    /// The columns that all of `rows` are made for.
    pub columns: Vec<Column>,
    /// Rows for each event, events in the ledger's order. Their keys are given here (`01J…/0`); what stands in them is
    /// ignored.
    pub rows: Vec<(Sequence, Vec<Row>)>,
    /// Events that can never become rows, with the reason.
    pub set_aside: Vec<(Sequence, String)>,
    /// What the idle panel says from now on.
    pub standing: Option<String>,
    /// How the formatter was called, for replay.
    pub checkpoint: Option<Checkpoint>,
}

/// Why what a formatter made was not kept. Nothing of it was.
#[derive(Debug, Error)]
pub enum CommitError {
    /// No such sink was ever declared.
    #[error("the ledger knows no sink `{0}`")]
    UnknownSink(SinkName),
    /// The sink is no longer where it was read.
    #[error("the sink moved to event {found:?} meanwhile, from {expected:?}; read and format again")]
    CursorMoved {
        /// Where it was read.
        expected: Sequence,
        /// Where it is.
        found: Sequence,
    },
    /// It was made with times that are known better by now.
    #[error("the time became known meanwhile, or known better; read and format again")]
    TimesLearnt,
    /// Something was made of an event that was not given.
    #[error("event {0:?} is not one of those that were read")]
    NotRead(Sequence),
    /// A row does not fit the columns.
    #[error("a row of event {sequence:?} has {cells} cells for {columns} columns")]
    Shape {
        /// The event.
        sequence: Sequence,
        /// Cells of the row.
        cells: usize,
        /// Columns of the sink.
        columns: usize,
    },
    /// A cell holds a number that is none.
    #[error("a row can't be kept")]
    NotFinite(#[from] NotFinite),
    /// A row was corrected since what was made of it was compared.
    #[error("a row of event {0:?} was corrected meanwhile; replay again")]
    Corrected(Sequence),
    /// The file was not written.
    #[error("what the formatter made was not kept")]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for CommitError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Storage(source.into())
    }
}

impl Ledger {
    /// Reads what a sink's formatter is called with next: at most `max` events. Ends before the first event whose time
    /// is not known yet.
    ///
    /// # Errors
    /// When there is no such sink, or the file can't be read.
    pub async fn read_unformatted(&self, sink: &SinkName, max: usize) -> Result<Unformatted, SinkError> {
        let (name, setup) = (sink.clone(), std::sync::Arc::clone(&self.shared.setup));
        let mut read = self.read(move |reader| read_unformatted(reader, &name, max, &setup.boot)).await?;
        if read.events.is_empty() && read.through.0 - read.cursor.0 >= WORTH_SKIPPING {
            self.skip(sink, read.cursor, read.through).await?;
            read.cursor = read.through;
        }
        Ok(read)
    }

    /// Keeps what a formatter made: state, rows, cursor and what it set aside, together or not at all.
    ///
    /// # Errors
    /// When the sink moved or times were learnt meanwhile, when something does not fit together, or when the disk refuses.
    pub async fn commit_formatted(&self, sink: &SinkName, made: FormattedCommit) -> Result<(), CommitError> {
        let prepared = Prepared::of(&made)?;
        let (sink, interval) = (sink.clone(), self.shared.setup.checkpoints);
        self.write(move |store| {
            store.transact_giving_way(|transaction, way| {
                let id = at_cursor(transaction, &sink, made.from)?;
                with_times(transaction, &made.boots)?;
                if made.through > event::newest(transaction)? {
                    return Err(CommitError::NotRead(made.through));
                }
                if let Some(call) = &made.checkpoint {
                    checkpoint::keep(transaction, id, (made.from, made.through), call, interval)?;
                }
                keep_rows(transaction, id, &prepared, way)?;
                let mut set_aside = 0;
                for (sequence, reason) in &made.set_aside {
                    set_aside += set_read_aside(transaction, id, *sequence, SetAsideBy::Formatter, reason)?;
                }
                keep_state(transaction, id, &made.state)?;
                let advance = "UPDATE sink SET cursor = ?2, standing = ?3, events_set_aside = events_set_aside + ?4
                               WHERE id = ?1";
                let values = (id, to_column(made.through), &made.standing, set_aside);
                transaction.prepare_cached(advance)?.execute(values)?;
                forget_failures(transaction, id, made.through)
            })
        })
        .await
    }

    /// Notes that the formatter failed on an event, and returns how often it has by now. The count outlives restarts.
    ///
    /// # Errors
    /// When there is no such sink, or the disk refuses.
    pub async fn note_failure(&self, sink: &SinkName, sequence: Sequence, reason: &str) -> Result<u32, SinkError> {
        let (sink, reason) = (sink.clone(), set_aside::shorten(reason));
        let note = "INSERT INTO failure (sink, sequence, attempts, reason) VALUES (?1, ?2, 1, ?3)
                    ON CONFLICT (sink, sequence) DO UPDATE SET attempts = attempts + 1, reason = ?3
                    RETURNING attempts";
        self.write(move |store| {
            store.transact(|transaction| {
                let id = sink::find(transaction, &sink)?.ok_or(SinkError::UnknownSink(sink))?;
                let values = (id, to_column(sequence), reason);
                Ok(transaction.prepare_cached(note)?.query_row(values, |row| row.get(0))?)
            })
        })
        .await
    }

    /// Sets the sink's next event aside, which its formatter fails on, and goes on after it. `from` is the cursor as it
    /// was read; the formatter's state stays.
    ///
    /// # Errors
    /// When the sink moved meanwhile, when the event is not its next one, or when the disk refuses.
    pub async fn set_aside_event(
        &self,
        sink: &SinkName,
        from: Sequence,
        sequence: Sequence,
        reason: &str,
    ) -> Result<(), CommitError> {
        let (sink, reason) = (sink.clone(), reason.to_owned());
        self.write(move |store| {
            store.transact(|transaction| {
                let id = at_cursor(transaction, &sink, from)?;
                if sink::next_taken(transaction, id, to_column(from), i64::MAX)? != Some(to_column(sequence)) {
                    return Err(CommitError::NotRead(sequence));
                }
                let count = set_read_aside(transaction, id, sequence, SetAsideBy::Failure, &reason)?;
                let advance = "UPDATE sink SET cursor = ?2, events_set_aside = events_set_aside + ?3 WHERE id = ?1";
                transaction.prepare_cached(advance)?.execute((id, to_column(sequence), count))?;
                forget_failures(transaction, id, sequence)
            })
        })
        .await
    }

    /// Moves a sink over events of other kinds, unless it moved by itself.
    async fn skip(&self, sink: &SinkName, from: Sequence, through: Sequence) -> Result<(), StorageError> {
        let sink = sink.to_string();
        let skip = "UPDATE sink SET cursor = ?3 WHERE name = ?1 AND cursor = ?2";
        self.write(move |store| {
            store.transact(|transaction| {
                transaction.prepare_cached(skip)?.execute((sink, to_column(from), to_column(through)))?;
                Ok(())
            })
        })
        .await
    }
}

fn read_unformatted(reader: &mut Reader, sink: &SinkName, max: usize, boot: &str) -> Result<Unformatted, SinkError> {
    reader.snapshot(|snapshot, zone| {
        let select = "SELECT sink.id, cursor, kinds, coalesce(state, x'') FROM sink
                      LEFT JOIN formatter_state ON formatter_state.sink = sink.id WHERE name = ?1";
        let mut select = snapshot.prepare_cached(select)?;
        let found = select
            .query_row([sink.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?, row.get(3)?)))
            .optional()?;
        let Some((id, cursor, kinds, state)) = found else { return Err(SinkError::UnknownSink(sink.clone())) };
        let (id, cursor): (i64, i64) = (id, cursor);
        let kinds = sink::parse_kinds(&kinds)?;
        let start = from_column(cursor);
        let mut unformatted = Unformatted {
            state,
            cursor: start,
            events: Vec::new(),
            through: start,
            blocked_by_unknown_time: false,
            more: false,
            failures: 0,
            boots: BootTimes::default(),
        };
        let mut events = snapshot.prepare_cached(&event::read_places())?;
        let mut events = events.query((cursor, id, i64::MAX))?;
        let mut bytes = 0;
        while let Some(row) = events.next()? {
            let sequence = from_column(row.get(0)?);
            let looked_at = sequence.0.saturating_sub(start.0);
            if unformatted.events.len() >= max || bytes >= MOST_BYTES || looked_at > MOST_LOOKED_AT {
                unformatted.more = true;
                break;
            }
            let (is_requeued, kind): (bool, _) = (row.get(1)?, EventRow::kind(row, 2)?);
            if is_requeued || kinds.iter().any(|wanted| wanted == kind) {
                let mut event = EventRow::parse(row, 2)?;
                event.sequence = sequence;
                let (at, certainty) = match event.moment.resolve(zone) {
                    Moment::Known(at) => (at, Certainty::Known),
                    // The clock of this boot may still become known; that of an earlier one won't. When this one does,
                    // the guess is as good as it gets.
                    Moment::Estimated(at) if event.moment.boot != boot && knows_time(snapshot, boot)? => {
                        (at, Certainty::Estimated)
                    }
                    Moment::Estimated(_) | Moment::Unknown => {
                        unformatted.blocked_by_unknown_time = true;
                        break;
                    }
                };
                bytes += event.bytes();
                unformatted.boots.note(&event.moment);
                unformatted.events.push(TimedEvent { event: event.event()?, at, certainty });
            }
            unformatted.through = sequence;
        }
        if let Some(first) = unformatted.events.first() {
            let failures = "SELECT attempts FROM failure WHERE sink = ?1 AND sequence = ?2";
            let key = (id, to_column(first.event.sequence));
            let failures = snapshot.prepare_cached(failures)?.query_row(key, |row| row.get(0)).optional()?;
            unformatted.failures = failures.unwrap_or(0);
        }
        Ok(unformatted)
    })
}

fn knows_time(snapshot: &rusqlite::Connection, boot: &str) -> Result<bool, StorageError> {
    let knows = "SELECT EXISTS (SELECT 1 FROM boot WHERE name = ?1 AND zero IS NOT NULL)";
    Ok(snapshot.prepare_cached(knows)?.query_row([boot], |row| row.get(0))?)
}

/// Rows in the form in which they are stored, made before the writer is asked.
struct Prepared {
    columns: String,
    rows: Vec<(Sequence, Vec<String>)>,
}

impl Prepared {
    fn of(made: &FormattedCommit) -> Result<Self, CommitError> {
        let read = |sequence: Sequence| made.from < sequence && sequence <= made.through;
        if made.through < made.from {
            return Err(CommitError::NotRead(made.through));
        }
        let mut rows = Vec::with_capacity(made.rows.len());
        let mut previous = made.from;
        for (sequence, of_event) in &made.rows {
            if !read(*sequence) || *sequence <= previous {
                return Err(CommitError::NotRead(*sequence));
            }
            previous = *sequence;
            let mut cells = Vec::with_capacity(of_event.len());
            for row in of_event {
                if row.cells.len() != made.columns.len() {
                    let (cells, columns) = (row.cells.len(), made.columns.len());
                    return Err(CommitError::Shape { sequence: *sequence, cells, columns });
                }
                cells.push(encoding::render_cells(&row.cells)?);
            }
            rows.push((*sequence, cells));
        }
        for (sequence, _) in &made.set_aside {
            let has_rows = rows.binary_search_by_key(sequence, |(of, _)| *of).is_ok_and(|at| !rows[at].1.is_empty());
            if !read(*sequence) || has_rows {
                return Err(CommitError::NotRead(*sequence));
            }
        }
        Ok(Self { columns: encoding::render_columns(&made.columns)?, rows })
    }
}

/// The sink's number, when it still stands where it was read.
pub(super) fn at_cursor(
    transaction: &Transaction<'_>,
    sink: &SinkName,
    expected: Sequence,
) -> Result<i64, CommitError> {
    let find = "SELECT id, cursor FROM sink WHERE name = ?1";
    let found = transaction
        .prepare_cached(find)?
        .query_row([sink.as_str()], |row| Ok((row.get(0)?, from_column(row.get(1)?))))
        .optional()?;
    match found {
        None => Err(CommitError::UnknownSink(sink.clone())),
        Some((id, found)) if found == expected => Ok(id),
        Some((_, found)) => Err(CommitError::CursorMoved { expected, found }),
    }
}

/// Refuses what was made with times that are known better by now.
pub(super) fn with_times(transaction: &Transaction<'_>, boots: &BootTimes) -> Result<(), CommitError> {
    if boots.hold(transaction)? { Ok(()) } else { Err(CommitError::TimesLearnt) }
}

/// Sets an event aside that the formatter got at this place of the ledger's order.
fn set_read_aside(
    transaction: &Transaction<'_>,
    sink: i64,
    sequence: Sequence,
    by: SetAsideBy,
    reason: &str,
) -> Result<i64, CommitError> {
    let place = to_column(sequence);
    let event = event_at(transaction, sink, place)?.ok_or(CommitError::NotRead(sequence))?;
    Ok(set_aside::set_event_aside(transaction, sink, (event, place), by, reason)?)
}

fn keep_rows(transaction: &Transaction<'_>, sink: i64, made: &Prepared, way: &Way<'_>) -> Result<(), CommitError> {
    if made.rows.iter().all(|(_, rows)| rows.is_empty()) {
        return Ok(());
    }
    let column_set = keep_columns(transaction, &made.columns)?;
    let mut id_of = transaction.prepare_cached("SELECT id FROM event WHERE sequence = ?1")?;
    let mut appending = Appending::begin(transaction, sink)?;
    for (sequence, rows) in &made.rows {
        let place = to_column(*sequence);
        let event = event_at(transaction, sink, place)?.ok_or(CommitError::NotRead(*sequence))?;
        let event_id: Option<[u8; 16]> = id_of.query_row([event], |row| row.get(0)).optional()?;
        let event_id = event_id.ok_or(CommitError::NotRead(*sequence))?;
        for (position, cells) in (0_u32..).zip(rows) {
            way.ask()?;
            // Only an event that went through the formatter before may have such a row: a correction withdrew it.
            let before = if event == place { None } else { latest_revision(transaction, sink, event, position)? };
            let (revision, correction) = match before {
                None => (0, None),
                Some((revision, Some(CorrectionKind::Withdrawn))) => (revision + 1, Some(CorrectionKind::Added)),
                Some((revision, _)) => (revision + 1, Some(CorrectionKind::Changed)),
            };
            let id = RowId { event, position, revision };
            appending.push(&NewRow { id, correction, event_id, column_set, cells })?;
        }
    }
    Ok(appending.end()?)
}

/// The number of a set of columns, in its stored form.
pub(super) fn keep_columns(transaction: &Transaction<'_>, columns: &str) -> Result<i64, rusqlite::Error> {
    let known = "SELECT id FROM column_set WHERE columns = ?1";
    if let Some(known) = transaction.prepare_cached(known)?.query_row([columns], |row| row.get(0)).optional()? {
        return Ok(known);
    }
    transaction.prepare_cached("INSERT INTO column_set (columns) VALUES (?1)")?.execute([columns])?;
    Ok(transaction.last_insert_rowid())
}

pub(super) fn keep_state(transaction: &Transaction<'_>, sink: i64, state: &[u8]) -> Result<(), CommitError> {
    let keep = "INSERT INTO formatter_state (sink, state) VALUES (?1, ?2)
                ON CONFLICT (sink) DO UPDATE SET state = ?2 WHERE state <> ?2";
    transaction.prepare_cached(keep)?.execute((sink, state))?;
    Ok(())
}

fn forget_failures(transaction: &Transaction<'_>, sink: i64, through: Sequence) -> Result<(), CommitError> {
    let forget = "DELETE FROM failure WHERE sink = ?1 AND sequence <= ?2";
    transaction.prepare_cached(forget)?.execute((sink, to_column(through)))?;
    Ok(())
}
