//! How much of the past is kept.
//!
//! An event goes only when every sink that plugins.toml names is done with it, or does not take it; what a sink waits for is
//! never pruned, however old or large it is. What was set aside waits for a person, until the file is too large. Its rows,
//! batches and reasons go with it; rows of a removed sink that did not arrive stay. The file does not shrink: its free pages
//! are used again.
//!
//! Each transaction that prunes writes some pages for the tables' order and the list of free ones, and hardly any more for a
//! thousand events than for one. So it is worth it only when enough has gathered ([`Keep::with_slack`]).

use std::time::Duration;

use punchcard_core::name::SinkName;
use punchcard_core::time::Instant;
use rusqlite::{Connection, OptionalExtension as _, Transaction};

use super::Ledger;
use super::error::StorageError;
use super::event::{EventRow, to_column};
use super::moment::{self, Moment};
use super::set_aside::{self, SetAsideBy};
use super::sink;
use super::writer::Way;

/// Events that one call prunes at most: some milliseconds of the writer's time.
const MOST_AT_ONCE: i64 = 1000;
/// And rows, of each sink: a formatter may make a thousand of one event.
const MOST_ROWS_AT_ONCE: i64 = 4000;

/// Of a bound, so much more may gather before pruning is worth it: one in
const SLACK: u32 = 20;
/// And never more than this, however long the history.
const MOST_SLACK_FOR: Duration = Duration::from_hours(24);

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Events that are older go.
    pub keep_for: Duration,
    /// While more bytes of the file than this are in use, the oldest go.
    pub bytes: u64,
}

impl Keep {
    /// The bounds up to which pruning can wait: a twentieth more, and at most a day.
    #[must_use]
    pub fn with_slack(self) -> Self {
        Self {
            keep_for: self.keep_for.saturating_add((self.keep_for / SLACK).min(MOST_SLACK_FOR)),
            bytes: self.bytes.saturating_add(self.bytes / u64::from(SLACK)),
        }
    }
}

/// What was pruned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// So many events.
    pub events: u64,
    /// Of these and of their rows, so many had been set aside, and nobody had decided on them.
    pub undecided: u64,
    /// There is more to prune right after this.
    pub more: bool,
    /// A sink that is not done with what would go next.
    pub held_by: Option<SinkName>,
}

impl Ledger {
    /// Whether there is more than these bounds allow. Reads only, and does not hold the writer up.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn is_beyond(&self, keep: Keep, now: Instant) -> Result<bool, StorageError> {
        self.read(move |reader| {
            reader.snapshot(|snapshot, zone| Ok(last_that_may_go(snapshot, &keep, now, zone, 1)?.is_some()))
        })
        .await
    }

    /// Prunes the oldest events, a bounded number: call again while there is `more`. How old they are is reckoned from how
    /// late it surely is: a clock that leaps ahead deletes nothing.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn prune(&self, keep: Keep, now: Instant) -> Result<Pruned, StorageError> {
        let zone = self.shared.setup.zone.clone();
        self.write(move |store| {
            store.transact_giving_way(|transaction, way| {
                let last = last_that_may_go(transaction, &keep, now, &zone, MOST_AT_ONCE)?;
                let Some((wanted, more)) = last else {
                    return Ok(Pruned { events: 0, undecided: 0, more: false, held_by: None });
                };
                let too_large = is_too_large(transaction, &keep)?;
                let (done, slowest) = done_by_all(transaction, wanted, too_large)?;
                let may_go = wanted.min(done);
                let through = within_rows(transaction, may_go)?;
                let (events, undecided) = perform_prune(transaction, through, way)?;
                let held_by = if done < wanted { slowest } else { None };
                let more = through < may_go || (more && held_by.is_none());
                Ok(Pruned { events, undecided, more, held_by })
            })
        })
        .await
    }
}

