//! Settings: which spreadsheet and which tab.

use punchcard_sdk::Error;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `deliver.settings` of a sink.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The spreadsheet's title. It identifies the spreadsheet: all sinks and devices of one account that name the same
    /// title write into the same one. 1 to 100 bytes. Empty where one that exists is named.
    pub spreadsheet: String,
    /// The id of a spreadsheet that a person made.
    pub spreadsheet_id: Option<String>,
    /// Its address in a browser, in place of the id.
    pub spreadsheet_url: Option<String>,
    /// With whom that spreadsheet has to be shared: the e-mail address of the grant's account. Said where Google does not show
    /// it.
    pub account: Option<String>,
    /// The tab's title. 1 to 100 characters.
    pub tab: String,
    /// Whether each year has a spreadsheet of its own, "Time clock 2026". The year is that of the device's local time at
    /// which a batch is first tried, not that of its rows. Left out, it has, unless one that exists is named.
    pub yearly: Option<bool>,
    /// Whether each row carries the id of its event in a last column, which is hidden when it is made. Left out, it does.
    pub event_ids: bool,
    /// Where the Sheets API is. Google's, where it is left out.
    pub sheets_url: String,
    /// Where the Drive API is. Google's, where it is left out.
    pub drive_url: String,
}

const SHEETS_URL: &str = "https://sheets.googleapis.com";
const DRIVE_URL: &str = "https://www.googleapis.com/drive";

/// Every key.
const KEYS: [&str; 9] = [
    "spreadsheet",
    "spreadsheet-id",
    "spreadsheet-url",
    "account",
    "tab",
    "yearly",
    "event-ids",
    "sheets-url",
    "drive-url",
];

/// By hand, for the reason that `crate::stored` gives.
impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Settings {
    fn read(value: &Value) -> Result<Self, String> {
        let mut keys = value.as_object().into_iter().flat_map(|object| object.keys());
        if let Some(key) = keys.find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("unknown field `{key}`"));
        }
        let is_flag = |key: &str| matches!(key, "yearly" | "event-ids");
        for key in KEYS {
            let found = &value[key];
            if !found.is_null() && if is_flag(key) { !found.is_boolean() } else { !found.is_string() } {
                let accepted = if is_flag(key) { "true or false" } else { "a string" };
                return Err(format!("`{key}` accepts {accepted}"));
            }
        }
        if value["tab"].is_null() {
            return Err("missing field `tab`".to_owned());
        }
        let text = |key: &str| value[key].as_str().map(ToOwned::to_owned);
        Ok(Self {
            spreadsheet: text("spreadsheet").unwrap_or_default(),
            spreadsheet_id: text("spreadsheet-id"),
            spreadsheet_url: text("spreadsheet-url"),
            account: text("account"),
            tab: text("tab").unwrap_or_default(),
            yearly: value["yearly"].as_bool(),
            event_ids: value["event-ids"].as_bool().unwrap_or(true),
            sheets_url: text("sheets-url").unwrap_or_else(|| SHEETS_URL.to_owned()),
            drive_url: text("drive-url").unwrap_or_else(|| DRIVE_URL.to_owned()),
        })
    }
}

impl Settings {
    /// Key and value of an `appProperties` entry may have 124 bytes together; the key takes 9 and a year 5.
    const TITLE_BYTES: usize = 100;
    const TAB_CHARACTERS: usize = 100;

    /// Whether they can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`], naming the key.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.spreadsheet_id.is_some() || self.spreadsheet_url.is_some() {
            self.check_existing()?;
        } else if self.spreadsheet.trim().is_empty() {
            return invalid(
                "`spreadsheet` is empty; give the spreadsheet a title, or name one that exists with `spreadsheet-url`",
            );
        } else if self.account.is_some() {
            return invalid("`account` is for a spreadsheet that exists; remove it");
        }
        if self.spreadsheet.len() > Self::TITLE_BYTES {
            return invalid("`spreadsheet` is longer than 100 bytes; shorten the title");
        }
        if self.tab.trim().is_empty() {
            return invalid("`tab` is empty; give the tab a title");
        }
        if self.tab.chars().count() > Self::TAB_CHARACTERS {
            return invalid("`tab` is longer than 100 characters; shorten the title");
        }
        if self.spreadsheet.chars().chain(self.tab.chars()).any(char::is_control) {
            return invalid("`spreadsheet` and `tab` are titles of one line; remove the control characters");
        }
        for (key, url) in [("sheets-url", &self.sheets_url), ("drive-url", &self.drive_url)] {
            let plain = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            if plain.is_none_or(|rest| rest.is_empty() || rest.contains(['?', '#', ' '])) || url.ends_with('/') {
                return invalid(&format!("`{key}` is no base address; write it like `{SHEETS_URL}`"));
            }
        }
        Ok(())
    }
}

