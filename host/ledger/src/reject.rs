//! What sinks set aside, with the events that it is about: for `punchcard rejects`.

use punchcard_core::event::Event;
use punchcard_core::name::SinkName;

use super::error::StorageError;
use super::event::EventRow;
use super::moment::Moment;
use super::reader::Reader;
use super::sink::{SetAside, SetAsideBy};

/// Where something stands among what a sink set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectPlace {
    sequence: i64,
    position: i64,
}

/// Something that a sink set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// Where it stands. Of a correction, this is not where its event does.
    pub place: RejectPlace,
    /// What, and why.
    pub set_aside: SetAside,
    /// The event.
    pub event: Event,
    /// When it happened.
    pub at: Moment,
}

impl Reader {
    /// What a sink set aside and is still in the history, in the sink's order: at most `most`, after one. What was put back
    /// and dropped since is among it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn rejects(
        &mut self,
        sink: &SinkName,
        after: Option<RejectPlace>,
        most: u32,
    ) -> Result<Vec<Reject>, StorageError> {
        self.snapshot(|snapshot, zone| {
            // A correction that the service refused is a row of the event that it corrects.
            let select = format!(
                "SELECT set_aside.sequence, set_aside.position, coalesce(of_position, set_aside.position), stage, reason, {} FROM set_aside
                 LEFT JOIN correction USING (sink, sequence, position)
                 JOIN event ON event.sequence = coalesce(of_sequence, set_aside.sequence)
                 JOIN boot ON boot.id = event.boot
                 WHERE sink = (SELECT id FROM sink WHERE name = ?1)
                     AND (set_aside.sequence, set_aside.position) > (?2, ?3)
                 ORDER BY set_aside.sequence, set_aside.position LIMIT ?4",
                EventRow::COLUMNS
            );
            let mut select = snapshot.prepare_cached(&select)?;
            let after = after.unwrap_or(RejectPlace { sequence: 0, position: -1 });
            let mut rows = select.query((sink.as_str(), after.sequence, after.position, most))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let place = RejectPlace { sequence: row.get(0)?, position: row.get(1)? };
                let event = EventRow::parse(row, 5)?;
                let set_aside = SetAside {
                    sequence: event.sequence,
                    position: u32::try_from(row.get::<_, i64>(2)?).ok(),
                    by: SetAsideBy::from_column(row.get(3)?),
                    reason: row.get(4)?,
                };
                let at = event.moment.resolve(zone);
                found.push(Reject { place, set_aside, event: event.event()?, at });
            }
            Ok(found)
        })
    }
}
