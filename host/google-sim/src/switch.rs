//! What is unconfirmed about Google, as switches: a client must be safe whichever way they stand.
//!
//! The defaults are what seems likeliest. Tests run both ways.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the stand-in behaves where Google's behaviour is not confirmed, and which of Google's states it is in.
///
/// As JSON, for `POST /sim/switches`: the fields below by their names, values in kebab case; what is left out keeps its
/// value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// What is said about a `metadataId` that is in use.
    pub duplicate_metadata: DuplicateMetadata,
    /// What deleting developer metadata that is not there does to the batch.
    pub missing_metadata: MissingMetadata,
    /// For how many seconds Drive's listing does not show a new file.
    pub listing_lag_seconds: u64,
    /// What a spreadsheet in the bin does with a write.
    pub trashed_writes: TrashedWrites,
    /// What `appendCells` does below cells that have a format and no value.
    pub formatted_cells: FormattedCells,
    /// What polling with a device code that has expired is told.
    pub expired_code: ExpiredCode,
    /// What a refresh does to the refresh token. Google keeps it; other servers bring another one each time.
    pub refresh_tokens: RefreshTokens,
    /// What Drive does with a query parameter that the method does not have. A recorded answer shows Google ignoring
    /// one; refusing finds misspelt names.
    pub unknown_drive_parameters: UnknownParameters,
    /// Whether the Sheets API is enabled in the Cloud project; 403 `SERVICE_DISABLED` otherwise.
    pub sheets_enabled: bool,
    /// Whether the Drive API is enabled in the Cloud project.
    pub drive_enabled: bool,
    /// Whether the Tasks API is enabled in the Cloud project.
    pub tasks_enabled: bool,
    /// The most tasks of a page, where that is fewer than are asked for.
    pub most_tasks_on_a_page: usize,
    /// Every page of a list of tasks says that the next one is the first: no server should.
    pub task_pages_in_a_circle: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            duplicate_metadata: DuplicateMetadata::Named,
            missing_metadata: MissingMetadata::Ignored,
            listing_lag_seconds: 0,
            trashed_writes: TrashedWrites::Taken,
            formatted_cells: FormattedCells::Skipped,
            expired_code: ExpiredCode::InvalidGrant,
            refresh_tokens: RefreshTokens::Kept,
            unknown_drive_parameters: UnknownParameters::Refused,
            sheets_enabled: true,
            drive_enabled: true,
            tasks_enabled: true,
            most_tasks_on_a_page: 100,
            task_pages_in_a_circle: false,
        }
    }
}

impl Switches {
    pub(crate) fn listing_lag(&self) -> Duration {
        Duration::from_secs(self.listing_lag_seconds)
    }
}

/// The body of the 400 for a `metadataId` that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DuplicateMetadata {
    /// It names the request and the id.
    Named,
    /// `Request contains an invalid argument.`, and nothing more.
    Bare,
    /// A page of HTML.
    Html,
}

/// What deleting metadata that is not there does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingMetadata {
    /// Nothing is deleted; the batch goes on.
    Ignored,
    /// The whole batch is refused.
    Refused,
}

/// What a spreadsheet in the bin does with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrashedWrites {
    /// It takes it.
    Taken,
    /// 404.
    Refused,
}

/// Where `appendCells` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormattedCells {
    /// After the last row with a value; formatted cells below it are overwritten.
    Skipped,
    /// After the last row with a value, a format or a note.
    Counted,
}

/// The answer to a poll with an expired device code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpiredCode {
    /// 400 `invalid_grant`.
    InvalidGrant,
    /// 400 `expired_token`, as RFC 8628 has it.
    ExpiredToken,
}

/// What becomes of a refresh token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefreshTokens {
    /// It stays the one.
    Kept,
    /// Another one comes with the answer, and the old one is invalid at once.
    Replaced,
    /// Another one comes with the answer, and the old one stays valid.
    Added,
}

/// What becomes of a query parameter that a method does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownParameters {
    /// 400.
    Refused,
    /// Nothing.
    Ignored,
}
