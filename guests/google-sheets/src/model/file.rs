//! The file: a spreadsheet with its tabs and metadata, what it shows, and what changes it.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) row_count: u64,
    pub(crate) column_count: u64,
    /// Columns that nobody sees.
    pub(crate) hidden: BTreeSet<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Location {
    Spreadsheet,
    Tab(i64),
    Column(i64, u64),
}

#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) location: Location,
}

#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) trashed: bool,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) metadata: BTreeMap<i64, Metadata>,
}

impl File {
    pub(crate) fn tab(&mut self, title: &str) -> &mut Tab {
        self.tabs.iter_mut().find(|tab| tab.title == title).unwrap()
    }

    pub(crate) fn cells(&self) -> u64 {
        self.tabs.iter().map(|tab| tab.row_count * tab.column_count).sum()
    }

    /// Marks: the ids of metadata on the spreadsheet, with their values.
    pub(crate) fn marks(&self) -> Vec<(i64, String)> {
        let marks = self.metadata.iter().filter(|(_, found)| found.location == Location::Spreadsheet);
        marks.map(|(id, found)| (*id, found.value.clone())).collect()
    }

    pub(crate) fn show(&self, fields: &str) -> Value {
        let properties = "properties(sheetId,title,gridProperties(rowCount,columnCount))";
        let data = match fields {
            _ if fields == format!("spreadsheetUrl,sheets({properties})") => false,
            _ if fields == format!("spreadsheetUrl,sheets({properties},data(rowData(values(userEnteredValue))))") => {
                true
            }
            _ => panic!("{fields}"),
        };
        let show = |tab: &Tab| {
            let grid = json!({"rowCount": tab.row_count, "columnCount": tab.column_count});
            let mut sheet = json!({"properties": {"sheetId": tab.id, "title": tab.title, "gridProperties": grid}});
            if data {
                sheet["data"] = if tab.rows.is_empty() {
                    json!([{}, {"rowData": [{}, {"values": [{}]}]}])
                } else {
                    json!([{"rowData": [{}, {"values": [{}, {"userEnteredValue": {"stringValue": "x"}}]}]}])
                };
            }
            sheet
        };
        json!({"spreadsheetUrl": format!("https://docs.google.com/spreadsheets/d/{}/edit", self.id),
            "sheets": self.tabs.iter().map(show).collect::<Vec<_>>()})
    }

    pub(crate) fn show_rows(&self, method: &str, query: &BTreeMap<String, String>) -> Value {
        assert_eq!(query["valueRenderOption"], "UNFORMATTED_VALUE");
        assert_eq!(query["dateTimeRenderOption"], "SERIAL_NUMBER");
        assert_eq!(query["fields"], "values");
        let range = percent_decode_str(method.strip_prefix("/values/").unwrap()).decode_utf8().unwrap();
        let (title, cells) = range.strip_prefix('\'').unwrap().rsplit_once("'!").unwrap();
        let tab = self.tabs.iter().find(|tab| tab.title == title.replace("''", "'")).unwrap();
        let row = |text: &str| text.parse::<usize>().unwrap() - 1;
        let (start, end) = cells.split_once(':').map(|(start, end)| (row(start), row(end))).unwrap();
        assert!(end < tab.row_count as usize, "{cells} is outside of the grid");
        let value = |text: &String| {
            let number = ["yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd", "[h]:mm:ss", "hh:mm:ss"]
                .iter()
                .find_map(|pattern| text.strip_suffix(pattern)?.parse::<f64>().ok());
            number.map_or_else(|| json!(text), |number| json!(number))
        };
        let row = |row: &Vec<String>| row.iter().map(value).collect::<Vec<_>>();
        let rows: Vec<_> = tab.rows.iter().skip(start).take(end + 1 - start).map(row).collect();
        if rows.is_empty() { json!({}) } else { json!({ "values": rows }) }
    }

