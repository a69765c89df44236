//! Look: is the spreadsheet still there, and where in it are the tab and its columns?
//!
//! Asked when a spreadsheet is taken into use, from time to time, and whenever an answer makes it doubtful. A tab and its
//! columns are known by developer metadata of their own, which moves along when a person moves or renames them:
//! `punchcard.tab` on the tab, with the title of the settings, and `punchcard.column` on each column, with its key.
//!
//! Width and columns come by two requests. What was added in between is seen, and both are asked for again.

use punchcard_sdk::connector::Directive;
use punchcard_sdk::log;
use serde_json::Value;

use crate::answer::{Answer, Trouble};
use crate::call::{Call, Next};
use crate::columns::{self, Found};
use crate::member::{list, number, text};
use crate::pause::unanswered;
use crate::state::{Asked, Grid, Look, Loss, Spreadsheet, State, Tab};
use crate::{destination, finding, guard, header, pause, problem, request, tab};

/// Seconds after which a spreadsheet is looked at again before a batch. A person who moves columns meanwhile finds rows of
/// so long in the old places; a look before each batch would be two requests more for each.
const OLD_AFTER_S: i64 = 600;
/// The same for whether it is in the bin, which is one request, and without which rows are lost with it.
const SHOWN_FOR_S: i64 = 60;

/// Has the spreadsheet looked at before a batch, where that is so long ago. A clock that went back is a reason too.
pub(crate) fn refresh(state: &mut State, call: Call) {
    let now = unix_seconds(call);
    let Some(spreadsheet) = &mut state.spreadsheet else { return };
    let is_old = |at: i64, after: i64| !(0..after).contains(&now.saturating_sub(at));
    let is_of_person = call.settings.existing().is_some();
    if is_old(spreadsheet.looked_at, OLD_AFTER_S) {
        spreadsheet.look = Look::Due;
    } else if !is_of_person && spreadsheet.look == Look::Settled && is_old(spreadsheet.shown_at, SHOWN_FOR_S) {
        spreadsheet.look = Look::Bin;
    }
}

fn unix_seconds(call: Call) -> i64 {
    call.context.now.unix_micros.div_euclid(1_000_000)
}

