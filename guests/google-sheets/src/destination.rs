//! Destination: which spreadsheet the settings and the day name, and which of several is the one.
//!
//! A spreadsheet is found by what is in its `appProperties`, never by its title, which a person may change:
//! `punchcard` is the name that is computed here, `punchcard-volume` counts those of one name, and `punchcard-nonce`
//! tells who made it.

use punchcard_sdk::Instant;
use serde_json::Value;

use crate::member::text;
use crate::{Settings, serial};

pub(crate) const NAME: &str = "punchcard";
pub(crate) const VOLUME: &str = "punchcard-volume";
pub(crate) const NONCE: &str = "punchcard-nonce";

/// What the spreadsheet for rows that are delivered now is found by.
pub(crate) fn name(settings: &Settings, now: Instant) -> String {
    if let Some(id) = settings.existing() {
        // No title is like this: it is what a person finds it by, too.
        return format!("docs.google.com/spreadsheets/d/{id}");
    }
    if settings.is_yearly() {
        format!("{} {}", settings.spreadsheet, serial::year(now))
    } else {
        settings.spreadsheet.clone()
    }
}

/// What a person sees in Drive.
pub(crate) fn title(name: &str, volume: u32) -> String {
    if volume == 1 { name.to_owned() } else { format!("{name} ({volume})") }
}

/// A spreadsheet of a name, as Drive lists it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) volume: u32,
    /// RFC 3339 in UTC with three decimals, so that the order of the text is that of time.
    created_time: String,
    nonce: Option<String>,
    /// Where a person finds it.
    pub(crate) link: String,
}

impl File {
    /// Reads an entry of a listing. `None`: it is not of that name, or it is in the bin.
    pub(crate) fn parse(entry: &Value, name: &str) -> Option<Self> {
        let (id, properties) = (text(entry, "id"), &entry["appProperties"]);
        let property = |key: &str| properties[key].as_str();
        let fits = !id.is_empty() && entry["trashed"] != true && property(NAME) == Some(name);
        fits.then(|| Self {
            id: id.to_owned(),
            volume: property(VOLUME).and_then(|volume| volume.parse().ok()).unwrap_or(1),
            created_time: text(entry, "createdTime").to_owned(),
            nonce: property(NONCE).map(ToOwned::to_owned),
            link: text(entry, "webViewLink").to_owned(),
        })
    }

    pub(crate) fn has_nonce(&self, nonce: &str) -> bool {
        self.nonce.as_deref() == Some(nonce)
    }
}

/// The one of several that all sinks and devices agree on: of the highest volume the oldest. A copy that carries the
/// properties along, or one that was made at the same moment, is younger.
pub(crate) fn choose(files: &[File]) -> Option<&File> {
    files.iter().min_by(|a, b| {
        let age = (&a.created_time, &a.id).cmp(&(&b.created_time, &b.id));
        b.volume.cmp(&a.volume).then(age)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::settings;

    fn entry(id: &str, created_time: &str, volume: &str) -> Value {
        json!({
            "id": id, "createdTime": created_time, "trashed": false,
            "appProperties": { NAME: "a", VOLUME: volume, NONCE: id },
        })
    }

    fn file(id: &str, created_time: &str, volume: &str) -> File {
        File::parse(&entry(id, created_time, volume), "a").unwrap()
    }

    #[test]
    fn each_year_has_a_name_of_its_own_unless_the_settings_say_no() {
        let now = Instant { unix_micros: 1_798_761_599_000_000, utc_offset_minutes: 600 };
        assert_eq!(name(&settings(), now), "Time clock 2027");
        assert_eq!(name(&Settings { yearly: Some(false), ..settings() }, now), "Time clock");
        assert_eq!(title("Time clock", 1), "Time clock");
        assert_eq!(title("Time clock", 2), "Time clock (2)");
    }

    #[test]
    fn the_highest_volume_is_chosen_and_of_those_the_oldest() {
        let files = [
            file("old", "2026-01-01T00:00:00.000Z", "1"),
            file("copy", "2026-03-01T00:00:00.000Z", "10"),
            file("new", "2026-02-01T00:00:00.000Z", "10"),
            file("two", "2026-02-01T00:00:00.000Z", "2"),
        ];
        assert_eq!(choose(&files).unwrap().id, "new");
        assert_eq!(choose(&files[..1]).unwrap().id, "old");
        assert_eq!(choose(&[]), None);
        let twins = [file("b", "2026", "1"), file("a", "2026", "1")];
        assert_eq!(choose(&twins).unwrap().id, "a");
    }

    #[test]
    fn only_a_file_of_that_name_outside_the_bin_is_a_candidate() {
        let good = entry("id", "2026", "3");
        let found = File::parse(&good, "a").unwrap();
        assert_eq!((found.id.as_str(), found.volume, found.created_time.as_str()), ("id", 3, "2026"));
        assert!(found.has_nonce("id") && !found.has_nonce("a"));
        assert_eq!(File::parse(&good, "b"), None);
        let parsed = |key: &str, value: Value| {
            let mut entry = good.clone();
            entry[key] = value;
            File::parse(&entry, "a")
        };
        assert_eq!(parsed("trashed", true.into()), None);
        assert_eq!(parsed("id", "".into()), None);
        assert_eq!(parsed("appProperties", json!({})), None);
        let bare = parsed("appProperties", json!({ NAME: "a", VOLUME: "x" })).unwrap();
        assert_eq!(bare.volume, 1, "a volume that can't be read");
        assert!(!bare.has_nonce(""), "made by nobody known is not made by nobody");
    }
}
