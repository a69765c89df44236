//! What a connector asks for.

use super::header::{check_headers, is_name, is_value};
use super::{Body, DEFAULT_TIMEOUT_MS, Prepared, Reach, check_body, parse_url, plan_network};
use crate::http::{Failure, Header, Method, Request};
use crate::reach::Network;
use crate::secret::Secret;

/// What `authorize` of a sink in plugins.toml adds to its requests.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The access token of a grant, as a bearer token (RFC 6750 §2.1), which [`Prepared::bear`] adds when there is one.
    Bearer {
        /// Where it may go.
        audience: Reach<'a>,
    },
    /// A key of the sink's own.
    Header {
        /// The header.
        name: &'a str,
        /// Its value.
        value: &'a Secret,
    },
}

/// Checks a connector's request and adds the sink's credential, if it has one, where the request asks for it. Whether a
/// connector can do without is known before anything starts: it says so in its needs.
///
/// # Errors
/// `Denied` when the URL is outside `reach`, or outside the grant's audience and yet to be authorized. `Invalid` when the
/// request is malformed, too large, or sets a header of the host's.
pub fn plan_delivery<'a>(
    request: &'a Request,
    reach: Reach<'_>,
    credential: Option<Credential<'_>>,
) -> Result<Prepared<'a>, Failure> {
    let (url, mut network) = parse_url(&request.url, reach)?;
    let own_header = match credential {
        Some(Credential::Header { name, .. }) => Some(name),
        _ => None,
    };
    check_headers(&request.headers, own_header, request.authorized && credential.is_some())?;
    let mut headers = request.headers.clone();
    let body = match &request.body {
        None => None,
        Some(_) if matches!(request.method, Method::Get | Method::Head) => {
            return Err(Failure::Invalid("a request to GET or HEAD has a body".to_owned()));
        }
        Some(content) => {
            check_body(&content.bytes)?;
            if content.media_type.is_empty() || !is_value(&content.media_type) {
                return Err(Failure::Invalid(format!("{:?} is no media type", content.media_type)));
            }
            headers.push(Header { name: "content-type".to_owned(), value: content.media_type.clone() });
            Some(Body::Asked(&content.bytes))
        }
    };
    let timeout_ms = request.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    if !(1_000..=600_000).contains(&timeout_ms) {
        return Err(Failure::Invalid(format!("a time-out of {timeout_ms} ms is not within 1,000 to 600,000")));
    }
    let credential = match (request.authorized, credential) {
        (false, _) | (true, None) => None,
        (true, Some(Credential::Bearer { audience })) => {
            // A token goes where both lists let it: a private network has to be granted by the audience, too.
            if plan_network(&url, audience)? == Network::Open && network != Network::Open {
                if url.scheme() == "http" {
                    return Err(super::not_covered(&url, audience));
                }
                network = Network::Open;
            }
            None
        }
        (true, Some(Credential::Header { name, value })) => Some(parse_credential(name, value.clone())?),
    };
    Ok(Prepared {
        method: request.method,
        url,
        headers,
        credential,
        body,
        minted: Vec::new(),
        idempotent: request.idempotent,
        timeout_ms,
        network,
        // The connector's own limit is kept by whoever performs the request.
        largest_answer: u64::MAX,
    })
}

impl Prepared<'_> {
    /// Adds a grant's access token to a request that was planned with [`Credential::Bearer`], in place of an earlier one.
    ///
    /// # Errors
    /// `Invalid` when no header can hold it.
    pub fn bear(&mut self, token: &Secret) -> Result<(), Failure> {
        let value = Secret::new(format!("Bearer {}", token.reveal()));
        self.credential = Some(parse_credential("authorization", value)?);
        Ok(())
    }
}

