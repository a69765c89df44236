//! Whose account a sign-in is, from an `id_token` (OpenID Connect Core 1.0 §2).
//!
//! The token came from the token endpoint over TLS, so its signature need not be checked (§3.1.3.7, point 6). What is read
//! here is for a person to see, and gives access to nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::printable::{is_hidden, steers};
use crate::secret::Secret;

/// Characters of an account's name at most.
const LONGEST: usize = 320;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    email: Option<String>,
}

/// An account at a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// `sub`: the server's own number for it, which never changes.
    pub subject: String,
    /// `email`, where the server says it. A person may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl Account {
    /// What a person knows it by: the e-mail address, or where there is none, the server's number.
    #[must_use]
    pub fn name(&self) -> &str {
        self.email.as_deref().unwrap_or(&self.subject)
    }
}

/// The account that the token names. `None`: it is no such token.
#[must_use]
pub fn read_account(id_token: &Secret) -> Option<Account> {
    let mut parts = id_token.reveal().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    // It is shown to people, and a server may say anything.
    let bounded = |text: String| -> String {
        text.chars().filter(|shown| !is_hidden(*shown) && !steers(*shown)).take(LONGEST).collect()
    };
    let email = claims.email.map(bounded).filter(|email| !email.is_empty());
    let subject = bounded(claims.sub);
    (!subject.is_empty()).then_some(Account { subject, email })
}

/// What a sign-in is, compared with the account that a person has let the device use until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nobody said whose it is.
    Unknown,
    /// It is the account that it was.
    Same,
    /// It is the first account, or its e-mail address changed: it is the one from now on.
    Accept(Account),
    /// It is another account, which a person has to accept first: files of the one before would be made once more in it.
    Another(Account),
}

/// Compares a sign-in with the account that was accepted before.
#[must_use]
pub fn judge_account(accepted: Option<&Account>, now: Option<&Account>) -> Change {
    match (accepted, now) {
        (_, None) => Change::Unknown,
        (Some(accepted), Some(now)) if accepted.subject != now.subject => Change::Another(now.clone()),
        // A renewal may leave the address out.
        (Some(accepted), Some(now)) if now.email.is_none() || accepted.email == now.email => Change::Same,
        (_, Some(now)) => Change::Accept(now.clone()),
    }
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
            (r#"{"sub":"1","email":"me\u202e@\u001b[1mexample.org"}"#, Some("me@[1mexample.org")),
            (r#"{"sub":"\u0000"}"#, None),
            (r#"{"email":"me@example.org"}"#, None),
            (r#"{"sub":1}"#, None),
            ("no claims", None),
        ];
        for (claims, expected) in table {
            let token = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)));
            assert_eq!(read_account(&token).as_ref().map(Account::name), expected, "{claims}");
        }
        for token in ["", "a.b", "e30.?.x", "e30.e30"] {
            assert_eq!(read_account(&Secret::new(token.to_owned())), None, "{token}");
        }
    }

    #[test]
    fn another_account_is_accepted_by_a_person_alone() {
        let account = |subject: &str, email: Option<&str>| Account {
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
        };
        let (mine, renamed) = (account("1", Some("me@example.org")), account("1", Some("new@example.org")));
        let (unnamed, other) = (account("1", None), account("2", Some("me@example.org")));
        for (accepted, now, expected) in [
            (None, None, Change::Unknown),
            (Some(&mine), None, Change::Unknown),
            (None, Some(&mine), Change::Accept(mine.clone())),
            (Some(&mine), Some(&mine), Change::Same),
            (Some(&mine), Some(&unnamed), Change::Same),
            (Some(&unnamed), Some(&mine), Change::Accept(mine.clone())),
            (Some(&mine), Some(&renamed), Change::Accept(renamed.clone())),
            (Some(&mine), Some(&other), Change::Another(other.clone())),
            (Some(&unnamed), Some(&other), Change::Another(other.clone())),
        ] {
            assert_eq!(judge_account(accepted, now), expected, "{accepted:?} {now:?}");
        }
    }
}
