//! The grant's `settings` table in plugins.toml.
//!
//! [`Settings`] can only be had valid: reading them judges every key, and all that is wrong is said at once.

use std::fmt;

use punchcard_sdk::Needs;
use punchcard_sdk::oauth::address::{Address, AddressError};
use punchcard_sdk::oauth::client_id::{ClientIdError, check_client_id};
use punchcard_sdk::oauth::problem::{Flow, Subject};
use punchcard_sdk::oauth::scope::{describe_scopes, is_identity_scope, is_scope};
use serde::Deserialize;
use thiserror::Error;

/// The slot of the client's secret, which plugins.toml may configure.
pub(crate) const CLIENT_SECRET: &str = "client-secret";

/// The words for signing in with a browser.
const FLOW: Flow = Flow {
    again: "Sign in again: at the device, or with `punchcard sign-in --web`.",
    expired: ("sign-in expired", "Nobody signed in with a browser in time."),
    unheard: "Until the server's code expired, nothing else was heard.",
    denied: "The person did not allow the access on the server's page.",
    spent: ("code not accepted", "The server does not know the code that the browser brought, or it was used already."),
    client_type: "Desktop app",
    refused: (
        "web flow refused",
        "The server does not let this client get tokens in this way: enable the authorization code grant for it, and refresh \
         tokens.",
    ),
    busy: "The server takes no more sign-ins for now",
};

/// Settings that can work.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawSettings")]
pub struct Settings {
    /// Whether the server speaks Google's dialect.
    pub(crate) is_google: bool,
    /// Whether it is Google, and not its stand-in.
    is_google_itself: bool,
    pub(crate) endpoints: Endpoints,
    /// What `iss` of an answer has to be (RFC 9207).
    pub(crate) issuer: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) scopes: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) purpose: String,
}

/// Where a person and requests go.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoints {
    /// The page to which a browser is sent.
    pub(crate) authorization: Address,
    pub(crate) token: Address,
    /// None: this server's grants can't be revoked from here.
    pub(crate) revocation: Option<Address>,
}

/// How the device shows which client it is: RFC 6749 §2.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientAuthentication {
    /// `client_secret` in the form, where the slot `client-secret` is filled.
    Form,
    /// HTTP Basic with the slot `client-secret`.
    Basic,
    /// No secret, whatever is configured.
    None,
}

impl Settings {
    /// Of whom problems are said.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { is_google: self.is_google, client_id: &self.client_id, scopes: &self.scopes, flow: &FLOW }
    }

    /// Whose tokens the slots hold: a token of one server or client must never be sent to another.
    pub(crate) fn identity(&self) -> String {
        let server = if self.is_google_itself { "google" } else { self.endpoints.token.as_str() };
        format!("{} at {server}", self.client_id)
    }

    /// The addresses that are asked, that of the page among them, and the secret without which the server refuses the client.
    pub(crate) fn needs(&self) -> Needs {
        let Endpoints { authorization, token, revocation } = &self.endpoints;
        let addresses = [authorization, token].into_iter().chain(revocation);
        let needs_secret = match self.client_authentication {
            ClientAuthentication::Basic => true,
            ClientAuthentication::Form => self.is_google,
            ClientAuthentication::None => false,
        };
        let slots = if needs_secret { vec![CLIENT_SECRET.to_owned()] } else { Vec::new() };
        let urls = addresses.map(|address| address.as_str().to_owned()).collect();
        Needs { urls, slots, authorization: false }
    }
}

