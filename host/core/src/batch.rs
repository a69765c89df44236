//! How many of the waiting rows travel together.
//!
//! Deliberately absent: where the rows are kept, and how a service wants them written. A batch is a prefix of what
//! waits, so that order is kept; it is never empty while something waits, so that a row larger than the limit goes
//! alone instead of stopping everything behind it.

use crate::plugin::delivery::Limits;
use crate::row::{Cell, Row};

/// Rows in a batch, whatever a connector declares: a batch is held in memory by the host and by the connector.
pub const MOST_ROWS: u32 = 50_000;
/// Bytes that the rows of a batch take in memory, about, whatever a connector declares.
pub const MOST_BYTES: u64 = 8 << 20;

/// Bytes that the mark of a correction counts as text: what it corrects, in words.
pub const CORRECTION_BYTES: u64 = 128;

/// What a row counts for in a batch, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// The text in its cells as JSON: what the connector's `bytes-per-batch` limits.
    pub text: u64,
    /// What it takes in memory, about: what the host limits.
    pub held: u64,
}

impl Weight {
    /// The same for a row that corrects another one.
    #[must_use]
    pub fn of_correction(self) -> Self {
        Self { text: self.text.saturating_add(CORRECTION_BYTES), held: self.held.saturating_add(CORRECTION_BYTES) }
    }
}

/// A batch that is being filled, row by row.
#[derive(Debug, Clone)]
pub struct Measure {
    rows_left: u32,
    text_left: u64,
    held_left: u64,
    empty: bool,
}

impl Measure {
    /// An empty batch within what the service takes. A limit of 0 counts as 1.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows_left: limits.rows_per_batch.clamp(1, MOST_ROWS),
            text_left: limits.bytes_per_batch,
            held_left: MOST_BYTES,
            empty: true,
        }
    }

    /// Whether the next row still belongs into this batch. After the first `false` the batch is complete: later rows do
    /// not overtake.
    pub fn admits(&mut self, row: Weight) -> bool {
        let fits = self.rows_left > 0 && row.text <= self.text_left && row.held <= self.held_left;
        if !(fits || self.empty) {
            self.rows_left = 0;
            return false;
        }
        self.empty = false;
        // One that is larger than the limit goes alone.
        self.rows_left = if fits { self.rows_left - 1 } else { 0 };
        self.text_left = self.text_left.saturating_sub(row.text);
        self.held_left = self.held_left.saturating_sub(row.held);
        true
    }
}

/// How many of the rows that wait form the next batch: 0 only when none waits.
#[must_use]
pub fn plan_batch(rows: impl IntoIterator<Item = Weight>, limits: &Limits) -> usize {
    let mut measure = Measure::new(limits);
    rows.into_iter().take_while(|row| measure.admits(*row)).count()
}

/// What a row counts for. Only a connector knows what it writes around a cell: from its columns, before any row.
#[must_use]
pub fn weigh(row: &Row) -> Weight {
    let text = row.cells.iter().map(|cell| match cell {
        Cell::Text(text) => escaped_bytes(text),
        Cell::Empty | Cell::Flag(_) | Cell::Number(_) | Cell::Moment(_) | Cell::Estimated(_) | Cell::Seconds(_) => 0,
    });
    let text = text.sum();
    let cells = row.cells.len() * size_of::<Cell>() + size_of::<Row>() + row.key.len();
    Weight { text, held: text + cells as u64 }
}

