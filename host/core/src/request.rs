//! Requests as they may leave: what a plugin asked for, checked, with the secrets that the host adds.
//!
//! A [`Prepared`] request is made by [`plan_delivery`] and [`plan_authentication`] alone. Always: its URL is covered by
//! the `reach` of whoever asked; its bearer token goes where the grant's `audience` lets it; its headers frame nothing and
//! claim no authority that the host did not add; its sizes are bounded. It knows no connection and no address: whether a
//! name leads to a private network shows only when it is resolved.

mod delivery;
pub use delivery::{Credential, plan_delivery};

mod authentication;
pub use authentication::plan_authentication;

mod assertion;
pub use assertion::{Sign, Signing};

mod header;

use url::Url;
use zeroize::Zeroizing;

use crate::http::{Failure, Header, Method};
use crate::reach::{Network, Prefix, covering, literal_address, without_query};
use crate::secret::Secret;

/// Milliseconds that a request may take, where it does not say.
pub const DEFAULT_TIMEOUT_MS: u32 = 60_000;

/// Bytes of a URL at most.
const LONGEST_URL: usize = 16 * 1024;

/// Bytes of a body at most. Sheets advises 2 MB.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// Bytes of an answer to an auth policy at most. The host reads it as JSON, which takes many times its size, and an answer
/// of an authorization server has some thousand bytes.
const LARGEST_AUTHENTICATION: u64 = 256 * 1024;

/// A list of URL prefixes in plugins.toml.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// Where it stands, such as `sinks.timesheet.reach`, for messages.
    pub key: &'a str,
    /// Its entries.
    pub prefixes: &'a [Prefix],
}

/// A request that may leave, with the body of the one that a connector asked for, or with one of its own. It has no `Debug`:
/// it holds secrets.
pub struct Prepared<'a> {
    method: Method,
    url: Url,
    headers: Vec<Header>,
    credential: Option<(String, Secret)>,
    body: Option<Body<'a>>,
    /// Secrets that were made for this request and lie nowhere else.
    minted: Vec<Secret>,
    idempotent: bool,
    timeout_ms: u32,
    network: Network,
    largest_answer: u64,
}

/// The bytes of a body. A connector's may have megabytes, and are not copied.
enum Body<'a> {
    /// Without secrets.
    Asked(&'a [u8]),
    /// With secrets of slots.
    Made(Zeroizing<Vec<u8>>),
}

impl Prepared<'_> {
    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Absolute, https or http, without user and fragment.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What is no secret, `Content-Type` included.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The header that gives access: its name and its value.
    #[must_use]
    pub fn credential(&self) -> Option<(&str, &Secret)> {
        self.credential.as_ref().map(|(name, value)| (name.as_str(), value))
    }

    /// The body. It may hold secrets.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|body| match body {
            Body::Asked(bytes) => bytes,
            Body::Made(bytes) => bytes.as_slice(),
        })
    }

    /// Secrets that were made for this request alone: a server could echo them.
    #[must_use]
    pub fn minted(&self) -> &[Secret] {
        &self.minted
    }

    /// Whether sending it twice does no more than sending it once.
    #[must_use]
    pub fn idempotent(&self) -> bool {
        self.idempotent
    }

    /// Milliseconds until its answer must be there in whole.
    #[must_use]
    pub fn timeout_ms(&self) -> u32 {
        self.timeout_ms
    }

    /// Where its name may lead to.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// Bytes of an answer's body at most.
    #[must_use]
    pub fn largest_answer(&self) -> u64 {
        self.largest_answer
    }
}

