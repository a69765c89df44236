//! Why there is no access, and what a person can do about it.
//!
//! A [`Cause`] is kept in the state; its words are made when they are shown. Every text that came from a server or the
//! host is cut and freed of control characters and of its full stop when the cause is made.

use crate::Problem;
use crate::quote::{says, sentence};
use serde::{Deserialize, Serialize};

/// Of whom a problem is said.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Whether the server is Google.
    pub is_google: bool,
    /// The client's id.
    pub client_id: &'a str,
    /// The scopes that are asked for.
    pub scopes: &'a [String],
    /// How a person signs in.
    pub flow: &'a Flow,
}

/// The words for what differs between the ways in which a person signs in. Each is a whole sentence, but for the headlines, of
/// at most 21 characters.
#[derive(Debug)]
pub struct Flow {
    /// What to do to try again.
    pub again: &'static str,
    /// Nobody came in time: headline and sentence.
    pub expired: (&'static str, &'static str),
    /// That nothing was heard until then.
    pub unheard: &'static str,
    /// A person said no.
    pub denied: &'static str,
    /// What a person brought is of no use: headline and sentence.
    pub spent: (&'static str, &'static str),
    /// Google's name for the type of the client; no sentence.
    pub client_type: &'static str,
    /// The server does not let the client sign in so: headline and sentence.
    pub refused: (&'static str, &'static str),
    /// Too many try to sign in; without its full stop.
    pub busy: &'static str,
}

/// Why there is no access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Nobody entered the code in time: the local deadline, or `expired_token` (RFC 8628 §3.5).
    CodeExpired,
    /// The code ran out while the token endpoint did not answer as it should: why.
    CodeUnheard(Box<Cause>),
    /// `access_denied` (RFC 8628 §3.5): the person's answer.
    Denied,
    /// The server lets this account or this client in no more, or not for now: `access_denied` in a renewal and its
    /// like.
    Restricted {
        /// The error's name.
        code: String,
        /// The server's own words, perhaps none.
        description: String,
    },
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
    /// `deleted_client`.
    ClientDeleted,
    /// `disabled_client`.
    ClientDisabled,
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
    /// The connection was refused for the server's certificate.
    Certificate(String),
    /// 5xx, 429 or an answer that is too long to be one.
    Trouble(u16),
    /// Something in the network answered in place of the server: what it was.
    Foreign(String),
    /// 404, 405 or 410 without words: this endpoint is not there.
    NoEndpoint(u16),
    /// 415: the server takes no forms.
    FormRefused,
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
    /// An issuer with TLS publishes this endpoint without it.
    PlainEndpoint(String),
}

impl Cause {
    /// Whether nothing may be asked of the server again before a person says so, not even after a restart: someone
    /// decided, or a code ran out (RFC 8628 §3.5).
    pub fn needs_person(&self) -> bool {
        matches!(
            self,
            Self::CodeExpired
                | Self::CodeUnheard(_)
                | Self::Denied
                | Self::CodeRefused
                | Self::ScopesMissing(_)
                | Self::TestingEnded
                | Self::TokenType(_)
                | Self::NotRevoked(_)
        )
    }

    /// Whether it ends a code, and says nothing of a refresh token from before it.
    pub fn is_about_code(&self) -> bool {
        matches!(self, Self::CodeExpired | Self::CodeUnheard(_) | Self::Denied | Self::CodeRefused)
    }

    /// Whether the server does not let this account or this client in, which somebody may mend there: the tokens may be
    /// good again then.
    pub fn is_restriction(&self) -> bool {
        matches!(
            self,
            Self::Restricted { .. }
                | Self::ClientRefused
                | Self::ClientDeleted
                | Self::ClientDisabled
                | Self::OrganisationOnly
                | Self::AdminPolicy
        )
    }

    /// The words for panel and `status`.
    pub fn problem(&self, subject: &Subject<'_>) -> Problem {
        let (headline, advice) = self.words(subject);
        Problem { headline: headline.to_owned(), advice }
    }

