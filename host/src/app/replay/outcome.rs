//! What a replay comes to, and what is kept of it.
//!
//! It is bounded: a formatter may make everything different, and rows as long as it likes.

use punchcard_core::event::Sequence;
use punchcard_core::plugin::delivery::CorrectionKind;
use punchcard_core::replay::Difference;
use punchcard_core::row::Cell;
use punchcard_core::time::Instant;
use thiserror::Error;
use ulid::Ulid;

use super::Replayer;
use punchcard_ledger::{BootTimes, CorrectedRow, CorrectionCommit, KeptRow};

/// Rows and events that are kept of what would be different: a press waits while they are written.
const MOST_KEPT: usize = 4_000;
/// Bytes of text in them: each row is held as it was and as it would be.
const MOST_BYTES: usize = 4_000_000;

/// A row that would be different.
#[derive(Debug, Clone, PartialEq)]
pub struct RowDifference {
    /// The event that it is made of,
    pub event: Sequence,
    /// the event's id,
    pub id: Ulid,
    /// and when it happened.
    pub at: Instant,
    /// The row's position among the event's rows.
    pub position: u32,
    /// How.
    pub difference: Difference,
    /// The row as it was kept, or corrected, last; `None` where there was none.
    pub kept: Option<KeptRow>,
    /// How often it was corrected before.
    pub revision: u32,
    /// The cells that it would have; `None` where there would be none.
    pub made: Option<Vec<Cell>>,
}

/// An event, and what the formatter said or did to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The event.
    pub event: Sequence,
    /// Why.
    pub reason: String,
}

/// What a replay came to. Rows and events count from the one on that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Up to this event: the sink's cursor.
    pub through: Sequence,
    /// What the events' times go by.
    pub boots: BootTimes,
    /// Events that were formatted.
    pub events: u64,
    /// Events that are set aside, and were passed over.
    pub passed_over: u64,
    /// Rows that would be as they are.
    pub same: u64,
    /// Rows that would be different, in the ledger's order.
    pub differences: Vec<RowDifference>,
    /// So many more rows and refusals than these are different: too many to be kept.
    pub not_kept: u64,
    /// Events that the formatter would reject. None of them is set aside now.
    pub rejected: Vec<Refusal>,
    /// Events that it failed on, those before the one that was asked for too.
    pub failed: Vec<Refusal>,
    /// The formatter's state at the end.
    pub state: Vec<u8>,
    /// Its states where later calls are kept: each before the events after the one that is named.
    pub states: Vec<(Sequence, Vec<u8>)>,
    /// `state` is another one than the sink has now: later rows would be made from there.
    pub state_differs: bool,
    /// What the idle panel would say.
    pub standing: Option<String>,
    /// Bytes of text in what is kept.
    bytes: usize,
}

/// Why a replay's outcome can't be kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotCorrected {
    /// It says nothing about some events.
    #[error("the formatter fails on event {}: {reason}; mend it first", event.0)]
    Fails {
        /// The first of them.
        event: Sequence,
        /// Why.
        reason: String,
    },
    /// There is too much of it.
    #[error(
        "more is different than the {MOST_KEPT} rows, or {MOST_BYTES} bytes, that can be corrected at once; correct those from a \
         later event on first"
    )]
    TooMany,
}

impl Replayed {
    /// Nothing yet: of a replay up to the sink's cursor, that begins with this state.
    pub(crate) fn new(through: Sequence, state: Vec<u8>) -> Self {
        Self {
            through,
            boots: BootTimes::default(),
            events: 0,
            passed_over: 0,
            same: 0,
            differences: Vec::new(),
            not_kept: 0,
            rejected: Vec::new(),
            failed: Vec::new(),
            state,
            states: Vec::new(),
            state_differs: false,
            standing: None,
            bytes: 0,
        }
    }

    /// Keeps a row that would be different, while there is room.
    pub(super) fn keep_difference(&mut self, different: RowDifference) {
        let kept = different.kept.as_ref().map_or(0, |kept| text_bytes(&kept.cells));
        if self.has_room(kept + different.made.as_ref().map_or(0, |made| text_bytes(made))) {
            self.differences.push(different);
        }
    }

