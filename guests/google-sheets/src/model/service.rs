//! The service: files, tabs, metadata, and the ways in which requests fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use percent_encoding::percent_decode_str;
use punchcard_sdk::http::{Failure, Header, Method, Request, Response};
use serde_json::{Map, Value, json};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Carried out and answered.
    None,
    /// Never leaves.
    Unsent,
    /// Lost on the way there.
    LostBefore,
    /// Carried out; the answer is lost.
    LostAfter,
    /// The connection breaks, and after so many milliseconds it is carried out.
    Late(u64),
    /// Refused with this status before anything is done.
    Status(u16),
    /// Carried out and answered with a 502 of HTML.
    HtmlAfter,
    /// Carried out and answered with a 200 that is no JSON.
    Garbled,
    /// Carried out; the answer is too long.
    TooLarge,
    /// The host dies before it is sent, and the machine with it or not.
    CrashBefore { reboot: bool },
    /// The host dies after it was carried out.
    CrashAfter { reboot: bool },
    /// The host dies and it is carried out after so many milliseconds.
    CrashLate { reboot: bool, after_ms: u64 },
}

/// What a device sees of a request.
pub(crate) enum Reply {
    Response(Response),
    Failure(Failure),
    Crash { reboot: bool },
}

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

#[derive(Debug, Default)]
pub(crate) struct Google {
    pub(crate) now_ms: u64,
    pub(crate) files: Vec<File>,
    /// What was asked, in short: `append`, `mark`, `files`.
    pub(crate) log: Vec<&'static str>,
    /// Whole requests: what was asked, the URL, the body.
    pub(crate) requests: Vec<(&'static str, String, Value)>,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) late: Vec<(u64, Request)>,
    pub(crate) files_made: u64,
    pub(crate) metadata_made: u64,
    pub(crate) listing_lag_ms: u64,
    pub(crate) deleting_missing_fails: bool,
    pub(crate) cell_limit: Option<u64>,
    /// Answers instead of the service: by what is asked, as often as given.
    pub(crate) scripted: VecDeque<(&'static str, u16, String)>,
}

type Refusal = (u16, String);

impl Google {
    /// The time goes on, and what was late is carried out.
    pub(crate) fn advance(&mut self, milliseconds: u64) {
        let end = self.now_ms + milliseconds;
        self.late.sort_by_key(|(at, _)| *at);
        while let Some((at, _)) = self.late.first()
            && *at <= end
        {
            let (at, request) = self.late.remove(0);
            self.now_ms = at;
            let _late = self.carry_out(&request);
        }
        self.now_ms = end;
    }

    /// Takes a request, in the way of the next fault.
    pub(crate) fn perform(&mut self, request: &Request) -> Reply {
        let kind = kind(request);
        self.log.push(kind);
        let body = request.body.as_ref().map_or(Value::Null, |body| {
            assert_eq!(body.media_type, "application/json");
            serde_json::from_slice(&body.bytes).unwrap()
        });
        self.requests.push((kind, request.url.clone(), body));
        assert!(request.authorized);
        assert_eq!(request.idempotent, !matches!(kind, "create" | "setup" | "extend" | "append"), "{kind}");
        if let Some(position) = self.scripted.iter().position(|(asked, ..)| *asked == kind)
            && let Some((_, status, body)) = self.scripted.remove(position)
        {
            return Reply::Response(Response { status, headers: vec![], body: body.into_bytes() });
        }
        let interrupted = || Reply::Failure(Failure::Interrupted("connection reset".into()));
        match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => Reply::Response(self.carry_out(request)),
            Fault::Unsent => Reply::Failure(Failure::Unsent("no route to host".into())),
            Fault::LostBefore => interrupted(),
            Fault::LostAfter => {
                self.carry_out(request);
                interrupted()
            }
            Fault::Late(after_ms) => {
                self.late.push((self.now_ms + after_ms, request.clone()));
                interrupted()
            }
            Fault::Status(status) => {
                let message = "Quota exceeded for quota metric 'Write requests'.";
                let body = json!({"error": {"code": status, "message": message, "errors": [{"reason": "userRateLimitExceeded"}]}});
                Reply::Response(response(status, &body))
            }
            Fault::HtmlAfter => {
                self.carry_out(request);
                Reply::Response(Response { status: 502, headers: vec![], body: b"<html>".to_vec() })
            }
            Fault::Garbled => {
                let status = self.carry_out(request).status;
                Reply::Response(Response { status, headers: vec![], body: b"{\"spreadsh".to_vec() })
            }
            Fault::TooLarge => {
                self.carry_out(request);
                Reply::Failure(Failure::TooLarge(8 << 20))
            }
            Fault::CrashBefore { reboot } => Reply::Crash { reboot },
            Fault::CrashAfter { reboot } => {
                self.carry_out(request);
                Reply::Crash { reboot }
            }
            Fault::CrashLate { reboot, after_ms } => {
                self.late.push((self.now_ms + after_ms, request.clone()));
                Reply::Crash { reboot }
            }
        }
    }

    fn carry_out(&mut self, request: &Request) -> Response {
        match self.answer(request) {
            Ok(body) => response(200, &body),
            Err((status, message)) => response(status, &json!({"error": {"code": status, "message": message}})),
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Value, Refusal> {
        let body = || serde_json::from_slice::<Value>(&request.body.as_ref().unwrap().bytes).unwrap();
        let url = request.url.strip_prefix("https://").unwrap();
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let query: BTreeMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), percent_decode_str(value).decode_utf8().unwrap().into_owned()))
            .collect();
        if let Some(rest) = path.strip_prefix("www.googleapis.com/drive/v3/files") {
            return match (request.method, rest.strip_prefix('/')) {
                (Method::Get, None) => Ok(self.list(&query)),
                (Method::Post, None) => Ok(self.create(body())),
                (Method::Get, Some(id)) => {
                    assert_eq!(query["fields"], "trashed");
                    let file = self.files.iter().find(|file| file.id == id);
                    file.map(|file| json!({"trashed": file.trashed})).ok_or((404, format!("File not found: {id}.")))
                }
                _ => panic!("{url}"),
            };
        }
        let rest = path.strip_prefix("sheets.googleapis.com/v4/spreadsheets/").unwrap();
        let end = rest.find(['/', ':']).unwrap_or(rest.len());
        let (id, method) = rest.split_at(end);
        let (cell_limit, strict, made) = (self.cell_limit, self.deleting_missing_fails, &mut self.metadata_made);
        let file = self.files.iter_mut().find(|file| file.id == id);
        let file = file.ok_or_else(|| (404, "Requested entity was not found.".to_owned()))?;
        match method {
            "" => Ok(file.show(&query["fields"])),
            "/developerMetadata:search" => Ok(file.search(&body())),
            ":batchUpdate" => {
                let mut changed = file.clone();
                let body = body();
                for (index, request) in only(&body, "requests").as_array().unwrap().iter().enumerate() {
                    let (name, content) = request.as_object().unwrap().iter().next().unwrap();
                    changed
                        .change(name, content, strict, made)
                        .map_err(|text| (400, format!("Invalid requests[{index}].{name}: {text}")))?;
                }
                if cell_limit.is_some_and(|limit| changed.cells() > limit) {
                    let text = "This action would increase the number of cells in the workbook above the limit of 10000000 cells.";
                    return Err((400, format!("Invalid requests[1].appendCells: {text}")));
                }
                *file = changed;
                Ok(json!({"spreadsheetId": id, "replies": [{}]}))
            }
            method if method.starts_with("/values/") => Ok(file.show_rows(method, &query)),
            method => {
                let number = method.strip_prefix("/developerMetadata/").unwrap();
                let found = file.metadata.get(&number.parse::<i64>().unwrap());
                let found = found.ok_or_else(|| (404, format!("No developer metadata with ID {number}")))?;
                Ok(json!({"metadataId": 1, "metadataKey": found.key, "metadataValue": found.value}))
            }
        }
    }

