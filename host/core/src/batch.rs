//! How many of the waiting rows travel together.
//!
//! Deliberately absent: where the rows are kept, and how a service wants them written. A batch is a prefix of what
//! waits, so that order is kept; it is never empty while something waits, so that a row larger than the limit goes
//! alone instead of stopping everything behind it.

use crate::plugin::delivery::Limits;
use crate::row::{Cell, Row};

/// Rows in a batch, whatever a connector declares: a batch is held in memory by the host and by the connector.
pub const MOST_ROWS: u32 = 50_000;
/// Estimated bytes in a batch, whatever a connector declares.
pub const MOST_BYTES: u64 = 8 << 20;

/// A batch that is being filled, row by row.
#[derive(Debug, Clone)]
pub struct Measure {
    rows_left: u32,
    bytes_left: u64,
    empty: bool,
}

impl Measure {
    /// An empty batch within what the service takes. A limit of 0 counts as 1.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            rows_left: limits.rows_per_batch.clamp(1, MOST_ROWS),
            bytes_left: limits.bytes_per_batch.min(MOST_BYTES),
            empty: true,
        }
    }

    /// Whether the next row, of `bytes` estimated bytes, still belongs into this batch. After the first `false` the
    /// batch is complete: later rows do not overtake.
    pub fn admits(&mut self, bytes: u64) -> bool {
        let fits = self.rows_left > 0 && bytes <= self.bytes_left;
        if !(fits || self.empty) {
            self.rows_left = 0;
            return false;
        }
        self.empty = false;
        // One that is larger than the limit goes alone.
        self.rows_left = if fits { self.rows_left - 1 } else { 0 };
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        true
    }
}

/// How many of the rows that wait, given by their estimated bytes, form the next batch: 0 only when none waits.
#[must_use]
pub fn plan_batch(sizes: impl IntoIterator<Item = u64>, limits: &Limits) -> usize {
    let mut measure = Measure::new(limits);
    sizes.into_iter().take_while(|bytes| measure.admits(*bytes)).count()
}

/// The bytes that a row takes in a typical JSON request, in order of magnitude: its key, each cell's text, and what is
/// written around every cell (`{"userEnteredValue":{"stringValue":"…"}},` is 44 bytes, with a number format 100).
#[must_use]
pub fn estimate_bytes(row: &Row) -> u64 {
    let cells = row.cells.iter().map(|cell| match cell {
        Cell::Empty => 4,
        Cell::Flag(_) => 48,
        Cell::Text(text) => 48 + escaped_bytes(text),
        Cell::Number(_) => 64,
        Cell::Moment(_) | Cell::Seconds(_) => 112,
    });
    16 + row.key.len() as u64 + cells.sum::<u64>()
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
        Limits { rows_per_batch, bytes_per_batch, characters_per_cell: 1, requests_per_minute: 1 }
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
            assert_eq!(plan_batch(sizes.iter().copied(), &limits(rows, bytes)), expected, "{sizes:?} {rows} {bytes}");
        }
    }

    #[test]
    fn no_connector_gets_more_than_a_small_device_can_hold() {
        assert_eq!(plan_batch(std::iter::repeat_n(0, 60_000), &limits(u32::MAX, u64::MAX)), 50_000);
        assert_eq!(plan_batch([1 << 20; 20], &limits(u32::MAX, u64::MAX)), 8);
    }

    #[test]
    fn a_complete_batch_takes_no_later_row_however_small() {
        let mut measure = Measure::new(&limits(10, 100));
        assert!(measure.admits(60));
        assert!(!measure.admits(60));
        assert!(!measure.admits(1));
    }

    #[test]
    fn the_estimate_counts_the_key_the_text_as_json_and_what_stands_around_each_cell() {
        let moment = Cell::Moment(Instant { unix_micros: 0, utc_offset_minutes: 0 });
        let table = [
            (vec![], 0),
            (vec![Cell::Empty], 4),
            (vec![Cell::Flag(true)], 48),
            (vec![Cell::Text(String::new())], 48),
            (vec![Cell::Text("grün".to_owned())], 53),
            (vec![Cell::Text("a\"\\\n".to_owned())], 48 + 1 + 2 + 2 + 6),
            (vec![Cell::Text("\u{1f} ".to_owned())], 48 + 6 + 1),
            (vec![Cell::Number(1.0), Cell::Seconds(1.0), moment], 64 + 112 + 112),
        ];
        for (cells, expected) in table {
            let row = Row { key: "01J/0".to_owned(), cells };
            assert_eq!(estimate_bytes(&row), 16 + 5 + expected, "{row:?}");
        }
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
                let taken = plan_batch(rest.iter().copied(), &limits);
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
