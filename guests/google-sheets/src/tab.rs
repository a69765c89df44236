//! Tab: made with its header, and kept in step with the formatter's columns.
//!
//! Both requests are harmless when they are carried out twice: a tab's id, and the metadata id of the first new column,
//! are durable before the request leaves and are refused the second time, and with them the whole request. Columns are
//! added only right after a look at the tab, and with a guard: other devices add theirs to the same one.

use punchcard_sdk::connector::Directive;
use punchcard_sdk::{Column, ColumnKind, Error};

use crate::answer::Answer;
use crate::call::{Call, Next};
use crate::draw::Purpose;
use crate::member::text;
use crate::pause::unanswered;
use crate::state::{Asked, Grid, Look, Placed, State, Tab};
use crate::{Settings, cell, columns, destination, draw, event_id, guard, pause, problem, request};

/// Key of the metadata on a tab.
pub(crate) const KEY: &str = "punchcard.tab";
/// Of who may see metadata: everybody who may see the spreadsheet.
const VISIBILITY: &str = "DOCUMENT";

/// The header, and one row: all of a tab can't be frozen.
const ROWS: u32 = 2;
/// A date with its time does not fit into the usual 100 pixels.
const DATE_TIME_PIXELS: &str = "150";
/// Refusals in a row after which a person is told. The first may be due to what another sink did at the same moment.
const REFUSALS: u32 = 2;

/// The tab that rows go into: the known one, or that which has the settings' title in its metadata. A duplicate that a
/// person made may have that too.
pub(crate) fn choose<'a>(grids: &'a [Grid], tabs: &[i32], known: Option<i32>, settings: &Settings) -> Option<&'a Grid> {
    if let Some(known) = known {
        return grids.iter().find(|grid| grid.id == known);
    }
    let mut owned = grids.iter().filter(|grid| tabs.contains(&grid.id));
    owned.clone().find(|grid| grid.title == settings.tab).or_else(|| owned.next())
}