fn invalid(text: &str) -> Result<(), Error> {
    Err(Error::InvalidSettings(text.to_owned()))
}

/// How the address of a spreadsheet begins.
const ADDRESS: &str = "https://docs.google.com/spreadsheets/";

impl Settings {
    /// Whether each year has a spreadsheet of its own.
    pub(crate) fn is_yearly(&self) -> bool {
        self.yearly.unwrap_or(true)
    }

    /// The id of the spreadsheet that a person made. `None`: the device makes its own.
    pub(crate) fn existing(&self) -> Option<&str> {
        self.spreadsheet_id.as_deref().or_else(|| parse_address(self.spreadsheet_url.as_deref()?))
    }

    fn check_existing(&self) -> Result<(), Error> {
        if self.spreadsheet_id.is_some() && self.spreadsheet_url.is_some() {
            return invalid("`spreadsheet-url` stands beside `spreadsheet-id`; keep one of them");
        }
        if !self.spreadsheet.is_empty() {
            return invalid("`spreadsheet` stands beside the id or the address of one that exists; keep one of them");
        }
        if self.yearly == Some(true) {
            return invalid("`yearly` is for spreadsheets that the device makes; remove it");
        }
        if self.spreadsheet_url.as_ref().is_some_and(|url| parse_address(url).is_none_or(|id| !is_id(id))) {
            return invalid(
                "`spreadsheet-url` is no address of a Google spreadsheet, which begins with \
                 https://docs.google.com/spreadsheets/d/",
            );
        }
        if self.spreadsheet_id.as_ref().is_some_and(|id| !is_id(id)) {
            return invalid(
                "`spreadsheet-id` is no id of a spreadsheet; it is what stands between `/d/` and the next stroke of its address",
            );
        }
        Ok(())
    }
}

/// The id in an address such as `https://docs.google.com/spreadsheets/u/0/d/ID/edit#gid=0`.
fn parse_address(url: &str) -> Option<&str> {
    let path = url.trim().strip_prefix(ADDRESS)?;
    // Of the second account with which a browser is signed in.
    let path = match path.strip_prefix("u/").and_then(|rest| rest.split_once('/')) {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => path,
    };
    path.strip_prefix("d/")?.split(['/', '?', '#']).next()
}

