//! Why there is no access, and what a person can do about it.
//!
//! A [`Cause`] is kept in the state; its words are made when they are shown. Every text that came from a server or the
//! host is cut and freed of control characters when the cause is made, by [`excerpt`].

use punchcard_sdk::Problem;
use serde::{Deserialize, Serialize};

use crate::settings::Settings;

/// Why there is no access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// Nobody entered the code in time: the local deadline, or `expired_token` (RFC 8628 §3.5).
    CodeExpired,
    /// `access_denied` (RFC 8628 §3.5).
    Denied,
    /// `invalid_grant` while polling: unknown, or claimed already.
    CodeRefused,
    /// A required scope was not granted.
    ScopesMissing(Vec<String>),
    /// Google ended the grant of a client in Testing.
    TestingEnded,
    /// `token_type` is not Bearer.
    TokenType(String),
    /// `invalid_client`: configuration.
    ClientRefused,
    /// `org_internal`: the client serves one organisation.
    OrganisationOnly,
    /// `admin_policy_enforced`.
    AdminPolicy,
    /// `unsupported_grant_type` or `unauthorized_client`.
    FlowRefused,
    /// `invalid_scope`.
    ScopeRefused,
    /// A service refused a lease that was just given.
    TokenRefused,
    /// `rate_limit_exceeded`.
    RateLimited,
    /// Any other error that the server named.
    Refused {
        /// Its code, or its HTTP status.
        code: String,
        /// Its own words, perhaps none.
        description: String,
    },
    /// A success that lacks this member, or holds something unfit for it.
    OddAnswer(String),
    /// The server could not be reached.
    Unreachable(String),
    /// 5xx, 429 or no JSON.
    Trouble(u16),
    /// An answer of more bytes than the host takes.
    TooLarge(u64),
    /// The host does not grant an address: its own words, which say which one and what to add.
    NotInReach(String),
    /// The host can't send such a request.
    NotSendable(String),
    /// This slot is empty.
    SlotEmpty(String),
    /// No metadata where RFC 8414 and OpenID Connect Discovery put it; the last HTTP status.
    NoMetadata(u16),
    /// The device has forgotten its tokens, but the server could not be told.
    NotRevoked(String),
    /// The metadata are another issuer's.
    IssuerDiffers(String),
    /// The metadata lack this member, or it is unfit.
    MetadataLack(String),
}

