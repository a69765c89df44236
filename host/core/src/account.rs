//! Whose account a sign-in is, from an `id_token` (OpenID Connect Core 1.0 §2).
//!
//! The token came from the token endpoint over TLS, so its signature need not be checked (§3.1.3.7, point 6). What is read
//! here is for a person to see, and gives access to nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::secret::Secret;

/// Characters of an account's name at most.
const LONGEST: usize = 320;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    email: Option<String>,
}

/// The e-mail address that the token names, or where it names none, the server's own number for the account. `None`: it is no
/// such token.
#[must_use]
pub fn read_account(id_token: &Secret) -> Option<String> {
    let mut parts = id_token.reveal().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let named = claims.email.filter(|email| !email.is_empty()).unwrap_or(claims.sub);
    (!named.is_empty()).then(|| named.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_the_claims() {
        let table = [
            (r#"{"sub":"1","email":"me@example.org","iss":"https://accounts.google.com"}"#, Some("me@example.org")),
            (r#"{"sub":"1"}"#, Some("1")),
            (r#"{"sub":"1","email":""}"#, Some("1")),
            (r#"{"email":"me@example.org"}"#, None),
            (r#"{"sub":1}"#, None),
            ("no claims", None),
        ];
        for (claims, expected) in table {
            let token = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
            assert_eq!(read_account(&token).as_deref(), expected, "{claims}");
        }
        for token in ["", "a.b", "e30.?.x", "e30.e30"] {
            assert_eq!(read_account(&Secret::new(token.to_owned())), None, "{token}");
        }
    }
}
