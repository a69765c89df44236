//! What the host decides about a replay: where it can begin, with which contexts, and what would be different from the
//! rows that were kept.
//!
//! A replay runs a sink's formatter, as it is now, over events that were formatted before. It can begin only where the
//! state is kept that the formatter had then. Deliberately absent: how the formatter is called, and what is done with the
//! differences.

use crate::event::Sequence;
use crate::row::{Cell, Column};
use crate::time::Context;

/// A call that was kept, as far as a replay can begin or go on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// It was made with the sink's events after this one.
    pub after: Sequence,
    /// Whether its state means something to the formatter: the same plugin wrote it, or nobody yet.
    pub understood: bool,
    /// The context that it was given.
    pub context: Context,
}

/// No kept call reaches back to the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoStart {
    /// A replay is possible from this event on, if at all.
    pub earliest: Option<Sequence>,
}

/// Which of the kept calls, oldest first, a replay from an event begins with: the newest before the event whose state is
/// understood.
///
/// # Errors
/// When there is none.
pub fn plan_start(kept: &[Kept], from: Sequence) -> Result<usize, NoStart> {
    let start = kept.iter().rposition(|call| call.understood && call.after < from);
    start.ok_or_else(|| {
        let first = kept.iter().find(|call| call.understood);
        NoStart { earliest: first.map(|call| Sequence(call.after.0.saturating_add(1))) }
    })
}

/// The context of a replayed call with the events after `at`, and how far it may go at most. Contexts are kept now and
/// then, not for each call: the one of the newest kept call counts until the next one. `first`: the call that the replay
/// begins with; `later`: those behind it.
#[must_use]
pub fn plan_call<'a>(first: &'a Kept, later: &'a [Kept], at: Sequence, end: Sequence) -> (&'a Context, Sequence) {
    let (behind, ahead) = later.split_at(later.partition_point(|call| call.after <= at));
    let through = ahead.first().map_or(end, |call| call.after.min(end));
    (&behind.last().unwrap_or(first).context, through)
}

/// Cells with the columns that they were made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Made<'a> {
    /// One for each cell.
    pub columns: &'a [Column],
    /// In their order.
    pub cells: &'a [Cell],
}

impl Made<'_> {
    fn cell(&self, key: &str) -> &Cell {
        let at = self.columns.iter().position(|column| column.key == key);
        at.and_then(|at| self.cells.get(at)).unwrap_or(&Cell::Empty)
    }
}

/// How a row would be different.
#[derive(Debug, Clone, PartialEq)]
pub enum Difference {
    /// Some of its cells would be.
    Changed(Vec<Change>),
    /// There was none.
    Added,
    /// There would be none.
    Withdrawn,
}

/// How a cell would be different.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key of its column.
    pub key: String,
    /// The title of its column.
    pub title: String,
    /// What it was.
    pub was: Cell,
    /// What it would be.
    pub would_be: Cell,
}

