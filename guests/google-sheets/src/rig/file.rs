//! What stands in the stand-in's world, as values to compare.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::rig::service::Google;

/// A spreadsheet as it was when it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) tabs: Vec<Tab>,
    /// By id.
    pub(crate) metadata: BTreeMap<i64, Metadata>,
}

#[derive(Debug, Clone)]
pub(crate) struct Tab {
    pub(crate) id: i64,
    pub(crate) title: String,
    /// As a person reads them, down to the last with a value, and all as wide as the widest.
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) row_count: u64,
    pub(crate) column_count: u64,
    /// Columns that nobody sees.
    pub(crate) hidden: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
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

impl File {
    pub(crate) fn tab(&self, title: &str) -> &Tab {
        self.tabs.iter().find(|tab| tab.title == title).unwrap()
    }

    /// Marks: the ids of metadata on the spreadsheet, with their values.
    pub(crate) fn marks(&self) -> Vec<(i64, String)> {
        let marks = self.metadata.iter().filter(|(_, found)| found.location == Location::Spreadsheet);
        marks.map(|(id, found)| (*id, found.value.clone())).collect()
    }

    /// Which columns are whose, in the order of their keys.
    pub(crate) fn owned(&self) -> Vec<(&str, Location)> {
        let columns = self.metadata.values().filter(|found| found.key == "punchcard.column");
        let mut owned: Vec<_> = columns.map(|found| (found.value.as_str(), found.location)).collect();
        owned.sort_by_key(|(key, _)| *key);
        owned
    }
}

impl Google {
    /// All spreadsheets of all accounts, in the order of their creation.
    pub(crate) fn files(&self) -> Vec<File> {
        let listed: BTreeMap<String, Value> =
            self.direct.files().into_iter().map(|file| (file["id"].as_str().unwrap().to_owned(), file)).collect();
        let show = |table: google_sim::SheetTable| {
            let listed = &listed[&table.id];
            let tabs = table.tabs.into_iter().zip(listed["sheets"].as_array().unwrap());
            let show_tab = |(tab, size): (google_sim::TabTable, &Value)| Tab {
                id: tab.id.into(),
                title: tab.title,
                rows: tab.rows,
                row_count: size["rowCount"].as_u64().unwrap(),
                column_count: size["columnCount"].as_u64().unwrap(),
                hidden: tab.hidden,
            };
            File {
                id: table.id,
                name: table.title,
                properties: serde_json::from_value(listed["appProperties"].clone()).unwrap_or_default(),
                tabs: tabs.map(show_tab).collect(),
                metadata: listed["developerMetadata"].as_array().unwrap().iter().map(show_metadata).collect(),
            }
        };
        self.direct.tables().into_iter().map(show).collect()
    }

    /// The first spreadsheet.
    pub(crate) fn file(&self) -> File {
        self.files().swap_remove(0)
    }

    /// A tab of the first spreadsheet.
    pub(crate) fn tab(&self, title: &str) -> Tab {
        self.file().tab(title).clone()
    }

    /// All rows of all tabs of that title, without headers.
    pub(crate) fn rows(&self, title: &str) -> Vec<Vec<String>> {
        let tabs = self.files().into_iter().flat_map(|file| file.tabs).filter(|tab| tab.title == title);
        tabs.flat_map(|tab| tab.rows.into_iter().skip(1)).collect()
    }
}

fn show_metadata(found: &Value) -> (i64, Metadata) {
    let place = &found["location"];
    let range = &place["dimensionRange"];
    let location = match place["locationType"].as_str().unwrap() {
        "COLUMN" => Location::Column(range["sheetId"].as_i64().unwrap(), range["startIndex"].as_u64().unwrap()),
        "SHEET" => Location::Tab(place["sheetId"].as_i64().unwrap()),
        _ => Location::Spreadsheet,
    };
    let text = |member: &str| found[member].as_str().unwrap().to_owned();
    let metadata = Metadata { key: text("metadataKey"), value: text("metadataValue"), location };
    (found["metadataId"].as_i64().unwrap(), metadata)
}
