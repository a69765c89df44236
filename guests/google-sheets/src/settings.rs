//! Settings: which spreadsheet and which tab.

use punchcard_sdk::Error;
use serde::Deserialize;

/// `deliver.settings` of a sink.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The spreadsheet's title. It identifies the spreadsheet: all sinks and devices of one account that name the same
    /// title write into the same one. 1 to 100 bytes.
    pub spreadsheet: String,
    /// The tab's title. 1 to 100 characters.
    pub tab: String,
    /// Whether each year has a spreadsheet of its own, "Time clock 2026". The year is that of the device's local time at
    /// which a batch is first tried, not that of its rows.
    #[serde(default = "yes")]
    pub yearly: bool,
    /// Whether each row carries the id of its event in a last column, which is hidden when it is made.
    #[serde(default = "yes")]
    pub event_ids: bool,
    /// Where the Sheets API is.
    #[serde(default = "sheets_url")]
    pub sheets_url: String,
    /// Where the Drive API is.
    #[serde(default = "drive_url")]
    pub drive_url: String,
}

fn yes() -> bool {
    true
}

fn sheets_url() -> String {
    "https://sheets.googleapis.com".to_owned()
}

fn drive_url() -> String {
    "https://www.googleapis.com/drive".to_owned()
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
        if self.spreadsheet.trim().is_empty() {
            return invalid("`spreadsheet` is empty; give the spreadsheet a title");
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
                return invalid(&format!("`{key}` is no base address; write it like `{}`", sheets_url()));
            }
        }
        Ok(())
    }
}

fn invalid(text: &str) -> Result<(), Error> {
    Err(Error::InvalidSettings(text.to_owned()))
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
        assert!(settings.yearly && settings.event_ids);
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
            (r#"{"spreadsheet":" ","tab":"b"}"#, "`spreadsheet` is empty; give the spreadsheet a title".to_owned()),
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
    }
}
