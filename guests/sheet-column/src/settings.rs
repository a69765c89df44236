//! `items.settings` of a choice: which column.

use punchcard_sdk::Error;
use punchcard_sdk::listing::service::check_base;
use serde::Deserialize;

const SHEETS_URL: &str = "https://sheets.googleapis.com";
const LONGEST_ID: usize = 200;
const LONGEST_TAB: usize = 100;
const MOST_SKIPPED: u32 = 100_000;

/// Which column.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The spreadsheet's id: what stands in its address between `/d/` and the next `/`.
    pub spreadsheet_id: String,
    /// The tab's title. 1 to 100 characters.
    pub tab: String,
    /// The column's letters, `A` to `ZZZ`.
    pub column: String,
    /// Rows at the top that are no items: its title, by default. 0 to 100,000.
    #[serde(default = "one")]
    pub skip_rows: u32,
    /// Where the Sheets API is.
    #[serde(default = "sheets_url")]
    pub sheets_url: String,
}

fn one() -> u32 {
    1
}

fn sheets_url() -> String {
    SHEETS_URL.to_owned()
}

impl Settings {
    /// Whether they can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`], naming the key.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if self.spreadsheet_id.is_empty()
            || self.spreadsheet_id.len() > LONGEST_ID
            || !self.spreadsheet_id.bytes().all(is_id)
        {
            return invalid(
                "`spreadsheet-id` is no id; it stands in the spreadsheet's address between `/d/` and `/edit`",
            );
        }
        let tab = self.tab.chars().count();
        if !(1..=LONGEST_TAB).contains(&tab) || self.tab.chars().any(char::is_control) {
            return invalid("`tab` is no title of a tab; accepted are 1 to 100 characters on one line");
        }
        if !(1..=3).contains(&self.column.len()) || !self.column.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return invalid("`column` is no column; accepted are its letters, such as `A` or `AB`");
        }
        if self.skip_rows > MOST_SKIPPED {
            return invalid("`skip-rows` is too large; accepted are 0 to 100000");
        }
        check_base("sheets-url", &self.sheets_url, SHEETS_URL)
    }
}

fn invalid(text: &str) -> Result<(), Error> {
    Err(Error::InvalidSettings(text.to_owned()))
}