/// How a row that was kept differs from the one that would be in its place. Columns are the same when their keys are; a
/// column that is not there is empty.
#[must_use]
pub fn compare(kept: Option<Made<'_>>, made: Option<Made<'_>>) -> Option<Difference> {
    let (kept, made) = match (kept, made) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Difference::Added),
        (Some(_), None) => return Some(Difference::Withdrawn),
        (Some(kept), Some(made)) => (kept, made),
    };
    let gone = kept.columns.iter().filter(|column| made.columns.iter().all(|other| other.key != column.key));
    let changes = made.columns.iter().chain(gone).filter_map(|column| {
        let (was, would_be) = (kept.cell(&column.key), made.cell(&column.key));
        (was != would_be).then(|| Change {
            key: column.key.clone(),
            title: column.title.clone(),
            was: was.clone(),
            would_be: would_be.clone(),
        })
    });
    let changes: Vec<_> = changes.collect();
    (!changes.is_empty()).then_some(Difference::Changed(changes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::ColumnKind;
    use crate::time::{Instant, Monotonic};

    fn kept(after: u64, understood: bool) -> Kept {
        let context = Context {
            now: Instant { unix_micros: i64::try_from(after).unwrap(), utc_offset_minutes: 0 },
            monotonic: Monotonic { milliseconds: 0, boot: String::new() },
            entropy: [0; 32],
            device: String::new(),
        };
        Kept { after: Sequence(after), understood, context }
    }

    #[test]
    fn a_replay_begins_with_the_newest_call_before_the_event_whose_state_is_understood() {
        let calls = [kept(10, false), kept(20, true), kept(30, true), kept(40, false)];
        let no = |earliest: Option<u64>| Err(NoStart { earliest: earliest.map(Sequence) });
        let table = [
            (&calls[..], 5, no(Some(21))),
            (&calls[..], 11, no(Some(21))),
            (&calls[..], 20, no(Some(21))),
            (&calls[..], 21, Ok(1)),
            (&calls[..], 30, Ok(1)),
            (&calls[..], 31, Ok(2)),
            (&calls[..], 99, Ok(2)),
            (&calls[..1], 99, no(None)),
            (&[], 1, no(None)),
        ];
        for (calls, from, expected) in table {
            assert_eq!(plan_start(calls, Sequence(from)), expected, "from {from}");
        }
    }

    #[test]
    fn a_call_has_the_context_that_was_kept_last_and_ends_where_the_next_one_was_kept() {
        let (first, later) = (kept(10, true), [kept(20, false), kept(30, true)]);
        let call = |at: u64, end: u64| {
            let (context, through) = plan_call(&first, &later, Sequence(at), Sequence(end));
            (context.now.unix_micros, through.0)
        };
        for (at, expected) in [(10, (10, 20)), (19, (10, 20)), (20, (20, 30)), (30, (30, 35)), (34, (30, 35))] {
            assert_eq!(call(at, 35), expected, "after {at}");
        }
        assert_eq!(call(10, 15), (10, 15));
    }

    fn columns(keys: &[&str]) -> Vec<Column> {
        let column = |key: &&str| Column { key: (*key).into(), title: key.to_uppercase(), kind: ColumnKind::Text };
        keys.iter().map(column).collect()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    /// The differences between rows of texts; "" is an empty cell.
    fn changes(kept: (&[&str], &[&str]), made: (&[&str], &[&str])) -> Vec<(String, Cell, Cell)> {
        let cells = |texts: &[&str]| -> Vec<Cell> {
            texts.iter().map(|cell| if cell.is_empty() { Cell::Empty } else { text(cell) }).collect()
        };
        let (kept_columns, kept_cells) = (columns(kept.0), cells(kept.1));
        let (made_columns, made_cells) = (columns(made.0), cells(made.1));
        let kept = Made { columns: &kept_columns, cells: &kept_cells };
        let made = Made { columns: &made_columns, cells: &made_cells };
        match compare(Some(kept), Some(made)) {
            Some(Difference::Changed(changes)) => {
                changes.into_iter().map(|change| (change.key, change.was, change.would_be)).collect()
            }
            None => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_are_compared_cell_by_cell_by_the_keys_of_their_columns() {
        let changed = |key: &str, was: Cell, would_be: Cell| (key.to_owned(), was, would_be);
        let (ab, ba, a) = (&["a", "b"][..], &["b", "a"][..], &["a"][..]);
        let table = [
            ((ab, &["1", "2"][..]), (ab, &["1", "2"][..]), vec![]),
            ((ab, &["1", "2"]), (ba, &["2", "1"]), vec![]),
            ((ab, &["1", "2"]), (ab, &["1", "3"]), vec![changed("b", text("2"), text("3"))]),
            (
                (ab, &["1", ""]),
                (ab, &["", "2"]),
                vec![changed("a", text("1"), Cell::Empty), changed("b", Cell::Empty, text("2"))],
            ),
            // A column that is gone, or new, matters where something stands in it.
            ((ab, &["1", ""]), (a, &["1"]), vec![]),
            ((a, &["1"]), (ab, &["1", ""]), vec![]),
            ((ab, &["1", "2"]), (a, &["1"]), vec![changed("b", text("2"), Cell::Empty)]),
            ((a, &["1"]), (ab, &["1", "2"]), vec![changed("b", Cell::Empty, text("2"))]),
        ];
        for (kept, made, expected) in table {
            assert_eq!(changes(kept, made), expected, "{kept:?} {made:?}");
        }
    }

    #[test]
    fn a_value_of_another_kind_is_another_value_and_another_title_is_not() {
        let titled = |title: &str| vec![Column { key: "a".into(), title: title.into(), kind: ColumnKind::Text }];
        let (before, after) = (titled("Before"), titled("After"));
        let one = [text("1")];
        let kept = Made { columns: &before, cells: &one };
        assert_eq!(compare(Some(kept), Some(Made { columns: &after, cells: &one })), None);
        let number = [Cell::Number(1.0)];
        let expected = Change { key: "a".into(), title: "After".into(), was: text("1"), would_be: Cell::Number(1.0) };
        let made = Made { columns: &after, cells: &number };
        assert_eq!(compare(Some(kept), Some(made)), Some(Difference::Changed(vec![expected])));
    }

    #[test]
    fn a_row_can_come_and_go() {
        let columns = columns(&["a"]);
        let row = Made { columns: &columns, cells: &[Cell::Empty] };
        assert_eq!(compare(None, None), None);
        assert_eq!(compare(None, Some(row)), Some(Difference::Added));
        assert_eq!(compare(Some(row), None), Some(Difference::Withdrawn));
    }
}
