//! What an auth policy asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::assertion::{Signing, is_private_key, render_assertion};
use super::{Body, DEFAULT_TIMEOUT_MS, LARGEST_AUTHENTICATION, Prepared, Reach, check_body, parse_url};
use crate::http::{AuthRequest, ClientAuthentication, Failure, FormField, FormValue, Header, Method};
use crate::name::SlotName;
use crate::secret::Secret;

/// Assertions of one form, at most: signing takes a small board tens of milliseconds, and others wait for it.
const MOST_ASSERTIONS: usize = 2;

/// Checks an auth policy's request against its grant's `reach`, and builds the form with the secrets of the slots that it
/// names, and signs its assertions. `slot` gives the content of a filled slot, be it of the token storage or of plugins.toml.
///
/// # Errors
/// `Denied` when the URL is outside `reach`. `Missing` when a slot is not filled. `Invalid` when the URL is none or the
/// form is too large, a private key would be sent, or an assertion is one that the host does not sign, or one too many. `Unsent` where it has to be signed and the time is not
/// known.
pub fn plan_authentication<'a>(
    request: &AuthRequest,
    reach: Reach<'_>,
    slot: impl Fn(&SlotName) -> Option<&'a Secret>,
    signing: Signing<'_>,
) -> Result<Prepared<'static>, Failure> {
    let filled = |name: &String| {
        let content = SlotName::parse(name).ok().and_then(|name| slot(&name));
        content.ok_or_else(|| Failure::Missing(name.clone()))
    };
    let sent = |name: &String| {
        let content = filled(name)?;
        if is_private_key(content) {
            return Err(Failure::Invalid(format!(
                "the slot `{name}` has a private key, which signs and is never sent"
            )));
        }
        Ok(content)
    };
    let mut headers = vec![Header { name: "accept".to_owned(), value: "application/json".to_owned() }];
    match request {
        AuthRequest::Get(url) => {
            let (url, network) = parse_url(url, reach)?;
            Ok(Prepared {
                method: Method::Get,
                url,
                headers,
                credential: None,
                body: None,
                minted: Vec::new(),
                idempotent: true,
                timeout_ms: DEFAULT_TIMEOUT_MS,
                network,
                largest_answer: LARGEST_AUTHENTICATION,
            })
        }
        AuthRequest::Post { url, client, fields } => {
            let (url, network) = parse_url(url, reach)?;
            let credential = match client {
                ClientAuthentication::None => None,
                ClientAuthentication::Basic { client_id, slot } => {
                    let secret = sent(slot)?;
                    Some(("authorization".to_owned(), basic(client_id, secret)))
                }
            };
            let mut body = Zeroizing::new(Vec::new());
            let mut minted = Vec::new();
            for FormField { name, value } in fields {
                let value = match value {
                    FormValue::Plain(text) => text,
                    FormValue::Secret(slot) => sent(slot)?.reveal(),
                    FormValue::Assertion(_) if minted.len() >= MOST_ASSERTIONS => {
                        return Err(Failure::Invalid(format!("a form has more than {MOST_ASSERTIONS} assertions")));
                    }
                    FormValue::Assertion(assertion) => {
                        minted.push(render_assertion(assertion, &url, filled(&assertion.slot)?, signing)?);
                        minted.last().map_or("", Secret::reveal)
                    }
                };
                append(&mut body, name, value);
                check_body(&body)?;
            }
            headers.push(Header {
                name: "content-type".to_owned(),
                value: "application/x-www-form-urlencoded".to_owned(),
            });
            Ok(Prepared {
                method: Method::Post,
                url,
                headers,
                credential,
                body: Some(Body::Made(body)),
                minted,
                idempotent: false,
                timeout_ms: DEFAULT_TIMEOUT_MS,
                network,
                largest_answer: LARGEST_AUTHENTICATION,
            })
        }
    }
}

