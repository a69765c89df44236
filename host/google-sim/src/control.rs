//! The control interface: what tests and scripts do to the stand-in over HTTP, and see of it.
//!
//! | call | body | does |
//! |---|---|---|
//! | `GET /sim/state` | | everything but tokens |
//! | `POST /sim/faults` | a [`Fault`] or a list of them | arms them |
//! | `DELETE /sim/faults` | | disarms all |
//! | `POST /sim/clock` | `{"advance_seconds": 180}` | moves the time forward |
//! | `POST /sim/switches` | some of [`Switches`] | sets them |
//! | `POST /sim/actions` | `{"action": "…"}`, see [`Action`] | does it at once |
//! | `POST /sim/files/{id}` | `{"action": "…"}`, see [`FileAction`] | what a person does to a file |
//! | `POST /sim/keys` | `{"account": "…"}` | makes a key for a service account; the answer is its file |
//! | `POST /sim/spreadsheets` | `{"title": "…"}` | makes a spreadsheet as a person does |
//! | `POST /sim/tasks/{list}` | `{"action": "…"}`, see [`crate::TaskAction`] | what a person does to a list of tasks |
//! | `POST /sim/people` | `{"spreadsheetId": "…", "requests": […]}` | what a person does in a spreadsheet |
//! | `GET /sim/sheets` | | ids and titles |
//! | `GET /sim/sheets/{id}?format=json` | | all rows as formatted texts |
//!
//! Answers are JSON; what is wrong is said with status 400 or 404 in `{"error": "…"}`. None of it counts as a call.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::drive::File;
use crate::fault::Fault;
use crate::oauth::ACCOUNT;
use crate::schema::{DISCOVERY, Mismatch};
use crate::sheets::SheetTable;
use crate::switch::Switches;
use crate::world::World;

/// Something that happens at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// No access token is valid any more.
    ExpireAccessTokens,
    /// No refresh token is valid any more.
    RevokeRefreshTokens,
    /// No token that was given allows more than to know who somebody is.
    NarrowTokens,
    /// Every connection closes that carries no request.
    CloseIdleConnections,
    /// The Sheets API's quotas hold.
    QuotaOn,
    /// They do not.
    QuotaOff,
}

/// What a person does to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FileAction {
    /// Into the bin.
    Trash,
    /// Out of the bin.
    Untrash,
    /// Into a shared drive.
    Share,
    /// With this account, as an editor.
    ShareWith {
        /// Its e-mail address.
        account: String,
    },
    /// For good.
    Delete,
    /// Another name.
    Rename {
        /// The new one.
        name: String,
    },
    /// A copy with all its metadata, which the app does not see.
    Copy,
}

