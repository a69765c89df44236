//! Why there is no access, and what a person can do about it.
//!
//! A [`Cause`] is kept in the state; its words are made when they are shown.

use punchcard_sdk::Problem;
use punchcard_sdk::quote::sentence;
use serde::{Deserialize, Serialize};

use crate::Settings;

/// Characters of others' words that are kept.
pub(crate) const WORDS_MAX: usize = 400;

/// Said of what is tried again without anybody's doing.
const BY_ITSELF: &str = "It is tried again by itself.";

/// Why there is no access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// The device does not know the time, and an assertion says what time it is.
    TimeUnknown,
    /// The server finds that an assertion is of another time.
    ClockDiffers,
    /// The host can't use the key: its own words.
    KeyUnusable(String),
    /// This slot is empty.
    SlotEmpty(String),
    /// The signature is not of a key of this account.
    KeyRefused,
    /// There is no such account.
    AccountUnknown,
    /// Somebody disabled the account.
    AccountDisabled,
    /// There is no such person.
    SubjectUnknown,
    /// The account may not act for this person, or not with these scopes.
    DelegationRefused,
    /// `invalid_scope`.
    ScopeRefused,
    /// A service refused a lease that was just given.
    TokenRefused,
    /// Any other error that the server named.
    Refused {
        /// Its name.
        code: String,
        /// The server's own words, perhaps none.
        description: String,
    },
    /// A success that lacks this member, or holds something unfit for it.
    OddAnswer(String),
    /// The server could not be reached.
    Unreachable(String),
    /// The connection was refused for the server's certificate.
    Certificate(String),
    /// 5xx, 429 or an answer that is too long to be one.
    Trouble(u16),
    /// Something in the network answered in place of the server: what it was.
    Foreign(String),
    /// The host does not grant the address: its own words, which say what to add.
    NotInReach(String),
    /// The host can't send such a request.
    NotSendable(String),
}

impl Cause {
    /// Whether only plugins.toml or the key file can mend it. A change of either starts the grant anew; until then nothing is
    /// asked. Everything else may be mended at the server, or pass.
    pub(crate) fn is_of_this_device(&self) -> bool {
        matches!(self, Self::KeyUnusable(_) | Self::SlotEmpty(_) | Self::NotInReach(_))
    }

    /// The words for panel and `status`.
    pub(crate) fn problem(&self, settings: &Settings) -> Problem {
        let (headline, advice) = self.words(settings);
        Problem { headline: headline.to_owned(), advice }
    }

