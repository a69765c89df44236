//! Where an issuer's endpoints are: OAuth 2.0 Authorization Server Metadata (RFC 8414) and OpenID Connect Discovery
//! 1.0.
//!
//! Metadata are believed only if they name the very issuer that the settings name, character by character (RFC 8414
//! §3.3), and their endpoints only over TLS, unless the settings themselves name an issuer without it.

use punchcard_sdk::answer::{Form, form};
use punchcard_sdk::http::Response;
use punchcard_sdk::quote::quote;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::answer::{parse_object, text};
use crate::problem::Cause;
use crate::settings::Endpoints;

/// The endpoints that an issuer published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Discovered {
    pub(crate) issuer: Address,
    pub(crate) endpoints: Endpoints,
}

/// A search for metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Search {
    /// What the endpoints are wanted for.
    pub(crate) errand: Errand,
    /// Position among [`well_known`](crate::well_known::well_known) of the address being asked.
    pub(crate) position: usize,
    /// What was wrong with the most telling answer so far.
    pub(crate) cause: Option<Cause>,
}

impl Search {
    /// Whether a lease waits for it, rather than a code.
    pub(crate) fn is_for_renewal(&self) -> bool {
        self.errand == Errand::Renewal
    }
}

/// What endpoints are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Errand {
    /// A new code.
    SignIn,
    /// A new lease.
    Renewal,
}

/// Reads metadata: RFC 8414 §2, RFC 8628 §4.
///
/// # Errors
/// The cause to show if no other address has better.
pub(crate) fn parse_metadata(issuer: &Address, response: &Response) -> Result<Endpoints, Cause> {
    // Many servers have a page of HTML for every address that they don't know, so that the other addresses are asked
    // too.
    if form(response) == Form::Html {
        return Err(Cause::foreign(response));
    }
    let members =
        parse_object(response).filter(|_| response.status == 200).ok_or(Cause::NoMetadata(response.status))?;
    match text(&members, "issuer") {
        Some(found) if found == issuer.as_str() => {}
        Some(found) => return Err(Cause::IssuerDiffers(quote(found, 200))),
        None => return Err(Cause::MetadataLack("issuer".to_owned())),
    }
    let endpoint = |name: &str| {
        let url = text(&members, name).and_then(|url| Address::try_from(url.to_owned()).ok());
        let url = url.ok_or_else(|| Cause::MetadataLack(name.to_owned()))?;
        if url.is_https() || !issuer.is_https() { Ok(url) } else { Err(Cause::PlainEndpoint(name.to_owned())) }
    };
    Ok(Endpoints {
        device_authorization: endpoint("device_authorization_endpoint")?,
        token: endpoint("token_endpoint")?,
        revocation: endpoint("revocation_endpoint").ok(),
    })
}

/// What to show of two causes: one that comes of a document says more than the lack of one.
pub(crate) fn more_telling(earlier: Option<Cause>, later: Cause) -> Cause {
    match (earlier, later) {
        (Some(earlier), Cause::NoMetadata(_) | Cause::Foreign(_)) => earlier,
        (_, later) => later,
    }
}