/// HTTP Basic, both halves form-encoded first (RFC 6749 §2.3.1, RFC 7617 §2).
fn basic(client_id: &str, secret: &Secret) -> Secret {
    let mut pair = Zeroizing::new(String::new());
    pair.extend(byte_serialize(client_id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.reveal().as_bytes()));
    Secret::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())))
}

/// Adds a field to a form (WHATWG URL §5.2).
fn append(form: &mut Vec<u8>, name: &str, value: &str) {
    if !form.is_empty() {
        form.push(b'&');
    }
    form.extend(byte_serialize(name.as_bytes()).flat_map(str::bytes));
    form.push(b'=');
    form.extend(byte_serialize(value.as_bytes()).flat_map(str::bytes));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::http::{Algorithm, Assertion};
    use crate::reach::{Network, Prefix};

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----";

    fn planned(request: &AuthRequest) -> Result<Prepared<'static>, Failure> {
        let prefixes =
            [Prefix::parse("https://auth.example", false).unwrap(), Prefix::parse("http://idp.example", true).unwrap()];
        let slots: BTreeMap<SlotName, Secret> =
            [("client-secret", "s3cret&+"), ("device-code", "D 1"), ("empty", ""), ("key", KEY)]
                .map(|(name, secret)| (SlotName::parse(name).unwrap(), Secret::new(secret.to_owned())))
                .into();
        let reach = Reach { key: "grants.google.reach", prefixes: &prefixes };
        let sign = |_: Algorithm, key: &[u8], _: &[u8]| Ok(key.to_vec());
        plan_authentication(request, reach, |name| slots.get(name), Signing { now: Some(1_000), sign: &sign })
    }

    fn post(url: &str, client: ClientAuthentication, fields: &[(&str, FormValue)]) -> AuthRequest {
        let fields = fields.iter().map(|(name, value)| FormField { name: (*name).to_owned(), value: value.clone() });
        AuthRequest::Post { url: url.to_owned(), client, fields: fields.collect() }
    }

    fn plain(text: &str) -> FormValue {
        FormValue::Plain(text.to_owned())
    }

    fn secret(slot: &str) -> FormValue {
        FormValue::Secret(slot.to_owned())
    }

    #[test]
    fn a_form_is_encoded_with_the_content_of_its_slots() {
        let fields = [
            ("client_id", plain("my id=1&2")),
            ("client_secret", secret("client-secret")),
            ("device_code", secret("device-code")),
            ("grant_type", plain("urn:ietf:params:oauth:grant-type:device_code")),
            ("ü", plain("")),
            ("nothing", secret("empty")),
        ];
        let prepared = planned(&post("https://auth.example/token", ClientAuthentication::None, &fields)).ok().unwrap();
        assert_eq!(
            std::str::from_utf8(prepared.body().unwrap()).unwrap(),
            "client_id=my+id%3D1%262&client_secret=s3cret%26%2B&device_code=D+1\
             &grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&%C3%BC=&nothing="
        );
        let headers: Vec<_> =
            prepared.headers().iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("accept", "application/json"), ("content-type", "application/x-www-form-urlencoded")]);
        assert!(prepared.credential().is_none());
        assert_eq!(prepared.largest_answer(), 256 * 1024);
        assert_eq!(prepared.method(), Method::Post);
        assert_eq!((prepared.idempotent(), prepared.timeout_ms(), prepared.network()), (false, 60_000, Network::Open));
    }

    #[test]
    fn an_assertion_is_signed_for_where_the_form_goes_and_counts_as_a_secret() {
        let signed = |slot: &str, aud: &str| {
            let claims = format!(r#"{{"aud":"{aud}","exp":4600}}"#);
            let assertion = Assertion { slot: slot.to_owned(), algorithm: Algorithm::Es256, key_id: None, claims };
            planned(&post(
                "https://auth.example/token",
                ClientAuthentication::None,
                &[("grant_type", plain("jwt")), ("assertion", FormValue::Assertion(assertion))],
            ))
        };
        let prepared = signed("key", "https://auth.example/token").ok().unwrap();
        let [minted] = prepared.minted() else { panic!("one assertion") };
        assert!(minted.reveal().ends_with(".AQID"), "{}", minted.reveal());
        let body = format!("grant_type=jwt&assertion={}", minted.reveal());
        assert_eq!(std::str::from_utf8(prepared.body().unwrap()).unwrap(), body);
        for (slot, aud, said) in [
            ("none", "https://auth.example/token", "the slot `none` is empty"),
            ("key", "https://evil.example/token", "invalid request: an assertion is for `https://evil.example/token`"),
            (
                "client-secret",
                "https://auth.example/token",
                "invalid request: the slot `client-secret` holds no private key",
            ),
        ] {
            let failure = signed(slot, aud).err().unwrap().to_string();
            assert!(failure.starts_with(said), "{failure}");
        }
    }

    #[test]
    fn http_basic_encodes_both_halves_first() {
        let client = ClientAuthentication::Basic { client_id: "my:id".to_owned(), slot: "client-secret".to_owned() };
        let prepared = planned(&post("http://idp.example/token", client, &[])).ok().unwrap();
        let (name, value) = prepared.credential().unwrap();
        assert_eq!(name, "authorization");
        assert_eq!(value.reveal(), format!("Basic {}", STANDARD.encode("my%3Aid:s3cret%26%2B")));
        assert_eq!(prepared.body(), Some(&b""[..]));
        assert_eq!(prepared.network(), Network::Private);
    }

    #[test]
    fn metadata_is_asked_for_without_secrets() {
        let prepared = planned(&AuthRequest::Get("https://auth.example/.well-known/x".to_owned())).ok().unwrap();
        assert_eq!((prepared.method(), prepared.body()), (Method::Get, None));
        assert!(prepared.credential().is_none());
        assert_eq!((prepared.idempotent(), prepared.timeout_ms(), prepared.network()), (true, 60_000, Network::Open));
        let headers: Vec<_> =
            prepared.headers().iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
        assert_eq!(headers, [("accept", "application/json")]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let basic = |slot: &str| ClientAuthentication::Basic { client_id: "id".to_owned(), slot: slot.to_owned() };
        let url = "https://auth.example/token";
        let none = || ClientAuthentication::None;
        let signed = || {
            let claims = format!(r#"{{"aud":"{url}","exp":4600}}"#);
            let slot = "key".to_owned();
            FormValue::Assertion(Assertion { slot, algorithm: Algorithm::Es256, key_id: None, claims })
        };
        let table = [
            (
                AuthRequest::Get("https://evil.example/".to_owned()),
                "denied: https://evil.example/ is not within `grants.google.reach`",
            ),
            (
                post("https://evil.example/", none(), &[]),
                "denied: https://evil.example/ is not within `grants.google.reach`",
            ),
            (post(url, none(), &[("a", secret("refresh-token"))]), "the slot `refresh-token` is empty"),
            (post(url, basic("refresh-token"), &[]), "the slot `refresh-token` is empty"),
            (post(url, none(), &[("a", secret("../x"))]), "the slot `../x` is empty"),
            (post(url, none(), &[("a", secret("key"))]), "invalid request: the slot `key` has a private key"),
            (post(url, basic("key"), &[]), "invalid request: the slot `key` has a private key"),
            (
                post(url, none(), &[("a", signed()), ("b", signed()), ("c", signed())]),
                "invalid request: a form has more than 2 assertions",
            ),
            (
                post(url, none(), &[("a", plain(&"x".repeat(16 * 1024 * 1024)))]),
                "invalid request: the body is longer than 16777216 bytes",
            ),
        ];
        for (request, said) in table {
            let failure = planned(&request).err().unwrap().to_string();
            assert!(failure.starts_with(said), "{failure}");
        }
    }
}