impl Cause {
    /// Whether nothing may be asked of the server again before a person says so, not even after a restart: someone
    /// decided, or a code ran out (RFC 8628 §3.5).
    pub(crate) fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::CodeExpired
                | Self::Denied
                | Self::CodeRefused
                | Self::ScopesMissing(_)
                | Self::TestingEnded
                | Self::TokenType(_)
                | Self::NotRevoked(_)
        )
    }

    /// The words for panel and `status`.
    pub(crate) fn problem(&self, settings: &Settings) -> Problem {
        let (headline, advice) = self.words(settings);
        Problem { headline: headline.to_owned(), advice }
    }

    fn words(&self, settings: &Settings) -> (&'static str, String) {
        const AGAIN: &str = "Sign in again at the device to get a new code.";
        const BY_ITSELF: &str = "It goes on trying by itself.";
        let google = settings.is_google();
        match self {
            Self::CodeExpired => ("code expired", format!("Nobody entered the code in time. {AGAIN}")),
            Self::Denied => ("access was refused", format!("The person who entered the code refused access. {AGAIN}")),
            Self::CodeRefused => {
                ("code not accepted", format!("The server does not know the code, or it was used already. {AGAIN}"))
            }
            Self::ScopesMissing(scopes) => (
                "permission missing",
                format!(
                    "The sign-in does not include {}: perhaps its box was not ticked{}. Sign in again and allow it.",
                    scopes.join(", "),
                    if google { "" } else { ", or the server does not know it: look at `scopes` in plugins.toml" }
                ),
            ),
            Self::TestingEnded => (
                "sign-in ended",
                "Google ended the sign-in about seven days after it was made, as it does while the OAuth client's \
                 publishing status is Testing. Publish the OAuth client in the Google console (Audience, Publish app), \
                 then sign in again at the device."
                    .to_owned(),
            ),
            Self::TokenType(found) => (
                "token not usable",
                format!("The server gave a token of the type `{found}`; only Bearer tokens can be used."),
            ),
            Self::ClientRefused if google => (
                "client id refused",
                "Google does not accept the client (invalid_client). In the Google console the OAuth client must be of \
                 the type `TVs and Limited Input devices`; `client-id` and the secret `client-secret` in plugins.toml \
                 must be those of this client."
                    .to_owned(),
            ),
            Self::ClientRefused => (
                "client id refused",
                "The server does not accept the client (invalid_client): look at `client-id`, \
                 `client-authentication` and the secret `client-secret` in plugins.toml."
                    .to_owned(),
            ),
            Self::OrganisationOnly => (
                "organisation only",
                "The OAuth client serves only accounts of its own organisation (org_internal): sign in with such an \
                 account, or set the client's audience to External in the Google console."
                    .to_owned(),
            ),
            Self::AdminPolicy => (
                "blocked by an admin",
                format!(
                    "The account's administrator does not allow this access (admin_policy_enforced): ask them to trust \
                     the client {}, or sign in with another account.",
                    settings.client_id
                ),
            ),
            Self::FlowRefused => (
                "device flow refused",
                "The server does not allow this client to sign in with a code on a device: enable the device \
                 authorization grant for it, and refresh tokens."
                    .to_owned(),
            ),
            Self::ScopeRefused => (
                "scope refused",
                format!(
                    "The server does not grant `{}` to devices (invalid_scope): change `scopes` in plugins.toml.",
                    settings.scopes.join(" ")
                ),
            ),
            Self::TokenRefused => (
                "token was refused",
                format!("A service refused the access token right after it was given. Another one is asked for. {BY_ITSELF}"),
            ),
            Self::RateLimited => (
                "too many sign-ins",
                format!("The server gives out no more codes for now (rate_limit_exceeded). {BY_ITSELF}"),
            ),
            Self::Refused { code, description } => (
                "sign-in failed",
                format!(
                    "The server answered `{code}`{}{description}. Look at the grant's settings in plugins.toml, then \
                     sign in again.",
                    if description.is_empty() { "" } else { ": " }
                ),
            ),
            Self::OddAnswer(member) => (
                "answer not understood",
                format!("In the server's answer `{member}` is missing or unfit. Is the address really that server's?"),
            ),
            Self::Unreachable(reason) => (
                "server not reached",
                format!("There was no answer from the server ({reason}): look at the network. {BY_ITSELF}"),
            ),
            Self::Trouble(status) => (
                "server has trouble",
                format!("The server answered with status {status} and nothing that can be used. {BY_ITSELF}"),
            ),
            Self::TooLarge(bytes) => (
                "server has trouble",
                format!("The server's answer is longer than {bytes} bytes, and was dropped. {BY_ITSELF}"),
            ),
            Self::NotInReach(said) => ("address not in reach", format!("The request was not sent: {said}.")),
            Self::NotSendable(reason) => {
                ("request not possible", format!("The request can't be sent: {reason}. Look at the grant's settings."))
            }
            Self::SlotEmpty(slot) => (
                "secret is missing",
                format!("`{slot}` is empty: give it in the grant's `secrets` in plugins.toml, or sign in again."),
            ),
            Self::NoMetadata(status) => (
                "no server metadata",
                format!(
                    "The issuer publishes no metadata (the last status was {status}): look at `issuer` in plugins.toml, \
                     or give `endpoints` in its place. {BY_ITSELF}"
                ),
            ),
            Self::NotRevoked(reason) => (
                "not revoked",
                format!(
                    "The device has signed out, but the server did not revoke the grant ({reason}): remove the \
                     device's access in the account's settings."
                ),
            ),
            Self::IssuerDiffers(found) => (
                "issuer differs",
                format!("The server calls itself `{found}`: write exactly this as `issuer` in plugins.toml, if it is right."),
            ),
            Self::MetadataLack(member) => (
                "no device flow",
                format!(
                    "In the server's metadata `{member}` is missing or unfit: the server may have no device \
                     authorization grant; otherwise give `endpoints` in place of `issuer`."
                ),
            ),
        }
    }
}