    #[expect(clippy::too_many_lines, reason = "one line for each cause")]
    fn words(&self, subject: &Subject<'_>) -> (&'static str, String) {
        let Subject { is_google: google, client_id, scopes: asked, flow } = *subject;
        let again = flow.again;
        match self {
            Self::CodeExpired => (flow.expired.0, format!("{} {again}", flow.expired.1)),
            Self::CodeUnheard(cause) => {
                let advice = cause.words(subject).1;
                let what = advice.strip_suffix(BY_ITSELF).unwrap_or(&advice).trim_end();
                ("sign-in unanswered", format!("{what} {} {again}", flow.unheard))
            }
            Self::Restricted { code, description } => (
                "account restricted",
                format!(
                    "The server does not let this account or this client in (`{code}`{}): ask whoever administers it. \
                     The device keeps its sign-in. {BY_ITSELF}",
                    after_colon(description)
                ),
            ),
            Self::Denied => ("access was refused", format!("{} {again}", flow.denied)),
            Self::CodeRefused => (flow.spent.0, format!("{} {again}", flow.spent.1)),
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
                format!(
                    "Google does not accept the client (invalid_client). In the Google console the OAuth client must be \
                     of the type `{}`; `client-id` and the secret `client-secret` in plugins.toml must be those of this \
                     client.",
                    flow.client_type
                ),
            ),
            Self::ClientRefused => (
                "client id refused",
                "The server does not accept the client (invalid_client): look at `client-id`, \
                 `client-authentication` and the secret `client-secret` in plugins.toml."
                    .to_owned(),
            ),
            Self::ClientDeleted => (
                "client was deleted",
                format!(
                    "The client {client_id} was deleted at the server (deleted_client): restore it there, or make another one \
                     and write its id as `client-id` and its secret as `client-secret` in plugins.toml."
                ),
            ),
            Self::ClientDisabled => (
                "client was disabled",
                format!(
                    "The client {client_id} is disabled at the server (disabled_client): enable it there. {BY_ITSELF}"
                ),
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
                     the client {client_id}, or sign in with another account."
                ),
            ),
            Self::FlowRefused => (flow.refused.0, flow.refused.1.to_owned()),
            Self::ScopeRefused => (
                "scope refused",
                format!(
                    "The server does not grant `{}` to this client (invalid_scope): change `scopes` in plugins.toml.",
                    asked.join(" ")
                ),
            ),
            Self::TokenRefused => (
                "token was refused",
                format!(
                    "A service refused the access token right after it was given. Another one is asked for. \
                     {BY_ITSELF}"
                ),
            ),
            Self::RateLimited => ("too many sign-ins", format!("{} (rate_limit_exceeded). {BY_ITSELF}", flow.busy)),
            Self::Refused { code, description } => (
                "sign-in failed",
                format!(
                    "The server answered `{code}`{}. Look at the grant's settings in plugins.toml, then sign in again.",
                    after_colon(description)
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
            Self::Certificate(reason) => ("certificate refused", certificate_advice(reason)),
            Self::Foreign(what) => {
                ("network in the way", format!("{} Nothing is lost. {BY_ITSELF}", sentence(what, FOREIGN_CHARACTERS)))
            }
            Self::NoEndpoint(status) => (
                "address not found",
                format!(
                    "At the address that was asked the server has nothing (status {status}): look at the grant's \
                     `issuer` or `endpoints` in plugins.toml. {BY_ITSELF}"
                ),
            ),
            Self::FormRefused => (
                "server wants JSON",
                "The server does not take forms (status 415), in which OAuth 2.0 asks (RFC 6749, RFC 8628): it can't \
                 be signed in to with this plugin. Is the address really that of its OAuth endpoint?"
                    .to_owned(),
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
                    "The issuer publishes no metadata (the last status was {status}): look at `issuer` in \
                     plugins.toml, or give `endpoints` in its place. {BY_ITSELF}"
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
                format!(
                    "The server calls itself `{found}`: write exactly this as `issuer` in plugins.toml, if it is \
                     right."
                ),
            ),
            Self::MetadataLack(member) => (
                "no device flow",
                format!(
                    "In the server's metadata `{member}` is missing or unfit: the server may have no device \
                     authorization grant; otherwise give `endpoints` in place of `issuer`."
                ),
            ),
            Self::PlainEndpoint(member) => (
                "endpoint without TLS",
                format!(
                    "The issuer has an https address and publishes `{member}` with an http one, where secrets would \
                     not be protected: tell the server its own public address (behind a proxy often \
                     `X-Forwarded-Proto`), or give `endpoints` in place of `issuer`."
                ),
            ),
        }
    }
}

/// What answers in a server's place is described up to here.
const FOREIGN_CHARACTERS: usize = 300;

/// Said of what is tried again without anybody's doing.
const BY_ITSELF: &str = "It goes on trying by itself.";

/// A server's words behind the name of its error.
fn after_colon(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(": {description}") }
}