    fn list(&self, query: &BTreeMap<String, String>) -> Value {
        let value = query["q"].strip_prefix("appProperties has { key='punchcard' and value='").unwrap();
        let value = value.strip_suffix("' } and trashed=false").unwrap().replace("\\'", "'").replace("\\\\", "\\");
        assert_eq!(query["fields"], "incompleteSearch,files(id,createdTime,trashed,appProperties)");
        let known = |file: &&File| {
            !file.trashed
                && file.properties.get("punchcard") == Some(&value)
                && file.created_ms + self.listing_lag_ms <= self.now_ms
        };
        let show = |file: &File| {
            json!({"id": file.id, "trashed": file.trashed, "appProperties": file.properties,
                "createdTime": format!("{:020}", file.created_ms)})
        };
        json!({"files": self.files.iter().filter(known).map(show).collect::<Vec<_>>()})
    }

    fn create(&mut self, body: Value) -> Value {
        let Value::Object(mut body) = body else { panic!() };
        assert_eq!(body.remove("mimeType").unwrap(), "application/vnd.google-apps.spreadsheet");
        let properties: BTreeMap<String, String> =
            serde_json::from_value(body.remove("appProperties").unwrap()).unwrap();
        for (key, value) in &properties {
            assert!(key.len() + value.len() <= 124, "{key}: {value}");
        }
        self.files_made += 1;
        let id = format!("file{}", self.files_made);
        self.files.push(File {
            id: id.clone(),
            name: body.remove("name").unwrap().as_str().unwrap().to_owned(),
            created_ms: self.now_ms,
            properties,
            trashed: false,
            tabs: vec![Tab {
                id: 0,
                title: "Sheet1".into(),
                rows: vec![],
                row_count: 1_000,
                column_count: 26,
                hidden: BTreeSet::new(),
            }],
            metadata: BTreeMap::new(),
        });
        assert!(body.is_empty(), "{body:?}");
        json!({"id": id})
    }