/// What is to be asked next.
pub(crate) fn plan(state: &mut State, call: Call) -> Option<Directive> {
    let spreadsheet = state.spreadsheet.as_mut()?;
    if spreadsheet.tab.as_ref().is_some_and(|tab| tab.name != call.settings.tab) {
        // A person chose another tab.
        spreadsheet.tab = None;
        spreadsheet.adding = None;
        spreadsheet.look = Look::Tabs;
    }
    // Drive shows no file that a person made: whether it is in the bin can't be known.
    if call.settings.existing().is_some() && spreadsheet.look == Look::Due {
        spreadsheet.look = Look::Tabs;
    }
    let request = match &spreadsheet.look {
        Look::Settled => return None,
        Look::Due | Look::Bin => {
            state.asked = Asked::Trashed;
            let rest = format!("/{}?fields=trashed&supportsAllDrives=true", request::encode(&spreadsheet.id));
            request::get(request::drive_url(call.settings, &rest))
        }
        Look::Tabs => {
            state.asked = Asked::Tabs;
            let properties = "properties(sheetId,title,gridProperties(rowCount,columnCount))";
            // Into a spreadsheet that was created just now a person can hardly have written; look all the same before
            // its blank tab is taken away.
            let data = if spreadsheet.fresh { ",data(rowData(values(userEnteredValue)))" } else { "" };
            let fields = request::encode(&format!("spreadsheetUrl,sheets({properties}{data})"));
            request::get(request::sheets_url(call.settings, &spreadsheet.id, &format!("?fields={fields}")))
        }
        Look::Header => {
            state.asked = Asked::Header;
            header::request(call.settings, &spreadsheet.id)
        }
        Look::Columns(_) => {
            state.asked = Asked::Columns;
            let lookup = |key| format!(r#"{{"developerMetadataLookup":{{"metadataKey":"{key}"}}}}"#);
            let filters = [tab::KEY, columns::KEY, guard::KEY].map(lookup).join(",");
            let url = request::sheets_url(call.settings, &spreadsheet.id, "/developerMetadata:search");
            request::search(url, format!(r#"{{"dataFilters":[{filters}]}}"#))
        }
    };
    Some(Directive::Send(request))
}

/// Takes in whether the spreadsheet is in the bin.
pub(crate) fn absorb_trashed(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let trashed = match answer.object() {
        Ok(file) => file["trashed"].as_bool().ok_or_else(Answer::unreadable),
        // A file that is gone is one that the Sheets API does not know either: that one has the last word.
        Err(Answer::Missing) => {
            spreadsheet.look = Look::Tabs;
            Ok(false)
        }
        Err(answer) => Err(answer),
    };
    match trashed {
        Ok(true) => absorb_loss(state, Loss::Binned),
        Ok(false) => {
            spreadsheet.shown_at = unix_seconds(call);
            spreadsheet.look = if spreadsheet.look == Look::Bin { Look::Settled } else { Look::Tabs };
            Next::Plan
        }
        Err(answer) => {
            Next::Do(unanswered(&mut state.failures, answer, "to show the spreadsheet's file", call.context))
        }
    }
}

/// Takes in which tabs there are.
pub(crate) fn absorb_tabs(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let shown = match answer.object() {
        Ok(shown) if !shown["sheets"].is_array() => Err(Answer::unreadable()),
        other => other,
    };
    let shown = match shown {
        Ok(shown) => shown,
        Err(Answer::Missing) if call.settings.existing().is_some() => {
            return Next::Do(pause::hold(problem::not_shown(call.settings)));
        }
        Err(Answer::Missing) => return absorb_loss(state, Loss::Deleted),
        Err(Answer::TooLarge) if spreadsheet.fresh => {
            // Somebody filled it.
            spreadsheet.fresh = false;
            return Next::Plan;
        }
        Err(answer) => {
            return Next::Do(unanswered(&mut state.failures, answer, "to show the spreadsheet", call.context));
        }
    };
    spreadsheet.lost = None;
    spreadsheet.link = shown["spreadsheetUrl"].as_str().filter(|url| url.len() <= 2_000).map(ToOwned::to_owned);
    let sheets = list(&shown, "sheets");
    spreadsheet.cells = sheets.iter().map(count_cells).sum();
    let untouched = spreadsheet.fresh && sheets.len() == 1 && !sheets.iter().any(has_data);
    let mut grids: Vec<Grid> = sheets.iter().map(grid).collect();
    if untouched {
        spreadsheet.blank = grids.pop();
        settle(spreadsheet, call);
    } else {
        spreadsheet.fresh = false;
        spreadsheet.blank = None;
        spreadsheet.look = Look::Columns(grids);
    }
    Next::Plan
}

fn grid(sheet: &Value) -> Grid {
    let properties = &sheet["properties"];
    Grid {
        id: number(properties, "sheetId"),
        title: text(properties, "title").to_owned(),
        columns: number(&properties["gridProperties"], "columnCount"),
        rows: number(&properties["gridProperties"], "rowCount"),
    }
}

fn count_cells(sheet: &Value) -> u64 {
    let grid = &sheet["properties"]["gridProperties"];
    number::<u64>(grid, "rowCount").saturating_mul(number(grid, "columnCount"))
}

fn has_data(sheet: &Value) -> bool {
    let rows = list(sheet, "data").iter().flat_map(|data| list(data, "rowData"));
    rows.flat_map(|row| list(row, "values")).any(|cell| !cell["userEnteredValue"].is_null())
}

fn settle(spreadsheet: &mut Spreadsheet, call: Call) {
    spreadsheet.look = Look::Settled;
    spreadsheet.looked_at = unix_seconds(call);
}

/// Takes in that the spreadsheet is not there. Never is another one created for that.
fn absorb_loss(state: &mut State, loss: Loss) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let known = spreadsheet.lost.replace(loss).is_some();
    spreadsheet.look = Look::Due;
    // Where a person had another one made for another sink, go on in that one; but not with rows that may be in the old.
    if known && state.mark.is_none() {
        finding::follow(state);
        return Next::Plan;
    }
    let title = destination::title(&spreadsheet.name, spreadsheet.volume);
    Next::Do(pause::hold(problem::lost(loss, &title)))
}

/// Takes in whose the tabs and columns are.
pub(crate) fn absorb_columns(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let matches = match answer.only_list("matchedDeveloperMetadata") {
        Ok(matches) => matches,
        Err(Answer::Missing) => {
            spreadsheet.look = Look::Tabs;
            let gone = Trouble::google("Google does not show the spreadsheet's columns");
            return Next::Do(pause::back_off(&mut state.failures, &gone, call.context));
        }
        Err(answer) => return Next::Do(unanswered(&mut state.failures, answer, "to show the columns", call.context)),
    };
    let Look::Columns(grids) = std::mem::replace(&mut spreadsheet.look, Look::Tabs) else { return Next::Plan };
    let (mut tabs, mut found, mut taken) = (Vec::new(), Vec::new(), Vec::new());
    for matched in list(&matches, "matchedDeveloperMetadata") {
        let metadata = &matched["developerMetadata"];
        let (key, value, location) =
            (text(metadata, "metadataKey"), text(metadata, "metadataValue"), &metadata["location"]);
        let id = number(metadata, "metadataId");
        taken.push(id);
        match text(location, "locationType") {
            "SHEET" if key == tab::KEY && value == call.settings.tab => tabs.push(number(location, "sheetId")),
            "COLUMN" if key == columns::KEY => {
                let range = &location["dimensionRange"];
                let (tab, at) = (number(range, "sheetId"), number(range, "startIndex"));
                found.push(Found { id, tab, key: value.to_owned(), at });
            }
            _ => {}
        }
    }
    let title = destination::title(&spreadsheet.name, spreadsheet.volume);
    let known = spreadsheet.tab.as_ref().filter(|tab| !tab.columns.is_empty()).map(|tab| tab.id);
    let Some(grid) = tab::choose(&grids, &tabs, known, call.settings) else {
        if known.is_some() {
            return Next::Do(pause::hold(problem::tab_deleted(&call.settings.tab, &title)));
        }
        let titled = grids.iter().find(|grid| tab::same_title(&grid.title, &call.settings.tab));
        if let Some(grid) = titled.filter(|_| call.settings.existing().is_some()) {
            let ids: Vec<i32> = found.iter().filter(|found| found.tab == grid.id).map(|found| found.id).collect();
            let guard = guard::id(grid.id, grid.columns, &ids, &taken);
            let name = call.settings.tab.clone();
            spreadsheet.tab =
                Some(Tab { name, id: grid.id, width: grid.columns, columns: Vec::new(), guard, extending: None });
            spreadsheet.look = Look::Header;
            return Next::Plan;
        }
        if titled.is_some() {
            return Next::Do(pause::hold(problem::tab_taken(&call.settings.tab, &title)));
        }
        spreadsheet.tab = None;
        settle(spreadsheet, call);
        return Next::Plan;
    };
    if columns::is_newer(&found, grid) {
        let newer = Trouble::google("the sheet's columns changed while they were asked for");
        return Next::Do(pause::back_off(&mut state.failures, &newer, call.context));
    }
    if let Some(reading) = &mut state.reading {
        reading.title.clone_from(&grid.title);
        reading.through = grid.rows;
    }
    let ids: Vec<i32> = found.iter().filter(|found| found.tab == grid.id).map(|found| found.id).collect();
    let guard = guard::id(grid.id, grid.columns, &ids, &taken);
    let old = spreadsheet.tab.take();
    if old.as_ref().is_some_and(|old| old.guard != guard) {
        // What was refused may have been so for what has changed.
        state.refusals = 0;
    }
    let (old, extending) = old.map_or_else(Default::default, |tab| (tab.columns, tab.extending));
    let columns = columns::place(&found, grid, &old);
    for key in columns::lost(&old, &columns) {
        log::warn(&format!("the column `{key}` is not in \"{title}\" any more; it is added again when it is needed"));
    }
    let name = call.settings.tab.clone();
    spreadsheet.tab = Some(Tab { name, id: grid.id, width: grid.columns, columns, guard, extending });
    spreadsheet.adding = None;
    settle(spreadsheet, call);
    Next::Plan
}
