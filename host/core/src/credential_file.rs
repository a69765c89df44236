//! Files in which other programs keep a sign-in, as far as a grant can go on with it.
//!
//! | file | who writes it | what it is known by |
//! |---|---|---|
//! | `client_secret.json` | Google's console | `installed` or `web` |
//! | `application_default_credentials.json` | gcloud, google-auth | `"type": "authorized_user"` |
//! | `token.json`, `authorized_user.json` | `Credentials.to_json` of google-auth; gspread | `refresh_token` and `client_id` |
//! | `storage.json` | `file.Storage` of oauth2client | `_class` |
//! | a multi-store | `multistore_file`, `MultiprocessFileStorage` of oauth2client | `file_version` 1 or 2 |
//! | `tokencache.json` | yup-oauth2 | a list of `scopes` and `token` |
//!
//! Deliberately unknown here: where a file lies, and whether what stands in it still holds. What is in it is not repeated in
//! an error, for secrets stand in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::secret::Secret;

/// Bytes of a file at most.
pub const LARGEST_CREDENTIAL_FILE: usize = 1024 * 1024;
/// Bytes of a refresh token at most.
const LONGEST_TOKEN: usize = 4096;
/// Sign-ins of a file at most.
const MOST_SIGN_INS: usize = 1000;

/// What stands in a file.
pub enum CredentialFile {
    /// The client alone: nobody is signed in by it.
    Client {
        /// Its id.
        client_id: String,
        /// Its secret, where it is in the file and can be one.
        client_secret: Option<Secret>,
    },
    /// Sign-ins of people.
    SignIns(Vec<ImportedSignIn>),
}

/// A sign-in that another program keeps. It has no `Debug`: it holds a secret.
#[derive(Clone)]
pub struct ImportedSignIn {
    /// Which of the file's, for a person; empty where there is only one.
    pub entry: String,
    /// The client to which the token was given, where the file says so.
    pub client_id: Option<String>,
    /// The token.
    pub refresh_token: Secret,
    /// What it allows, where the file says so.
    pub scopes: Vec<String>,
    /// Whose it is, where the file says so.
    pub account: Option<String>,
}

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialFileError {
    /// It is larger than any of these.
    #[error("it is longer than {} KiB, and no file of a sign-in is", LARGEST_CREDENTIAL_FILE >> 10)]
    TooLarge,
    /// It is no JSON.
    #[error("it is no JSON in UTF-8: line {line}, column {column}")]
    NotJson {
        /// Where.
        line: usize,
        /// Where in it.
        column: usize,
    },
    /// It is something else.
    #[error(
        "it is none of the files that are known: client_secret.json, an authorized_user, google-auth's, gspread's, \
         oauth2client's storage or multi-store, yup-oauth2's"
    )]
    Unknown,
    /// The key of a service account.
    #[error(
        "it is the key of a service account, with which nobody signs in; `secrets` of a grant names it, and nothing is imported"
    )]
    ServiceAccount,
    /// There is only an access token.
    #[error("no refresh token is in it, and the access token ends within the hour; sign in with `punchcard sign-in`")]
    NoRefreshToken,
    /// It can't be a token.
    #[error("the refresh token in it is empty, too long, or has characters that no token has; take the file anew")]
    NotAToken,
    /// There are more than anybody has.
    #[error("more than {MOST_SIGN_INS} sign-ins are in it")]
    TooMany,
}

/// Why it is not known which sign-in of a file is meant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChoiceError {
    /// None has this name.
    #[error("no sign-in of the file is called `{0}`; there is {1}")]
    NoSuchEntry(String, String),
    /// Several could be.
    #[error("the file has several sign-ins; say which with --entry: {0}")]
    Several(String),
    /// It belongs to another client.
    #[error(
        "the file is of the client `{found}`, and the grant's settings name `{configured}`: a token is good for its own client \
         alone; set `client-id` to the file's, with that client's secret, and try again"
    )]
    OtherClient {
        /// The file's.
        found: String,
        /// The settings'.
        configured: String,
    },
}

