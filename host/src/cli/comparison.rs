//! Rows as they are and as they would be, side by side; on a narrow terminal, one above the other.
//!
//! It knows the room that there is and no terminal. Cells that differ are coloured, and what prints the text takes the colours
//! out where nobody sees them; so a mark stands before them as well.

use comfy_table::{ContentArrangement, Table, presets};
use owo_colors::OwoColorize as _;
use punchcard_core::replay::Difference;
use punchcard_core::row::{Cell, Column};

use super::printable;
use super::replay::render_cell;
use super::time::render_local;
use crate::app::replay::RowDifference;

/// The narrowest column in which something can be read, and the widest that is of use, in characters.
const NARROWEST: usize = 16;
const WIDEST: usize = 60;
/// The widest title that is not wrapped.
const WIDEST_TITLE: usize = 24;
/// Before a title: whether its cells differ.
const DIFFERS: &str = "≠ ";
const SAME: &str = "  ";
/// Between two columns.
const GAP: &str = "  ";

/// A cell of before and one of after.
struct Pair {
    title: String,
    old: String,
    new: String,
    differs: bool,
}

/// A row of before beside one of after, for so many characters a line. `columns` are those of after.
pub(super) fn render(row: &RowDifference, columns: &[Column], width: usize) -> String {
    let what = match row.difference {
        Difference::Changed(_) => "",
        Difference::Added => ", which would be new",
        Difference::Withdrawn => ", which would not be there",
    };
    let heading = format!("event {}, {}, row {}{what}", row.event.0, render_local(row.at), row.position + 1);
    let pairs = pair(row, columns);
    let title = pairs.iter().map(|pair| pair.title.chars().count()).max().unwrap_or(0).min(WIDEST_TITLE);
    let taken = SAME.chars().count() + title + 2 * GAP.len();
    let room = width.saturating_sub(taken) / 2;
    let lines = if room < NARROWEST { stack(&pairs, width) } else { lay_out(&pairs, title, room.min(WIDEST)) };
    format!("{}\n{}", heading.bold(), lines.concat())
}

/// The cells of all columns: those of after, then those that only the row of before has.
fn pair(row: &RowDifference, columns: &[Column]) -> Vec<Pair> {
    let before: (&[Column], &[Cell]) = row.kept.as_ref().map_or((&[], &[]), |kept| (&kept.columns, &kept.cells));
    let after: (&[Column], &[Cell]) = row.made.as_ref().map_or((&[], &[]), |made| (columns, made));
    let gone = before.0.iter().filter(|column| after.0.iter().all(|other| other.key != column.key));
    let made = |column: &Column| {
        let (old, new) = (find(before, &column.key), find(after, &column.key));
        let title = printable(&column.title);
        Pair { title, old: render_filled(old), new: render_filled(new), differs: old != new }
    };
    after.0.iter().chain(gone).map(made).collect()
}

fn find<'a>((columns, cells): (&[Column], &'a [Cell]), key: &str) -> &'a Cell {
    columns.iter().position(|column| column.key == key).and_then(|place| cells.get(place)).unwrap_or(&Cell::Empty)
}

fn render_filled(cell: &Cell) -> String {
    if *cell == Cell::Empty { String::new() } else { printable(&render_cell(cell)) }
}

fn lay_out(pairs: &[Pair], title: usize, room: usize) -> Vec<String> {
    let heading = format!("{SAME}{}{GAP}{}{GAP}new\n", fill("", title), fill("old", room));
    let mut lines = vec![heading];
    for pair in pairs {
        let [titles, olds, news] =
            [(&pair.title, title), (&pair.old, room), (&pair.new, room)].map(|(text, width)| wrap(text, width));
        let height = titles.len().max(olds.len()).max(news.len());
        for line in 0..height {
            let [name, old, new] = [(&titles, title), (&olds, room), (&news, room)]
                .map(|(lines, width)| lines.get(line).cloned().unwrap_or_else(|| " ".repeat(width)));
            let mark = if pair.differs && line == 0 { DIFFERS } else { SAME };
            // Nothing stands behind the last word of a line, also within its colour.
            let new = new.trim_end();
            let old = if new.is_empty() { old.trim_end() } else { &old };
            let text = match pair.differs {
                true => format!("{mark}{name}{GAP}{}{GAP}{}", coloured(old, Side::Old), coloured(new, Side::New)),
                false => format!("{mark}{name}{GAP}{old}{GAP}{new}"),
            };
            lines.push(format!("{}\n", text.trim_end()));
        }
    }
    lines
}

