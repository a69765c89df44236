//! `items.settings` of a choice: which list.

use punchcard_sdk::Error;
use punchcard_sdk::listing::service::check_base;
use serde::Deserialize;

const TASKS_URL: &str = "https://tasks.googleapis.com";
/// Characters of a list's id; Google's have 32.
const LONGEST_LIST: usize = 200;

/// Which list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The list's id, or `@default` for the one that Google calls so.
    #[serde(default = "default_list")]
    pub list: String,
    /// Where the Tasks API is.
    #[serde(default = "tasks_url")]
    pub tasks_url: String,
}

fn default_list() -> String {
    "@default".to_owned()
}

fn tasks_url() -> String {
    TASKS_URL.to_owned()
}

impl Settings {
    /// Whether they can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`], naming the key.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let is_id = |character: char| character.is_ascii_graphic() && character != '/';
        if self.list.is_empty() || self.list.len() > LONGEST_LIST || !self.list.chars().all(is_id) {
            let text = "`list` is no id of a list; accepted is `@default`, or an id such as \
                        `MTIzNDU2Nzg5MDEyMzQ1Njc4OTA6MDow`";
            return Err(Error::InvalidSettings(text.to_owned()));
        }
        check_base("tasks-url", &self.tasks_url, TASKS_URL)
    }
}