/// Reads a file.
///
/// # Errors
/// When nothing in it can be used.
pub fn parse_credential_file(content: &[u8]) -> Result<CredentialFile, CredentialFileError> {
    if content.len() > LARGEST_CREDENTIAL_FILE {
        return Err(CredentialFileError::TooLarge);
    }
    // Programs for Windows write a mark before the text.
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let value: Value = serde_json::from_slice(content)
        .map_err(|error| CredentialFileError::NotJson { line: error.line(), column: error.column() })?;
    match &value {
        Value::Array(tokens) => parse_yup(tokens),
        Value::Object(members) => parse_object(members),
        _ => Err(CredentialFileError::Unknown),
    }
}

fn parse_object(members: &Map<String, Value>) -> Result<CredentialFile, CredentialFileError> {
    if text(members, "type") == Some("service_account") || text(members, "_class").is_some_and(is_of_service) {
        return Err(CredentialFileError::ServiceAccount);
    }
    let client = ["installed", "web"].iter().find_map(|kind| members.get(*kind)?.as_object());
    if let Some((client, client_id)) = client.and_then(|client| Some((client, text(client, "client_id")?))) {
        let secret = text(client, "client_secret").filter(|secret| is_token(secret));
        let client_secret = secret.map(|secret| Secret::new(secret.to_owned()));
        return Ok(CredentialFile::Client { client_id: client_id.to_owned(), client_secret });
    }
    match members.get("file_version").and_then(Value::as_u64) {
        Some(1) => return parse_multistore(members),
        Some(2) => return parse_multiprocess(members),
        Some(_) => return Err(CredentialFileError::Unknown),
        None => {}
    }
    let is_known = members.contains_key("client_id")
        && ["refresh_token", "token", "access_token"].iter().any(|name| members.contains_key(*name));
    if !is_known && text(members, "_class").is_none() {
        return Err(CredentialFileError::Unknown);
    }
    Ok(CredentialFile::SignIns(vec![parse_sign_in(String::new(), members)?]))
}

fn is_of_service(class: &str) -> bool {
    matches!(class, "ServiceAccountCredentials" | "SignedJwtAssertionCredentials" | "_JWTAccessCredentials")
}

/// The members of google-auth's, gspread's and oauth2client's files, which have the same names.
fn parse_sign_in(entry: String, members: &Map<String, Value>) -> Result<ImportedSignIn, CredentialFileError> {
    let claims = members.get("id_token").and_then(Value::as_object);
    let account = text(members, "account").or_else(|| text(claims?, "email"));
    let response = members.get("token_response").and_then(Value::as_object);
    let scopes = match members.get("scopes") {
        Some(Value::Array(scopes)) => scopes.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        Some(Value::String(scopes)) => words(scopes),
        _ => response.and_then(|response| text(response, "scope")).map(words).unwrap_or_default(),
    };
    Ok(ImportedSignIn {
        entry,
        client_id: text(members, "client_id").map(ToOwned::to_owned),
        refresh_token: parse_token(members)?,
        scopes,
        account: account.map(ToOwned::to_owned),
    })
}

/// `multistore_file`: `{"file_version": 1, "data": [{"key": {…}, "credential": {…}}]}`.
fn parse_multistore(members: &Map<String, Value>) -> Result<CredentialFile, CredentialFileError> {
    let data = members.get("data").and_then(Value::as_array).ok_or(CredentialFileError::Unknown)?;
    let entries = data.iter().filter_map(|element| {
        let credential = element.get("credential")?.as_object()?;
        let key = element.get("key")?.as_object()?;
        let entry = key.values().filter_map(Value::as_str).collect::<Vec<_>>().join("/");
        Some(parse_sign_in(entry, credential))
    });
    several(entries.collect())
}