/// One above the other: what is the same once, and of what differs the old one above the new one.
fn stack(pairs: &[Pair], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut add = |first: &str, text: &str, colour: fn(&str) -> String| {
        let room = width.saturating_sub(first.chars().count()).max(NARROWEST);
        for (number, line) in wrap(text, room).iter().enumerate() {
            let before = if number == 0 { first.to_owned() } else { " ".repeat(first.chars().count()) };
            lines.push(format!("{before}{}\n", colour(line.trim_end())));
        }
    };
    for pair in pairs {
        if pair.differs {
            add(DIFFERS, &pair.title, str::to_owned);
            add("  old  ", &pair.old, |text| coloured(text, Side::Old));
            add("  new  ", &pair.new, |text| coloured(text, Side::New));
        } else {
            add(SAME, &format!("{}: {}", pair.title, pair.old), str::to_owned);
        }
    }
    lines
}

/// Which side of a difference.
#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

fn coloured(text: &str, side: Side) -> String {
    match side {
        _ if text.is_empty() => String::new(),
        Side::Old => text.red().to_string(),
        Side::New => text.green().to_string(),
    }
}

/// A text in lines of this width, filled up with spaces.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::DynamicFullWidth);
    table.set_width(u16::try_from(width.max(1)).unwrap_or(u16::MAX)).add_row([text]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    table.lines().collect()
}

fn fill(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use punchcard_core::event::Sequence;
    use punchcard_core::replay::{Made, compare};
    use punchcard_core::row::ColumnKind;
    use punchcard_core::time::Instant;
    use punchcard_ledger::KeptRow;
    use ulid::Ulid;

    use super::*;

    fn column(key: &str, title: &str) -> Column {
        Column { key: key.into(), title: title.into(), kind: ColumnKind::Text }
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    fn row(kept: Option<(Vec<Column>, Vec<Cell>)>, made: Option<Vec<Cell>>, columns: &[Column]) -> RowDifference {
        let before = kept.as_ref().map(|(columns, cells)| Made { columns, cells });
        let after = made.as_ref().map(|cells| Made { columns, cells });
        let difference = compare(before, after).expect("they differ");
        let kept = kept.map(|(columns, cells)| KeptRow {
            revision: 0,
            withdrawn: false,
            arrives: true,
            columns: Arc::new(columns),
            cells,
        });
        RowDifference {
            event: Sequence(12),
            id: Ulid::nil(),
            at: Instant { unix_micros: 0, utc_offset_minutes: 0 },
            position: 0,
            difference,
            kept,
            revision: 0,
            made,
        }
    }

    /// What a terminal without colours gets.
    fn shown(row: &RowDifference, columns: &[Column], width: usize) -> Vec<String> {
        let text = anstream::adapter::strip_str(&render(row, columns, width)).to_string();
        text.lines().skip(1).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn cells_stand_side_by_side_and_those_that_differ_are_marked() {
        let before = vec![column("p", "Project"), column("n", "Note")];
        let columns = [column("p", "Project"), column("h", "Hours")];
        let kept = (before, vec![text("Garden"), text("a note that is longer than its column")]);
        let row = row(Some(kept), Some(vec![text("Garden"), Cell::Number(8.0)]), &columns);
        assert_eq!(
            shown(&row, &columns, 60),
            [
                "           old                      new",
                "  Project  “Garden”                 “Garden”",
                "≠ Hours                             8",
                "≠ Note     “a note that is longer",
                "           than its column”",
            ]
        );
        let coloured = render(&row, &columns, 60);
        assert!(coloured.contains("\x1b[32m8\x1b[39m") && !coloured.contains("\x1b[32m“Garden”"), "{coloured:?}");
    }

    #[test]
    fn on_a_narrow_terminal_they_stand_one_above_the_other() {
        let columns = [column("p", "Project"), column("h", "Hours")];
        let kept = (columns.to_vec(), vec![text("Garden"), Cell::Number(7.5)]);
        let row = row(Some(kept), Some(vec![text("Garden"), Cell::Number(8.0)]), &columns);
        let expected = ["  Project: “Garden”", "≠ Hours", "  old  7.5", "  new  8"];
        assert_eq!(shown(&row, &columns, 40), expected);
        assert_eq!(shown(&row, &columns, 1)[3..], ["  old  7.5", "  new  8"], "some room there always is");
    }

    #[test]
    fn a_row_that_is_new_or_gone_has_one_side_and_says_so() {
        let columns = [column("p", "Project")];
        let new = row(None, Some(vec![text("Garden")]), &columns);
        let gone = row(Some((columns.to_vec(), vec![text("Shed")])), None, &columns);
        for (row, what, line) in [
            (new, "which would be new", "≠ Project                           “Garden”"),
            (gone, "which would not be there", "≠ Project  “Shed”"),
        ] {
            let text = render(&row, &columns, 60);
            assert!(text.contains("event 12") && text.contains(what), "{text}");
            assert_eq!(shown(&row, &columns, 60)[1], line);
        }
    }
}