/// What to do about a certificate. The host's reason ends with what its TLS library says of it.
fn certificate_advice(reason: &str) -> String {
    let what = format!("The server's certificate was not accepted ({reason})");
    if says(reason, "UnknownIssuer") {
        format!(
            "{what}: no authority that the device knows has signed it. If it is a private one, put its certificate \
             into a file and name that as the grant's `ca` in plugins.toml, or, for all that the device asks, in the \
             environment variable SSL_CERT_FILE of the service. {BY_ITSELF}"
        )
    } else if ["expired", "NotValidYet", "not valid yet"].iter().any(|words| says(reason, words)) {
        format!("{what}: either it has run out, or the device's clock is wrong. {BY_ITSELF}")
    } else {
        format!(
            "{what}: is the address in plugins.toml the one that the certificate names? Something in the network may \
             also answer in the server's place. {BY_ITSELF}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow {
        again: "Sign in again.",
        expired: ("code expired", "Nobody came in time."),
        unheard: "Nothing else was heard.",
        denied: "A person said no.",
        spent: ("code not accepted", "It was used already."),
        client_type: "Desktop app",
        refused: ("flow refused", "Enable it."),
        busy: "There are too many",
    };

    /// What is said of a client of Google's, or of another server's.
    fn problem(cause: &Cause, is_google: bool) -> Problem {
        let scopes = ["email".to_owned()];
        let client_id = "the-client.apps.googleusercontent.com";
        cause.problem(&Subject { is_google, client_id, scopes: &scopes, flow: &FLOW })
    }

    #[test]
    fn every_headline_fits_the_panel_and_every_advice_is_a_sentence() {
        let causes = [
            Cause::CodeExpired,
            Cause::CodeUnheard(Box::new(Cause::NoEndpoint(404))),
            Cause::Denied,
            Cause::Restricted { code: "access_denied".into(), description: "Account restricted".into() },
            Cause::CodeRefused,
            Cause::ScopesMissing(vec!["a".into(), "b".into()]),
            Cause::TestingEnded,
            Cause::TokenType("mac".into()),
            Cause::ClientRefused,
            Cause::ClientDeleted,
            Cause::ClientDisabled,
            Cause::OrganisationOnly,
            Cause::AdminPolicy,
            Cause::FlowRefused,
            Cause::ScopeRefused,
            Cause::RateLimited,
            Cause::Refused { code: "odd".into(), description: String::new() },
            Cause::OddAnswer("user_code".into()),
            Cause::Unreachable("no route".into()),
            Cause::Trouble(502),
            Cause::Certificate("invalid peer certificate: UnknownIssuer".into()),
            Cause::Foreign("something in the network answers".into()),
            Cause::NoEndpoint(404),
            Cause::FormRefused,
            Cause::TokenRefused,
            Cause::PlainEndpoint("token_endpoint".into()),
            Cause::TooLarge(8_388_608),
            Cause::NotInReach("https://example.org is not within `grants.door.reach`".into()),
            Cause::NotRevoked("no answer".into()),
            Cause::NotSendable("too long".into()),
            Cause::SlotEmpty("client-secret".into()),
            Cause::NoMetadata(404),
            Cause::IssuerDiffers("https://example.org".into()),
            Cause::MetadataLack("issuer".into()),
        ];
        for is_google in [true, false] {
            for cause in &causes {
                let Problem { headline, advice } = problem(cause, is_google);
                assert!((1..=21).contains(&headline.chars().count()), "{headline}");
                assert!(advice.ends_with(['.', '?']) && !advice.contains("  ") && !advice.contains(".."), "{advice}");
            }
        }
    }

    #[test]
    fn advice_names_what_to_change() {
        for (cause, is_google, words) in [
            (Cause::ClientRefused, true, "`Desktop app`"),
            (Cause::ClientRefused, false, "client-authentication"),
            (Cause::AdminPolicy, true, "the client the-client"),
            (Cause::ScopeRefused, true, "`email`"),
            (Cause::ScopesMissing(vec!["a".into(), "b".into()]), true, "include a, b:"),
            (Cause::Refused { code: "odd".into(), description: "very odd".into() }, false, "`odd`: very odd."),
            (Cause::Refused { code: "odd".into(), description: String::new() }, false, "`odd`."),
            (Cause::SlotEmpty("client-secret".into()), false, "`client-secret`"),
            (Cause::NotInReach("https://a.example".into()), false, "https://a.example"),
            (Cause::IssuerDiffers("https://a.example/".into()), false, "`https://a.example/`"),
        ] {
            let advice = problem(&cause, is_google).advice;
            assert!(advice.contains(words), "{advice}");
        }
    }

    #[test]
    fn what_a_person_decided_waits_for_a_person() {
        assert!(Cause::Denied.needs_person() && Cause::CodeExpired.needs_person());
        assert!(!Cause::ClientRefused.needs_person() && !Cause::RateLimited.needs_person());
    }

    #[test]
    fn what_a_certificate_lacks_is_said_with_its_remedy() {
        for (reason, words) in [
            ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
            ("invalid peer certificate: UnknownIssuer", "the grant's `ca`"),
            ("invalid peer certificate: Expired", "the device's clock"),
            ("invalid peer certificate: certificate expired: verification time 1", "the device's clock"),
            ("invalid peer certificate: NotValidYet", "the device's clock"),
            ("invalid peer certificate: NotValidForName", "the one that the certificate names"),
        ] {
            let advice = certificate_advice(reason);
            assert!(advice.contains(words) && advice.contains(reason), "{advice}");
        }
    }
}