/// `MultiprocessFileStorage`: `{"file_version": 2, "credentials": {"KEY": "base64 of JSON"}}`.
fn parse_multiprocess(members: &Map<String, Value>) -> Result<CredentialFile, CredentialFileError> {
    let credentials = members.get("credentials").and_then(Value::as_object).ok_or(CredentialFileError::Unknown)?;
    let entries = credentials.iter().filter_map(|(entry, encoded)| {
        let credential: Value = serde_json::from_slice(&STANDARD.decode(encoded.as_str()?).ok()?).ok()?;
        Some(parse_sign_in(entry.clone(), credential.as_object()?))
    });
    several(entries.collect())
}

/// yup-oauth2: `[{"scopes": […], "token": {"access_token", "refresh_token", …}}]`, of one client, which is not named.
fn parse_yup(tokens: &[Value]) -> Result<CredentialFile, CredentialFileError> {
    let entries = tokens.iter().map(|element| {
        let unknown = CredentialFileError::Unknown;
        let token = element.get("token").and_then(Value::as_object).ok_or(unknown.clone())?;
        let scopes = element.get("scopes").and_then(Value::as_array).ok_or(unknown)?;
        let scopes: Vec<String> = scopes.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
        let refresh_token = parse_token(token)?;
        Ok(ImportedSignIn { entry: scopes.join(" "), client_id: None, refresh_token, scopes, account: None })
    });
    several(entries.collect())
}

/// Those that can be used, where there are any; otherwise why the first can't. The same token under two names counts once.
fn several(entries: Vec<Result<ImportedSignIn, CredentialFileError>>) -> Result<CredentialFile, CredentialFileError> {
    if entries.len() > MOST_SIGN_INS {
        return Err(CredentialFileError::TooMany);
    }
    let mut usable: Vec<ImportedSignIn> = Vec::new();
    let mut first_error = None;
    for entry in entries {
        match entry {
            Ok(entry) if usable.iter().all(|known| known.refresh_token != entry.refresh_token) => usable.push(entry),
            Ok(_) => {}
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    if usable.is_empty() {
        return Err(first_error.unwrap_or(CredentialFileError::NoRefreshToken));
    }
    Ok(CredentialFile::SignIns(usable))
}

/// A refresh token has visible characters of ASCII alone (RFC 6749 appendix A.17).
fn parse_token(members: &Map<String, Value>) -> Result<Secret, CredentialFileError> {
    match members.get("refresh_token") {
        None | Some(Value::Null) => Err(CredentialFileError::NoRefreshToken),
        Some(Value::String(token)) if is_token(token) => Ok(Secret::new(token.clone())),
        Some(_) => Err(CredentialFileError::NotAToken),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(ToOwned::to_owned).collect()
}

/// Chooses the sign-in that is meant. `configured`: the client that the grant's settings name; `entry`: what a person named.
///
/// # Errors
/// When it is not known which, or when it belongs to another client.
pub fn choose_sign_in(
    sign_ins: Vec<ImportedSignIn>,
    configured: Option<&str>,
    entry: Option<&str>,
) -> Result<ImportedSignIn, ChoiceError> {
    let all = names(&sign_ins);
    let mut fitting: Vec<ImportedSignIn> =
        sign_ins.into_iter().filter(|sign_in| entry.is_none_or(|entry| sign_in.entry == entry)).collect();
    if let (Some(entry), true) = (entry, fitting.is_empty()) {
        return Err(ChoiceError::NoSuchEntry(entry.to_owned(), all));
    }
    let is_of_other = |sign_in: &ImportedSignIn| {
        let found = sign_in.client_id.as_deref().zip(configured);
        found.filter(|(found, configured)| found != configured).map(|(found, configured)| ChoiceError::OtherClient {
            found: found.to_owned(),
            configured: configured.to_owned(),
        })
    };
    let other = fitting.first().and_then(is_of_other);
    fitting.retain(|sign_in| is_of_other(sign_in).is_none());
    match (fitting.pop(), fitting.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            fitting.push(last);
            Err(ChoiceError::Several(names(&fitting)))
        }
        (None, _) => Err(other.unwrap_or(ChoiceError::Several(all))),
    }
}

fn names(sign_ins: &[ImportedSignIn]) -> String {
    sign_ins.iter().map(|sign_in| format!("`{}`", sign_in.entry)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
