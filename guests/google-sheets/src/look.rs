//! Look: is the spreadsheet still there, and where in it are the tab and its columns?
//!
//! Asked when a spreadsheet is taken into use, from time to time, and whenever an answer makes it doubtful. A tab and its
//! columns are known by developer metadata of their own, which moves along when a person moves or renames them:
//! `punchcard.tab` on the tab, with the title of the settings, and `punchcard.column` on each column, with its key.

use punchcard_sdk::connector::Directive;
use punchcard_sdk::log;
use serde::Deserialize;
use serde_json::json;

use crate::answer::Answer;
use crate::columns::{self, Found};
use crate::state::{Asked, Grid, Look, Spreadsheet, State, Tab};
use crate::step::{Call, Next, unanswered};
use crate::{destination, finding, pause, problem, request, tab};

/// Seconds after which a spreadsheet is looked at again before a batch.
const OLD_AFTER_S: i64 = 3_600;

/// Whether it is time to look again. A clock that went back is a reason too.
pub(crate) fn is_old(state: &State, call: Call) -> bool {
    state.spreadsheet.as_ref().is_some_and(|spreadsheet| {
        !(0..OLD_AFTER_S).contains(&unix_seconds(call).saturating_sub(spreadsheet.looked_at))
    })
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
    let request = match &spreadsheet.look {
        Look::Settled => return None,
        Look::Due => {
            state.asked = Asked::Trashed;
            let rest = format!("/{}?fields=trashed", request::encode(&spreadsheet.id));
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
        Look::Columns(_) => {
            state.asked = Asked::Columns;
            let lookup = |key: &str| json!({ "developerMetadataLookup": { "metadataKey": key } });
            let body = json!({ "dataFilters": [lookup(tab::KEY), lookup(columns::KEY)] });
            let url = request::sheets_url(call.settings, &spreadsheet.id, "/developerMetadata:search");
            request::search(url, body.to_string().into_bytes())
        }
    };
    Some(Directive::Send(request))
}

/// Takes in whether the spreadsheet is in the bin.
pub(crate) fn absorb_trashed(state: &mut State, call: Call, answer: Answer) -> Next {
    #[derive(Deserialize)]
    struct File {
        trashed: bool,
    }
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    match answer.parse::<File>() {
        Ok(File { trashed: true }) => {
            Next::Do(pause::hold(problem::in_the_bin(&destination::title(&spreadsheet.name, spreadsheet.volume))))
        }
        // A file that is gone is one that the Sheets API does not know either: that one has the last word.
        Ok(File { trashed: false }) | Err(Answer::Missing) => {
            spreadsheet.look = Look::Tabs;
            Next::Plan
        }
        Err(answer) => Next::Do(unanswered(state, call, answer, "to show the spreadsheet's file")),
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawSpreadsheet {
    spreadsheet_url: Option<String>,
    sheets: Vec<RawSheet>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawSheet {
    properties: RawProperties,
    data: Vec<RawData>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawProperties {
    sheet_id: i32,
    title: String,
    grid_properties: RawGrid,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawGrid {
    row_count: u32,
    column_count: u32,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawData {
    row_data: Vec<RawRow>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawRow {
    values: Vec<RawCell>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCell {
    user_entered_value: Option<serde::de::IgnoredAny>,
}

impl RawSheet {
    fn has_data(&self) -> bool {
        let mut cells = self.data.iter().flat_map(|data| &data.row_data).flat_map(|row| &row.values);
        cells.any(|cell| cell.user_entered_value.is_some())
    }
}

/// Takes in which tabs there are.
pub(crate) fn absorb_tabs(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let raw = match answer.parse::<RawSpreadsheet>() {
        Ok(raw) => raw,
        Err(Answer::Missing) => return absorb_gone(state),
        Err(Answer::TooLarge) if spreadsheet.fresh => {
            // Somebody filled it.
            spreadsheet.fresh = false;
            return Next::Plan;
        }
        Err(answer) => return Next::Do(unanswered(state, call, answer, "to show the spreadsheet")),
    };
    spreadsheet.gone = false;
    spreadsheet.link = raw.spreadsheet_url.filter(|url| url.len() <= 2_000);
    let size = |sheet: &RawSheet| {
        let grid = &sheet.properties.grid_properties;
        u64::from(grid.row_count) * u64::from(grid.column_count)
    };
    spreadsheet.cells = raw.sheets.iter().map(size).sum();
    let untouched = spreadsheet.fresh && raw.sheets.len() == 1 && !raw.sheets.iter().any(RawSheet::has_data);
    let mut grids: Vec<Grid> = raw.sheets.into_iter().map(|sheet| grid(sheet.properties)).collect();
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

fn grid(raw: RawProperties) -> Grid {
    Grid { id: raw.sheet_id, title: raw.title, columns: raw.grid_properties.column_count }
}

fn settle(spreadsheet: &mut Spreadsheet, call: Call) {
    spreadsheet.look = Look::Settled;
    spreadsheet.looked_at = unix_seconds(call);
}

/// Takes in that the spreadsheet is not there. Never is another one created for that.
fn absorb_gone(state: &mut State) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let known = std::mem::replace(&mut spreadsheet.gone, true);
    spreadsheet.look = Look::Due;
    // Where a person had another one made for another sink, go on in that one; but not with rows that may be in the old.
    if known && state.mark.is_none() {
        finding::follow(state);
        return Next::Plan;
    }
    Next::Do(pause::hold(problem::deleted(&destination::title(&spreadsheet.name, spreadsheet.volume))))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMatches {
    matched_developer_metadata: Vec<RawMatch>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMatch {
    developer_metadata: RawMetadata,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawMetadata {
    metadata_key: String,
    metadata_value: String,
    location: RawLocation,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawLocation {
    location_type: String,
    sheet_id: i32,
    dimension_range: RawRange,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawRange {
    sheet_id: i32,
    start_index: u32,
}

/// Takes in whose the tabs and columns are.
pub(crate) fn absorb_columns(state: &mut State, call: Call, answer: Answer) -> Next {
    let Some(spreadsheet) = &mut state.spreadsheet else { return Next::Plan };
    let raw = match answer.parse::<RawMatches>() {
        Ok(raw) => raw.matched_developer_metadata.into_iter().map(|matched| matched.developer_metadata),
        Err(Answer::Missing) => {
            spreadsheet.look = Look::Tabs;
            let gone = Answer::Busy("Google does not show the spreadsheet's columns.".to_owned());
            return Next::Do(unanswered(state, call, gone, "to show the columns"));
        }
        Err(answer) => return Next::Do(unanswered(state, call, answer, "to show the columns")),
    };
    let Look::Columns(grids) = std::mem::replace(&mut spreadsheet.look, Look::Tabs) else { return Next::Plan };
    let (mut tabs, mut found) = (Vec::new(), Vec::new());
    for metadata in raw {
        let RawMetadata { metadata_key, metadata_value, location } = metadata;
        if metadata_key == tab::KEY && location.location_type == "SHEET" && metadata_value == call.settings.tab {
            tabs.push(location.sheet_id);
        } else if metadata_key == columns::KEY && location.location_type == "COLUMN" {
            let RawRange { sheet_id, start_index } = location.dimension_range;
            found.push(Found { tab: sheet_id, key: metadata_value, at: start_index });
        }
    }
    let title = destination::title(&spreadsheet.name, spreadsheet.volume);
    let Some(grid) = tab::choose(&grids, &tabs, spreadsheet.tab.as_ref().map(|tab| tab.id), call.settings) else {
        if spreadsheet.tab.is_some() {
            return Next::Do(pause::hold(problem::tab_deleted(&call.settings.tab, &title)));
        }
        if grids.iter().any(|grid| tab::same_title(&grid.title, &call.settings.tab)) {
            return Next::Do(pause::hold(problem::tab_taken(&call.settings.tab, &title)));
        }
        settle(spreadsheet, call);
        return Next::Plan;
    };
    let (old, extending) = spreadsheet.tab.take().map_or_else(Default::default, |tab| (tab.columns, tab.extending));
    let columns = columns::place(&found, grid, &old);
    for lost in old.iter().filter(|old| columns.iter().all(|new| new.key != old.key)) {
        log::warn(&format!(
            "the column `{}` is not in \"{title}\" any more; it is added again when it is needed",
            lost.key
        ));
    }
    spreadsheet.tab =
        Some(Tab { name: call.settings.tab.clone(), id: grid.id, width: grid.columns, columns, extending });
    spreadsheet.adding = None;
    settle(spreadsheet, call);
    Next::Plan
}
