//! One file.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::oauth::Caller;
use crate::sheets::Spreadsheet;

/// A file and, if it is one, its spreadsheet.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mime_type: String,
    pub(crate) app_properties: BTreeMap<String, String>,
    pub(crate) parents: Vec<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) modified_at: Timestamp,
    /// When it went into the bin; `None` while it is not in it.
    pub(crate) trashed_at: Option<Timestamp>,
    pub(crate) version: u64,
    /// Whether a person moved it to a shared drive.
    pub(crate) is_shared: bool,
    /// Accounts with which a person shared it, as editors.
    pub(crate) shared_with: BTreeSet<String>,
    pub(crate) account: String,
    /// The Cloud project that created it; `None` if a person did, whose files no app sees.
    pub(crate) project: Option<u64>,
    pub(crate) spreadsheet: Option<Spreadsheet>,
}

impl File {
    /// A file of the caller's, without name, type and content. It gets its id when it is inserted.
    pub(crate) fn new(caller: &Caller, now: Timestamp) -> Self {
        Self {
            id: String::new(),
            name: "Untitled".to_owned(),
            mime_type: "application/octet-stream".to_owned(),
            app_properties: BTreeMap::new(),
            parents: vec!["0AStandInRootUk9PVA".to_owned()],
            created_at: now,
            modified_at: now,
            trashed_at: None,
            version: 1,
            is_shared: false,
            shared_with: BTreeSet::new(),
            account: caller.account.clone(),
            project: Some(caller.project),
            spreadsheet: None,
        }
    }

    /// A spreadsheet that a person with this account makes in a browser.
    pub(crate) fn of_person(account: &str, name: &str, now: Timestamp) -> Self {
        let (account, scopes) = (account.to_owned(), BTreeSet::new());
        let file = Self::new(&Caller { account, project: 0, scopes, has_storage: true }, now);
        let (name, mime_type) = (name.to_owned(), super::SPREADSHEET.to_owned());
        Self { name, mime_type, project: None, spreadsheet: Some(Spreadsheet::new()), ..file }
    }

    /// A person's copy: another id, the same content with all its developer metadata, and no app's.
    pub(crate) fn copied(&self, now: Timestamp) -> Self {
        Self {
            id: String::new(),
            name: format!("Copy of {}", self.name),
            created_at: now,
            modified_at: now,
            trashed_at: None,
            version: 1,
            project: None,
            shared_with: BTreeSet::new(),
            ..self.clone()
        }
    }

    pub(crate) fn is_visible_to(&self, caller: &Caller) -> bool {
        let is_its_own = self.project == Some(caller.project) && self.account == caller.account;
        let is_let_in = self.account == caller.account || self.shared_with.contains(&caller.account);
        is_its_own || caller.sees_all() && is_let_in
    }

    /// Notes a change.
    pub(crate) fn touch(&mut self, now: Timestamp) {
        self.modified_at = now;
        self.version += 1;
    }

    /// Every field that there is.
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "kind": "drive#file",
            "id": self.id,
            "name": self.name,
            "mimeType": self.mime_type,
            "parents": self.parents,
            "createdTime": format_time(self.created_at),
            "modifiedTime": format_time(self.modified_at),
            "trashed": self.trashed_at.is_some(),
            "explicitlyTrashed": self.trashed_at.is_some(),
            "version": self.version.to_string(),
            "ownedByMe": !self.is_shared,
            "isAppAuthorized": self.project.is_some(),
        });
        if !self.app_properties.is_empty() {
            value["appProperties"] = json!(self.app_properties);
        }
        if let Some(trashed_at) = self.trashed_at {
            value["trashedTime"] = json!(format_time(trashed_at));
        }
        if self.spreadsheet.is_some() {
            let id = &self.id;
            value["webViewLink"] = json!(format!("https://docs.google.com/spreadsheets/d/{id}/edit?usp=drivesdk"));
        }
        value
    }
}

/// RFC 3339 with milliseconds, as Drive writes it.
fn format_time(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// Ids look like Google's: a one, and 43 letters of base64url.
pub(super) fn random_id() -> String {
    let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    format!("1{}", URL_SAFE_NO_PAD.encode(random))
}
