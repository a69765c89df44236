//! The grant's `settings` table in plugins.toml.

use punchcard_sdk::Error;
use punchcard_sdk::auth_policy_0_2::Algorithm;
use punchcard_sdk::quote::quote;
use serde::Deserialize;

/// Where Google gives tokens.
const GOOGLE: &str = "https://oauth2.googleapis.com/token";
/// Characters of any of the texts.
const LENGTH_MAX: usize = 320;
/// Characters of all scopes together: the host signs 8 KiB of claims at most.
const SCOPES_LENGTH_MAX: usize = 4_000;

/// `settings` of a grant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The e-mail address of the service account: `client_email` of the key file. 1 to 320 characters.
    pub account: String,
    /// What is asked for: 1 or more, of 4,000 characters together.
    pub scopes: Vec<String>,
    /// The e-mail address of a person in whose name the device acts, where an administrator lets it (domain-wide delegation).
    pub subject: Option<String>,
    /// Where the server gives tokens.
    #[serde(default = "google")]
    pub token_url: String,
    /// How the host signs.
    #[serde(default)]
    pub algorithm: Signature,
    /// The key's id, where the server wants one and the key file does not say it.
    pub key_id: Option<String>,
}

/// How an assertion is signed (RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Signature {
    /// Google's keys.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// Keys of the curve P-256.
    #[serde(rename = "ES256")]
    Es256,
}

impl From<Signature> for Algorithm {
    fn from(signature: Signature) -> Self {
        match signature {
            Signature::Rs256 => Self::Rs256,
            Signature::Es256 => Self::Es256,
        }
    }
}

fn google() -> String {
    GOOGLE.to_owned()
}

impl Settings {
    /// Whether they can work.
    ///
    /// # Errors
    /// [`Error::InvalidSettings`], naming the key.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_account()?;
        for (key, text) in [("subject", &self.subject), ("key-id", &self.key_id)] {
            if text.as_ref().is_some_and(|text| !is_word(text)) {
                return invalid(format!("`{key}` accepts 1 to {LENGTH_MAX} printable characters without spaces"));
            }
        }
        if self.scopes.is_empty() {
            return invalid(
                "`scopes` is empty; give what the device needs, such as `https://www.googleapis.com/auth/spreadsheets`",
            );
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !is_word(scope) || scope.contains(['"', '\\'])) {
            return invalid(format!(
                "`scopes` holds `{}`; it accepts a list of scopes, each without spaces",
                quote(scope, 60)
            ));
        }
        if self.scope().len() > SCOPES_LENGTH_MAX {
            return invalid(format!("`scopes` has more than {SCOPES_LENGTH_MAX} characters"));
        }
        let address = ["https://", "http://"].iter().find_map(|scheme| self.token_url.strip_prefix(scheme));
        if !is_word(&self.token_url) || address.is_none_or(|rest| rest.is_empty() || rest.contains('#')) {
            return invalid(format!("`token-url` is no address of a token endpoint; write it like `{GOOGLE}`"));
        }
        Ok(())
    }

    fn check_account(&self) -> Result<(), Error> {
        let account = &self.account;
        if !is_word(account) {
            return invalid(format!("`account` accepts 1 to {LENGTH_MAX} printable characters without spaces"));
        }
        // Such as the number that the console shows beside it, or the id of an OAuth client.
        if self.is_google() && !account.contains('@') {
            return invalid(format!(
                "`account` is `{}`, which is no e-mail address: write the `client_email` of the key file, such as \
                 `recorder@project.iam.gserviceaccount.com`",
                quote(account, 80)
            ));
        }
        Ok(())
    }

    /// Whether it is Google that gives tokens.
    pub(crate) fn is_google(&self) -> bool {
        self.token_url == GOOGLE
    }

    /// RFC 6749 §3.3.
    pub(crate) fn scope(&self) -> String {
        self.scopes.join(" ")
    }

    /// Whose tokens the slots hold, and for what: a token of one account must never be used for another.
    pub(crate) fn identity(&self) -> String {
        let subject = self.subject.as_deref().unwrap_or_default();
        format!("{} {subject} at {} for {}", self.account, self.token_url, self.scope())
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn invalid(text: impl Into<String>) -> Result<(), Error> {
    Err(Error::InvalidSettings(text.into()))
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    fn refusal(json: &str) -> String {
        match parse_settings::<Settings>(json).and_then(|settings| settings.check()) {
            Err(Error::InvalidSettings(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_account_and_scopes_are_enough() {
        let json =
            r#"{"account":"door@p.iam.gserviceaccount.com","scopes":["https://www.googleapis.com/auth/spreadsheets"]}"#;
        let settings: Settings = parse_settings(json).unwrap();
        settings.check().unwrap();
        assert_eq!((settings.token_url.as_str(), settings.algorithm), (GOOGLE, Signature::Rs256));
    }

    #[test]
    fn another_server_has_names_of_its_own() {
        let json = r#"{"account":"door","scopes":["a","b"],"subject":"anna","token-url":"http://127.0.0.1:80/token",
            "algorithm":"ES256","key-id":"k1"}"#;
        let settings: Settings = parse_settings(json).unwrap();
        settings.check().unwrap();
        assert_eq!((settings.scope().as_str(), settings.algorithm), ("a b", Signature::Es256));
    }

    #[test]
    fn what_cannot_work_is_refused_by_its_key() {
        let with = |more: &str| format!(r#"{{"account":"a@b","scopes":["s"]{more}}}"#);
        for (json, said) in [
            (r#"{"scopes":["s"]}"#.to_owned(), "missing field `account`"),
            (r#"{"account":"a@b"}"#.to_owned(), "missing field `scopes`"),
            (r#"{"account":"","scopes":["s"]}"#.to_owned(), "`account` accepts"),
            (r#"{"account":"Door 1","scopes":["s"]}"#.to_owned(), "`account` accepts"),
            (r#"{"account":"104957","scopes":["s"]}"#.to_owned(), "`client_email` of the key file"),
            (r#"{"account":"a@b","scopes":[]}"#.to_owned(), "`scopes` is empty"),
            (r#"{"account":"a@b","scopes":["s t"]}"#.to_owned(), "`scopes` holds `s t`"),
            (format!(r#"{{"account":"a@b","scopes":[{}"s"]}}"#, "\"s\",".repeat(2_100)), "more than 4000 characters"),
            (with(r#","subject":"""#), "`subject` accepts"),
            (with(r#","key-id":"a b""#), "`key-id` accepts"),
            (with(r#","token-url":"oauth2.googleapis.com/token""#), "`token-url` is no address"),
            (with(r#","token-url":"https://""#), "`token-url` is no address"),
            (with(r#","token-url":"https://a/#b""#), "`token-url` is no address"),
            (with(r#","algorithm":"HS256""#), "algorithm"),
            (with(r#","private-key":"x""#), "unknown field `private-key`"),
        ] {
            assert!(refusal(&json).contains(said), "{json}: {}", refusal(&json));
        }
    }
}