    /// Keeps that an event would be rejected, while there is room.
    pub(super) fn keep_rejected(&mut self, rejected: Refusal) {
        if self.has_room(rejected.reason.len()) {
            self.rejected.push(rejected);
        }
    }

    /// Whether one more thing can be kept; where not, it is counted.
    fn has_room(&mut self, bytes: usize) -> bool {
        let count = self.differences.len() + self.rejected.len();
        let has_room = count < MOST_KEPT && self.bytes.saturating_add(bytes) <= MOST_BYTES;
        if has_room {
            self.bytes += bytes;
        } else {
            self.not_kept += 1;
        }
        has_room
    }

    /// Whether keeping it would change nothing.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.differences.is_empty() && self.rejected.is_empty() && !self.state_differs
    }

    /// What is to be kept of it.
    ///
    /// # Errors
    /// When the formatter failed on an event, or too much is different.
    pub fn into_correction(self, by: &Replayer) -> Result<CorrectionCommit, NotCorrected> {
        self.check()?;
        let row = |different: RowDifference| CorrectedRow {
            event: different.event,
            position: different.position,
            revision: different.revision,
            kind: correction_kind(&different.difference, different.kept.as_ref()),
            cells: different.made.unwrap_or_else(|| vec![Cell::Empty; by.columns.len()]),
        };
        Ok(CorrectionCommit {
            at: self.through,
            boots: self.boots,
            state: self.state,
            states: self.states,
            plugin_sha256: *by.formatter.sha256(),
            settings: by.settings.clone(),
            standing: self.standing,
            columns: by.columns.clone(),
            rows: self.differences.into_iter().map(row).collect(),
            set_aside: self.rejected.into_iter().map(|refusal| (refusal.event, refusal.reason)).collect(),
        })
    }

    /// Whether it can be kept.
    ///
    /// # Errors
    /// When the formatter failed on an event, or too much is different.
    pub fn check(&self) -> Result<(), NotCorrected> {
        if let Some(Refusal { event, reason }) = self.failed.first() {
            return Err(NotCorrected::Fails { event: *event, reason: reason.clone() });
        }
        if self.not_kept > 0 { Err(NotCorrected::TooMany) } else { Ok(()) }
    }
}

fn correction_kind(difference: &Difference, kept: Option<&KeptRow>) -> CorrectionKind {
    match difference {
        // What the service refused is not there to be replaced.
        Difference::Changed(_) if kept.is_some_and(|kept| !kept.arrives) => CorrectionKind::Added,
        Difference::Changed(_) => CorrectionKind::Changed,
        Difference::Added => CorrectionKind::Added,
        Difference::Withdrawn => CorrectionKind::Withdrawn,
    }
}

fn text_bytes(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| if let Cell::Text(text) = cell { text.len() } else { 0 }).sum()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_the_service_refused_is_not_said_to_be_replaced() {
        let kinds = [true, false].map(|arrives| {
            let kept = KeptRow { revision: 0, withdrawn: false, arrives, columns: Arc::default(), cells: Vec::new() };
            correction_kind(&Difference::Changed(Vec::new()), Some(&kept))
        });
        assert_eq!(kinds, [CorrectionKind::Changed, CorrectionKind::Added]);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_all_of_it_is_counted() {
        let different = |bytes: usize| RowDifference {
            event: Sequence(1),
            id: Ulid(1),
            at: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            position: 0,
            difference: Difference::Added,
            kept: None,
            revision: 0,
            made: Some(vec![Cell::Text("x".repeat(bytes)), Cell::Number(1.0)]),
        };
        let mut long = Replayed::new(Sequence(9), Vec::new());
        for _ in 0..5 {
            long.keep_difference(different(1_000_000));
        }
        assert_eq!((long.differences.len(), long.not_kept), (4, 1));
        assert_eq!(long.check(), Err(NotCorrected::TooMany));
        let mut many = Replayed::new(Sequence(9), Vec::new());
        for event in 0..4_000 {
            many.keep_difference(different(1));
            assert_eq!(many.check(), Ok(()), "{event}");
        }
        many.keep_rejected(Refusal { event: Sequence(1), reason: String::new() });
        assert_eq!((many.rejected.len(), many.not_kept), (0, 1));
    }
}
