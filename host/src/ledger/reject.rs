//! What sinks set aside, with the events that it is about: for `punchcard rejects`.

use punchcard_core::event::{Event, Sequence};
use punchcard_core::name::SinkName;

use super::error::StorageError;
use super::event::{EventRow, to_column};
use super::moment::{Moment, Resolver};
use super::reader::Reader;
use super::sink::{SetAside, SetAsideBy};

/// Something that a sink set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Reject {
    /// What, and why.
    pub set_aside: SetAside,
    /// The event.
    pub event: Event,
    /// When it happened.
    pub at: Moment,
}

impl Reader {
    /// What a sink set aside and is still in the history, in the ledger's order: at most `most`, after what is named by its
    /// event and row. What was put back and dropped since is among it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn rejects(
        &mut self,
        sink: &SinkName,
        after: Option<(Sequence, Option<u32>)>,
        most: u32,
    ) -> Result<Vec<Reject>, StorageError> {
        self.snapshot(|snapshot, zone| {
            // A correction that the service refused is a row of the event that it corrects.
            let select = format!(
                "SELECT coalesce(of_position, position) AS row_position, stage, reason, {} FROM set_aside
                 LEFT JOIN correction USING (sink, sequence, position)
                 JOIN event ON event.sequence = coalesce(of_sequence, set_aside.sequence)
                 JOIN boot ON boot.id = event.boot
                 WHERE sink = (SELECT id FROM sink WHERE name = ?1) AND (event.sequence, row_position) > (?2, ?3)
                 ORDER BY event.sequence, row_position LIMIT ?4",
                EventRow::COLUMNS
            );
            let mut select = snapshot.prepare_cached(&select)?;
            let (sequence, position) =
                after.map_or((0, -1), |(sequence, position)| (to_column(sequence), position.map_or(-1, i64::from)));
            let mut rows = select.query((sink.as_str(), sequence, position, most))?;
            let mut resolver = Resolver::new(snapshot, zone);
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let event = EventRow::parse(row, 3)?;
                let set_aside = SetAside {
                    sequence: event.sequence,
                    position: u32::try_from(row.get::<_, i64>(0)?).ok(),
                    by: SetAsideBy::from_column(row.get(1)?),
                    reason: row.get(2)?,
                };
                let at = resolver.resolve(event.sequence, &event.moment)?;
                found.push(Reject { set_aside, event: event.event()?, at });
            }
            Ok(found)
        })
    }
}
