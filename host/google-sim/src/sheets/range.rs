//! Ranges: in A1 notation, as people and `values.get` write them, and as `GridRange` messages.

use super::grid::Area;
use super::request::RawGridRange;
use super::{Spreadsheet, Tab};

/// A range of a tab that exists, inside its grid.
pub(crate) struct Located<'s> {
    pub(crate) tab: &'s Tab,
    pub(crate) area: Area,
}

/// Finds a range in A1 notation. An end beyond the grid is cut; a beginning beyond it is refused.
pub(crate) fn parse_a1<'s>(spreadsheet: &'s Spreadsheet, text: &str) -> Result<Located<'s>, String> {
    let unparsable = || format!("Unable to parse range: {text}");
    let whole = |tab: &'s Tab| Located { tab, area: whole_area(tab) };
    let (tab, cells) = match split_title(text) {
        Some((title, cells)) => (spreadsheet.tab_titled(&title).ok_or_else(unparsable)?, cells),
        None => match spreadsheet.tab_titled(&unquote(text)) {
            Some(tab) => return Ok(whole(tab)),
            None => (spreadsheet.tabs.first().ok_or_else(unparsable)?, text),
        },
    };
    let (first, last) = cells.split_once(':').unwrap_or((cells, cells));
    let first = Corner::parse(first).ok_or_else(unparsable)?;
    let last = Corner::parse(last).ok_or_else(unparsable)?;
    let (rows, columns) = (tab.grid.row_count(), tab.grid.column_count());
    let span = |a: Option<usize>, b: Option<usize>, count: usize| match (a, b) {
        (Some(a), Some(b)) => a.min(b)..(a.max(b) + 1),
        (Some(a), None) | (None, Some(a)) => a..count.max(a + 1),
        (None, None) => 0..count,
    };
    let area = Area { rows: span(first.row, last.row, rows), columns: span(first.column, last.column, columns) };
    if area.rows.start >= rows || area.columns.start >= columns {
        return Err(exceeds(&area, tab));
    }
    let area = Area {
        rows: area.rows.start..area.rows.end.min(rows),
        columns: area.columns.start..area.columns.end.min(columns),
    };
    Ok(Located { tab, area })
}

/// The rectangle of a `GridRange`; open ends are the grid's. What reaches beyond the grid is refused.
pub(crate) fn parse_grid_range(range: &RawGridRange, tab: &Tab) -> Result<Area, String> {
    let span = |start: Option<i32>, end: Option<i32>, count: usize, name: &str| {
        let index = |value: Option<i32>, default: usize| match value {
            None => Ok(default),
            Some(value) => usize::try_from(value).map_err(|_| format!("{name} index must not be negative: {value}")),
        };
        let (start, end) = (index(start, 0)?, index(end, count)?);
        if start > end { Err(format!("{name} range is empty or reversed: [{start}, {end})")) } else { Ok(start..end) }
    };
    let area = Area {
        rows: span(range.start_row_index, range.end_row_index, tab.grid.row_count(), "Row")?,
        columns: span(range.start_column_index, range.end_column_index, tab.grid.column_count(), "Column")?,
    };
    if area.rows.end > tab.grid.row_count() || area.columns.end > tab.grid.column_count() {
        return Err(exceeds(&area, tab));
    }
    Ok(area)
}

/// The range in A1 notation, with its tab's title.
pub(crate) fn format_a1(tab: &Tab, area: &Area) -> String {
    let corner = |row: usize, column: usize| format!("{}{}", format_column(column), row + 1);
    let first = corner(area.rows.start, area.columns.start);
    let last = corner(area.rows.end.saturating_sub(1), area.columns.end.saturating_sub(1));
    let title = quote(&tab.title);
    if first == last { format!("{title}!{first}") } else { format!("{title}!{first}:{last}") }
}

/// The letters of a column: 0 is `A`, 26 is `AA`.
pub(crate) fn format_column(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[column % 26]));
        match column / 26 {
            0 => return letters.into_iter().rev().collect(),
            rest => column = rest - 1,
        }
    }
}

pub(crate) fn whole_area(tab: &Tab) -> Area {
    Area { rows: 0..tab.grid.row_count(), columns: 0..tab.grid.column_count() }
}

fn exceeds(area: &Area, tab: &Tab) -> String {
    format!(
        "Range ({}) exceeds grid limits. Max rows: {}, max columns: {}",
        format_a1(tab, area),
        tab.grid.row_count(),
        tab.grid.column_count()
    )
}

fn split_title(text: &str) -> Option<(String, &str)> {
    let (title, cells) = text.rsplit_once('!')?;
    Some((unquote(title), cells))
}

fn unquote(title: &str) -> String {
    match title.strip_prefix('\'').and_then(|title| title.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => title.to_owned(),
    }
}

/// A title stands without quotes where it cannot be mistaken.
fn quote(title: &str) -> String {
    let is_plain = title.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && title.starts_with(|first: char| first.is_ascii_alphabetic())
        && Corner::parse(title).is_none();
    if is_plain { title.to_owned() } else { format!("'{}'", title.replace('\'', "''")) }
}

/// `B3`, `B` or `3`.
struct Corner {
    row: Option<usize>,
    column: Option<usize>,
}

impl Corner {
    fn parse(text: &str) -> Option<Self> {
        let text = text.replace('$', "");
        let split = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
        let (letters, digits) = text.split_at(split);
        if text.is_empty() || letters.len() > 3 || digits.len() > 8 {
            return None;
        }
        let column =
            letters.bytes().fold(0, |column, letter| column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
        let row = match digits {
            "" => None,
            digits => Some(digits.parse::<usize>().ok()?.checked_sub(1)?),
        };
        Some(Self { row, column: column.checked_sub(1) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written() {
        let mut spreadsheet = Spreadsheet::new();
        spreadsheet.tabs.push(Tab::new(7, "It's 2".into(), 10, 5));
        let table = [
            ("Sheet1", "Sheet1!A1:Z1000"),
            ("'Sheet1'!D4", "Sheet1!D4"),
            ("D4", "Sheet1!D4"),
            ("Sheet1!A1:B2", "Sheet1!A1:B2"),
            ("Sheet1!b2:a1", "Sheet1!A1:B2"),
            ("Sheet1!$A$1:B", "Sheet1!A1:B1000"),
            ("Sheet1!2:3", "Sheet1!A2:Z3"),
            ("Sheet1!A2:C", "Sheet1!A2:C1000"),
            ("Sheet1!A1:ZZ5", "Sheet1!A1:Z5"),
            ("'It''s 2'!A:A", "'It''s 2'!A1:A10"),
            ("'It''s 2'", "'It''s 2'!A1:E10"),
        ];
        for (text, expected) in table {
            let located = parse_a1(&spreadsheet, text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(format_a1(located.tab, &located.area), expected, "{text}");
        }
        for text in [
            "",
            "Nope!A1",
            "Sheet1!",
            "Sheet1!A0",
            "Sheet1!A1:B2:C3",
            "Sheet1!AAAA1",
            "Sheet1!1A",
            "Sheet1!AA1",
            "Sheet1!A1001",
        ] {
            assert!(parse_a1(&spreadsheet, text).is_err(), "{text}");
        }
    }

    #[test]
    fn columns_have_letters() {
        for (column, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")] {
            assert_eq!(format_column(column), letters);
        }
    }
}
