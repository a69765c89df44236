//! The file that the Google Cloud console lets a person download for a client.
//!
//! It is JSON with one member that says the client's kind: `installed` for those of devices and desktops, `web` for those of
//! web servers. What is in it is not repeated in an error, for a secret stands in it.

use serde::Deserialize;
use thiserror::Error;

use crate::secret::{Secret, Stranger, find_stranger};

/// What the type of a client has to be in the console.
pub const NEEDED_TYPE: &str = "TVs and Limited Input devices";

/// A client. It has no `Debug`: it holds the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Secret,
    /// It names addresses to which a browser is sent back, as clients of desktops do, and those of devices need not: Google may
    /// refuse it.
    pub is_doubtful: bool,
}

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// It is not JSON, or not of this form.
    #[error(
        "this is no file of a Google client; in the console, under Clients, choose the client and download its JSON"
    )]
    NotAClient,
    /// A web server's.
    #[error("this client is of the type Web application; create another one of the type {NEEDED_TYPE}")]
    Web,
    /// The key of a service account.
    #[error("this is the key of a service account; create a client of the type {NEEDED_TYPE} instead")]
    ServiceAccount,
    /// It is without a secret: Google shows it only once.
    #[error("the secret is not in it; in the console, add a secret to the client, and download the JSON at once")]
    NoSecret,
    /// Something came along with the secret.
    #[error("the secret in it has {0}; download the JSON anew, and leave it as it is")]
    Secret(Stranger),
    /// Its id can't be one.
    #[error("the id does not end in `.apps.googleusercontent.com`; copy it from the console, under Clients")]
    Id,
}

#[derive(Deserialize)]
struct RawFile {
    installed: Option<RawClient>,
    web: Option<serde::de::IgnoredAny>,
    r#type: Option<String>,
}

#[derive(Deserialize)]
struct RawClient {
    client_id: String,
    client_secret: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
}

/// Reads the downloaded file.
///
/// # Errors
/// When it is of another kind, or incomplete.
pub fn parse_client(json: &str) -> Result<Client, ClientError> {
    let file: RawFile = serde_json::from_str(json).map_err(|_| ClientError::NotAClient)?;
    if file.web.is_some() {
        return Err(ClientError::Web);
    }
    if file.r#type.as_deref() == Some("service_account") {
        return Err(ClientError::ServiceAccount);
    }
    let client = file.installed.ok_or(ClientError::NotAClient)?;
    let id = parse_client_id(&client.client_id)?;
    let secret = client.client_secret.filter(|secret| !secret.trim().is_empty()).ok_or(ClientError::NoSecret)?;
    if let Some(stranger) = find_stranger(secret.trim()) {
        return Err(ClientError::Secret(stranger));
    }
    let is_doubtful = !client.redirect_uris.is_empty();
    Ok(Client { id, secret: Secret::new(secret.trim().to_owned()), is_doubtful })
}

/// What stands in the place of an id in the configuration that comes with the project.
const PLACEHOLDER: &str = "YOUR-CLIENT-ID";

/// Takes an id that was pasted.
///
/// # Errors
/// When it can't be one, such as the text that stands in its place before a person has one.
pub fn parse_client_id(text: &str) -> Result<String, ClientError> {
    let id = text.trim();
    let name = id.strip_suffix(".apps.googleusercontent.com").ok_or(ClientError::Id)?;
    let accepted = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.is_empty() || name == PLACEHOLDER || !name.bytes().all(accepted) {
        return Err(ClientError::Id);
    }
    Ok(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12-ab.apps.googleusercontent.com";

    #[test]
    fn the_downloaded_file_is_read_and_a_wrong_one_says_what_it_is() {
        let installed = |rest: &str| format!(r#"{{"installed":{{"client_id":"{ID}"{rest}}}}}"#);
        for (json, expected) in [
            (installed(r#","client_secret":"GOCSPX-s","auth_uri":"https://h.example""#), Ok(("GOCSPX-s", false))),
            (installed(r#","client_secret":"s","redirect_uris":["http://localhost"]"#), Ok(("s", true))),
            (installed(""), Err(ClientError::NoSecret)),
            (installed(r#","client_secret":" ""#), Err(ClientError::NoSecret)),
            (
                installed(r#","client_secret":"GOCSPX-\u200bs""#),
                Err(ClientError::Secret(find_stranger("GOCSPX-\u{200b}s").unwrap())),
            ),
            (r#"{"installed":{"client_id":"x","client_secret":"s"}}"#.into(), Err(ClientError::Id)),
            (format!(r#"{{"web":{{"client_id":"{ID}","client_secret":"s"}}}}"#), Err(ClientError::Web)),
            (r#"{"type":"service_account","private_key":"x"}"#.into(), Err(ClientError::ServiceAccount)),
            ("{}".into(), Err(ClientError::NotAClient)),
            ("GOCSPX-s".into(), Err(ClientError::NotAClient)),
            (String::new(), Err(ClientError::NotAClient)),
        ] {
            let parsed = parse_client(&json);
            if let Err(error) = &parsed {
                assert!(!error.to_string().contains("GOCSPX"), "{error}");
            }
            let parsed = parsed.map(|client| {
                assert_eq!(client.id, ID);
                (client.secret.reveal().to_owned(), client.is_doubtful)
            });
            assert_eq!(parsed, expected.map(|(secret, is_doubtful)| (secret.to_owned(), is_doubtful)), "{json}");
        }
    }

    #[test]
    fn an_id_is_taken_as_it_is_pasted() {
        assert_eq!(parse_client_id(&format!(" {ID}\n")).as_deref(), Ok(ID));
        for wrong in [
            "",
            "YOUR-CLIENT-ID.apps.googleusercontent.com",
            "GOCSPX-s",
            ".apps.googleusercontent.com",
            "a b.apps.googleusercontent.com",
            "x.example",
        ] {
            assert_eq!(parse_client_id(wrong), Err(ClientError::Id), "{wrong}");
        }
    }
}