    pub(crate) fn search(&self, body: &Value) -> Value {
        let wanted: Vec<(&str, Option<&str>)> = only(body, "dataFilters")
            .as_array()
            .unwrap()
            .iter()
            .map(|filter| {
                let lookup = only(filter, "developerMetadataLookup");
                assert!(
                    lookup.as_object().unwrap().keys().all(|key| ["metadataKey", "metadataValue"].contains(&&**key))
                );
                (lookup["metadataKey"].as_str().unwrap(), lookup["metadataValue"].as_str())
            })
            .collect();
        let matches = |found: &Metadata| {
            wanted.iter().any(|(key, value)| *key == found.key && value.is_none_or(|value| value == found.value))
        };
        let show = |(id, found): (&i64, &Metadata)| {
            let location = match found.location {
                Location::Spreadsheet => json!({"locationType": "SPREADSHEET", "spreadsheet": true}),
                Location::Tab(tab) => json!({"locationType": "SHEET", "sheetId": tab}),
                // Zeros are left out, as in the real answers.
                Location::Column(tab, 0) => {
                    let range = json!({"sheetId": tab, "dimension": "COLUMNS", "endIndex": 1});
                    json!({"locationType": "COLUMN", "dimensionRange": range})
                }
                Location::Column(tab, at) => {
                    let range = json!({"sheetId": tab, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1});
                    json!({"locationType": "COLUMN", "dimensionRange": range})
                }
            };
            json!({"developerMetadata": {"metadataId": id, "metadataKey": found.key, "metadataValue": found.value,
                "location": location, "visibility": "DOCUMENT"}})
        };
        let matched: Vec<Value> = self.metadata.iter().filter(|(_, found)| matches(found)).map(show).collect();
        if matched.is_empty() { json!({}) } else { json!({"matchedDeveloperMetadata": matched}) }
    }

