//! The id that a server gave a client (RFC 6749 §2.2).

use thiserror::Error;

use crate::quote::{quote, says};

/// The end of all client ids of Google's.
const GOOGLE_ID_END: &str = ".apps.googleusercontent.com";

/// Why a text is not the id of a client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientIdError {
    /// It has another form.
    #[error("`client-id` accepts 1 to 512 printable characters without spaces: the id that the server gave the client")]
    Form,
    /// It is that of an example.
    #[error("`client-id` is `{found}`, which only stands for the id: write the one that the server gave the client")]
    Placeholder {
        /// What was found.
        found: String,
    },
    /// It is none of Google's.
    #[error(
        "`client-id` is `{found}`, which is not an id of Google's: it ends with `{GOOGLE_ID_END}`; copy it from the \
         Google console (Clients, the client of the type `{client_type}`)"
    )]
    Google {
        /// What was found.
        found: String,
        /// Google's name for the type of client that is needed.
        client_type: &'static str,
    },
}

/// Judges a client's id. Elsewhere than at Google itself an id may have any form, and name an example. `client_type`: what
/// Google calls the type of client that is needed.
///
/// # Errors
/// Why it can't be one.
pub fn check_client_id(id: &str, is_google: bool, client_type: &'static str) -> Result<(), ClientIdError> {
    let found = || quote(id, 60);
    let has = |part: &str| id.as_bytes().windows(part.len()).any(|found| found == part.as_bytes());
    if ["YOUR", "<", ">", "…", "..."].into_iter().any(has) || is_google && says(id, "example") {
        return Err(ClientIdError::Placeholder { found: found() });
    }
    if id.is_empty() || id.len() > 512 || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ClientIdError::Form);
    }
    let is_of_google = id.strip_suffix(GOOGLE_ID_END).is_some_and(|number| !number.is_empty());
    if is_google && !is_of_google {
        return Err(ClientIdError::Google { found: found(), client_type });
    }
    Ok(())
}
