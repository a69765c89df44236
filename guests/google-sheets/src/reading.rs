//! Reading: which rows are there, a page at a time, each with its event id and a fingerprint of its cells.
//!
//! Values come as they were entered, dates as serial numbers, so that neither a locale nor a format has a say. A fingerprint
//! is made of the cells of the device's own columns that are not empty, by their keys: it stays the same when a person moves
//! columns or adds some, and when the formatter has a new one.
//!
//! Whole rows are read: what was written before the device noticed that a person inserted a column stands beside its columns,
//! its id too. Where the column of the ids has none, the id is looked for in the whole row; such a row is there, and changed.
//! After the last page the columns are looked at again. Where they are not what they were, nothing is said to be missing.
//!
//! Nothing is changed here: no spreadsheet, tab or column is made. What is in doubt stays so until all rows were read.

use std::hash::{DefaultHasher, Hash, Hasher};

use punchcard_sdk::connector::{Directive, FoundRow, Page};
use punchcard_sdk::{Column, Error, Row};
use serde_json::Value;

use crate::answer::{Answer, Trouble};
use crate::append::WITHDRAWN;
use crate::call::{Call, Next};
use crate::cell::{Shown, show};
use crate::member::list;
use crate::pause::{back_off, hold, unanswered};
use crate::state::{Asked, Look, Placed, Reading, State};
use crate::{event_id, finding, look, mark, problem, request};

/// The row of the header, where nobody deleted it, or sorted it together with the rows.
const HEADER: u64 = 1;
/// Rows of a page: it is taken in by one call, which has a second, also on a slow board.
const ROWS: u64 = 2_000;
/// Cells of a page: what is read takes some 40 bytes each.
const CELLS: u64 = 40_000;

/// Takes up the wish for rows, from the beginning or from where a page ended.
pub(crate) fn take_up(state: &mut State, next: Option<&str>) -> Result<(), Error> {
    match (next, &mut state.reading) {
        (None, reading) => {
            *reading = Some(Reading { first: HEADER, ..Reading::default() });
            state.look_again(Look::Due);
        }
        (Some(next), Some(reading)) if next.parse() == Ok(reading.first) => {
            if reading.first > reading.through {
                state.look_again(Look::Tabs);
            }
        }
        (Some(next), _) => return Err(Error::Other(format!("no page that was read ended before row {next}"))),
    }
    Ok(())
}

/// What is to be asked next.
pub(crate) fn plan(state: &mut State, call: Call) -> Result<Directive, Error> {
    // Only where it was begun: a search of its own could end in a new spreadsheet.
    if state.finding.is_some()
        && let Some(directive) = finding::plan(state, call)?
    {
        return Ok(directive);
    }
    if let Some(directive) = look::plan(state, call) {
        return Ok(directive);
    }
    let tab = state.spreadsheet.as_ref().and_then(|spreadsheet| Some((&spreadsheet.id, spreadsheet.tab.as_ref()?)));
    if tab.is_some_and(|(_, tab)| tab.columns.iter().all(|column| column.key != event_id::KEY)) {
        // Every row would be without its id.
        state.reading = None;
        return Ok(hold(problem::ids_missing()));
    }
    let layout = tab.map(|(_, tab)| digest_layout(&tab.columns));
    if let Some(reading) = &mut state.reading
        && *reading.layout.get_or_insert_with(|| layout.unwrap_or_default()) != layout.unwrap_or_default()
    {
        state.reading = None;
        return Ok(hold(problem::changed_while_read()));
    }
    // A tab that was looked at again may have become shorter.
    let unread = state.reading.as_mut().filter(|reading| reading.first <= reading.through);
    let (Some((id, tab)), Some(reading)) = (tab, unread) else {
        // There is nothing to read, or nothing more.
        state.reading = None;
        mark::part_from_read(state, call);
        return Ok(finish(state, vec![]));
    };
    if reading.count == 0 {
        reading.count = (CELLS / u64::from(tab.width.max(1))).clamp(1, ROWS);
    }
    let last = reading.through.min(reading.first + reading.count - 1);
    // In A1 notation a title stands in quotation marks, with its own doubled, and rows without columns are whole ones.
    let title = reading.title.replace('\'', "''");
    let range = format!("'{title}'!{}:{last}", reading.first);
    let options = "valueRenderOption=UNFORMATTED_VALUE&dateTimeRenderOption=SERIAL_NUMBER&fields=values";
    let rest = format!("/values/{}?{options}", request::encode(&range));
    let url = request::sheets_url(call.settings, id, &rest);
    state.asked = Asked::Rows;
    Ok(Directive::Send(request::get(url)))
}