/// Two tabs of one spreadsheet can't differ in case only. For letters beyond ASCII that is left to Google to say: the
/// tables that tell are a tenth of this component.
pub(crate) fn same_title(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// What is to be changed before rows of these columns can be appended.
pub(crate) fn plan(state: &mut State, call: Call) -> Result<Option<Next>, Error> {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Ok(None) };
    let columns = call.columns;
    if columns.is_empty() {
        return Ok(None);
    }
    let (asked, requests) = match &mut spreadsheet.tab {
        None => {
            let id = match spreadsheet.adding {
                Some(id) => id,
                None => *spreadsheet.adding.insert(draw::id(Purpose::Tab, call.context)?),
            };
            (Asked::Setup, render_setup(id, call, spreadsheet.blank.as_ref()))
        }
        Some(tab) => {
            columns::remember_titles(tab, columns);
            let extension = columns::plan_extension(tab, columns);
            if extension.is_empty() {
                tab.extending = None;
                return if columns::is_too_wide(tab, columns) {
                    let title = destination::title(&spreadsheet.name, spreadsheet.volume);
                    Ok(Some(Next::Do(pause::hold(problem::too_wide(&tab.name, &title)))))
                } else {
                    Ok(None)
                };
            }
            let Some(first) = tab.extending else {
                // What is known of the tab may be an hour old, and another device may have added columns since: theirs
                // would be written over.
                tab.extending = Some(draw::id(Purpose::Column, call.context)?);
                spreadsheet.look = Look::Tabs;
                return Ok(Some(Next::Plan));
            };
            (Asked::Extension, render_extension(tab, &extension, first, call))
        }
    };
    let url = request::sheets_url(call.settings, &spreadsheet.id, ":batchUpdate");
    let body = format!(r#"{{"requests":[{}]}}"#, requests.join(",")).into_bytes();
    state.asked = asked;
    Ok(Some(Next::Do(Directive::Send(request::post(url, body)))))
}

/// A batchUpdate that was carried out says where.
pub(crate) fn parse_applied(answer: Answer) -> Result<(), Answer> {
    match text(&answer.object()?, "spreadsheetId") {
        "" => Err(Answer::unreadable()),
        _ => Ok(()),
    }
}

/// Takes in what became of the tab.
pub(crate) fn absorb_setup(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    match parse_applied(answer) {
        Ok(()) => {
            let Some(id) = spreadsheet.adding.take() else { return Next::Plan };
            let columns: Vec<_> = (0..).zip(call.columns).map(|(at, column)| placed(column, at)).collect();
            let width = u32::try_from(columns.len()).unwrap_or(u32::MAX);
            spreadsheet.fresh = false;
            if spreadsheet.blank.take().is_some() {
                // It was the only one.
                spreadsheet.cells = 0;
            }
            spreadsheet.cells += u64::from(ROWS * width);
            spreadsheet.tab =
                Some(Tab { name: call.settings.tab.clone(), id, width, columns, guard: 0, extending: None });
            applied(state)
        }
        Err(answer) => {
            if matches!(answer, Answer::Refused(_)) {
                spreadsheet.adding = None;
                spreadsheet.look = Look::Tabs;
            }
            not_applied(state, call, answer, "to add the tab")
        }
    }
}

/// Takes in what became of new columns and titles.
pub(crate) fn absorb_extension(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let Some(tab) = &mut spreadsheet.tab else { return Next::Plan };
    match parse_applied(answer) {
        Ok(()) => {
            let extension = columns::plan_extension(tab, call.columns);
            tab.extending = None;
            for (placed, title) in extension.renamed {
                if let Some(column) = tab.columns.iter_mut().find(|column| column.key == placed.key) {
                    column.title = Some(title);
                }
            }
            tab.columns.extend((tab.width..).zip(&extension.added).map(|(at, column)| placed(column, at)));
            tab.width += u32::try_from(extension.added.len()).unwrap_or(0);
            applied(state)
        }
        Err(answer) => {
            if matches!(answer, Answer::Refused(_)) {
                spreadsheet.look = Look::Tabs;
                if state.refusals + 1 >= REFUSALS {
                    // The id may be in use by somebody else. Until then it stays: an earlier request with it may be under
                    // way yet.
                    tab.extending = None;
                }
            }
            not_applied(state, call, answer, "to add columns")
        }
    }
}

pub(crate) fn placed(column: &Column, at: u32) -> Placed {
    Placed { key: column.key.clone(), title: Some(column.title.clone()), at }
}

pub(crate) fn applied(state: &mut State) -> Next {
    state.failures = 0;
    state.refusals = 0;
    Next::Plan
}

/// What the sheet looks like now is seen by looking.
pub(crate) fn not_applied(state: &mut State, call: Call, answer: Answer, what: &str) -> Next {
    match answer {
        Answer::Done(_) | Answer::TooLarge => {
            state.look_again(Look::Tabs);
            Next::Plan
        }
        Answer::Missing => {
            state.look_again(Look::Due);
            Next::Plan
        }
        // Even where nothing was done: it may take days until the next try.
        Answer::Doubtful(_) | Answer::Busy(_) => {
            state.look_again(Look::Tabs);
            Next::Do(unanswered(&mut state.failures, answer, what, call.context))
        }
        Answer::Refused(_) => {
            state.refusals += 1;
            if state.refusals < REFUSALS {
                Next::Plan
            } else {
                Next::Do(unanswered(&mut state.failures, answer, what, call.context))
            }
        }
        Answer::Barred(_) => Next::Do(unanswered(&mut state.failures, answer, what, call.context)),
    }
}

fn render_setup(id: i32, call: Call, blank: Option<&Grid>) -> Vec<String> {
    let columns: Vec<&Column> = call.columns.iter().collect();
    let title = &call.settings.tab;
    let mut requests = Vec::new();
    if let Some(blank) = blank {
        // It goes in the same request, but a moment too late to make room for its title, should that be the same.
        let title = request::quote(&format!("{title} {id}"));
        requests.push(format!(
            r#"{{"updateSheetProperties":{{"properties":{{"sheetId":{},"title":{title}}},"fields":"title"}}}}"#,
            blank.id
        ));
    }
    let grid = format!(r#"{{"rowCount":{ROWS},"columnCount":{},"frozenRowCount":1}}"#, columns.len());
    requests.push(format!(
        r#"{{"addSheet":{{"properties":{{"sheetId":{id},"title":{},"gridProperties":{grid}}}}}}}"#,
        request::quote(title)
    ));
    requests.push(metadata(None, KEY, title, &format!(r#"{{"sheetId":{id}}}"#)));
    requests.extend(render_columns(id, 0, &columns, None, call.settings));
    if let Some(blank) = blank {
        requests.push(format!(r#"{{"deleteSheet":{{"sheetId":{}}}}}"#, blank.id));
    }
    requests
}

fn render_extension(tab: &Tab, extension: &columns::Extension, first: i32, call: Call) -> Vec<String> {
    let mut requests = Vec::new();
    if !extension.added.is_empty() {
        requests.push(format!(
            r#"{{"appendDimension":{{"sheetId":{},"dimension":"COLUMNS","length":{}}}}}"#,
            tab.id,
            extension.added.len()
        ));
        requests.extend(render_columns(tab.id, tab.width, &extension.added, Some(first), call.settings));
        let place = format!(r#"{{"dimensionRange":{}}}"#, column_range(tab.id, tab.width));
        requests.push(metadata(Some(tab.guard), guard::KEY, &tab.width.to_string(), &place));
    }
    for (placed, title) in &extension.renamed {
        requests.push(render_header(tab.id, placed.at, &[title], false));
    }
    requests
}

/// What makes columns of the grid columns of ours: header, width, metadata, that of the first with this id.
pub(crate) fn render_columns(
    tab: i32,
    start: u32,
    columns: &[&Column],
    first: Option<i32>,
    settings: &Settings,
) -> Vec<String> {
    let titles: Vec<&String> = columns.iter().map(|column| &column.title).collect();
    let mut requests = vec![render_header(tab, start, &titles, true)];
    for (at, column) in (start..).zip(columns) {
        let range = column_range(tab, at);
        let mut set = |property: &str, value: &str| {
            requests.push(format!(
                r#"{{"updateDimensionProperties":{{"range":{range},"properties":{{"{property}":{value}}},"fields":"{property}"}}}}"#
            ));
        };
        if column.kind == ColumnKind::DateTime {
            set("pixelSize", DATE_TIME_PIXELS);
        }
        if column.key == event_id::KEY {
            set("hiddenByUser", "true");
        }
        let id = first.filter(|_| at == start);
        requests.push(metadata(id, columns::KEY, &column.key, &format!(r#"{{"dimensionRange":{range}}}"#)));
        // Rows bring their formats along, but not into a sheet of a person's.
        if settings.existing().is_some() {
            requests.extend(render_format(tab, at, column.kind));
        }
    }
    requests
}

/// What gives a column the format of its kind, where it needs one. Its title is text, and looks as before.
pub(crate) fn render_format(tab: i32, at: u32, kind: ColumnKind) -> Option<String> {
    let format = cell::number_format(kind)?;
    let range = format!(r#"{{"sheetId":{tab},"startColumnIndex":{at},"endColumnIndex":{}}}"#, at + 1);
    let cell = format!(r#"{{"userEnteredFormat":{{"numberFormat":{format}}}}}"#);
    Some(format!(r#"{{"repeatCell":{{"range":{range},"cell":{cell},"fields":"userEnteredFormat.numberFormat"}}}}"#))
}

pub(crate) fn column_range(tab: i32, at: u32) -> String {
    format!(r#"{{"sheetId":{tab},"dimension":"COLUMNS","startIndex":{at},"endIndex":{}}}"#, at + 1)
}

fn render_header(tab: i32, start: u32, titles: &[&String], bold: bool) -> String {
    let (format, fields) = if bold {
        (r#","userEnteredFormat":{"textFormat":{"bold":true}}"#, "userEnteredValue,userEnteredFormat.textFormat.bold")
    } else {
        ("", "userEnteredValue")
    };
    let cell =
        |title: &&String| format!(r#"{{"userEnteredValue":{{"stringValue":{}}}{format}}}"#, request::quote(title));
    let cells = titles.iter().map(cell).collect::<Vec<_>>().join(",");
    let start = format!(r#"{{"sheetId":{tab},"rowIndex":0,"columnIndex":{start}}}"#);
    format!(r#"{{"updateCells":{{"start":{start},"rows":[{{"values":[{cells}]}}],"fields":"{fields}"}}}}"#)
}

/// A request for metadata of this key and value at a place, which is JSON; Google chooses the id where none is given.
pub(crate) fn metadata(id: Option<i32>, key: &str, value: &str, location: &str) -> String {
    let id = id.map_or_else(String::new, |id| format!(r#""metadataId":{id},"#));
    let value = request::quote(value);
    format!(
        r#"{{"createDeveloperMetadata":{{"developerMetadata":{{{id}"metadataKey":"{key}","metadataValue":{value},"location":{location},"visibility":"{VISIBILITY}"}}}}}}"#
    )
}