fn parse_credential(name: &str, value: Secret) -> Result<(String, Secret), Failure> {
    if !is_name(name) {
        return Err(Failure::Invalid(format!("{name:?} of `authorize` is no header name")));
    }
    if !is_value(value.reveal()) {
        return Err(Failure::Invalid(format!("the secret for the header `{name}` has bytes that no header can have")));
    }
    Ok((name.to_ascii_lowercase(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Content;
    use crate::reach::{Network, Prefix};

    fn request() -> Request {
        Request {
            method: Method::Post,
            url: "https://h.example/rows?x=1".to_owned(),
            headers: vec![Header { name: "accept".to_owned(), value: "application/json".to_owned() }],
            body: Some(Content { media_type: "application/json".to_owned(), bytes: b"[]".to_vec() }),
            authorized: false,
            idempotent: false,
            timeout_ms: None,
        }
    }

    fn planned<'a>(request: &'a Request, credential: Option<Credential<'_>>) -> Result<Prepared<'a>, Failure> {
        let prefixes =
            [Prefix::parse("https://h.example", false).unwrap(), Prefix::parse("https://nas.example", true).unwrap()];
        plan_delivery(request, Reach { key: "sinks.rows.reach", prefixes: &prefixes }, credential)
    }

    fn failure(request: &Request, credential: Option<Credential<'_>>) -> Option<Failure> {
        planned(request, credential).err()
    }

    fn revealed<'p>(prepared: &'p Prepared<'_>) -> Option<(&'p str, &'p str)> {
        prepared.credential().map(|(name, value)| (name, value.reveal()))
    }

    #[test]
    fn a_request_is_carried_over() {
        let asked = request();
        let prepared = planned(&asked, None).ok().unwrap();
        assert_eq!(prepared.method(), Method::Post);
        assert_eq!(prepared.url().as_str(), "https://h.example/rows?x=1");
        let headers: Vec<_> =
            prepared.headers().iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("accept", "application/json"), ("content-type", "application/json")]);
        assert_eq!(prepared.body(), Some(&b"[]"[..]));
        assert_eq!((prepared.idempotent(), prepared.timeout_ms(), prepared.network()), (false, 60_000, Network::Open));
        assert_eq!(revealed(&prepared), None);

        let get = Request { method: Method::Get, body: None, idempotent: true, timeout_ms: Some(1_000), ..request() };
        let get = Request { url: "https://nas.example/".to_owned(), ..get };
        let get = planned(&get, None).ok().unwrap();
        assert_eq!((get.method(), get.body(), get.headers().len()), (Method::Get, None, 1));
        assert_eq!((get.idempotent(), get.timeout_ms(), get.network()), (true, 1_000, Network::Any));
    }

    #[test]
    fn a_request_that_asks_for_a_credential_is_plain_where_the_sink_has_none() {
        let headers = vec![Header { name: "range".to_owned(), value: "bytes=0-1".to_owned() }];
        let asked = Request { authorized: true, headers, ..request() };
        let prepared = planned(&asked, None).ok().unwrap();
        assert_eq!(revealed(&prepared), None);
    }

    #[test]
    fn point_26_a_token_goes_only_to_its_audience() {
        let token = Secret::new("ya29.token".to_owned());
        let authorized = Request { authorized: true, ..request() };
        let audience = [Prefix::parse("https://h.example/rows", false).unwrap()];
        let bearer = Credential::Bearer { audience: Reach { key: "grants.google.audience", prefixes: &audience } };
        let mut prepared = planned(&authorized, Some(bearer)).ok().unwrap();
        assert_eq!(revealed(&prepared), None, "not before there is a token");
        assert_eq!(prepared.bear(&token), Ok(()));
        assert_eq!(revealed(&prepared), Some(("authorization", "Bearer ya29.token")));
        assert_eq!(prepared.bear(&Secret::new("renewed".to_owned())), Ok(()));
        assert_eq!(revealed(&prepared), Some(("authorization", "Bearer renewed")));
        assert!(prepared.bear(&Secret::new("k3y\r\nHost: x".to_owned())).is_err());

        let elsewhere = Request { url: "https://h.example/other?secret".to_owned(), ..authorized };
        let denied = "https://h.example/other is not within `grants.google.audience` of plugins.toml; \
                      if it is meant, add `https://h.example` there";
        assert_eq!(failure(&elsewhere, Some(bearer)), Some(Failure::Denied(denied.to_owned())));
        let unauthorized = Request { authorized: false, ..elsewhere };
        assert_eq!(revealed(&planned(&unauthorized, Some(bearer)).ok().unwrap()), None);
    }

    #[test]
    fn a_token_goes_to_a_private_network_only_where_the_audience_says_so() {
        let granted = |private| [Prefix::parse("https://nas.example", private).unwrap()];
        let at_home = Request { url: "https://nas.example/rows".to_owned(), authorized: true, ..request() };
        for (private, network) in [(true, Network::Any), (false, Network::Open)] {
            let audience = granted(private);
            let audience = Reach { key: "grants.google.audience", prefixes: &audience };
            let bearer = Credential::Bearer { audience };
            assert_eq!(planned(&at_home, Some(bearer)).ok().unwrap().network(), network);
        }
        let unauthorized = Request { authorized: false, ..at_home };
        assert_eq!(planned(&unauthorized, None).ok().unwrap().network(), Network::Any);
    }

    #[test]
    fn a_request_with_a_credential_gets_its_answer_whole() {
        let key = Secret::new("k3y".to_owned());
        for name in ["Range", "if-range", "Accept-Charset"] {
            let headers = vec![Header { name: name.to_owned(), value: "bytes=0-1".to_owned() }];
            let plain = Request { headers, ..request() };
            assert_eq!(failure(&plain, None), None, "{name}");
            let authorized = Request { authorized: true, ..plain };
            let said =
                failure(&authorized, Some(Credential::Header { name: "X-Key", value: &key })).unwrap().to_string();
            assert!(said.contains(&format!("`{name}` can't be set")), "{said}");
        }
    }

    #[test]
    fn point_30_a_token_stands_in_the_header_and_nowhere_else() {
        let token = Secret::new("ya29.token".to_owned());
        let prefixes = [Prefix::parse("https://h.example", false).unwrap()];
        let audience = Reach { key: "grants.google.audience", prefixes: &prefixes };
        let authorized = Request { authorized: true, ..request() };
        let mut prepared = planned(&authorized, Some(Credential::Bearer { audience })).ok().unwrap();
        prepared.bear(&token).unwrap();
        assert_eq!(
            prepared.credential().map(|(name, value)| (name, value.reveal())),
            Some(("authorization", "Bearer ya29.token"))
        );
        assert!(!prepared.url().as_str().contains("ya29"));
        assert!(prepared.headers().iter().all(|header| !header.value.contains("ya29")));
        assert_eq!(prepared.body(), Some(&b"[]"[..]));
    }

    #[test]
    fn a_key_goes_into_its_header() {
        let key = Secret::new("k3y".to_owned());
        let authorized = Request { authorized: true, ..request() };
        let header = Credential::Header { name: "X-Api-Key", value: &key };
        let prepared = planned(&authorized, Some(header)).ok().unwrap();
        assert_eq!(revealed(&prepared), Some(("x-api-key", "k3y")));
        let forged =
            Request { headers: vec![Header { name: "x-api-key".to_owned(), value: "x".to_owned() }], ..request() };
        let error = "the header `x-api-key` is added by the host; leave it out";
        assert_eq!(failure(&forged, Some(header)), Some(Failure::Invalid(error.to_owned())));
        assert_eq!(failure(&forged, None), None);
    }

    #[test]
    fn a_credential_that_no_header_can_hold_is_refused_unseen() {
        let key = Secret::new("k3y\r\nHost: x".to_owned());
        let authorized = Request { authorized: true, ..request() };
        let error = "the secret for the header `X-Key` has bytes that no header can have";
        let header = Credential::Header { name: "X-Key", value: &key };
        assert_eq!(failure(&authorized, Some(header)), Some(Failure::Invalid(error.to_owned())));
        let header = Credential::Header { name: "X Key", value: &key };
        let error = "\"X Key\" of `authorize` is no header name";
        assert_eq!(failure(&authorized, Some(header)), Some(Failure::Invalid(error.to_owned())));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let content = |media_type: &str, length| Content { media_type: media_type.to_owned(), bytes: vec![0; length] };
        let table = [
            (Request { url: "https://evil.example/".to_owned(), ..request() }, "denied: https://evil.example/ is not"),
            (Request { method: Method::Get, ..request() }, "invalid request: a request to GET or HEAD has a body"),
            (Request { method: Method::Head, ..request() }, "invalid request: a request to GET or HEAD has a body"),
            (Request { body: Some(content("", 0)), ..request() }, "invalid request: \"\" is no media type"),
            (Request { body: Some(content("a\nb", 0)), ..request() }, "invalid request: \"a\\nb\" is no media type"),
            (
                Request { body: Some(content("a/b", 16 * 1024 * 1024 + 1)), ..request() },
                "invalid request: the body is longer",
            ),
            (Request { timeout_ms: Some(999), ..request() }, "invalid request: a time-out of 999 ms"),
            (Request { timeout_ms: Some(600_001), ..request() }, "invalid request: a time-out of 600001 ms"),
            (
                Request { headers: vec![Header { name: "Host".to_owned(), value: "x".to_owned() }], ..request() },
                "invalid request: the header `Host` is the host's",
            ),
        ];
        for (request, said) in table {
            let failure = failure(&request, None).unwrap().to_string();
            assert!(failure.starts_with(said), "{failure}");
        }
        assert_eq!(failure(&Request { timeout_ms: Some(600_000), ..request() }, None), None);
    }
}