/// One thing that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum SettingsError {
    #[error("`provider` is `{found}`; it accepts \"google\"; for any other server give `endpoints` alone")]
    Provider { found: String },
    #[error("`{key}` is not an address: {source}; it accepts a URL such as https://login.example.org")]
    Address { key: &'static str, source: AddressError },
    #[error("`{key}` is missing; without `provider = \"google\"` it is needed")]
    Endpoint { key: &'static str },
    #[error(transparent)]
    ClientId(#[from] ClientIdError),
    #[error("`client-authentication` is `{found}`; it accepts \"form\", \"basic\" or \"none\"")]
    ClientAuthentication { found: String },
    #[error("`scopes` holds `{found}`; it accepts a list of scopes, each without spaces")]
    Scope { found: String },
    #[error("`scopes` is empty; name what the device may do, such as https://www.googleapis.com/auth/drive.file")]
    NoScopes,
    #[error("`required-scopes` holds `{found}`, which is not in `scopes`; add it there or remove it here")]
    NotAsked { found: String },
    #[error("`purpose` accepts 1 to {TEXT_MAX} characters, none of them a control character")]
    Purpose,
}

/// Everything that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SettingsErrors(Vec<SettingsError>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            write!(formatter, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// Characters of `purpose`.
const TEXT_MAX: usize = 200;

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawSettings {
    provider: Option<String>,
    endpoints: Option<RawEndpoints>,
    issuer: Option<String>,
    client_id: String,
    client_authentication: Option<String>,
    scopes: Vec<String>,
    required_scopes: Option<Vec<String>>,
    purpose: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawEndpoints {
    authorization: Option<String>,
    token: Option<String>,
    revocation: Option<String>,
}

impl TryFrom<RawSettings> for Settings {
    type Error = SettingsErrors;

    fn try_from(raw: RawSettings) -> Result<Self, SettingsErrors> {
        let mut errors = Vec::new();
        let is_google = raw.provider.is_some();
        let is_google_itself = is_google && raw.endpoints.is_none();
        if let Some(found) = raw.provider.filter(|found| found != "google") {
            errors.push(SettingsError::Provider { found });
        }
        let endpoints = parse_endpoints(raw.endpoints.unwrap_or_default(), is_google, &mut errors);
        let issuer = parse_address("issuer", raw.issuer, &mut errors).map(String::from);
        let checked = check_client_id(&raw.client_id, is_google_itself, FLOW.client_type);
        errors.extend(checked.err().map(SettingsError::from));
        let client_authentication = parse_authentication(raw.client_authentication.as_deref(), &mut errors);
        if raw.scopes.is_empty() && is_google {
            errors.push(SettingsError::NoScopes);
        }
        let odd = raw.scopes.iter().filter(|scope| !is_scope(scope));
        errors.extend(odd.map(|scope| SettingsError::Scope { found: scope.clone() }));
        let required_scopes = parse_required(&raw.scopes, raw.required_scopes, &mut errors);
        if raw.purpose.as_ref().is_some_and(|text| !is_plain(text)) {
            errors.push(SettingsError::Purpose);
        }
        match endpoints {
            Some(endpoints) if errors.is_empty() => Ok(Self {
                is_google,
                is_google_itself,
                endpoints,
                issuer,
                client_id: raw.client_id,
                client_authentication,
                purpose: raw.purpose.unwrap_or_else(|| describe_scopes(&raw.scopes)),
                scopes: raw.scopes,
                required_scopes,
            }),
            _ => Err(SettingsErrors(errors)),
        }
    }
}

fn is_plain(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control)
}

fn parse_authentication(found: Option<&str>, errors: &mut Vec<SettingsError>) -> ClientAuthentication {
    match found {
        None | Some("form") => ClientAuthentication::Form,
        Some("basic") => ClientAuthentication::Basic,
        Some("none") => ClientAuthentication::None,
        Some(found) => {
            errors.push(SettingsError::ClientAuthentication { found: found.to_owned() });
            ClientAuthentication::None
        }
    }
}

fn parse_required(scopes: &[String], required: Option<Vec<String>>, errors: &mut Vec<SettingsError>) -> Vec<String> {
    let Some(required) = required else {
        return scopes.iter().filter(|scope| !is_identity_scope(scope)).cloned().collect();
    };
    let missing = required.iter().filter(|scope| !scopes.contains(scope));
    errors.extend(missing.map(|scope| SettingsError::NotAsked { found: scope.clone() }));
    required
}

/// Google's endpoints, where others are not named, are those of its discovery document.
fn parse_endpoints(raw: RawEndpoints, is_google: bool, errors: &mut Vec<SettingsError>) -> Option<Endpoints> {
    let mut endpoint = |key, text: Option<String>, of_google: &str, is_needed: bool| {
        let text = text.or_else(|| is_google.then(|| of_google.to_owned()));
        if text.is_none() && is_needed {
            errors.push(SettingsError::Endpoint { key });
        }
        parse_address(key, text, errors)
    };
    let authorization =
        endpoint("endpoints.authorization", raw.authorization, "https://accounts.google.com/o/oauth2/v2/auth", true);
    let token = endpoint("endpoints.token", raw.token, "https://oauth2.googleapis.com/token", true);
    let revocation = endpoint("endpoints.revocation", raw.revocation, "https://oauth2.googleapis.com/revoke", false);
    Some(Endpoints { authorization: authorization?, token: token?, revocation })
}

fn parse_address(key: &'static str, text: Option<String>, errors: &mut Vec<SettingsError>) -> Option<Address> {
    Address::try_from(text?).map_err(|source| errors.push(SettingsError::Address { key, source })).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Settings, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn google_s_addresses_are_those_that_are_not_named() {
        let settings = parse(
            r#"{"provider":"google","client-id":"c.apps.googleusercontent.com",
                "scopes":["https://www.googleapis.com/auth/tasks","email"]}"#,
        )
        .unwrap();
        let needs = settings.needs();
        assert_eq!(
            needs.urls,
            [
                "https://accounts.google.com/o/oauth2/v2/auth",
                "https://oauth2.googleapis.com/token",
                "https://oauth2.googleapis.com/revoke"
            ]
        );
        assert_eq!(needs.slots, ["client-secret"]);
        assert_eq!(settings.required_scopes, ["https://www.googleapis.com/auth/tasks"]);
        assert_eq!(settings.identity(), "c.apps.googleusercontent.com at google");
    }

    #[test]
    fn every_key_that_is_wrong_is_said() {
        for (json, said) in [
            (r#"{"client-id":"c","scopes":[]}"#, "`endpoints.authorization` is missing"),
            (r#"{"client-id":"c","scopes":[]}"#, "`endpoints.token` is missing"),
            (r#"{"provider":"gogle","client-id":"c","scopes":["a"]}"#, "it accepts \"google\""),
            (r#"{"provider":"google","client-id":"c","scopes":["a"]}"#, "the client of the type `Desktop app`"),
            (r#"{"provider":"google","client-id":"c.apps.googleusercontent.com","scopes":[]}"#, "`scopes` is empty"),
            (r#"{"provider":"google","client-id":"c","scopes":["a b"]}"#, "`scopes` holds `a b`"),
            (r#"{"client-id":"c","scopes":["a"],"required-scopes":["b"]}"#, "`required-scopes` holds `b`"),
            (r#"{"client-id":"c","scopes":["a"],"issuer":"id.example"}"#, "`issuer` is not an address"),
            (r#"{"client-id":"c","scopes":["a"],"client-authentication":"x"}"#, "`client-authentication` is `x`"),
            (r#"{"client-id":"c","scopes":["a"],"purpose":"\n"}"#, "`purpose` accepts"),
            (r#"{"client-id":"c","scopes":["a"],"state":"x"}"#, "unknown field `state`"),
        ] {
            let errors = parse(json).unwrap_err();
            assert!(errors.contains(said), "{json}: {errors}");
        }
    }
}