/// Takes in a page.
pub(crate) fn absorb(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(reading) = &mut state.reading else { return Next::Plan };
    let shown = match answer.only_list("values") {
        Ok(shown) => shown,
        Err(Answer::TooLarge) if reading.count > 1 => {
            reading.count /= 2;
            return Next::Plan;
        }
        Err(Answer::Missing) => {
            state.look_again(Look::Due);
            let gone = Trouble::google("Google does not show the tab's rows");
            return Next::Do(back_off(&mut state.failures, &gone, call.context));
        }
        Err(answer) => return Next::Do(unanswered(&mut state.failures, answer, "to show rows", call.context)),
    };
    state.failures = 0;
    let tab = state.spreadsheet.as_ref().and_then(|spreadsheet| spreadsheet.tab.as_ref());
    let columns = tab.map_or(&[][..], |tab| &tab.columns);
    let mut rows = Vec::new();
    for (at, values) in (reading.first..).zip(list(&shown, "values")) {
        let place = format!("row {at} of {}", reading.title);
        let row = parse_row(columns, values, place);
        rows.extend(row.filter(|row| at > HEADER || row.key.as_deref().is_some_and(event_id::is_key)));
    }
    reading.first += reading.count;
    Next::Do(finish(state, rows))
}

/// A page of these rows. The last one has none: before it the columns were looked at again.
fn finish(state: &mut State, rows: Vec<FoundRow>) -> Directive {
    let next = state.reading.as_ref().map(|reading| reading.first.to_string());
    let link = state.spreadsheet.as_ref().and_then(|spreadsheet| spreadsheet.link.clone());
    Directive::Found(Page { rows, next, link })
}

/// A row with something in it.
fn parse_row(columns: &[Placed], values: &Value, place: String) -> Option<FoundRow> {
    let mut key = None;
    let mut cells = Vec::new();
    for column in columns {
        let value = values.get(column.at as usize).unwrap_or(&Value::Null);
        let shown = match value {
            Value::String(text) => Shown::text(text),
            Value::Number(number) => number.as_f64().map(Shown::number),
            Value::Bool(flag) => Some(Shown::Flag(*flag)),
            _ => None,
        };
        match shown {
            // A person may have put a number there.
            Some(_) if column.key == event_id::KEY => {
                let written = || serde_json::to_string(value).unwrap_or_default();
                key = Some(value.as_str().map_or_else(written, ToOwned::to_owned));
            }
            Some(shown) => cells.push((column.key.as_str(), shown)),
            None => {}
        }
    }
    if !key.as_deref().is_some_and(event_id::is_key) {
        let elsewhere = values.as_array().into_iter().flatten().filter_map(Value::as_str);
        key = elsewhere.into_iter().find(|text| event_id::is_full_key(text)).map(ToOwned::to_owned).or(key);
    }
    let is_empty = key.is_none() && cells.is_empty();
    (!is_empty).then(|| FoundRow { key, fingerprint: digest(cells), place })
}

/// What a page says of a row that stands there as it was delivered.
pub(crate) fn fingerprint(columns: &[Column], row: &Row) -> String {
    let cells = columns.iter().zip(&row.cells);
    digest(cells.filter_map(|(column, cell)| Some((column.key.as_str(), show(cell, column.kind)?))).collect())
}

fn digest(mut cells: Vec<(&str, Shown)>) -> String {
    // A row that says that another does not count has no cell of its own, and the word stands wherever the first column is.
    if let [(_, Shown::Text(text))] = &cells[..]
        && text == WITHDRAWN
    {
        cells.clear();
    }
    format!("{:016x}", digest_all(&cells))
}

/// Where the columns are.
fn digest_layout(columns: &[Placed]) -> u64 {
    let places: Vec<_> = columns.iter().map(|column| (column.key.as_str(), column.at)).collect();
    digest_all(&places)
}

