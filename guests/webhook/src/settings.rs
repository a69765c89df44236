//! `deliver.settings` of the sink.

use punchcard_sdk::Error;
use serde::Deserialize;
use serde_json::Value;

/// Where and how batches are posted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The address, without user information. It must lie within the sink's `reach`.
    pub url: String,
    /// Whether the sink's `authorize` is added. Left out: where the sink has one. With true it must have one.
    pub authorized: Option<bool>,
    /// What an answer with a 2xx status must hold to count. Left out: a JSON object, or nothing.
    pub receipt: Option<Receipt>,
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

/// What a receiver answers that has taken the rows: `{ member = "ok", value = true }` or `{ text = "ok" }`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// A member of the JSON object that is answered.
    pub member: Option<String>,
    /// What that member holds: a text, a number or a flag.
    pub value: Option<Value>,
    /// The whole body, but for white space around it.
    pub text: Option<String>,
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
    /// The first that can't, with what is accepted. A `url` is not repeated, for it may hold a secret.
    pub fn check(&self) -> Result<(), Error> {
        let Some(rest) = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://")) else {
            return Err(Error::InvalidSettings("`url` begins with neither https:// nor http://".to_owned()));
        };
        // A browser takes a backslash for a slash, and any number of them (WHATWG URL, "special authority slashes").
        let authority = rest.trim_start_matches(['/', '\\']).split(['/', '\\', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            let advice = "`url` names a user; take that out, and give the sink an `authorize`";
            return Err(Error::InvalidSettings(advice.to_owned()));
        }
        if let Some(receipt) = &self.receipt {
            receipt.check()?;
        }
        within("rows-per-request", self.rows_per_request, 1, 10_000)?;
        within("requests-per-minute", self.requests_per_minute, 1, 6_000)?;
        within("timeout-ms", self.timeout_ms, 1_000, 600_000)
    }

    /// The address without what may hold a secret and says nothing of where it leads: query and fragment.
    pub(crate) fn address(&self) -> &str {
        self.url.split(['?', '#']).next().unwrap_or_default()
    }
}

impl Receipt {
    fn check(&self) -> Result<(), Error> {
        let is_scalar = |value: &Value| matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        match (&self.member, &self.value, &self.text) {
            (Some(_), Some(value), None) if is_scalar(value) => Ok(()),
            (None, None, Some(text)) if !text.trim().is_empty() => Ok(()),
            _ => Err(Error::InvalidSettings(
                "`receipt` is { member = \"…\", value = … } with a text, a number or a flag, or { text = \"…\" }"
                    .to_owned(),
            )),
        }
    }
}

fn within(key: &str, found: u32, least: u32, most: u32) -> Result<(), Error> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(Error::InvalidSettings(format!("`{key}` is {found}; {least} to {most} is accepted")))
}
