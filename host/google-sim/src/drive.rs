//! Drive: files of one or more accounts, each seen only by the Cloud project that created it.
//!
//! That is what the scope `drive.file` means: a file of another project answers 404, not 403. With the scope of all sheets an
//! app sees what its account has, and what was shared with it. A spreadsheet's cells
//! live inside its file, so that deleting the file deletes them.

mod body;
mod file;
mod query;

use std::collections::BTreeMap;

use hyper::StatusCode;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::json;

pub(crate) use self::file::File;
use self::query::{Order, Query};
use crate::call::{Answer, Call};
use crate::clock::later;
use crate::oauth::Caller;
use crate::refusal::Refusal;
use crate::schema::{DISCOVERY, Found, Mask};
use crate::sheets::Spreadsheet;
use crate::switch::Switches;

/// The media type of a spreadsheet.
pub(crate) const SPREADSHEET: &str = "application/vnd.google-apps.spreadsheet";

/// The parameter by which a client says that it can cope with shared drives.
const ALL_DRIVES: &str = "supportsAllDrives";

/// All files.
#[derive(Default)]
pub(crate) struct Drive {
    /// By id.
    files: BTreeMap<String, File>,
    /// How many files were given numbers for ids, where they are.
    numbered: Option<u32>,
}

impl Drive {
    /// All files, whoever sees them.
    pub(crate) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub(crate) fn file(&self, id: &str) -> Option<&File> {
        self.files.get(id)
    }

    pub(crate) fn file_mut(&mut self, id: &str) -> Option<&mut File> {
        self.files.get_mut(id)
    }

    /// From now on files are called `file1`, `file2` and so on, so that a test is the same in each run.
    pub(crate) fn number_files(&mut self) {
        self.numbered = Some(0);
    }

