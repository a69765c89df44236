//! Where an issuer's endpoints are: OAuth 2.0 Authorization Server Metadata (RFC 8414) and OpenID Connect Discovery 1.0.
//!
//! Metadata are believed only if they name the very issuer that the settings name, character by character (RFC 8414
//! §3.3), and their endpoints only over TLS, unless the settings themselves name an issuer without it.

use punchcard_sdk::auth_policy::{Directive, Request};
use punchcard_sdk::http::Response;
use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::answer::{Silence, is_overloaded, parse_object, text};
use crate::pace::MINUTE;
use crate::problem::{Cause, excerpt};
use crate::settings::{Endpoints, Server};
use crate::state::Phase;
use crate::turn::Turn;

/// The endpoints that an issuer published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Discovered {
    issuer: Address,
    endpoints: Endpoints,
}

/// A search for metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Search {
    /// What the endpoints are wanted for.
    errand: Errand,
    /// Position among [`well_known`] of the address being asked.
    position: usize,
    /// What was wrong with the most telling answer so far.
    cause: Option<Cause>,
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

/// Where an issuer's metadata may be, in the order in which to ask: OpenID Connect Discovery 1.0 §4.1 appends to the
/// issuer's path, RFC 8414 §3.1 inserts before it, and §5 knows servers that do so under the other name.
pub(crate) fn well_known(issuer: &Address) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path().trim_end_matches('/'));
    let mut addresses = vec![
        format!("{origin}{path}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ];
    if !path.is_empty() {
        addresses.push(format!("{origin}/.well-known/openid-configuration{path}"));
    }
    addresses
}

/// Reads metadata: RFC 8414 §2, RFC 8628 §4.
///
/// # Errors
/// The cause to show if no other address has better.
pub(crate) fn parse_metadata(issuer: &Address, response: &Response) -> Result<Endpoints, Cause> {
    let members =
        parse_object(&response.body).filter(|_| response.status == 200).ok_or(Cause::NoMetadata(response.status))?;
    match text(&members, "issuer") {
        Some(found) if found == issuer.as_str() => {}
        Some(found) => return Err(Cause::IssuerDiffers(excerpt(found, 200))),
        None => return Err(Cause::MetadataLack("issuer".to_owned())),
    }
    let endpoint = |name: &str| {
        text(&members, name)
            .and_then(|url| Address::try_from(url.to_owned()).ok())
            .filter(|url| url.is_https() || !issuer.is_https())
            .ok_or_else(|| Cause::MetadataLack(name.to_owned()))
    };
    Ok(Endpoints {
        device_authorization: endpoint("device_authorization_endpoint")?,
        token: endpoint("token_endpoint")?,
        revocation: endpoint("revocation_endpoint").ok(),
    })
}

/// What to show of two causes: one that comes of a document says more than the lack of one.
fn more_telling(earlier: Option<Cause>, later: Cause) -> Cause {
    match (earlier, later) {
        (Some(earlier), Cause::NoMetadata(_)) => earlier,
        (_, later) => later,
    }
}

impl Turn<'_> {
    /// Where to send requests, as far as it is known.
    pub(crate) fn endpoints(&self) -> Option<Endpoints> {
        match &self.settings.server {
            Server::Google { endpoints, .. } | Server::Endpoints(endpoints) => Some(endpoints.clone()),
            Server::Issuer(issuer) => {
                let known = self.state.discovered.as_ref().filter(|known| known.issuer == *issuer)?;
                Some(known.endpoints.clone())
            }
        }
    }

    /// Finds out where to send requests, then does the errand.
    pub(crate) fn discover(&mut self, errand: Errand) -> Directive {
        match &self.settings.server {
            Server::Issuer(_) => self.ask_metadata(Search { errand, position: 0, cause: None }),
            Server::Google { .. } | Server::Endpoints(_) => self.do_errand(errand),
        }
    }

    /// Asks the address at which the search stands, or gives up after the last.
    pub(crate) fn ask_metadata(&mut self, search: Search) -> Directive {
        let Server::Issuer(issuer) = &self.settings.server else { return self.do_errand(search.errand) };
        match well_known(issuer).into_iter().nth(search.position) {
            Some(address) => {
                self.state.phase = Phase::Discovering(search);
                self.send(Request::Get(address))
            }
            None => match search.cause.unwrap_or(Cause::NoMetadata(0)) {
                // Perhaps a proxy whose server is still starting: nothing was decided, so it is asked again.
                cause @ Cause::NoMetadata(_) => {
                    self.state.phase = Phase::Discovering(Search { errand: search.errand, position: 0, cause: None });
                    self.retry(Silence { cause, retry_after_ms: Some(MINUTE) })
                }
                cause => self.block(cause),
            },
        }
    }

    /// What an address answered that was asked for metadata.
    pub(crate) fn metadata_answered(&mut self, search: Search, response: &Response) -> Directive {
        let Server::Issuer(issuer) = &self.settings.server else { return self.do_errand(search.errand) };
        if is_overloaded(response.status) {
            return self.retry(Silence::of(response, self.now));
        }
        match parse_metadata(issuer, response) {
            Ok(endpoints) => {
                self.state.discovered = Some(Discovered { issuer: issuer.clone(), endpoints });
                self.do_errand(search.errand)
            }
            Err(cause) => {
                let Search { errand, position, cause: earlier } = search;
                self.ask_metadata(Search { errand, position: position + 1, cause: Some(more_telling(earlier, cause)) })
            }
        }
    }

    fn do_errand(&mut self, errand: Errand) -> Directive {
        match errand {
            Errand::SignIn => self.request_code(),
            Errand::Renewal => self.renew(),
        }
    }
}
