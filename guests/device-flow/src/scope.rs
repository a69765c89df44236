//! Scopes that Google's device flow takes, beside what is said of all scopes.

pub(crate) use punchcard_sdk::oauth::scope::*;
use punchcard_sdk::quote::says;

/// Every scope that Google's device flow accepts ("Allowed scopes" of "OAuth 2.0 for TV and Limited-Input Device
/// Applications").
pub(crate) const GOOGLE_DEVICE_SCOPES: [&str; 7] = [
    "email",
    "openid",
    "profile",
    "https://www.googleapis.com/auth/drive.appdata",
    DRIVE_FILE,
    "https://www.googleapis.com/auth/youtube",
    "https://www.googleapis.com/auth/youtube.readonly",
];

/// What to ask Google for in place of a scope that its device flow refuses.
pub(crate) fn google_replacement(scope: &str) -> Option<&'static str> {
    ["auth/spreadsheets", "auth/drive", "auth/documents", "auth/presentations"]
        .iter()
        .any(|part| says(scope, part))
        .then_some(DRIVE_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_device_flow_refuses_is_replaced_where_drive_file_does_the_same() {
        for scope in ["spreadsheets", "spreadsheets.readonly", "drive", "documents", "presentations"] {
            let scope = format!("https://www.googleapis.com/auth/{scope}");
            assert_eq!(google_replacement(&scope), Some(DRIVE_FILE), "{scope}");
        }
        assert_eq!(google_replacement("https://www.googleapis.com/auth/calendar"), None);
    }
}
