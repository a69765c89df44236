//! Sheets: spreadsheets with tabs, cells and developer metadata, and the methods of the API that are in use.
//!
//! Nothing is computed: a cell holds what was entered. Whose spreadsheet it is, and whether it is in the bin, its file
//! in [`crate::drive`] knows.

mod answer;
mod batch_update;
mod cell;
mod dimension;
mod grid;
mod metadata;
mod number_format;
mod range;
mod request;
mod tab;
mod table;
mod values;
mod write;

use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::batch_update::BatchRefusal;
use self::cell::Styles;
use self::metadata::MetadataStore;
use self::request::RawSearchMetadata;
pub(crate) use self::tab::Tab;
pub use self::table::{SheetTable, TabTable};
use crate::call::{Answer, Call};
use crate::drive::File;
use crate::refusal::Refusal;
use crate::schema::Found;
use crate::switch::{Switches, TrashedWrites};

/// Cells of a spreadsheet, empty ones included.
const MOST_CELLS: usize = 10_000_000;

/// A spreadsheet's content. Its title is its file's name.
#[derive(Clone)]
pub(crate) struct Spreadsheet {
    /// In their order; never none, and never all hidden.
    tabs: Vec<Tab>,
    metadata: MetadataStore,
    styles: Styles,
}

impl Spreadsheet {
    /// What creating a file with Drive gives: one tab of the usual size.
    pub(crate) fn new() -> Self {
        Self {
            tabs: vec![Tab::new(0, "Sheet1".to_owned(), 1000, 26)],
            metadata: MetadataStore::default(),
            styles: Styles::new(),
        }
    }

    fn find_tab(tabs: &[Tab], id: i32) -> Result<&Tab, String> {
        tabs.iter().find(|tab| tab.id == id).ok_or_else(|| format!("No grid with id: {id}"))
    }

    fn tab_mut(&mut self, id: i32) -> Result<&mut Tab, String> {
        Ok(self.tab_and_styles(id)?.0)
    }

    fn tab_and_styles(&mut self, id: i32) -> Result<(&mut Tab, &mut Styles), String> {
        let tab = self.tabs.iter_mut().find(|tab| tab.id == id).ok_or_else(|| format!("No grid with id: {id}"))?;
        Ok((tab, &mut self.styles))
    }

    fn tab_titled(&self, title: &str) -> Option<&Tab> {
        self.tabs.iter().find(|tab| tab.title.to_lowercase() == title.to_lowercase())
    }

    fn check_size(&self) -> Result<(), String> {
        let cells = self.tabs.iter().fold(0_usize, |sum, tab| sum.saturating_add(tab.grid.cell_count()));
        if cells > MOST_CELLS {
            return Err(format!(
                "This action would increase the number of cells in the workbook above the limit of {MOST_CELLS} cells."
            ));
        }
        Ok(())
    }

    /// The metadata's JSON, for the dump of the state.
    pub(crate) fn list_metadata(&self) -> Vec<Value> {
        self.metadata.list(|_| true)
    }
}

/// Answers one of the methods on a spreadsheet that the caller may see. The call was compared with the discovery
/// document before.
pub(crate) fn perform(
    file: &mut File,
    found: &Found<'_>,
    call: &Call,
    switches: &Switches,
    now: Timestamp,
) -> Result<Answer, Refusal> {
    let is_trashed = file.trashed_at.is_some();
    let id = file.id.clone();
    let title = file.name.clone();
    let spreadsheet = file.spreadsheet.as_mut().ok_or_else(Refusal::entity_not_found)?;
    let mask = answer::parse_mask(call, found)?;
    let body = match found.method.id.as_str() {
        "sheets.spreadsheets.get" => answer::render_spreadsheet(spreadsheet, &id, &title, call, mask.as_ref())?,
        "sheets.spreadsheets.batchUpdate" => {
            if is_trashed && switches.trashed_writes == TrashedWrites::Refused {
                return Err(Refusal::entity_not_found());
            }
            match spreadsheet.perform_batch(&call.body, switches) {
                Ok(replies) => {
                    file.touch(now);
                    json!({ "spreadsheetId": id, "replies": replies, "commentUpdateState": "NO_UPDATES_REQUESTED" })
                }
                Err(BatchRefusal::Api(refusal)) => return Err(refusal),
                Err(BatchRefusal::Page) => {
                    return Ok(Answer::html(
                        StatusCode::BAD_REQUEST,
                        "<html><title>Error 400 (Bad Request)!!1</title>\n",
                    ));
                }
            }
        }
        "sheets.spreadsheets.developerMetadata.get" => {
            let id = found.path_value("metadataId").parse().unwrap_or(0);
            spreadsheet.metadata.get(id).ok_or_else(|| Refusal::metadata_not_found(id))?.to_json(id)
        }
        "sheets.spreadsheets.developerMetadata.search" => perform_search(spreadsheet, call)?,
        "sheets.spreadsheets.values.get" => {
            values::render_range(spreadsheet, found.path_value("range"), call).map_err(Refusal::invalid)?
        }
        "sheets.spreadsheets.values.batchGet" => {
            let ranges = call.query.iter().filter(|(name, _)| name == "ranges").map(|(_, value)| value);
            let values =
                ranges.map(|range| values::render_range(spreadsheet, range, call)).collect::<Result<Vec<_>, _>>();
            json!({ "spreadsheetId": id, "valueRanges": values.map_err(Refusal::invalid)? })
        }
        other => return Err(Refusal::invalid(format!("The stand-in does not perform {other}"))),
    };
    let body = match mask {
        Some(mask) => mask.apply(body),
        None => body,
    };
    Ok(Answer::json(StatusCode::OK, &body))
}

/// Each match with the filters that found it.
fn perform_search(spreadsheet: &Spreadsheet, call: &Call) -> Result<Value, Refusal> {
    let search: RawSearchMetadata =
        serde_json::from_slice(&call.body).map_err(|error| Refusal::invalid(error.to_string()))?;
    let texts: Value = serde_json::from_slice(&call.body).map_err(|error| Refusal::invalid(error.to_string()))?;
    let filters = search.data_filters.unwrap_or_default();
    if filters.is_empty() {
        return Err(Refusal::invalid("Must specify at least one data filter."));
    }
    let found = filters
        .iter()
        .map(|filter| spreadsheet.metadata.find(filter))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Refusal::invalid)?;
    let matches: Vec<Value> = spreadsheet
        .metadata
        .iter()
        .filter_map(|(id, entry)| {
            let by: Vec<&Value> = found
                .iter()
                .enumerate()
                .filter(|(_, ids)| ids.contains(&id))
                .map(|(at, _)| &texts["dataFilters"][at])
                .collect();
            (!by.is_empty()).then(|| json!({ "developerMetadata": entry.to_json(id), "dataFilters": by }))
        })
        .collect();
    Ok(if matches.is_empty() { json!({}) } else { json!({ "matchedDeveloperMetadata": matches }) })
}