    pub(crate) fn change(&mut self, name: &str, content: &Value, strict: bool, made: &mut u64) -> Result<(), String> {
        let mut content = content.as_object().unwrap().clone();
        match name {
            "addSheet" => {
                let mut properties = object(content.remove("properties"));
                let mut grid = object(properties.remove("gridProperties"));
                let tab = Tab {
                    id: number(properties.remove("sheetId")),
                    title: text(properties.remove("title")),
                    rows: vec![],
                    row_count: count(grid.remove("rowCount")),
                    column_count: count(grid.remove("columnCount")),
                    hidden: BTreeSet::new(),
                };
                assert_eq!(grid.remove("frozenRowCount").unwrap(), 1);
                assert!(tab.row_count > 1 && grid.is_empty() && properties.is_empty());
                if self.tabs.iter().any(|other| other.id == tab.id) {
                    return Err(format!("Sheet with id {} already exists", tab.id));
                }
                if self.tabs.iter().any(|other| other.title.eq_ignore_ascii_case(&tab.title)) {
                    return Err(format!("A sheet with the name \"{}\" already exists.", tab.title));
                }
                self.tabs.push(tab);
            }
            "deleteSheet" => {
                let id = number(content.remove("sheetId"));
                assert!(self.grid(id)?.rows.is_empty(), "data was deleted");
                assert!(self.tabs.len() > 1);
                self.tabs.retain(|tab| tab.id != id);
            }
            "updateSheetProperties" => {
                assert_eq!(content.remove("fields").unwrap(), "title");
                let mut properties = object(content.remove("properties"));
                let title = text(properties.remove("title"));
                self.grid(number(properties.remove("sheetId")))?.title = title;
                assert!(properties.is_empty());
            }
            "updateCells" => {
                let fields = text(content.remove("fields"));
                let bold = fields == "userEnteredValue,userEnteredFormat.textFormat.bold";
                assert!(bold || fields == "userEnteredValue");
                let mut start = object(content.remove("start"));
                assert_eq!(start.remove("rowIndex").unwrap(), 0);
                let at = count(start.remove("columnIndex")) as usize;
                let rows = content.remove("rows").unwrap();
                let tab = self.grid(number(start.remove("sheetId")))?;
                let values = only(&rows[0], "values").as_array().unwrap();
                if (at + values.len()) as u64 > tab.column_count {
                    return Err("outside of the grid".into());
                }
                if tab.rows.is_empty() {
                    tab.rows.push(vec![]);
                }
                let header = &mut tab.rows[0];
                header.resize(header.len().max(at + values.len()), String::new());
                for (cell, value) in header[at..].iter_mut().zip(values) {
                    if bold {
                        assert_eq!(value["userEnteredFormat"], json!({"textFormat": {"bold": true}}));
                    }
                    *cell = value["userEnteredValue"]["stringValue"].as_str().unwrap().to_owned();
                }
            }
            "updateDimensionProperties" => {
                let range = object(content.remove("range"));
                let tab = self.grid(number(range.get("sheetId").cloned()))?;
                let properties = content.remove("properties").unwrap();
                match content.remove("fields").unwrap().as_str().unwrap() {
                    "pixelSize" => assert_eq!(properties, json!({"pixelSize": 150})),
                    "hiddenByUser" => {
                        assert_eq!(properties, json!({"hiddenByUser": true}));
                        tab.hidden.insert(count(range.get("startIndex").cloned()));
                    }
                    fields => panic!("{fields}"),
                }
            }
            "appendDimension" => {
                assert_eq!(content.remove("dimension").unwrap(), "COLUMNS");
                let length = count(content.remove("length"));
                self.grid(number(content.remove("sheetId")))?.column_count += length;
            }
            "createDeveloperMetadata" => {
                let mut metadata = object(content.remove("developerMetadata"));
                assert_eq!(metadata.remove("visibility").unwrap(), "DOCUMENT");
                let mut place = object(metadata.remove("location"));
                let location = if let Some(range) = place.remove("dimensionRange") {
                    assert_eq!(range["dimension"], "COLUMNS");
                    assert_eq!(range["endIndex"].as_u64(), range["startIndex"].as_u64().map(|start| start + 1));
                    Location::Column(number(range.get("sheetId").cloned()), count(range.get("startIndex").cloned()))
                } else if let Some(id) = place.remove("sheetId") {
                    Location::Tab(number(Some(id)))
                } else {
                    assert_eq!(place.remove("spreadsheet").unwrap(), true);
                    Location::Spreadsheet
                };
                let id = metadata.remove("metadataId").map_or_else(
                    || {
                        *made += 1;
                        1_500_000_000 + i64::try_from(*made).unwrap()
                    },
                    |id| number(Some(id)),
                );
                let created = Metadata {
                    key: text(metadata.remove("metadataKey")),
                    value: text(metadata.remove("metadataValue")),
                    location,
                };
                assert!(metadata.is_empty() && place.is_empty());
                if self.metadata.contains_key(&id) {
                    return Err(format!("A developer metadata with ID {id} already exists."));
                }
                self.metadata.insert(id, created);
            }
            "deleteDeveloperMetadata" => {
                let filter = content.remove("dataFilter").unwrap();
                let id = only(only(&filter, "developerMetadataLookup"), "metadataId").as_i64().unwrap();
                if self.metadata.remove(&id).is_none() && strict {
                    return Err(format!("No developer metadata with ID {id}"));
                }
            }
            "appendCells" => {
                assert_eq!(content.remove("fields").unwrap(), "userEnteredValue,userEnteredFormat.numberFormat");
                let rows = content.remove("rows").unwrap();
                let tab = self.grid(number(content.remove("sheetId")))?;
                for row in rows.as_array().unwrap() {
                    let row: Vec<String> = only(row, "values").as_array().unwrap().iter().map(shown).collect();
                    if row.len() as u64 > tab.column_count {
                        return Err("outside of the grid".into());
                    }
                    tab.rows.push(row);
                    tab.row_count = tab.row_count.max(tab.rows.len() as u64);
                }
            }
            _ => panic!("{name}"),
        }
        assert!(content.is_empty(), "{name}: {content:?}");
        Ok(())
    }

    fn grid(&mut self, id: i64) -> Result<&mut Tab, String> {
        self.tabs.iter_mut().find(|tab| tab.id == id).ok_or_else(|| format!("No grid with id: {id}"))
    }
}

fn shown(cell: &Value) -> String {
    let value = &cell["userEnteredValue"];
    let pattern = cell["userEnteredFormat"]["numberFormat"]["pattern"].as_str().unwrap_or_default();
    match value.as_object().and_then(|value| value.values().next()) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => format!("{other}{pattern}"),
    }
}

/// The one member of an object.
pub(crate) fn only<'a>(value: &'a Value, key: &str) -> &'a Value {
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), 1, "{object:?}");
    &object[key]
}

fn object(value: Option<Value>) -> Map<String, Value> {
    value.unwrap().as_object().unwrap().clone()
}

fn text(value: Option<Value>) -> String {
    value.unwrap().as_str().unwrap().to_owned()
}

fn number(value: Option<Value>) -> i64 {
    let number = value.unwrap().as_i64().unwrap();
    assert!(i32::try_from(number).is_ok_and(|number| number >= 0), "{number}");
    number
}

fn count(value: Option<Value>) -> u64 {
    value.unwrap().as_u64().unwrap()
}