    /// Takes a new file, and returns the id that it gets.
    pub(crate) fn insert(&mut self, file: File) -> String {
        let id = match &mut self.numbered {
            None => file::random_id(),
            Some(numbered) => {
                *numbered += 1;
                format!("file{numbered}")
            }
        };
        self.files.insert(id.clone(), File { id: id.clone(), ..file });
        id
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<File> {
        self.files.remove(id)
    }

    /// A file that the caller may see.
    pub(crate) fn visible(&self, id: &str, caller: &Caller) -> Option<&File> {
        self.files.get(id).filter(|file| file.is_visible_to(caller))
    }

    pub(crate) fn visible_mut(&mut self, id: &str, caller: &Caller) -> Option<&mut File> {
        self.files.get_mut(id).filter(|file| file.is_visible_to(caller))
    }

    /// The same for a call of Drive's own, which is shown what is in a shared drive only if it says that it can cope.
    fn shown(&self, id: &str, call: &Call, caller: &Caller) -> Result<&File, Refusal> {
        let shown = self.visible(id, caller).filter(|file| !file.is_shared || call.flag(ALL_DRIVES));
        shown.ok_or_else(|| Refusal::file_not_found(id))
    }

    /// Answers one of Drive's methods. The call was compared with the discovery document before.
    pub(crate) fn perform(
        &mut self,
        found: &Found<'_>,
        call: &Call,
        caller: &Caller,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let id = found.path_value("fileId");
        match found.method.id.as_str() {
            "drive.files.create" => self.perform_create(&call.body, call, caller, now),
            "drive.files.list" => self.perform_list(call, caller, switches, now),
            "drive.files.get" => render_file(self.shown(id, call, caller)?, call),
            "drive.files.update" => {
                self.shown(id, call, caller)?;
                let file = self.visible_mut(id, caller).ok_or_else(|| Refusal::file_not_found(id))?;
                body::perform_update(file, &call.body, now)?;
                render_file(file, call)
            }
            "drive.files.delete" => {
                self.shown(id, call, caller)?;
                self.remove(id);
                Ok(Answer::no_content())
            }
            other => Err(Refusal::invalid(format!("The stand-in does not perform {other}"))),
        }
    }

    fn perform_create(
        &mut self,
        text: &Bytes,
        call: &Call,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        if !caller.has_storage {
            return Err(Refusal::storage_quota());
        }
        let mut file = File::new(caller, now);
        body::perform_create(&mut file, text)?;
        if file.mime_type == SPREADSHEET {
            file.spreadsheet = Some(Spreadsheet::new());
        }
        // A mask that is refused makes no file.
        render_file(&file, call)?;
        let id = self.insert(file);
        render_file(self.visible(&id, caller).ok_or_else(|| Refusal::file_not_found(&id))?, call)
    }

    fn perform_list(
        &self,
        call: &Call,
        caller: &Caller,
        switches: &Switches,
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let mask = parse_mask(call, "FileList", "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)")?;
        let query = Query::parse(call.query("q").unwrap_or_default())
            .ok_or_else(|| Refusal::invalid_parameter("q", "Invalid Value"))?;
        let order = Order::parse(call.query("orderBy").unwrap_or("modifiedTime desc"))
            .ok_or_else(|| Refusal::invalid_parameter("orderBy", "Invalid Value"))?;
        if call.query("spaces").is_some_and(|spaces| spaces != "drive") {
            return Err(Refusal::invalid_parameter("spaces", "The stand-in has the space drive only"));
        }
        let page_size = call.query("pageSize").and_then(|text| text.parse().ok()).unwrap_or(100_usize);
        let start = match call.query("pageToken").filter(|token| !token.is_empty()) {
            None => 0,
            Some(token) => token
                .strip_prefix("~!!~")
                .and_then(|start| start.parse::<usize>().ok())
                .ok_or_else(|| Refusal::invalid_parameter("pageToken", "Invalid Value"))?,
        };
        let lists_shared = parse_corpora(call)?;
        let is_listed = |file: &&File| {
            file.is_visible_to(caller)
                && (lists_shared || !file.is_shared)
                && query.matches(file)
                && now >= later(file.created_at, switches.listing_lag())
        };
        let mut files: Vec<&File> = self.files().filter(is_listed).collect();
        files.sort_by(|a, b| order.compare(a, b));
        let rest = files.get(start..).unwrap_or_default();
        let page = rest.get(..page_size).unwrap_or(rest);
        let mut body = json!({
            "kind": "drive#fileList",
            "incompleteSearch": false,
            "files": page.iter().map(|file| file.to_json()).collect::<Vec<_>>(),
        });
        if page.len() < rest.len() {
            body["nextPageToken"] = json!(format!("~!!~{}", start + page.len()));
        }
        Ok(Answer::json(StatusCode::OK, &mask.apply(body)))
    }
}

/// Whether a listing shows what is in shared drives. That those have to be asked for is documented; whether a listing of the
/// person's own corpus shows them is not confirmed, so it does not.
fn parse_corpora(call: &Call) -> Result<bool, Refusal> {
    let includes_shared = call.flag("includeItemsFromAllDrives");
    if includes_shared && !call.flag(ALL_DRIVES) {
        let message = "The supportsAllDrives parameter must be set if includeItemsFromAllDrives is set.";
        return Err(Refusal::invalid_parameter("includeItemsFromAllDrives", message));
    }
    match call.query("corpora") {
        None | Some("user") => Ok(false),
        Some("allDrives") if includes_shared => Ok(true),
        Some("allDrives") => {
            let message = "The includeItemsFromAllDrives parameter must be set to true when corpora is allDrives.";
            Err(Refusal::invalid_parameter("includeItemsFromAllDrives", message))
        }
        Some(_) => Err(Refusal::invalid_parameter("corpora", "The stand-in has the corpora user and allDrives only")),
    }
}

fn render_file(file: &File, call: &Call) -> Result<Answer, Refusal> {
    let mask = parse_mask(call, "File", "kind,id,name,mimeType")?;
    Ok(Answer::json(StatusCode::OK, &mask.apply(file.to_json())))
}

/// Drive answers few fields unless it is asked for more.
fn parse_mask(call: &Call, message: &str, default: &str) -> Result<Mask, Refusal> {
    let text = call.query("fields").unwrap_or(default);
    let selection = |text: &str| Refusal::invalid_parameter("fields", format!("Invalid field selection {text}"));
    let mask = Mask::parse(text).ok_or_else(|| selection(text))?;
    match mask.unknown_field(&DISCOVERY.drive, message) {
        Some(unknown) => Err(selection(unknown.rsplit('.').next().unwrap_or(&unknown))),
        None => Ok(mask),
    }
}
