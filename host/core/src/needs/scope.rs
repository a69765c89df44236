//! Whose spreadsheet a sink writes into, compared with what the grant may do at Google.
//!
//! The contract has no word for a scope, and a connector does not see the settings of the grant that authorises it. So the host
//! knows these few settings by name: without it, a person would learn of a scope that is missing, or of a service account that
//! can't make files, only when the first request is refused.

use super::UnmetNeed;
use crate::config::Part;
use crate::config::grant::Grant;
use crate::config::sink::Sink;
use crate::name::{GrantName, SinkName};

/// The scope of all spreadsheets, and the one that includes it.
const WHOLE: [&str; 2] = ["https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive"];
/// Settings of a sink that name a spreadsheet which the device did not make.
const EXISTING: [&str; 2] = ["spreadsheet-id", "spreadsheet-url"];
/// The slot of a service account's key.
const KEY: &str = "service-account";

/// What a sink that writes into a spreadsheet lacks of its grant.
pub(super) fn unmet_scope(name: &SinkName, sink: &Sink, grant_name: &GrantName, grant: &Grant) -> Option<UnmetNeed> {
    let settings = &sink.deliver.settings;
    let existing = EXISTING.into_iter().find(|key| settings.text(key).is_some());
    let is_service = grant.secrets.keys().any(|slot| slot.as_str() == KEY);
    if let Some(key) = existing {
        let scopes = grant.settings.texts("scopes")?;
        if WHOLE.iter().any(|scope| scopes.contains(scope)) {
            return None;
        }
        let remedy = if grant.settings.text("provider") == Some("google") {
            "Google's device flow does not give that scope: sign in with `web-flow` and that scope, or with a service account, \
             or leave the key out, so that the device makes a spreadsheet of its own"
                .to_owned()
        } else {
            format!("add it to grants.{grant_name}.settings.scopes")
        };
        let message = format!(
            "`{key}` of sinks.{name} names a spreadsheet that the device did not make, for which `scopes` needs `{}`; {remedy}",
            WHOLE[0]
        );
        return Some(UnmetNeed { part: Part::GrantSettings(grant_name.clone()), message, entry: None });
    }
    // In the name of a person it can.
    if is_service && settings.text("spreadsheet").is_some() && grant.settings.text("subject").is_none() {
        let message = format!(
            "`spreadsheet` is a title of one that the device makes, but grants.{grant_name} is a service account, which has no \
             room for files; make one yourself, share it with the account, and name it with `spreadsheet-id`"
        );
        return Some(UnmetNeed { part: Part::DeliverSettings(name.clone()), message, entry: None });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_configuration;

    /// What is said of a sink with these settings and a grant with these.
    fn said(deliver: &str, grant: &str, secret: &str) -> Option<String> {
        let text = format!(
            r#"
            device.name = "door"
            inputs.clock = {{ driver = "keyboard", key = "space", press = {{ event = "punch" }} }}
            [plugins]
            flow = "flow.wasm"
            rows = "rows.wasm"
            [grants.google]
            plugin = "flow"
            reach = ["https://oauth2.example"]
            audience = ["https://sheets.example"]
            secrets = {{ {secret} = {{ file = "x" }} }}
            settings = {{ {grant} }}
            [sinks.sheet]
            events = ["punch"]
            format = {{ plugin = "rows" }}
            deliver = {{ plugin = "rows", settings = {{ {deliver} }} }}
            reach = ["https://sheets.example"]
            authorize = {{ grant = "google" }}
            "#
        );
        let configuration = parse_configuration(&text).unwrap_or_else(|errors| panic!("{errors:?}"));
        let (name, sink) = configuration.sinks.first_key_value().unwrap();
        let (grant_name, grant) = configuration.grants.first_key_value().unwrap();
        unmet_scope(name, sink, grant_name, grant).map(|unmet| format!("{}: {}", unmet.part, unmet.message))
    }

    #[test]
    fn a_spreadsheet_that_exists_needs_the_scope_of_all_and_another_one_room_for_it() {
        const SHEETS: &str = "scopes = [\"https://www.googleapis.com/auth/spreadsheets\"]";
        const FILE: &str = "scopes = [\"https://www.googleapis.com/auth/drive.file\"]";
        let device = format!("provider = \"google\", {FILE}");
        let delegated = format!("{SHEETS}, subject = \"a@b\"");
        let (id, url, title) =
            ("spreadsheet-id = \"1A\"", "spreadsheet-url = \"https://x\"", "spreadsheet = \"Hours\"");
        for (deliver, grant, secret, expected) in [
            (id, SHEETS, KEY, None),
            (url, "scopes = [\"a\", \"https://www.googleapis.com/auth/drive\"]", KEY, None),
            (id, FILE, KEY, Some("add it to grants.google.settings.scopes")),
            (id, "scopes = []", KEY, Some("grants.google.settings: `spreadsheet-id` of sinks.sheet names")),
            (
                url,
                device.as_str(),
                "client-secret",
                Some("device flow does not give that scope: sign in with `web-flow`"),
            ),
            // What the policy calls its scopes otherwise is not known here.
            (id, "scope = \"a b\"", KEY, None),
            (title, device.as_str(), "client-secret", None),
            (title, SHEETS, KEY, Some("sinks.sheet.deliver.settings: `spreadsheet` is a title")),
            (title, delegated.as_str(), KEY, None),
            ("url = \"https://x\"", SHEETS, KEY, None),
        ] {
            let said = said(deliver, grant, secret);
            match expected {
                None => assert_eq!(said, None, "{deliver} {grant}"),
                Some(words) => {
                    let said = said.unwrap_or_else(|| panic!("nothing is said: {deliver} {grant}"));
                    assert!(said.contains(words), "{said}");
                }
            }
        }
    }
}