/// The URL, if these prefixes cover it, and where its name may lead to.
fn parse_url(text: &str, reach: Reach<'_>) -> Result<(Url, Network), Failure> {
    if text.len() > LONGEST_URL {
        return Err(Failure::Invalid(format!("the URL is longer than {LONGEST_URL} bytes")));
    }
    let mut url = Url::parse(text).map_err(|error| Failure::Invalid(format!("the URL is none: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(Failure::Invalid(format!("the URL's scheme is `{}`, neither https nor http", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::Invalid("the URL names a user; the host adds the authorization".to_owned()));
    }
    url.set_fragment(None);
    let network = plan_network(&url, reach)?;
    Ok((url, network))
}

/// Where the URL's name may lead to, as far as these prefixes say.
fn plan_network(url: &Url, reach: Reach<'_>) -> Result<Network, Failure> {
    let network = covering(reach.prefixes, url).map(|private| Network::of(url, private));
    // An address that stands in the URL is not resolved, and so has to be judged here.
    let admitted = network.filter(|network| literal_address(url).is_none_or(|address| network.admits(address)));
    admitted.ok_or_else(|| not_covered(url, reach))
}

fn not_covered(url: &Url, Reach { key, .. }: Reach<'_>) -> Failure {
    Failure::Denied(format!(
        "{} is not within `{key}` of plugins.toml; if it is meant, add `{}` there",
        without_query(url),
        url.origin().ascii_serialization()
    ))
}

fn check_body(body: &[u8]) -> Result<(), Failure> {
    if body.len() > LONGEST_BODY {
        return Err(Failure::Invalid(format!("the body is longer than {LONGEST_BODY} bytes")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, prefixes: &[(&str, bool)]) -> Result<(String, Network), Failure> {
        let prefixes: Vec<_> =
            prefixes.iter().map(|(prefix, private)| Prefix::parse(prefix, *private).unwrap()).collect();
        let reach = Reach { key: "sinks.rows.reach", prefixes: &prefixes };
        parse_url(text, reach).map(|(url, network)| (url.to_string(), network))
    }

    #[test]
    fn a_url_has_to_be_covered() {
        let reach = [
            ("https://h.example/drive", false),
            ("http://nas.example", true),
            ("https://nas.example", true),
            ("http://10.0.0.7:8080", false),
            ("http://8.8.8.8", true),
        ];
        let table = [
            ("https://h.example/drive/x?q=1#fragment", Ok(("https://h.example/drive/x?q=1", Network::Open))),
            ("http://nas.example/x", Ok(("http://nas.example/x", Network::Private))),
            ("https://nas.example/x", Ok(("https://nas.example/x", Network::Any))),
            ("http://10.0.0.7:8080/x", Ok(("http://10.0.0.7:8080/x", Network::Private))),
            (
                "http://8.8.8.8/x",
                Err(Failure::Denied(
                    "http://8.8.8.8/x is not within `sinks.rows.reach` of plugins.toml; \
                     if it is meant, add `http://8.8.8.8` there"
                        .to_owned(),
                )),
            ),
            (
                "https://h.example/admin?token=t",
                Err(Failure::Denied(
                    "https://h.example/admin is not within `sinks.rows.reach` of plugins.toml; \
                     if it is meant, add `https://h.example` there"
                        .to_owned(),
                )),
            ),
            ("nonsense", Err(Failure::Invalid("the URL is none: relative URL without a base".to_owned()))),
            ("ftp://h.example/", Err(Failure::Invalid("the URL's scheme is `ftp`, neither https nor http".to_owned()))),
            (
                "https://me@h.example/drive",
                Err(Failure::Invalid("the URL names a user; the host adds the authorization".to_owned())),
            ),
            (
                "https://:p@h.example/drive",
                Err(Failure::Invalid("the URL names a user; the host adds the authorization".to_owned())),
            ),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(url, network): (&str, Network)| (url.to_owned(), network));
            assert_eq!(parsed(text, &reach), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let url = |length: usize| format!("https://h.example/{}", "a".repeat(length - 18));
        assert!(parsed(&url(LONGEST_URL), &[("https://h.example", false)]).is_ok());
        let error = Failure::Invalid("the URL is longer than 16384 bytes".to_owned());
        assert_eq!(parsed(&url(LONGEST_URL + 1), &[("https://h.example", false)]), Err(error));
        assert_eq!(check_body(&vec![0; LONGEST_BODY]), Ok(()));
        let error = Failure::Invalid("the body is longer than 16777216 bytes".to_owned());
        assert_eq!(check_body(&vec![0; LONGEST_BODY + 1]), Err(error));
    }
}
