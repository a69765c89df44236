//! What sinks set aside, with the events that it is about: for `punchcard rejects`.

use punchcard_core::event::Event;
use punchcard_core::name::SinkName;

use super::error::StorageError;
use super::event::EventRow;
use super::moment::Moment;
use super::reader::Reader;
use super::set_aside::{SetAside, SetAsideBy};

/// Where something stands among what was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectPlace(i64);

/// Some of what a sink set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct RejectPage {
    /// In the order in which it was set aside.
    pub rejects: Vec<Reject>,
    /// There is more after these.
    pub more: bool,
}

/// Something that a sink set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Where it stands, to read on from.
    pub place: RejectPlace,
    /// What, and why.
    pub set_aside: SetAside,
    /// The event.
    pub event: Event,
    /// When it happened.
    pub at: Moment,
}

impl Reader {
    /// Lists what a sink set aside and is still in the history: at most `most`, after one. `decided`: also what was requeued
    /// or dropped since.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn rejects(
        &mut self,
        sink: &SinkName,
        decided: bool,
        after: Option<RejectPlace>,
        most: u32,
    ) -> Result<RejectPage, StorageError> {
        self.snapshot(|snapshot, zone| {
            let select = format!(
                "SELECT set_aside.id, outbox.position, set_aside.stage, set_aside.reason, {} FROM set_aside
                 JOIN event ON event.sequence = set_aside.event JOIN boot ON boot.id = event.boot
                 LEFT JOIN outbox ON outbox.sink = set_aside.sink AND outbox.ordinal = set_aside.ordinal
                 WHERE set_aside.sink = (SELECT id FROM sink WHERE name = ?1) AND set_aside.id > ?2
                     AND (set_aside.stage < 3 OR ?3)
                 ORDER BY set_aside.id LIMIT ?4",
                EventRow::COLUMNS
            );
            let mut select = snapshot.prepare_cached(&select)?;
            let RejectPlace(after) = after.unwrap_or(RejectPlace(0));
            let mut rows = select.query((sink.as_str(), after, decided, u64::from(most) + 1))?;
            let (mut rejects, mut more) = (Vec::new(), false);
            while let Some(row) = rows.next()? {
                if rejects.len() >= most as usize {
                    more = true;
                    break;
                }
                let event = EventRow::parse(row, 4)?;
                let set_aside = SetAside {
                    sequence: event.sequence,
                    position: row.get(1)?,
                    by: SetAsideBy::from_column(row.get(2)?),
                    reason: row.get(3)?,
                };
                let (place, at) = (RejectPlace(row.get(0)?), event.moment.resolve(zone));
                rejects.push(Reject { place, set_aside, event: event.event()?, at });
            }
            Ok(RejectPage { rejects, more })
        })
    }
}
