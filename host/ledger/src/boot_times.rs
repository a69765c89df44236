//! What was known of boots when times of their events were given out.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};

use super::moment::StoredMoment;

/// What was known of boots when times of their events were given out. What is made of those times is kept only while this
/// holds: it changes when the time of a boot becomes known, or known better.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootTimes(BTreeMap<String, [Option<i64>; 3]>);

impl BootTimes {
    /// An event's time is given out.
    pub(super) fn note(&mut self, of: &StoredMoment) {
        if !self.0.contains_key(&of.boot) {
            self.0.insert(of.boot.clone(), of.boot_times());
        }
    }

    /// Adds what was known later on. Of a boot that is in both, what was known first stays.
    pub fn extend(&mut self, later: Self) {
        for (boot, known) in later.0 {
            self.0.entry(boot).or_insert(known);
        }
    }

    /// Whether nothing else is known by now.
    pub(super) fn hold(&self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        let mut known = connection.prepare_cached("SELECT zero, floor, synchronised FROM boot WHERE name = ?1")?;
        for (boot, before) in &self.0 {
            let now = known.query_row([boot], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).optional()?;
            if now.as_ref() != Some(before) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
