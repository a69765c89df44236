//! `deliver.settings` of the sink.

use punchcard_sdk::Error;
use serde::Deserialize;

/// Where and how batches are posted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The address. It must lie within the sink's `reach`.
    pub url: String,
    /// Whether the sink's `authorize` is added.
    #[serde(default)]
    pub authorized: bool,
    /// 1 to 10,000.
    #[serde(default = "thousand")]
    pub rows_per_request: u32,
    /// 1 to 6,000.
    #[serde(default = "sixty")]
    pub requests_per_minute: u32,
    /// 1,000 to 600,000.
    #[serde(default = "minute")]
    pub timeout_ms: u32,
}

fn thousand() -> u32 {
    1_000
}

fn sixty() -> u32 {
    60
}

fn minute() -> u32 {
    60_000
}

impl Settings {
    /// Whether the values can work.
    ///
    /// # Errors
    /// The first that can't, with what is accepted.
    pub fn check(&self) -> Result<(), Error> {
        if !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            let found = &self.url;
            return Err(Error::InvalidSettings(format!("`url` is `{found}`; it begins with https:// or http://")));
        }
        within("rows-per-request", self.rows_per_request, 1, 10_000)?;
        within("requests-per-minute", self.requests_per_minute, 1, 6_000)?;
        within("timeout-ms", self.timeout_ms, 1_000, 600_000)
    }
}

fn within(key: &str, found: u32, least: u32, most: u32) -> Result<(), Error> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Error::InvalidSettings(format!("`{key}` is {found}; {least} to {most} is accepted")))
}