    fn words(&self, settings: &Settings) -> (&'static str, String) {
        let account = &settings.account;
        match self {
            Self::TimeUnknown => (
                "time is not known",
                format!(
                    "The device does not know the time yet, and signs nothing before it does. {BY_ITSELF} If it lasts, look at \
                     the network and at `punchcard doctor`."
                ),
            ),
            Self::ClockDiffers => (
                "clock is wrong",
                format!(
                    "The server says that the device's clock differs from its own: look at the clock with `punchcard doctor`. \
                     {BY_ITSELF}"
                ),
            ),
            Self::KeyUnusable(said) => (
                "key is not usable",
                format!(
                    "{} The secret `service-account` has to be the JSON file that the console gives for a key of {account}, as \
                     it was downloaded.",
                    sentence(said, WORDS_MAX)
                ),
            ),
            Self::SlotEmpty(slot) => (
                "key is missing",
                format!(
                    "The secret `{slot}` is not there: give the key file in the grant's `secrets` in plugins.toml."
                ),
            ),
            Self::KeyRefused => (
                "key was refused",
                format!(
                    "The server does not accept the key for {account}: it was deleted or has expired, or it is another \
                     account's. Compare `account` in plugins.toml with `client_email` in the key file; if they are the same, make \
                     another key in the console and put its file in the place of the old one. {BY_ITSELF}"
                ),
            ),
            Self::AccountUnknown => (
                "account not found",
                format!(
                    "There is no service account {account}: it was deleted, or `account` in plugins.toml is not the \
                     `client_email` of the key file. {BY_ITSELF}"
                ),
            ),
            Self::AccountDisabled => (
                "account is disabled",
                format!("The service account {account} is disabled: enable it in the console. {BY_ITSELF}"),
            ),
            Self::SubjectUnknown => (
                "person not found",
                format!(
                    "The server does not know {}: look at `subject` in plugins.toml, which is the e-mail address of a person of \
                     your organisation. {BY_ITSELF}",
                    subject(settings)
                ),
            ),
            Self::DelegationRefused if settings.subject.is_some() => (
                "delegation refused",
                format!(
                    "{account} may not act for {}: an administrator has to enter the account's client id with exactly these \
                     scopes under domain-wide delegation: {}. It may take a day until that counts. Or leave `subject` out. \
                     {BY_ITSELF}",
                    subject(settings),
                    settings.scopes.join(", ")
                ),
            ),
            Self::DelegationRefused => (
                "account not allowed",
                format!(
                    "The server does not give {account} tokens for these scopes: {}. Look at `scopes` in plugins.toml. \
                     {BY_ITSELF}",
                    settings.scopes.join(", ")
                ),
            ),
            Self::ScopeRefused => (
                "scope refused",
                format!(
                    "The server does not know one of these scopes: {}. Look at `scopes` in plugins.toml. {BY_ITSELF}",
                    settings.scopes.join(", ")
                ),
            ),
            Self::TokenRefused => (
                "token was refused",
                format!("A service does not accept the token that the server has just given. {BY_ITSELF}"),
            ),
            Self::Refused { code, description } => {
                let after = if description.is_empty() { String::new() } else { format!(": {description}") };
                ("sign-in failed", format!("The server refuses to give a token (`{code}`{after}). {BY_ITSELF}"))
            }
            Self::OddAnswer(member) => (
                "answer not understood",
                format!("The server's answer lacks `{member}`, or holds something unfit for it. {BY_ITSELF}"),
            ),
            Self::Unreachable(said) => ("server not reached", format!("{} {BY_ITSELF}", sentence(said, WORDS_MAX))),
            Self::Certificate(said) => (
                "certificate refused",
                format!("{} Look at the device's clock. {BY_ITSELF}", sentence(said, WORDS_MAX)),
            ),
            Self::Trouble(status) => {
                ("server has trouble", format!("The sign-in server answered with status {status}. {BY_ITSELF}"))
            }
            Self::Foreign(what) => ("network in the way", format!("{} {BY_ITSELF}", sentence(what, WORDS_MAX))),
            Self::NotInReach(said) => ("address not in reach", sentence(said, WORDS_MAX)),
            Self::NotSendable(said) => {
                ("request not possible", format!("The host did not send it: {} {BY_ITSELF}", sentence(said, WORDS_MAX)))
            }
        }
    }
}

fn subject(settings: &Settings) -> &str {
    settings.subject.as_deref().unwrap_or("the person")
}

#[cfg(test)]
mod tests {
    use punchcard_sdk::settings::parse_settings;

    use super::*;

    #[test]
    fn headlines_fit_a_panel_of_one_line_and_advice_says_what_to_do() {
        for subject in ["", r#","subject":"anna@example.org""#] {
            let settings: Settings =
                parse_settings(&format!(r#"{{"account":"a@b","scopes":["s"]{subject}}}"#)).unwrap();
            let said = || "said".to_owned();
            for cause in [
                Cause::TimeUnknown,
                Cause::ClockDiffers,
                Cause::KeyUnusable(said()),
                Cause::SlotEmpty(said()),
                Cause::KeyRefused,
                Cause::AccountUnknown,
                Cause::AccountDisabled,
                Cause::SubjectUnknown,
                Cause::DelegationRefused,
                Cause::ScopeRefused,
                Cause::TokenRefused,
                Cause::Refused { code: said(), description: said() },
                Cause::OddAnswer(said()),
                Cause::Unreachable(said()),
                Cause::Certificate(said()),
                Cause::Trouble(503),
                Cause::Foreign(said()),
                Cause::NotInReach(said()),
                Cause::NotSendable(said()),
            ] {
                let problem = cause.problem(&settings);
                assert!(problem.headline.chars().count() <= 21, "{}", problem.headline);
                assert!(problem.advice.ends_with('.'), "{}", problem.advice);
            }
        }
    }
}
