//! How many events wait for a sink's formatter, without looking at all of them again.
//!
//! After each press the panel says how much waits. A million events that wait are counted once; then only what came, and
//! what the formatter has done since, is. What is remembered here is never more than the file says: where it does not fit
//! to what is asked, everything is counted.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _};

/// What was counted last, by the sinks' numbers.
#[derive(Default)]
pub(super) struct Tallies(Mutex<HashMap<i64, Tally>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Tally {
    /// As they stand in the file.
    kinds: String,
    /// The events after this one,
    cursor: i64,
    /// up to this one,
    through: i64,
    /// of those kinds.
    waiting: i64,
}

impl Tallies {
    /// The events of these kinds after the sink's cursor.
    pub(super) fn count(
        &self,
        snapshot: &Connection,
        sink: i64,
        kinds: &str,
        cursor: i64,
    ) -> Result<i64, rusqlite::Error> {
        let newest = "SELECT sequence FROM event ORDER BY sequence DESC LIMIT 1";
        let newest = snapshot.prepare_cached(newest)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0);
        let pruned = snapshot.prepare_cached("SELECT pruned_through FROM history")?.query_row([], |row| row.get(0))?;
        let before = self.lock().get(&sink).cloned();
        let between = |after: i64, through: i64| count(snapshot, sink, kinds, after, through);
        let waiting = match before.as_ref().filter(|before| before.leads_to(kinds, cursor, newest, pruned)) {
            Some(before) => {
                let done = between(before.cursor, cursor.min(before.through))?;
                before.waiting - done + between(cursor.max(before.through), newest)?
            }
            None => between(cursor, newest)?,
        };
        // Another snapshot may have been newer.
        if before.is_none_or(|before| before.through <= newest || before.kinds != kinds) {
            self.lock().insert(sink, Tally { kinds: kinds.to_owned(), cursor, through: newest, waiting });
        }
        Ok(waiting)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    /// Whether nothing but the difference has to be counted: what the formatter did since is still there to be counted, too.
    fn leads_to(&self, kinds: &str, cursor: i64, newest: i64, pruned_through: i64) -> bool {
        self.kinds == kinds && self.cursor <= cursor && self.through <= newest && pruned_through <= self.cursor
    }
}

fn count(snapshot: &Connection, sink: i64, kinds: &str, after: i64, through: i64) -> Result<i64, rusqlite::Error> {
    if through <= after {
        return Ok(0);
    }
    let count = "SELECT count(*) FROM event
                 WHERE sequence > ?1 AND sequence <= ?2 AND kind IN (SELECT value FROM json_each(?3))
                     AND (only_for IS NULL OR only_for = ?4)";
    snapshot.prepare_cached(count)?.query_row((after, through, kinds, sink), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally { kinds: r#"["punch"]"#.to_owned(), cursor: 5, through: 9, waiting: 3 }
    }

    #[test]
    fn a_tally_is_gone_on_from_while_nothing_of_the_difference_is_lost() {
        let table = [
            (r#"["punch"]"#, 5, 9, 0, true),
            (r#"["punch"]"#, 5, 9, 5, true),
            (r#"["punch"]"#, 7, 9, 5, true),
            (r#"["punch"]"#, 12, 20, 5, true),
            // What was done since is partly pruned.
            (r#"["punch"]"#, 7, 9, 6, false),
            // An older snapshot, whose events or cursor are those of before.
            (r#"["punch"]"#, 4, 9, 0, false),
            (r#"["punch"]"#, 5, 8, 0, false),
            (r#"["other"]"#, 5, 9, 0, false),
        ];
        for (kinds, cursor, newest, pruned, expected) in table {
            assert_eq!(tally().leads_to(kinds, cursor, newest, pruned), expected, "{kinds} {cursor} {newest} {pruned}");
        }
    }

    #[test]
    fn only_the_difference_is_counted() {
        let connection = Connection::open_in_memory().unwrap();
        let make = "CREATE TABLE history (pruned_through INTEGER); INSERT INTO history VALUES (0);
                    CREATE TABLE event (sequence INTEGER PRIMARY KEY, kind TEXT, only_for INTEGER);
                    WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100)
                    INSERT INTO event SELECT n, iif(n % 2, 'punch', 'reading'), iif(n % 5, NULL, 7) FROM number";
        connection.execute_batch(make).unwrap();
        let tallies = Tallies::default();
        let both = r#"["punch","reading"]"#;
        let count = |kinds: &str, cursor: i64| tallies.count(&connection, 7, kinds, cursor).unwrap();
        assert_eq!((count(both, 0), count(both, 40), count(both, 100)), (100, 60, 0));
        assert_eq!(count(r#"["punch"]"#, 0), 50);
        assert_eq!(tallies.count(&connection, 8, both, 0).unwrap(), 80, "those that are only for another");
        // What was counted before is not looked at again.
        assert_eq!(count(both, 40), 60);
        connection
            .execute_batch("DELETE FROM event WHERE sequence = 50; INSERT INTO event VALUES (101, 'punch', NULL)")
            .unwrap();
        assert_eq!(count(both, 40), 61);
        // But where the difference can't be counted, everything is.
        connection.execute_batch("UPDATE history SET pruned_through = 41").unwrap();
        assert_eq!(count(both, 42), 58);
    }
}
