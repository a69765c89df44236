//! How many events wait for a sink's formatter, without looking at all of them again.
//!
//! After each press the panel says how much waits, and `status` asks for every sink. A history is counted by kind once, in
//! chunks of the ledger's order that all sinks share, and only the chunks' sums are added after that. A chunk that is full
//! never changes: an event is neither changed nor added before another. What pruning took of it is before every sum that is
//! asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _};

/// Sequences of a chunk. A count reads less than two chunks that it does not know yet or needs in part.
const CHUNK: i64 = 512;

/// How many events of each kind there are in a chunk.
type Counts = Arc<Vec<(String, i64)>>;

/// The chunks that were counted, by their numbers: chunk 0 begins with sequence 0.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<i64, Counts>>);

impl Waiting {
    /// Counts the events of these kinds after the sink's cursor, and those that are requeued for it.
    pub(super) fn count(
        &self,
        snapshot: &Connection,
        sink: i64,
        kinds: &[String],
        cursor: i64,
    ) -> Result<i64, rusqlite::Error> {
        let newest = "SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1";
        let newest: i64 = snapshot.prepare_cached(newest)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0);
        let pruned = "SELECT pruned_through FROM history";
        let pruned: i64 = snapshot.prepare_cached(pruned)?.query_row([], |row| row.get(0))?;
        self.lock().retain(|chunk, _| (chunk + 1) * CHUNK > pruned);
        let requeued = "SELECT count(*) FROM requeue WHERE sink = ?1 AND sequence > ?2 AND event > ?3";
        let mut count: i64 = snapshot.prepare_cached(requeued)?.query_row((sink, cursor, pruned), |row| row.get(0))?;
        let mut next = cursor.max(pruned) + 1;
        while next <= newest {
            let chunk = next / CHUNK;
            let (first, end) = (chunk * CHUNK, (chunk + 1) * CHUNK);
            let counts = if first == next && end - 1 <= newest {
                self.count_chunk(snapshot, chunk)?
            } else {
                Arc::new(count_between(snapshot, next, end.min(newest + 1))?)
            };
            let wanted = counts.iter().filter(|(kind, _)| kinds.contains(kind));
            count += wanted.map(|(_, count)| count).sum::<i64>();
            next = end;
        }
        Ok(count)
    }

    /// The counts of a whole chunk, which is full.
    fn count_chunk(&self, snapshot: &Connection, chunk: i64) -> Result<Counts, rusqlite::Error> {
        if let Some(known) = self.lock().get(&chunk) {
            return Ok(Arc::clone(known));
        }
        let counts = Arc::new(count_between(snapshot, chunk * CHUNK, (chunk + 1) * CHUNK)?);
        self.lock().insert(chunk, Arc::clone(&counts));
        Ok(counts)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts by kind from one sequence up to, and without, another.
fn count_between(snapshot: &Connection, from: i64, end: i64) -> Result<Vec<(String, i64)>, rusqlite::Error> {
    let count = "SELECT kind, count(*) FROM event WHERE sequence >= ?1 AND sequence < ?2 GROUP BY kind";
    let mut count = snapshot.prepare_cached(count)?;
    count.query_map((from, end), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [&str; 2] = ["punch", "reading"];

    /// 10,000 events, every other a punch.
    fn events() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let make = "CREATE TABLE history (pruned_through INTEGER); INSERT INTO history VALUES (0);
                    CREATE TABLE requeue (sequence INTEGER PRIMARY KEY, sink INTEGER, event INTEGER);
                    CREATE TABLE event (sequence INTEGER PRIMARY KEY, kind TEXT);
                    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000)
                    INSERT INTO event SELECT n, iif(n % 2, 'punch', 'reading') FROM number";
        connection.execute_batch(make).unwrap();
        connection
    }

    fn count(waiting: &Waiting, connection: &Connection, kinds: &[&str], cursor: i64) -> i64 {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        waiting.count(connection, 7, &kinds, cursor).unwrap()
    }

    #[test]
    fn what_is_counted_is_what_is_there_wherever_chunks_begin_and_end() {
        let (connection, waiting) = (events(), Waiting::default());
        for cursor in (0..=10_000).step_by(97).chain([1022, 1023, 1024, 1025, 9215, 9216, 9999, 10_000]) {
            assert_eq!(count(&waiting, &connection, &BOTH, cursor), 10_000 - cursor, "after {cursor}");
            let punches = (cursor + 1..=10_000).filter(|number| number % 2 == 1).count() as i64;
            assert_eq!(count(&waiting, &connection, &["punch"], cursor), punches, "after {cursor}");
        }
        assert_eq!(count(&waiting, &connection, &[], 0), 0);
        // The rest of a chunk comes, and what is requeued, for this sink alone.
        let more = "INSERT INTO event VALUES (10001, 'punch'), (10003, 'punch');
                    INSERT INTO requeue VALUES (10002, 7, 1), (10004, 8, 2)";
        connection.execute_batch(more).unwrap();
        assert_eq!((count(&waiting, &connection, &BOTH, 0), count(&waiting, &connection, &BOTH, 10_002)), (10_003, 1));
    }

    #[test]
    fn what_was_pruned_does_not_wait_and_is_forgotten() {
        let (connection, waiting) = (events(), Waiting::default());
        assert_eq!(count(&waiting, &connection, &BOTH, 0), 10_000);
        let prune = "DELETE FROM event WHERE sequence <= 3000; UPDATE history SET pruned_through = 3000";
        connection.execute_batch(prune).unwrap();
        assert_eq!(count(&waiting, &connection, &BOTH, 0), 7_000);
        assert!(waiting.lock().keys().all(|chunk| (chunk + 1) * CHUNK > 3_000));
    }

    /// With a million events and fifty sinks, the first `status` took five seconds: each sink had all of them counted.
    #[test]
    fn all_sinks_together_have_the_history_read_once() {
        let (connection, waiting) = (events(), Waiting::default());
        assert_eq!(count(&waiting, &connection, &BOTH, 0), 10_000);
        // Whoever reads these once more finds none.
        connection.execute_batch("DELETE FROM event WHERE sequence BETWEEN 1024 AND 9215").unwrap();
        let (punch, reading) = ("punch".to_owned(), "reading".to_owned());
        for sink in 1..50 {
            let both = waiting.count(&connection, sink, &[punch.clone(), reading.clone()], 0).unwrap();
            assert_eq!(both, 10_000, "sink {sink}");
            // Nor do those that stand elsewhere or take other kinds.
            let punches = waiting.count(&connection, sink, std::slice::from_ref(&punch), 1023).unwrap();
            assert_eq!(punches, 4_488, "sink {sink}");
        }
    }
}
