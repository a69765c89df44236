//! The grant's `settings` table in plugins.toml.
//!
//! [`Settings`] can only be had valid: reading them judges every key, and all that is wrong is said at once.

use std::fmt;

use punchcard_sdk::Needs;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::address::{Address, AddressError};
use crate::client_id::{ClientIdError, check_client_id};
use crate::problem::{Flow, Subject};
use crate::scope::{GOOGLE_DEVICE_SCOPES, describe_scopes, google_replacement, is_identity_scope, is_scope};
use crate::slot::CLIENT_SECRET;
use crate::well_known::well_known;

/// The words for signing in with a code.
pub(crate) const FLOW: Flow = Flow {
    again: "Sign in again at the device to get a new code.",
    expired: ("code expired", "Nobody entered the code in time."),
    unheard: "Until the code expired, nothing else was heard.",
    denied: "The person who entered the code refused access.",
    spent: ("code not accepted", "The server does not know the code, or it was used already."),
    client_type: "TVs and Limited Input devices",
    refused: (
        "device flow refused",
        "The server does not let this client get tokens in this way: enable the device authorization grant for it, and \
         refresh tokens.",
    ),
    busy: "The server gives out no more codes for now",
};

/// Settings that can work.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "RawSettings")]
pub struct Settings {
    pub(crate) server: Server,
    pub(crate) client_id: String,
    pub(crate) client_authentication: ClientAuthentication,
    pub(crate) scopes: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) purpose: String,
    pub(crate) audience: Option<String>,
    pub(crate) resource: Option<String>,
}

/// Who is asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Server {
    /// Google, or its stand-in at other endpoints.
    Google { endpoints: Endpoints, elsewhere: bool },
    /// A server that publishes metadata: RFC 8414.
    Issuer(Address),
    /// A server that does not.
    Endpoints(Endpoints),
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) device_authorization: Address,
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
    /// Whether the server speaks Google's dialect.
    pub(crate) fn is_google(&self) -> bool {
        matches!(self.server, Server::Google { .. })
    }

    /// Of whom problems are said.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { is_google: self.is_google(), client_id: &self.client_id, scopes: &self.scopes, flow: &FLOW }
    }

    /// Whose tokens the slots hold: a token of one server or client must never be sent to another.
    pub(crate) fn identity(&self) -> String {
        let server = match &self.server {
            Server::Google { elsewhere: false, .. } => "google",
            Server::Google { endpoints, .. } | Server::Endpoints(endpoints) => endpoints.token.as_str(),
            Server::Issuer(issuer) => issuer.as_str(),
        };
        format!("{} at {server}", self.client_id)
    }

    /// The addresses that are asked, as far as the settings name them, and the secret without which the server refuses
    /// the client. Of an issuer that is where its metadata are asked for first.
    pub(crate) fn needs(&self) -> Needs {
        let urls = match &self.server {
            Server::Google { endpoints, .. } | Server::Endpoints(endpoints) => {
                let required = [&endpoints.device_authorization, &endpoints.token];
                let addresses = required.into_iter().chain(&endpoints.revocation);
                addresses.map(|address| address.as_str().to_owned()).collect()
            }
            Server::Issuer(issuer) => well_known(issuer).into_iter().take(1).collect(),
        };
        let needs_secret = match self.client_authentication {
            ClientAuthentication::Basic => true,
            ClientAuthentication::Form => self.is_google(),
            ClientAuthentication::None => false,
        };
        let slots = if needs_secret { vec![CLIENT_SECRET.to_owned()] } else { Vec::new() };
        Needs { urls, slots, authorization: false }
    }
}