    pub(crate) fn file(&mut self, name: &str) -> &mut File {
        self.files.iter_mut().find(|file| file.name == name).unwrap()
    }

    /// All rows of all tabs of that title, without headers.
    pub(crate) fn rows(&self, tab: &str) -> Vec<Vec<String>> {
        let tabs = self.files.iter().flat_map(|file| &file.tabs).filter(|found| found.title == tab);
        tabs.flat_map(|tab| tab.rows.iter().skip(1).cloned()).collect()
    }
}

impl File {
    pub(crate) fn tab(&mut self, title: &str) -> &mut Tab {
        self.tabs.iter_mut().find(|tab| tab.title == title).unwrap()
    }

    fn cells(&self) -> u64 {
        self.tabs.iter().map(|tab| tab.row_count * tab.column_count).sum()
    }

    /// Marks: the ids of metadata on the spreadsheet, with their values.
    pub(crate) fn marks(&self) -> Vec<(i64, String)> {
        let marks = self.metadata.iter().filter(|(_, found)| found.location == Location::Spreadsheet);
        marks.map(|(id, found)| (*id, found.value.clone())).collect()
    }

    fn show(&self, fields: &str) -> Value {
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

    fn show_rows(&self, method: &str, query: &BTreeMap<String, String>) -> Value {
        assert_eq!(query["valueRenderOption"], "UNFORMATTED_VALUE");
        assert_eq!(query["dateTimeRenderOption"], "SERIAL_NUMBER");
        assert_eq!(query["fields"], "values");
        let range = percent_decode_str(method.strip_prefix("/values/").unwrap()).decode_utf8().unwrap();
        let (title, cells) = range.strip_prefix('\'').unwrap().rsplit_once("'!").unwrap();
        let tab = self.tabs.iter().find(|tab| tab.title == title.replace("''", "'")).unwrap();
        let corner = |text: &str| {
            let (letter, row) = text.split_at(1);
            ((letter.as_bytes()[0] - b'A') as usize, row.parse::<usize>().unwrap() - 1)
        };
        let (start, end) = cells.split_once(':').map(|(start, end)| (corner(start), corner(end))).unwrap();
        assert!(end.1 < tab.row_count as usize && end.0 < tab.column_count as usize, "{cells} is outside of the grid");
        let value = |text: &String| {
            let number = ["yyyy-mm-dd hh:mm:ss", "yyyy-mm-dd", "[h]:mm:ss", "hh:mm:ss"]
                .iter()
                .find_map(|pattern| text.strip_suffix(pattern)?.parse::<f64>().ok());
            number.map_or_else(|| json!(text), |number| json!(number))
        };
        let row = |row: &Vec<String>| row.iter().skip(start.0).take(end.0 + 1 - start.0).map(value).collect::<Vec<_>>();
        let rows: Vec<_> = tab.rows.iter().skip(start.1).take(end.1 + 1 - start.1).map(row).collect();
        if rows.is_empty() { json!({}) } else { json!({ "values": rows }) }
    }

    fn search(&self, body: &Value) -> Value {
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

    fn change(&mut self, name: &str, content: &Value, strict: bool, made: &mut u64) -> Result<(), String> {
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

/// What a request is about.
fn kind(request: &Request) -> &'static str {
    let body = || String::from_utf8(request.body.as_ref().unwrap().bytes.clone()).unwrap();
    match (request.method, &request.url) {
        (Method::Get, url) if url.contains("/v3/files?") => "files",
        (Method::Post, url) if url.contains("/v3/files?") => "create",
        (Method::Get, url) if url.contains("/v3/files/") => "trashed",
        (Method::Get, url) if url.contains("/developerMetadata/") => "mark",
        (Method::Get, url) if url.contains("/values/") => "rows",
        (Method::Post, url) if url.ends_with("/developerMetadata:search") && body().contains("batch") => "marks",
        (Method::Post, url) if url.ends_with("/developerMetadata:search") => "columns",
        (Method::Post, url) if url.ends_with(":batchUpdate") && body().contains("addSheet") => "setup",
        (Method::Post, url) if url.ends_with(":batchUpdate") && body().contains("appendCells") => "append",
        (Method::Post, url) if url.ends_with(":batchUpdate") => "extend",
        (Method::Get, url) if url.contains("/v4/spreadsheets/") => "tabs",
        (_, url) => panic!("{url}"),
    }
}

fn response(status: u16, body: &Value) -> Response {
    let headers = vec![Header { name: "Content-Type".into(), value: "application/json; charset=UTF-8".into() }];
    Response { status, headers, body: format!("{body:#}\n").into_bytes() }
}

/// The one member of an object.
fn only<'a>(value: &'a Value, key: &str) -> &'a Value {
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