/// The same in whatever order they are. Two digests by the same component are compared, and nothing else.
fn digest_all(parts: &[impl Hash]) -> u64 {
    parts.iter().fold(0, |sum, part| {
        let mut hasher = DefaultHasher::new();
        part.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::{Cell, ColumnKind, Instant};
    use serde_json::json;

    use super::*;

    /// A column by its key, its cell, and what Google answers for it.
    type Known = (&'static str, ColumnKind, Cell, Value);

    fn known() -> [Known; 7] {
        let moment = || Cell::Moment(Instant { unix_micros: 1_795_168_800_000_000, utc_offset_minutes: 600 });
        [
            ("text", ColumnKind::Text, Cell::Text("=1".into()), json!("=1")),
            ("number", ColumnKind::Number, Cell::Number(-0.1), json!(-0.1)),
            ("whole", ColumnKind::Number, Cell::Number(3.0), json!(3)),
            ("flag", ColumnKind::Flag, Cell::Flag(false), json!(false)),
            ("day", ColumnKind::Date, moment(), json!(46_346)),
            // The last digits are not always those that were written.
            ("start", ColumnKind::DateTime, moment(), json!(46_346.833_333_333_33)),
            ("hours", ColumnKind::Duration, Cell::Seconds(5_400.0), json!(0.0625)),
        ]
    }

    fn found(columns: &[(&str, Value)]) -> Option<FoundRow> {
        let placed = |(at, (key, _)): (u32, &(&str, Value))| Placed { key: (*key).into(), title: None, at: at + 3 };
        let placed: Vec<_> = (0..).zip(columns).map(placed).collect();
        let own = columns.iter().map(|(_, value)| value.clone());
        let values: Vec<Value> = [json!("a"), json!("person's"), json!("own")].into_iter().chain(own).collect();
        parse_row(&placed, &json!(values), "there".into())
    }

    #[test]
    fn a_row_that_nobody_changed_has_the_fingerprint_of_the_one_that_was_delivered() {
        let known = known();
        let column = |known: &Known| Column { key: known.0.into(), title: String::new(), kind: known.1 };
        let columns: Vec<Column> = known.iter().map(column).collect();
        let row = Row { key: "k/0".into(), cells: known.iter().map(|known| known.2.clone()).collect() };
        let expected = fingerprint(&columns, &row);
        let mut there: Vec<(&str, Value)> = known.iter().map(|known| (known.0, known.3.clone())).collect();
        there.push((event_id::KEY, json!("k/0")));
        let as_delivered = found(&there).unwrap();
        assert_eq!((as_delivered.key.as_deref(), &as_delivered.fingerprint), (Some("k/0"), &expected));
        there.push(("added later", json!("")));
        there.reverse();
        assert_eq!(found(&there).unwrap().fingerprint, expected, "in another order, with another column");
        for at in 0..there.len() {
            let mut changed = there.clone();
            changed[at].1 = json!("changed");
            let other = found(&changed).unwrap();
            assert_eq!(other.fingerprint == expected, there[at].0 == event_id::KEY, "{:?}", changed[at]);
        }
        let mut changed = there.clone();
        changed.retain(|(key, _)| *key != "flag");
        assert_ne!(found(&changed).unwrap().fingerprint, expected, "a cell is gone");
    }

    #[test]
    fn a_row_without_anything_is_none_and_one_without_an_id_has_no_key() {
        assert_eq!(found(&[("a", json!("")), (event_id::KEY, Value::Null)]), None);
        assert_eq!(found(&[("a", json!("x")), (event_id::KEY, json!(""))]).unwrap().key, None);
        assert_eq!(found(&[("a", json!("")), (event_id::KEY, json!(17))]).unwrap().key.as_deref(), Some("17"));
        let row = Row { key: String::new(), cells: vec![Cell::Text(String::new())] };
        let column = Column { key: "a".into(), title: String::new(), kind: ColumnKind::Text };
        let key_only = found(&[("a", json!("")), (event_id::KEY, json!("k/0"))]).unwrap();
        assert_eq!(key_only.fingerprint, fingerprint(&[column], &row), "an empty text is an empty cell");
    }

    #[test]
    fn an_id_is_found_wherever_it_stands_in_its_row() {
        let placed = |(at, key): (u32, &str)| Placed { key: key.into(), title: None, at };
        let columns: Vec<Placed> = (1..).zip(["a", "b", event_id::KEY]).map(placed).collect();
        let (id, other) = ("01JD3ZQ8J5M2V9X7K4T6W8Y0A1/0", "01JD3ZQ8J5M2V9X7K4T6W8Y0A2/0");
        for (values, key) in [
            // As delivered; before a column was inserted, within the columns and before them; after one was deleted.
            (json!(["", "x", "y", id]), Some(id)),
            (json!(["x", "y", id]), Some(id)),
            (json!([id, "x", "y"]), Some(id)),
            (json!(["", "", "x", "y", id]), Some(id)),
            // The column of the ids has the last word, but for what is no id.
            (json!([other, "x", "y", id]), Some(id)),
            (json!([id, "x", "y", "z"]), Some(id)),
            (json!(["", "x", "y", 17]), Some("17")),
            // What a person wrote may look like an id of a test.
            (json!(["1/2", "x", "y"]), None),
        ] {
            let row = parse_row(&columns, &values, "there".into()).unwrap();
            assert_eq!(row.key.as_deref(), key, "{values}");
        }
    }

    #[test]
    fn a_row_that_withdraws_another_is_known_by_its_word_in_whatever_column() {
        let column = |key: &str| Column { key: key.into(), title: String::new(), kind: ColumnKind::Number };
        let columns = [column("a"), column("b")];
        let row = |cells| Row { key: "k/0/1".into(), cells };
        let withdrawn = fingerprint(&columns, &row(vec![Cell::Empty, Cell::Empty]));
        for [a, b] in [["withdrawn", ""], ["", "withdrawn"]] {
            let there = found(&[("a", json!(a)), ("b", json!(b)), (event_id::KEY, json!("k/0/1"))]).unwrap();
            assert_eq!(there.fingerprint, withdrawn);
        }
        let changed = found(&[("a", json!("withdrawn")), ("b", json!("no")), (event_id::KEY, json!("k/0/1"))]).unwrap();
        assert_ne!(changed.fingerprint, withdrawn);
    }
}