/// One thing that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SettingsError {
    #[error(
        "no server is named; give `provider = \"google\"`, or `issuer` with the address of any other server, or \
         `endpoints` with `device-authorization` and `token`"
    )]
    NoServer,
    #[error("`issuer` stands beside `{other}`; keep one of them")]
    TwoServers { other: &'static str },
    #[error("`provider` is `{found}`; it accepts \"google\"; for any other server give `issuer` or `endpoints`")]
    Provider { found: String },
    #[error("`{key}` is not an address: {source}; it accepts a URL such as https://login.example.org")]
    Address { key: &'static str, source: AddressError },
    #[error("`issuer` holds a query (?), which an issuer can't have (RFC 8414 section 2)")]
    IssuerQuery,
    #[error("`{key}` is missing; without `provider` or `issuer` it is needed")]
    Endpoint { key: &'static str },
    #[error(transparent)]
    ClientId(#[from] ClientIdError),
    #[error("`client-authentication` is `{found}`; it accepts \"form\", \"basic\" or \"none\"")]
    ClientAuthentication { found: String },
    #[error("`{key}` holds `{found}`; it accepts a list of scopes, each without spaces")]
    Scope { key: &'static str, found: String },
    #[error("`scopes` is empty; Google needs at least one of: {}", GOOGLE_DEVICE_SCOPES.join(", "))]
    NoScopes,
    #[error(
        "`scopes` holds `{found}`, which Google's device flow refuses; {}it accepts {}; the plugin web-flow takes others",
        google_hint(found),
        GOOGLE_DEVICE_SCOPES.join(", ")
    )]
    GoogleScope { found: String },
    #[error("`required-scopes` holds `{found}`, which is not in `scopes`; add it there or remove it here")]
    NotAsked { found: String },
    #[error("`{key}` accepts 1 to {TEXT_MAX} characters, none of them a control character")]
    Text { key: &'static str },
}

/// Everything that is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsErrors(Vec<SettingsError>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("; ")?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

fn google_hint(scope: &str) -> String {
    google_replacement(scope).map_or_else(String::new, |instead| {
        format!("use {instead}, with which a device reaches the files that it made itself; ")
    })
}

/// Characters of `purpose`, `audience` and `resource`.
const TEXT_MAX: usize = 200;

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawSettings {
    provider: Option<String>,
    issuer: Option<String>,
    endpoints: Option<RawEndpoints>,
    client_id: String,
    client_authentication: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    required_scopes: Option<Vec<String>>,
    purpose: Option<String>,
    audience: Option<String>,
    resource: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawEndpoints {
    device_authorization: Option<String>,
    token: Option<String>,
    revocation: Option<String>,
}

impl TryFrom<RawSettings> for Settings {
    type Error = SettingsErrors;

    fn try_from(raw: RawSettings) -> Result<Self, SettingsErrors> {
        let mut errors = Vec::new();
        let is_google = raw.provider.is_some();
        let server = parse_server(raw.provider, raw.issuer, raw.endpoints, &mut errors);
        let is_google_itself = matches!(server, Some(Server::Google { elsewhere: false, .. }));
        let checked = check_client_id(&raw.client_id, is_google_itself, FLOW.client_type);
        errors.extend(checked.err().map(SettingsError::from));
        let client_authentication = parse_authentication(raw.client_authentication.as_deref(), &mut errors);
        check_scopes(is_google, &raw.scopes, &mut errors);
        let required_scopes = parse_required(&raw.scopes, raw.required_scopes, &mut errors);
        for (key, text) in [("purpose", &raw.purpose), ("audience", &raw.audience), ("resource", &raw.resource)] {
            if text.as_ref().is_some_and(|text| !is_plain(text)) {
                errors.push(SettingsError::Text { key });
            }
        }
        match server {
            Some(server) if errors.is_empty() => Ok(Self {
                server,
                client_id: raw.client_id,
                client_authentication,
                purpose: raw.purpose.unwrap_or_else(|| describe_scopes(&raw.scopes)),
                scopes: raw.scopes,
                required_scopes,
                audience: raw.audience,
                resource: raw.resource,
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

fn check_scopes(is_google: bool, scopes: &[String], errors: &mut Vec<SettingsError>) {
    if is_google && scopes.is_empty() {
        errors.push(SettingsError::NoScopes);
    }
    for scope in scopes {
        if !is_scope(scope) {
            errors.push(SettingsError::Scope { key: "scopes", found: scope.clone() });
        } else if is_google && !GOOGLE_DEVICE_SCOPES.contains(&scope.as_str()) {
            errors.push(SettingsError::GoogleScope { found: scope.clone() });
        }
    }
}

fn parse_required(scopes: &[String], required: Option<Vec<String>>, errors: &mut Vec<SettingsError>) -> Vec<String> {
    let Some(required) = required else {
        return scopes.iter().filter(|scope| !is_identity_scope(scope)).cloned().collect();
    };
    for scope in &required {
        if !scopes.contains(scope) {
            errors.push(SettingsError::NotAsked { found: scope.clone() });
        }
    }
    required
}

fn parse_server(
    provider: Option<String>,
    issuer: Option<String>,
    endpoints: Option<RawEndpoints>,
    errors: &mut Vec<SettingsError>,
) -> Option<Server> {
    match (provider, issuer, endpoints) {
        (None, None, None) => {
            errors.push(SettingsError::NoServer);
            None
        }
        (provider, Some(_), endpoints) if provider.is_some() || endpoints.is_some() => {
            let other = if provider.is_some() { "provider" } else { "endpoints" };
            errors.push(SettingsError::TwoServers { other });
            None
        }
        (_, Some(issuer), _) => {
            let issuer = parse_address("issuer", Some(issuer), errors)?;
            if issuer.has_query() {
                errors.push(SettingsError::IssuerQuery);
            }
            Some(Server::Issuer(issuer))
        }
        (Some(provider), None, endpoints) => {
            if provider != "google" {
                errors.push(SettingsError::Provider { found: provider });
                return None;
            }
            let elsewhere = endpoints.is_some();
            let raw = endpoints.unwrap_or_default();
            let google = RawEndpoints {
                device_authorization: raw
                    .device_authorization
                    .or_else(|| Some("https://oauth2.googleapis.com/device/code".into())),
                token: raw.token.or_else(|| Some("https://oauth2.googleapis.com/token".into())),
                revocation: raw.revocation.or_else(|| Some("https://oauth2.googleapis.com/revoke".into())),
            };
            parse_endpoints(google, errors).map(|endpoints| Server::Google { endpoints, elsewhere })
        }
        (None, None, Some(endpoints)) => parse_endpoints(endpoints, errors).map(Server::Endpoints),
    }
}

fn parse_endpoints(raw: RawEndpoints, errors: &mut Vec<SettingsError>) -> Option<Endpoints> {
    for (key, text) in [("endpoints.device-authorization", &raw.device_authorization), ("endpoints.token", &raw.token)]
    {
        if text.is_none() {
            errors.push(SettingsError::Endpoint { key });
        }
    }
    let device_authorization = parse_address("endpoints.device-authorization", raw.device_authorization, errors);
    let token = parse_address("endpoints.token", raw.token, errors);
    let revocation = parse_address("endpoints.revocation", raw.revocation, errors);
    Some(Endpoints { device_authorization: device_authorization?, token: token?, revocation })
}

fn parse_address(key: &'static str, text: Option<String>, errors: &mut Vec<SettingsError>) -> Option<Address> {
    Address::try_from(text?).map_err(|source| errors.push(SettingsError::Address { key, source })).ok()
}

#[cfg(test)]
mod tests;