/// The last event that is too much, of the next `most`, and whether there may be more.
fn last_that_may_go(
    transaction: &Transaction<'_>,
    keep: &Keep,
    now: Instant,
    zone: &jiff::tz::TimeZone,
    most: i64,
) -> Result<Option<(i64, bool)>, StorageError> {
    let too_large = is_too_large(transaction, keep)?;
    let span = i64::try_from(keep.keep_for.as_micros()).unwrap_or(i64::MAX);
    let bound = moment::time_lower_bound(transaction)?;
    let now = bound.map_or(now.unix_micros, |bound| bound.min(now.unix_micros));
    let oldest_kept = now.saturating_sub(span);
    let select =
        format!("SELECT {} FROM event JOIN boot ON boot.id = event.boot ORDER BY event.sequence", EventRow::COLUMNS);
    let mut select = transaction.prepare_cached(&select)?;
    let mut rows = select.query([])?;
    let (mut last, mut looked_at, mut as_many) = (None, 0, None);
    while let Some(row) = rows.next()? {
        let event = EventRow::parse(row, 0)?;
        let sequence = to_column(event.sequence);
        looked_at += 1;
        if looked_at == most {
            as_many = Some(sequence);
        }
        let too_old = match event.moment.resolve(zone) {
            // A clock was wrong that said so: it is as old as the next one behind it.
            Moment::Known(at) | Moment::Estimated(at) if at.unix_micros > now && !too_large => continue,
            Moment::Known(at) | Moment::Estimated(at) => at.unix_micros < oldest_kept,
            Moment::Unknown => false,
        };
        if !(too_old || too_large) {
            break;
        }
        if let Some(as_many) = as_many {
            return Ok(Some((as_many, true)));
        }
        last = Some(sequence);
    }
    Ok(last.map(|last| (last, false)))
}

fn is_too_large(connection: &Connection, keep: &Keep) -> Result<bool, rusqlite::Error> {
    Ok(bytes_in_use(connection)? > keep.bytes)
}

/// Pages that hold something, in bytes.
fn bytes_in_use(connection: &Connection) -> Result<u64, rusqlite::Error> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(u64::try_from(pages.saturating_mul(pragma("page_size")?)).unwrap_or(0))
}

/// The last event, of those up to `wanted`, that every declared sink is done with, and the sink that is furthest behind. What
/// a person has not decided on holds its event up only until the file is too large: nobody may ever look.
fn done_by_all(
    transaction: &Transaction<'_>,
    wanted: i64,
    too_large: bool,
) -> Result<(i64, Option<SinkName>), StorageError> {
    let mut select = transaction.prepare_cached("SELECT id, name, cursor FROM sink WHERE declared = 1")?;
    let mut sinks = select.query([])?;
    let (mut done, mut slowest) = (i64::MAX, None);
    while let Some(row) = sinks.next()? {
        let (id, name, cursor): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // Its cursor moves over events that it does not take only now and then, and would hold many.
        let next = sink::next_taken(transaction, id, cursor, wanted)?;
        let held = [
            next,
            first_requeued(transaction, id, cursor)?,
            first_undelivered(transaction, id, wanted)?,
            if too_large { None } else { first_undecided(transaction, id)? },
        ];
        let first = held.into_iter().flatten().min();
        let done_here = first.map_or(wanted.max(cursor), |first| first - 1);
        if done_here < done {
            (done, slowest) = (done_here, Some(sink::parse_name(&name)?));
        }
    }
    Ok((done, slowest))
}

/// The oldest event that the formatter is still to get once more.
fn first_requeued(transaction: &Transaction<'_>, sink: i64, cursor: i64) -> Result<Option<i64>, rusqlite::Error> {
    let first = "SELECT min(event) FROM requeue
                 WHERE sink = ?1 AND sequence > ?2 AND event > (SELECT pruned_through FROM history)";
    transaction.prepare_cached(first)?.query_row((sink, cursor), |row| row.get(0))
}

/// The oldest event, of those up to `wanted`, of which a row has not arrived.
fn first_undelivered(transaction: &Transaction<'_>, sink: i64, wanted: i64) -> Result<Option<i64>, rusqlite::Error> {
    let first = "SELECT event FROM outbox WHERE sink = ?1 AND event <= ?2
                     AND ordinal > (SELECT settled_through FROM sink WHERE id = ?1)
                 ORDER BY event LIMIT 1";
    transaction.prepare_cached(first)?.query_row((sink, wanted), |row| row.get(0)).optional()
}

/// The oldest event that is left of which a person has not decided what becomes of something that was set aside.
fn first_undecided(transaction: &Transaction<'_>, sink: i64) -> Result<Option<i64>, rusqlite::Error> {
    let first = "SELECT min(event) FROM set_aside
                 WHERE sink = ?1 AND stage < 3 AND event > (SELECT pruned_through FROM history)";
    transaction.prepare_cached(first)?.query_row([sink], |row| row.get(0))
}