/// Why something asked of the control interface was not done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no file of this id, or it is no spreadsheet.
    #[error("there is no spreadsheet `{id}`")]
    NoSuchFile {
        /// The id.
        id: String,
    },
    /// The edit is one that Google's API would refuse.
    #[error("the edit was refused: {message}")]
    Edit {
        /// What the API would say.
        message: String,
    },
    /// The body is not what the path takes.
    #[error("the request does not fit `{path}`")]
    Request {
        /// The path.
        path: String,
        /// What does not fit.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such path, or it takes another method.
    #[error("there is no {method} {path}")]
    NoSuchPath {
        /// The HTTP method.
        method: String,
        /// The path.
        path: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAdvance {
    advance_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAction {
    action: Action,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    account: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpreadsheet {
    title: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawEdit {
    spreadsheet_id: String,
    requests: Value,
}

/// What a control call asks of the clock, which the world does not have.
pub(crate) struct Controlled {
    pub(crate) answer: Answer,
    pub(crate) advance_by: Duration,
}

/// Answers a call below `/sim/`.
pub(crate) fn perform(world: &mut World, call: &Call, now: Timestamp) -> Controlled {
    let mut advance_by = Duration::ZERO;
    let answer = match answer(world, call, &mut advance_by, now) {
        Ok(value) => Answer::json(StatusCode::OK, &value),
        Err(error) => {
            let status = match error {
                ControlError::NoSuchFile { .. } | ControlError::NoSuchPath { .. } => StatusCode::NOT_FOUND,
                ControlError::Edit { .. } | ControlError::Request { .. } => StatusCode::BAD_REQUEST,
            };
            let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
            Answer::json(status, &json!({ "error": format!("{error}{}", source.unwrap_or_default()) }))
        }
    };
    Controlled { answer, advance_by }
}

fn answer(world: &mut World, call: &Call, advance_by: &mut Duration, now: Timestamp) -> Result<Value, ControlError> {
    world.settle(now);
    match (&call.method, call.path.as_str()) {
        (&Method::GET, "/sim/state") => Ok(world.state(now)),
        (&Method::POST, "/sim/faults") => {
            let is_list = call.body.trim_ascii_start().starts_with(b"[");
            let faults: Vec<Fault> = if is_list { parse(call)? } else { vec![parse(call)?] };
            for fault in faults {
                world.faults.arm(fault);
            }
            Ok(json!({ "faults": world.faults.waiting() }))
        }
        (&Method::DELETE, "/sim/faults") => {
            world.faults.clear();
            Ok(json!({ "faults": [] }))
        }
        (&Method::POST, "/sim/clock") => {
            let raw: RawAdvance = parse(call)?;
            *advance_by = Duration::from_secs(raw.advance_seconds);
            Ok(json!({ "now": crate::clock::later(now, *advance_by) }))
        }
        (&Method::POST, "/sim/switches") => {
            let new: Value = parse(call)?;
            let mut all = json!(world.switches);
            if let (Some(all), Some(new)) = (all.as_object_mut(), new.as_object()) {
                all.extend(new.clone());
            }
            world.switches = serde_json::from_value::<Switches>(all).map_err(|source| request_error(call, source))?;
            Ok(json!(world.switches))
        }
        (&Method::POST, "/sim/actions") => {
            let raw: RawAction = parse(call)?;
            world.act(raw.action);
            Ok(json!({}))
        }
        (&Method::POST, "/sim/people") => {
            let raw: RawEdit = parse(call)?;
            let replies = world.edit_as_person(&raw.spreadsheet_id, &raw.requests, now)?;
            Ok(json!({ "replies": replies }))
        }
        (&Method::POST, "/sim/keys") => {
            let raw: RawKey = parse(call)?;
            let made = world.oauth.make_key(&raw.account);
            let file = made.map_err(|error| ControlError::Edit { message: error.to_string() })?;
            serde_json::from_str(&file).map_err(|source| request_error(call, source))
        }
        (&Method::POST, "/sim/spreadsheets") => {
            let raw: RawSpreadsheet = parse(call)?;
            Ok(json!({ "id": world.create_as_person(&raw.title, now) }))
        }
        (&Method::GET, "/sim/sheets") => {
            let list = |table: SheetTable| json!({ "id": table.id, "title": table.title, "trashed": table.trashed });
            Ok(world.tables(0).into_iter().map(list).collect())
        }
        (method, path) => {
            let no_such_path = || ControlError::NoSuchPath { method: method.to_string(), path: path.to_owned() };
            if let (&Method::POST, Some(id)) = (method, path.strip_prefix("/sim/files/")) {
                let file = world.edit_file(id, &parse(call)?, now)?;
                return Ok(json!({ "id": file }));
            }
            if let (&Method::POST, Some(list)) = (method, path.strip_prefix("/sim/tasks/")) {
                world.tasks.act(ACCOUNT, list, parse(call)?, now);
                return Ok(json!({}));
            }
            if let (&Method::GET, Some(id)) = (method, path.strip_prefix("/sim/sheets/")) {
                return Ok(json!(world.table(id)?));
            }
            Err(no_such_path())
        }
    }
}

fn parse<'c, T: Deserialize<'c>>(call: &'c Call) -> Result<T, ControlError> {
    serde_json::from_slice(&call.body).map_err(|source| request_error(call, source))
}

fn request_error(call: &Call, source: serde_json::Error) -> ControlError {
    ControlError::Request { path: call.path.clone(), source }
}

impl World {
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Action::ExpireAccessTokens => self.oauth.expire_access_tokens(),
            Action::RevokeRefreshTokens => self.oauth.revoke_refresh_tokens(),
            Action::NarrowTokens => self.oauth.narrow_tokens(),
            Action::CloseIdleConnections => self.wants_closing = true,
            Action::QuotaOn => self.quota.is_on = true,
            Action::QuotaOff => self.quota.is_on = false,
        }
    }

    /// The id of the file, or of its copy.
    pub(crate) fn edit_file(&mut self, id: &str, action: &FileAction, now: Timestamp) -> Result<String, ControlError> {
        let file = self.drive.file_mut(id).ok_or_else(|| ControlError::NoSuchFile { id: id.to_owned() })?;
        match action {
            FileAction::Trash => file.trashed_at = file.trashed_at.or(Some(now)),
            FileAction::Untrash => file.trashed_at = None,
            FileAction::Share => file.is_shared = true,
            FileAction::ShareWith { account } => {
                file.shared_with.insert(account.clone());
            }
            FileAction::Rename { name } => file.name.clone_from(name),
            FileAction::Copy => {
                let copy = file.copied(now);
                return Ok(self.drive.insert(copy));
            }
            FileAction::Delete => {
                self.drive.remove(id);
                return Ok(id.to_owned());
            }
        }
        file.touch(now);
        Ok(id.to_owned())
    }

    /// A spreadsheet of a person's, which no app made. Returns its id.
    pub(crate) fn create_as_person(&mut self, name: &str, now: Timestamp) -> String {
        self.drive.insert(File::of_person(ACCOUNT, name, now))
    }

    /// A batch without token and quota.
    pub(crate) fn edit_as_person(
        &mut self,
        id: &str,
        requests: &Value,
        now: Timestamp,
    ) -> Result<Vec<Value>, ControlError> {
        let no_such_file = || ControlError::NoSuchFile { id: id.to_owned() };
        let body = Bytes::from(json!({ "requests": requests }).to_string());
        DISCOVERY.sheets.check("BatchUpdateSpreadsheetRequest", &body).map_err(|fault| ControlError::Edit {
            message: match fault {
                Mismatch::Syntax(message) | Mismatch::Message(message) => message,
                Mismatch::Violations(all) => all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n"),
            },
        })?;
        let file = self.drive.file_mut(id).ok_or_else(no_such_file)?;
        let spreadsheet = file.spreadsheet.as_mut().ok_or_else(no_such_file)?;
        let replies = spreadsheet
            .perform_batch(&body, &self.switches)
            .map_err(|refusal| ControlError::Edit { message: refusal.message() })?;
        file.touch(now);
        Ok(replies)
    }

    /// One spreadsheet, all of it.
    pub(crate) fn table(&self, id: &str) -> Result<SheetTable, ControlError> {
        let no_such_file = || ControlError::NoSuchFile { id: id.to_owned() };
        let file = self.drive.file(id).ok_or_else(no_such_file)?;
        let spreadsheet = file.spreadsheet.as_ref().ok_or_else(no_such_file)?;
        Ok(SheetTable {
            id: file.id.clone(),
            title: file.name.clone(),
            trashed: file.trashed_at.is_some(),
            tabs: spreadsheet.to_tables(usize::MAX),
        })
    }

    /// All spreadsheets in the order of their creation, each tab with at most its last rows.
    pub(crate) fn tables(&self, most_rows: usize) -> Vec<SheetTable> {
        let mut files: Vec<_> = self.drive.files().collect();
        files.sort_by_key(|file| (file.created_at, &file.id));
        files
            .into_iter()
            .filter_map(|file| {
                Some(SheetTable {
                    id: file.id.clone(),
                    title: file.name.clone(),
                    trashed: file.trashed_at.is_some(),
                    tabs: file.spreadsheet.as_ref()?.to_tables(most_rows),
                })
            })
            .collect()
    }

    /// All files: what Drive knows of them, the sizes of their tabs, their developer metadata.
    pub(crate) fn files(&self) -> Vec<Value> {
        self.drive
            .files()
            .map(|file| {
                let mut value = file.to_json();
                value["account"] = json!(file.account);
                value["project"] = json!(file.project);
                if let Some(spreadsheet) = &file.spreadsheet {
                    value["sheets"] = spreadsheet
                        .sizes()
                        .map(|(id, title, row_count, column_count, rows)| {
                            json!({
                                "sheetId": id,
                                "title": title,
                                "rowCount": row_count,
                                "columnCount": column_count,
                                "rowsWithData": rows,
                            })
                        })
                        .collect();
                    value["developerMetadata"] = json!(spreadsheet.list_metadata());
                }
                value
            })
            .collect()
    }

    /// Everything but tokens and cells.
    pub(crate) fn state(&self, now: Timestamp) -> Value {
        json!({
            "now": now,
            "files": self.files(),
            "requests": {
                "counts": self.journal.counts(),
                "log": self.journal.entries().collect::<Vec<_>>(),
            },
            "faults": self.faults.waiting(),
            "switches": self.switches,
            "quota": self.quota.is_on,
            "held": self.count_held(),
            "refreshTokens": self.oauth.count_refresh_tokens(now),
        })
    }
}