/// The beginning of a text that others wrote, on one line and without control characters.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    let kept = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    kept.take(characters).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str) -> Settings {
        serde_json::from_str(&format!(r#"{{{server},"client-id":"the-client","scopes":["email"]}}"#)).unwrap()
    }

    #[test]
    fn every_headline_fits_the_panel_and_every_advice_is_a_sentence() {
        let causes = [
            Cause::CodeExpired,
            Cause::Denied,
            Cause::CodeRefused,
            Cause::ScopesMissing(vec!["a".into(), "b".into()]),
            Cause::TestingEnded,
            Cause::TokenType("mac".into()),
            Cause::ClientRefused,
            Cause::OrganisationOnly,
            Cause::AdminPolicy,
            Cause::FlowRefused,
            Cause::ScopeRefused,
            Cause::RateLimited,
            Cause::Refused { code: "odd".into(), description: String::new() },
            Cause::OddAnswer("user_code".into()),
            Cause::Unreachable("no route".into()),
            Cause::Trouble(502),
            Cause::TooLarge(8_388_608),
            Cause::NotInReach("https://example.org is not within `grants.door.reach`".into()),
            Cause::NotRevoked("no answer".into()),
            Cause::NotSendable("too long".into()),
            Cause::SlotEmpty("client-secret".into()),
            Cause::NoMetadata(404),
            Cause::IssuerDiffers("https://example.org".into()),
            Cause::MetadataLack("issuer".into()),
        ];
        for server in [r#""provider":"google""#, r#""issuer":"https://example.org""#] {
            for cause in &causes {
                let Problem { headline, advice } = cause.problem(&settings(server));
                assert!((1..=21).contains(&headline.chars().count()), "{headline}");
                assert!(advice.ends_with(['.', '?']) && !advice.contains("  "), "{advice}");
            }
        }
    }

    #[test]
    fn advice_names_what_to_change() {
        let google = settings(r#""provider":"google""#);
        let other = settings(r#""issuer":"https://example.org""#);
        for (cause, settings, words) in [
            (Cause::ClientRefused, &google, "TVs and Limited Input devices"),
            (Cause::ClientRefused, &other, "client-authentication"),
            (Cause::AdminPolicy, &google, "the client the-client"),
            (Cause::ScopeRefused, &google, "`email`"),
            (Cause::ScopesMissing(vec!["a".into(), "b".into()]), &google, "include a, b:"),
            (Cause::Refused { code: "odd".into(), description: "very odd".into() }, &other, "`odd`: very odd."),
            (Cause::Refused { code: "odd".into(), description: String::new() }, &other, "`odd`."),
            (Cause::SlotEmpty("client-secret".into()), &other, "`client-secret`"),
            (Cause::NotInReach("https://a.example".into()), &other, "https://a.example"),
            (Cause::IssuerDiffers("https://a.example/".into()), &other, "`https://a.example/`"),
        ] {
            let advice = cause.problem(settings).advice;
            assert!(advice.contains(words), "{advice}");
        }
    }

    #[test]
    fn what_a_person_decided_waits_for_a_person() {
        assert!(Cause::Denied.needs_person() && Cause::CodeExpired.needs_person());
        assert!(!Cause::ClientRefused.needs_person() && !Cause::RateLimited.needs_person());
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt("a\r\nb\u{1b}[2J", 20), "a  b [2J");
        assert_eq!(excerpt(" \u{e9}\u{e9}\u{e9}", 3), "\u{e9}\u{e9}");
    }
}