/// A text's bytes in JSON: quotes and backslashes take two, control characters six (RFC 8259 §7).
fn escaped_bytes(text: &str) -> u64 {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' => 2,
        0..=0x1f => 6,
        _ => 1,
    });
    escaped.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::time::Instant;

    fn limits(rows_per_batch: u32, bytes_per_batch: u64) -> Limits {
        Limits { rows_per_batch, bytes_per_batch, characters_per_cell: 1, requests_per_minute: 1, reads_back: false }
    }

    #[test]
    fn a_batch_is_the_longest_prefix_within_both_limits_and_never_empty() {
        let table: [(&[u64], u32, u64, usize); 12] = [
            (&[], 10, 100, 0),
            (&[1, 1, 1], 10, 100, 3),
            (&[1, 1, 1], 2, 100, 2),
            (&[40, 60, 1], 10, 100, 2),
            (&[40, 61, 1], 10, 100, 1),
            (&[101, 1], 10, 100, 1),
            (&[101, 0], 10, 100, 1),
            (&[1, 101, 1], 10, 100, 1),
            (&[5, 5], 0, 0, 1),
            (&[0, 5], 10, 0, 1),
            (&[0, 0, 5], 10, 0, 2),
            (&[u64::MAX, u64::MAX], u32::MAX, u64::MAX, 1),
        ];
        for (sizes, rows, bytes, expected) in table {
            let weights = sizes.iter().map(|text| Weight { text: *text, held: 0 });
            assert_eq!(plan_batch(weights, &limits(rows, bytes)), expected, "{sizes:?} {rows} {bytes}");
        }
    }

    #[test]
    fn no_connector_gets_more_than_a_small_device_can_hold() {
        let held = |held| Weight { text: 0, held };
        assert_eq!(plan_batch(std::iter::repeat_n(held(0), 60_000), &limits(u32::MAX, u64::MAX)), 50_000);
        assert_eq!(plan_batch([held(1 << 20); 20], &limits(u32::MAX, u64::MAX)), 8);
        assert_eq!(plan_batch([held(9 << 20); 2], &limits(u32::MAX, u64::MAX)), 1, "one too large goes alone");
    }

    #[test]
    fn a_complete_batch_takes_no_later_row_however_small() {
        let mut measure = Measure::new(&limits(10, 100));
        let text = |text| Weight { text, held: 0 };
        assert!(measure.admits(text(60)));
        assert!(!measure.admits(text(60)));
        assert!(!measure.admits(text(1)));
    }

    #[test]
    fn text_counts_as_json_and_everything_counts_in_memory() {
        let moment = Cell::Moment(Instant { unix_micros: 0, utc_offset_minutes: 0 });
        let table = [
            (vec![], 0),
            (vec![Cell::Empty, Cell::Flag(true), Cell::Number(1.0), Cell::Seconds(1.0), moment], 0),
            (vec![Cell::Text(String::new())], 0),
            (vec![Cell::Text("grün".to_owned()), Cell::Text("x".to_owned())], 6),
            (vec![Cell::Text("a\"\\\n".to_owned())], 1 + 2 + 2 + 6),
            (vec![Cell::Text("\u{1f} ".to_owned())], 6 + 1),
        ];
        for (cells, text) in table {
            let row = Row { key: "01J/0".to_owned(), cells };
            let held = text + (row.cells.len() * size_of::<Cell>() + size_of::<Row>() + 5) as u64;
            assert_eq!(weigh(&row), Weight { text, held }, "{row:?}");
        }
    }

    #[test]
    fn the_mark_of_a_correction_counts_too() {
        let row = Weight { text: 1, held: 2 };
        assert_eq!(row.of_correction(), Weight { text: 129, held: 130 });
    }

    proptest! {
        #[test]
        fn batches_cover_everything_in_order_and_none_could_have_been_longer(
            sizes in prop::collection::vec(0_u64..50, 0..60),
            rows in 0_u32..8,
            bytes in 0_u64..120,
        ) {
            let limits = limits(rows, bytes);
            let mut rest = sizes.as_slice();
            while !rest.is_empty() {
                let taken = plan_batch(rest.iter().map(|text| Weight { text: *text, held: 0 }), &limits);
                prop_assert!(taken >= 1);
                let within = |count: usize| count <= rows.max(1) as usize && rest[..count].iter().sum::<u64>() <= bytes;
                prop_assert!(taken == 1 || within(taken));
                prop_assert!(taken == rest.len() || !within(taken + 1));
                rest = &rest[taken..];
            }
            prop_assert_eq!(rest.len(), 0);
        }
    }
}