fn is_id(id: &str) -> bool {
    (2..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::Connector as _;
    use punchcard_sdk::settings::parse_settings;

    use super::*;
    use crate::GoogleSheets;

    fn refusal(json: &str) -> String {
        match parse_settings::<Settings>(json).and_then(|settings| settings.check()) {
            Err(Error::InvalidSettings(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn two_titles_are_enough() {
        let settings: Settings = parse_settings(r#"{"spreadsheet":"Time clock","tab":"Punches"}"#).unwrap();
        settings.check().unwrap();
        assert!(settings.is_yearly() && settings.event_ids);
        assert_eq!(settings.sheets_url, "https://sheets.googleapis.com");
        assert_eq!(settings.drive_url, "https://www.googleapis.com/drive");
    }

    #[test]
    fn titles_may_be_as_long_as_google_keeps_them() {
        let json = format!(r#"{{"spreadsheet":"{}","tab":"{}"}}"#, "a".repeat(100), "ä".repeat(100));
        parse_settings::<Settings>(&json).unwrap().check().unwrap();
    }

    #[test]
    fn both_apis_and_a_sign_in_are_needed() {
        let json = r#"{"spreadsheet":"Time clock","tab":"Punches","drive-url":"https://drive.example"}"#;
        let needs = GoogleSheets::needs(&parse_settings(json).unwrap());
        assert_eq!(needs.urls, ["https://sheets.googleapis.com", "https://drive.example"]);
        assert_eq!((needs.slots.len(), needs.authorization), (0, true));
    }

    #[test]
    fn the_stand_in_is_an_address_too() {
        let json = r#"{"spreadsheet":"a","tab":"b","yearly":false,"event-ids":false,
            "sheets-url":"http://127.0.0.1:8080","drive-url":"http://127.0.0.1:8080/drive"}"#;
        parse_settings::<Settings>(json).unwrap().check().unwrap();
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        let long = "ä".repeat(51);
        for (json, text) in [
            (r#"{"spreadsheet":"a"}"#, "missing field `tab`".to_owned()),
            (
                r#"{"spreadsheet":" ","tab":"b"}"#,
                "`spreadsheet` is empty; give the spreadsheet a title, or name one that exists with `spreadsheet-url`"
                    .to_owned(),
            ),
            (r#"{"spreadsheet":"a","tab":""}"#, "`tab` is empty; give the tab a title".to_owned()),
            (
                &format!(r#"{{"spreadsheet":"{long}","tab":"b"}}"#),
                "`spreadsheet` is longer than 100 bytes; shorten the title".to_owned(),
            ),
            (
                &format!(r#"{{"spreadsheet":"a","tab":"{long}{long}"}}"#),
                "`tab` is longer than 100 characters; shorten the title".to_owned(),
            ),
            (
                r#"{"spreadsheet":"a","tab":"b\nc"}"#,
                "`spreadsheet` and `tab` are titles of one line; remove the control characters".to_owned(),
            ),
        ] {
            assert_eq!(refusal(json), text, "{json}");
        }
        for url in ["sheets.googleapis.com", "https://", "https://a/", "https://a?b", "https://a#b", "https://a b"] {
            let json = format!(r#"{{"spreadsheet":"a","tab":"b","sheets-url":"{url}"}}"#);
            assert!(refusal(&json).starts_with("`sheets-url` is no base address"), "{url}");
        }
        assert!(refusal(r#"{"spreadsheet":"a","tab":"b","drive-url":"x"}"#).starts_with("`drive-url`"));
        assert!(refusal(r#"{"spreadsheet":"a","tab":"b","year":1}"#).contains("unknown field `year`"));
        for (json, said) in [
            (r#"{"spreadsheet":7,"tab":"b"}"#, "`spreadsheet` accepts a string"),
            (r#"{"spreadsheet":"a","tab":"b","yearly":"no"}"#, "`yearly` accepts true or false"),
            ("[]", "missing field `tab`"),
        ] {
            assert_eq!(refusal(json), said);
        }
    }

    #[test]
    fn a_spreadsheet_that_exists_is_named_by_its_id_or_its_address() {
        let existing = |more: &str| {
            let settings: Settings = parse_settings(&format!(r#"{{"tab":"b",{more}}}"#)).unwrap();
            settings.check().unwrap();
            settings.existing().map(ToOwned::to_owned)
        };
        assert_eq!(existing(r#""spreadsheet-id":"1AbC-_9""#).as_deref(), Some("1AbC-_9"));
        for url in
            ["d/1AbC-_9", "d/1AbC-_9/", "d/1AbC-_9/edit?gid=0#gid=0", "u/0/d/1AbC-_9/edit", "d/1AbC-_9?usp=sharing"]
        {
            let json = format!(r#""spreadsheet-url":"https://docs.google.com/spreadsheets/{url}""#);
            assert_eq!(existing(&json).as_deref(), Some("1AbC-_9"), "{url}");
        }
        assert_eq!(existing(r#""spreadsheet":"a""#), None);
        // Nothing is asked of Drive.
        let settings: Settings = parse_settings(r#"{"spreadsheet-id":"1AbC","tab":"b","yearly":false}"#).unwrap();
        assert_eq!(GoogleSheets::needs(&settings).urls, ["https://sheets.googleapis.com"]);
    }

    #[test]
    fn what_names_no_spreadsheet_or_two_is_refused() {
        for (more, said) in [
            (
                r#""spreadsheet-id":"1A","spreadsheet-url":"https://docs.google.com/spreadsheets/d/1A""#,
                "keep one of them",
            ),
            (r#""spreadsheet-id":"1A","spreadsheet":"a""#, "`spreadsheet` stands beside"),
            (r#""spreadsheet-id":"1A","yearly":true"#, "`yearly` is for spreadsheets that the device makes"),
            (r#""spreadsheet-id":"1A/b""#, "`spreadsheet-id` is no id"),
            (r#""spreadsheet-id":"https://docs.google.com/spreadsheets/d/1A""#, "between `/d/`"),
            (r#""spreadsheet-id":"""#, "`spreadsheet-id` is no id"),
            (r#""spreadsheet":"a","account":"a@b""#, "`account` is for a spreadsheet"),
            (
                r#""spreadsheet-url":"https://docs.google.com/spreadsheets/d/e/2PACX-1v/pubhtml""#,
                "no address of a Google spreadsheet",
            ),
            (r#""spreadsheet-url":"https://docs.google.com/document/d/1A/edit""#, "no address of a Google spreadsheet"),
            (r#""spreadsheet-url":"https://docs.google.com.example/spreadsheets/d/1A""#, "no address of a Google"),
            (r#""spreadsheet-url":"https://example.com/spreadsheets/d/1A""#, "no address of a Google"),
            (r#""spreadsheet-url":"https://docs.google.com/spreadsheets/d/""#, "no address of a Google spreadsheet"),
            (r#""spreadsheet-url":"http://docs.google.com/spreadsheets/d/1A""#, "no address of a Google spreadsheet"),
        ] {
            let refused = refusal(&format!(r#"{{"tab":"b",{more}}}"#));
            assert!(refused.contains(said), "{more}: {refused}");
        }
    }
}
