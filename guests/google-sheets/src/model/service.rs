//! The service: who asks for what, and the ways in which requests fail.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use percent_encoding::percent_decode_str;
use punchcard_sdk::http::{Failure, Header, Method, Request, Response};
use serde_json::{Value, json};

use crate::model::file::{File, Tab, only};

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
    /// Carried out and answered with a page of HTML and this status.
    HtmlAfter(u16),
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
            Fault::HtmlAfter(status) => {
                self.carry_out(request);
                Reply::Response(Response { status, headers: vec![], body: b"<html>".to_vec() })
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
        assert_eq!(query["fields"], "incompleteSearch,files(id,createdTime,trashed,appProperties,webViewLink)");
        let known = |file: &&File| {
            !file.trashed
                && file.properties.get("punchcard") == Some(&value)
                && file.created_ms + self.listing_lag_ms <= self.now_ms
        };
        let show = |file: &File| {
            json!({"id": file.id, "trashed": file.trashed, "appProperties": file.properties,
                "webViewLink": format!("https://docs.google.com/spreadsheets/d/{}/edit", file.id),
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