/// The last event up to which no sink has more rows to prune than go at once; but the oldest one goes with all of its rows,
/// which may be thousands.
fn within_rows(transaction: &Transaction<'_>, through: i64) -> Result<i64, StorageError> {
    let first_too_many = "SELECT event FROM outbox WHERE sink = ?1 AND event <= ?2
                              AND ordinal <= (SELECT settled_through FROM sink WHERE id = ?1)
                          ORDER BY event LIMIT 1 OFFSET ?3";
    let mut first_too_many = transaction.prepare_cached(first_too_many)?;
    let mut within = through;
    for sink in all_sinks(transaction)? {
        let found = first_too_many.query_row((sink, through, MOST_ROWS_AT_ONCE), |row| row.get(0)).optional()?;
        within = within.min(found.map_or(through, |too_many: i64| too_many - 1));
    }
    let oldest = "SELECT coalesce(min(sequence), 0) FROM event";
    let oldest: i64 = transaction.prepare_cached(oldest)?.query_row([], |row| row.get(0))?;
    Ok(within.max(oldest).min(through))
}

fn all_sinks(transaction: &Transaction<'_>) -> Result<Vec<i64>, rusqlite::Error> {
    let mut sinks = transaction.prepare_cached("SELECT id FROM sink")?;
    sinks.query_map([], |row| row.get(0))?.collect()
}

/// Prunes every event up to one. Returns how many that were, and how much goes of what was set aside and nobody decided on.
/// Rows that did not arrive stay: they are those of a removed sink.
fn perform_prune(transaction: &Transaction<'_>, through: i64, way: &Way<'_>) -> Result<(u64, u64), StorageError> {
    let mut undecided = 0;
    let seen = moment::last_time_seen(transaction)?;
    if let Some(seen) = seen {
        moment::keep_time_seen(transaction, seen)?;
    }
    for sink in all_sinks(transaction)? {
        undecided += drop_undecided(transaction, sink, through)?;
        let settled = "SELECT settled_through FROM sink WHERE id = ?1";
        let settled: i64 = transaction.prepare_cached(settled)?.query_row([sink], |row| row.get(0))?;
        way.ask()?;
        let rows = "DELETE FROM outbox WHERE sink = ?1 AND event <= ?2 AND ordinal <= ?3";
        transaction.prepare_cached(rows)?.execute((sink, through, settled))?;
        // A replay that begins before the place of such an event would not find it.
        let calls = "DELETE FROM checkpoint WHERE sink = ?1 AND after < max(?2, (
                         SELECT coalesce(max(sequence), 0) FROM requeue WHERE sink = ?1 AND event <= ?2))";
        transaction.prepare_cached(calls)?.execute((sink, through))?;
        for delete in [
            "DELETE FROM set_aside WHERE sink = ?1 AND event <= ?2",
            "DELETE FROM failure WHERE sink = ?1 AND sequence <= ?2",
            // A place that is taken stays taken until all before it are pruned: otherwise a press would get it anew.
            "DELETE FROM requeue WHERE sink = ?1 AND sequence <= ?2",
        ] {
            way.ask()?;
            transaction.prepare_cached(delete)?.execute((sink, through))?;
        }
        let oldest = "SELECT coalesce(min(ordinal), ?2 + 1) FROM outbox WHERE sink = ?1";
        let oldest: i64 = transaction.prepare_cached(oldest)?.query_row((sink, settled), |row| row.get(0))?;
        let batches = "DELETE FROM batch WHERE sink = ?1 AND first_ordinal < ?2 AND last_ordinal < ?2 AND stage = 2";
        transaction.prepare_cached(batches)?.execute((sink, oldest))?;
    }
    // A declared sink takes nothing of what it has not come to: it misses nothing.
    let pass = "UPDATE sink SET cursor = ?1 WHERE declared = 1 AND cursor < ?1";
    transaction.prepare_cached(pass)?.execute([through])?;
    way.ask()?;
    let events = transaction.prepare_cached("DELETE FROM event WHERE sequence <= ?1")?.execute([through])?;
    let pruned = "UPDATE history SET pruned_through = ?1 WHERE pruned_through < ?1";
    transaction.prepare_cached(pruned)?.execute([through])?;
    Ok((events as u64, undecided))
}

/// Drops what was set aside of events that go: nobody can decide on it any more. Returns how many that were.
fn drop_undecided(transaction: &Transaction<'_>, sink: i64, through: i64) -> Result<u64, StorageError> {
    let drop = "UPDATE set_aside SET stage = ?3 WHERE sink = ?1 AND stage < 3 AND event <= ?2";
    let dropped = transaction.prepare_cached(drop)?.execute((sink, through, SetAsideBy::Dropped.column()))?;
    set_aside::count_dropped(transaction, sink, i64::try_from(dropped).unwrap_or(i64::MAX))?;
    Ok(dropped as u64)
}
