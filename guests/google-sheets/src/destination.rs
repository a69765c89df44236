//! Destination: which spreadsheet the settings and the day name, and which of several is the one.
//!
//! A spreadsheet is found by what is in its `appProperties`, never by its title, which a person may change:
//! `punchcard` is the name that is computed here, `punchcard-volume` counts those of one name, and `punchcard-nonce`
//! tells who made it.

use std::collections::BTreeMap;

use punchcard_sdk::Instant;
use serde::Deserialize;

use crate::{Settings, serial};

pub(crate) const NAME: &str = "punchcard";
pub(crate) const VOLUME: &str = "punchcard-volume";
pub(crate) const NONCE: &str = "punchcard-nonce";

/// What the spreadsheet for rows that are delivered now is found by.
pub(crate) fn name(settings: &Settings, now: Instant) -> String {
    if settings.yearly {
        format!("{} {}", settings.spreadsheet, serial::year(now))
    } else {
        settings.spreadsheet.clone()
    }
}

/// What a person sees in Drive.
pub(crate) fn title(name: &str, volume: u32) -> String {
    if volume == 1 { name.to_owned() } else { format!("{name} ({volume})") }
}

/// A file as Drive lists it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct File {
    pub(crate) id: String,
    /// RFC 3339 in UTC with three decimals, so that the order of the text is that of time.
    created_time: String,
    trashed: bool,
    app_properties: BTreeMap<String, String>,
}

impl File {
    pub(crate) fn volume(&self) -> u32 {
        self.app_properties.get(VOLUME).and_then(|volume| volume.parse().ok()).unwrap_or(1)
    }

    pub(crate) fn has_nonce(&self, nonce: &str) -> bool {
        self.app_properties.get(NONCE).is_some_and(|found| found == nonce)
    }

    /// Whether it can be the spreadsheet of that name.
    pub(crate) fn is_candidate(&self, name: &str) -> bool {
        !self.trashed && !self.id.is_empty() && self.app_properties.get(NAME).is_some_and(|found| found == name)
    }
}

/// The one of several that all sinks and devices agree on: of the highest volume the oldest. A copy that carries the
/// properties along, or one that was made at the same moment, is younger.
pub(crate) fn choose(files: &[File]) -> Option<&File> {
    files.iter().min_by(|a, b| {
        let age = (&a.created_time, &a.id).cmp(&(&b.created_time, &b.id));
        b.volume().cmp(&a.volume()).then(age)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::settings;

    fn file(id: &str, created_time: &str, volume: &str) -> File {
        let properties = [(NAME, "a"), (VOLUME, volume), (NONCE, id)];
        File {
            id: id.into(),
            created_time: created_time.into(),
            trashed: false,
            app_properties: properties.map(|(key, value)| (key.into(), value.into())).into(),
        }
    }

    #[test]
    fn each_year_has_a_name_of_its_own_unless_the_settings_say_no() {
        let now = Instant { unix_micros: 1_798_761_599_000_000, utc_offset_minutes: 600 };
        assert_eq!(name(&settings(), now), "Time clock 2027");
        assert_eq!(name(&Settings { yearly: false, ..settings() }, now), "Time clock");
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
        let good = file("a", "", "x");
        assert!(good.is_candidate("a"));
        assert!(!good.is_candidate("b"));
        assert!(!File { trashed: true, ..good.clone() }.is_candidate("a"));
        assert!(!File { id: String::new(), ..good.clone() }.is_candidate("a"));
        assert!(!File { app_properties: BTreeMap::new(), ..good.clone() }.is_candidate("a"));
        assert_eq!(good.volume(), 1, "a volume that can't be read");
        assert!(good.has_nonce("a") && !good.has_nonce("b"));
        assert!(!File::default().has_nonce(""));
    }
}
