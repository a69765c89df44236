//! The person: what they do to the first spreadsheet, as the requests of an editor.

use std::ops::Range;

use google_sim::FileAction;
use serde_json::{Value, json};

use crate::rig::file::{Location, Metadata};
use crate::rig::service::Google;

impl Google {
    /// What no method here has a name for: requests of a `batchUpdate`.
    pub(crate) fn edit(&mut self, requests: &Value) {
        let id = self.file().id;
        self.direct.edit_as_person(&id, requests).unwrap();
    }

    /// To the file of this id.
    pub(crate) fn act(&mut self, id: &str, action: &FileAction) {
        self.direct.edit_file(id, action).unwrap();
    }

    /// Deletes every spreadsheet.
    pub(crate) fn delete_files(&mut self) {
        for file in self.files() {
            self.act(&file.id, &FileAction::Delete);
        }
    }

    pub(crate) fn rename_tab(&mut self, title: &str, new: &str) {
        let properties = json!({ "sheetId": self.tab(title).id, "title": new });
        self.edit(&json!([{ "updateSheetProperties": { "properties": properties, "fields": "title" } }]));
    }

    /// Writes a text into a cell.
    pub(crate) fn write(&mut self, title: &str, row: usize, column: usize, text: &str) {
        let start = json!({ "sheetId": self.tab(title).id, "rowIndex": row, "columnIndex": column });
        let rows = json!([{ "values": [{ "userEnteredValue": { "stringValue": text } }] }]);
        self.edit(&json!([{ "updateCells": { "start": start, "rows": rows, "fields": "userEnteredValue" } }]));
    }

    /// Gives a tab another size.
    pub(crate) fn resize(&mut self, title: &str, row_count: u64, column_count: u64) {
        let grid = json!({ "rowCount": row_count, "columnCount": column_count });
        let properties = json!({ "sheetId": self.tab(title).id, "gridProperties": grid });
        let fields = "gridProperties.rowCount,gridProperties.columnCount";
        self.edit(&json!([{ "updateSheetProperties": { "properties": properties, "fields": fields } }]));
    }

    fn range(&self, title: &str, dimension: &str, of: &Range<usize>) -> Value {
        let id = self.tab(title).id;
        json!({ "sheetId": id, "dimension": dimension, "startIndex": of.start, "endIndex": of.end })
    }

    pub(crate) fn delete_rows(&mut self, title: &str, rows: &Range<usize>) {
        let range = self.range(title, "ROWS", rows);
        self.edit(&json!([{ "deleteDimension": { "range": range } }]));
    }

    /// Moves a row to before another one, both as they stood.
    pub(crate) fn move_row(&mut self, title: &str, row: usize, to: usize) {
        let source = self.range(title, "ROWS", &(row..row + 1));
        self.edit(&json!([{ "moveDimension": { "source": source, "destinationIndex": to } }]));
    }

    /// Inserts an empty column.
    pub(crate) fn insert_column(&mut self, title: &str, column: usize) {
        let range = self.range(title, "COLUMNS", &(column..column + 1));
        self.edit(&json!([{ "insertDimension": { "range": range } }]));
    }

    pub(crate) fn delete_column(&mut self, title: &str, column: usize) {
        let range = self.range(title, "COLUMNS", &(column..column + 1));
        self.edit(&json!([{ "deleteDimension": { "range": range } }]));
    }

    /// Moves a column to the left end.
    pub(crate) fn move_to_front(&mut self, title: &str, column: usize) {
        let source = self.range(title, "COLUMNS", &(column..column + 1));
        self.edit(&json!([{ "moveDimension": { "source": source, "destinationIndex": 0 } }]));
    }

    /// Shows a column that was hidden.
    pub(crate) fn show_column(&mut self, title: &str, column: usize) {
        let range = self.range(title, "COLUMNS", &(column..column + 1));
        let shown = json!({ "range": range, "properties": {}, "fields": "hiddenByUser" });
        self.edit(&json!([{ "updateDimensionProperties": shown }]));
    }

    /// Another program attaches a piece of metadata, with an id of its own choice or of the service's.
    pub(crate) fn attach(&mut self, id: Option<i64>, metadata: &Metadata) {
        let location = match metadata.location {
            Location::Spreadsheet => json!({ "spreadsheet": true }),
            Location::Tab(tab) => json!({ "sheetId": tab }),
            Location::Column(tab, at) => json!({ "dimensionRange": {
                "sheetId": tab, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1,
            } }),
        };
        let created = json!({
            "metadataId": id, "metadataKey": metadata.key, "metadataValue": metadata.value,
            "location": location, "visibility": "DOCUMENT",
        });
        self.edit(&json!([{ "createDeveloperMetadata": { "developerMetadata": created } }]));
    }

    /// The same for what a tab of the connector's has: the name that it was made with, and its columns' keys.
    pub(crate) fn attach_tab(&mut self, tab: i64, name: &str, keys: &[&str]) {
        self.attach(None, &Metadata { key: "punchcard.tab".into(), value: name.into(), location: Location::Tab(tab) });
        for (at, key) in (0..).zip(keys) {
            let (value, location) = ((*key).into(), Location::Column(tab, at));
            self.attach(None, &Metadata { key: "punchcard.column".into(), value, location });
        }
    }

    /// Another program takes away all metadata that this lookup finds.
    pub(crate) fn detach(&mut self, lookup: &Value) {
        let filter = json!({ "developerMetadataLookup": lookup });
        self.edit(&json!([{ "deleteDeveloperMetadata": { "dataFilter": filter } }]));
    }
}
