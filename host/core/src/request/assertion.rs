//! Assertions: JWTs that the host signs for a policy (RFC 7523, RFC 7515 §7.1), with a key that the policy never sees.
//!
//! What always holds: an assertion is made for the URL that it is sent to and for no more than an hour from a time that is
//! known. The claims are written anew from what was read, so that no name stands in them twice.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use url::Url;
use zeroize::Zeroizing;

use crate::http::{Algorithm, Assertion, Failure};
use crate::secret::Secret;

/// Seconds from now that an assertion is good for, at most.
const LONGEST_LIFE: i64 = 3_600;
/// Bytes of claims, at most.
const LONGEST_CLAIMS: usize = 8 * 1024;
/// Bytes of a key's id, at most.
const LONGEST_KEY_ID: usize = 200;

/// Signs bytes with a private key in PKCS#8 DER. The error is a fragment for a person, without anything of the key.
pub type Sign<'a> = &'a dyn Fn(Algorithm, &[u8], &[u8]) -> Result<Vec<u8>, String>;

/// What signing takes.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    /// Seconds since 1970, where the device knows the time.
    pub now: Option<i64>,
    /// Signs.
    pub sign: Sign<'a>,
}

/// A private key, as it lies in a slot.
struct PrivateKey {
    der: Zeroizing<Vec<u8>>,
    /// Where the file says so itself.
    id: Option<String>,
}

/// Signs an assertion that is sent to `url`. `key` is the content of its slot.
pub(super) fn render_assertion(
    assertion: &Assertion,
    url: &Url,
    key: &Secret,
    signing: Signing<'_>,
) -> Result<Secret, Failure> {
    let Assertion { slot, algorithm, key_id, claims } = assertion;
    let unknown = || Failure::Unsent("the device does not know the time yet, and signs nothing before it does".into());
    let now = signing.now.ok_or_else(unknown)?;
    let claims = check_claims(claims, url, now).map_err(|reason| Failure::Invalid(format!("an assertion {reason}")))?;
    let unusable = |reason: String| Failure::Invalid(format!("the slot `{slot}` {reason}"));
    let key = parse_key(key).map_err(unusable)?;
    let mut header = json!({ "alg": algorithm.name(), "typ": "JWT" });
    if let Some(id) = key_id.as_ref().or(key.id.as_ref()) {
        if id.len() > LONGEST_KEY_ID {
            return Err(Failure::Invalid(format!("an assertion names a key in more than {LONGEST_KEY_ID} bytes")));
        }
        header["kid"] = Value::from(id.as_str());
    }
    let [header, claims] = [header, Value::Object(claims)].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = format!("{header}.{claims}");
    let signature = (signing.sign)(*algorithm, &key.der, text.as_bytes()).map_err(unusable)?;
    Ok(Secret::new(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

/// The claims, if the host signs them.
fn check_claims(claims: &str, url: &Url, now: i64) -> Result<Map<String, Value>, String> {
    if claims.len() > LONGEST_CLAIMS {
        return Err(format!("has more than {LONGEST_CLAIMS} bytes of claims"));
    }
    let claims: Map<String, Value> =
        serde_json::from_str(claims).map_err(|error| format!("has claims that are no JSON object: {error}"))?;
    let audience = claims.get("aud").and_then(Value::as_str).ok_or("says with no text in `aud` whom it is for")?;
    if !Url::parse(audience).is_ok_and(|audience| audience == *url) {
        return Err(format!("is for `{audience}`, but goes to {url}; `aud` has to be the URL of the request"));
    }
    let expires = claims.get("exp").and_then(Value::as_i64).ok_or("says with no whole number in `exp` when it ends")?;
    match expires.checked_sub(now) {
        Some(1..=LONGEST_LIFE) => Ok(claims),
        Some(..=0) => Err("has ended already, by its `exp`".into()),
        _ => Err(format!("ends by its `exp` in more than {LONGEST_LIFE} s")),
    }
}

/// Whether a secret is a private key: it signs, and is never sent.
pub(super) fn is_private_key(secret: &Secret) -> bool {
    parse_key(secret).is_ok()
}

/// PKCS#8 in PEM (RFC 7468 §10), or Google's file of a service account, which has that in a member.
fn parse_key(secret: &Secret) -> Result<PrivateKey, String> {
    let text = secret.reveal().trim();
    if !text.starts_with('{') {
        return Ok(PrivateKey { der: parse_pem(text)?, id: None });
    }
    // What `serde_json` says of a file could repeat something of it.
    let file: ServiceAccount =
        serde_json::from_str(text).map_err(|_| "is no JSON file of a service account with a `private_key`")?;
    Ok(PrivateKey { der: parse_pem(file.private_key.trim())?, id: file.private_key_id })
}

#[derive(serde::Deserialize)]
struct ServiceAccount {
    private_key: Zeroizing<String>,
    private_key_id: Option<String>,
}

fn parse_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let inside = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
    let inside = inside.ok_or(
        "holds no private key in PKCS#8 (`-----BEGIN PRIVATE KEY-----`); `openssl pkcs8 -topk8 -nocrypt -in KEY` makes one",
    )?;
    let base64: Zeroizing<String> = Zeroizing::new(inside.split_ascii_whitespace().collect());
    let der = STANDARD.decode(base64.as_bytes()).map_err(|_| "holds a private key that is damaged: it is no base64")?;
    Ok(Zeroizing::new(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const URL: &str = "https://oauth2.example/token";

    fn pem() -> Secret {
        Secret::new("-----BEGIN PRIVATE KEY-----\nAQID\nBA==\n-----END PRIVATE KEY-----\n".to_owned())
    }

    fn assertion(claims: &str) -> Assertion {
        Assertion {
            slot: "service-account".to_owned(),
            algorithm: Algorithm::Rs256,
            key_id: None,
            claims: claims.to_owned(),
        }
    }

    /// "Signs" by saying what it was given.
    fn render(assertion: &Assertion, key: &Secret, now: Option<i64>) -> Result<String, String> {
        let sign = |algorithm: Algorithm, key: &[u8], text: &[u8]| {
            assert_eq!(key, [1, 2, 3, 4]);
            Ok(format!("{} {}", algorithm.name(), text.len()).into_bytes())
        };
        let url = Url::parse(URL).unwrap();
        let rendered = render_assertion(assertion, &url, key, Signing { now, sign: &sign });
        rendered.map(|secret| secret.reveal().to_owned()).map_err(|failure| failure.to_string())
    }

    fn decoded(part: &str) -> String {
        String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn what_is_signed_is_header_and_claims_in_the_compact_form() {
        let claims = format!(r#"{{ "iss": "door@example", "aud": "{URL}", "exp": {}, "iss": "other" }}"#, NOW + 3_600);
        let rendered = render(&assertion(&claims), &pem(), Some(NOW)).unwrap();
        let [header, claims, signature] = rendered.split('.').collect::<Vec<_>>()[..] else { panic!("{rendered}") };
        assert_eq!(decoded(header), r#"{"alg":"RS256","typ":"JWT"}"#);
        // No name twice: a server might take the first, and the host looked at the last.
        assert_eq!(decoded(claims), format!(r#"{{"aud":"{URL}","exp":{},"iss":"other"}}"#, NOW + 3_600));
        assert_eq!(decoded(signature), format!("RS256 {}", header.len() + 1 + claims.len()));
    }

    #[test]
    fn a_service_account_s_file_gives_its_key_and_the_key_s_id() {
        let claims = format!(r#"{{"aud":"{URL}","exp":{}}}"#, NOW + 1);
        let key = |id: &str| {
            let file = json!({ "type": "service_account", "private_key_id": id, "private_key": pem().reveal() });
            Secret::new(file.to_string())
        };
        let header = |assertion: &Assertion, id| {
            decoded(render(assertion, &key(id), Some(NOW)).unwrap().split('.').next().unwrap())
        };
        assert_eq!(header(&assertion(&claims), "k1"), r#"{"alg":"RS256","kid":"k1","typ":"JWT"}"#);
        let named = Assertion { key_id: Some("own".to_owned()), algorithm: Algorithm::Es256, ..assertion(&claims) };
        assert_eq!(header(&named, "k1"), r#"{"alg":"ES256","kid":"own","typ":"JWT"}"#);
    }

    #[test]
    fn nothing_else_is_signed() {
        let good = format!(r#"{{"aud":"{URL}","exp":{}}}"#, NOW + 60);
        let with = |aud: &str, exp: &str| format!(r#"{{"aud":{aud},"exp":{exp}}}"#);
        let at = |exp: i64| with(&format!("{URL:?}"), &exp.to_string());
        let table = [
            (at(NOW), "has ended already"),
            (at(NOW - 1), "has ended already"),
            (at(i64::MIN), "ends by its `exp` in more than 3600 s"),
            (at(NOW + 3_601), "ends by its `exp` in more than 3600 s"),
            (with(&format!("{URL:?}"), "1800000060.5"), "no whole number in `exp`"),
            (with(&format!("{URL:?}"), "\"1800000060\""), "no whole number in `exp`"),
            (
                with("\"https://other.example/token\"", &(NOW + 60).to_string()),
                "is for `https://other.example/token`, but",
            ),
            (with("\"https://oauth2.example/token/\"", &(NOW + 60).to_string()), "is for"),
            (with("\"https://oauth2.example\"", &(NOW + 60).to_string()), "is for"),
            (with(&format!("[{URL:?}]"), &(NOW + 60).to_string()), "no text in `aud`"),
            ("{}".to_owned(), "no text in `aud`"),
            ("[]".to_owned(), "no JSON object"),
            (format!("{good}{}", " ".repeat(8 * 1024)), "more than 8192 bytes of claims"),
        ];
        for (claims, said) in table {
            let refused = render(&assertion(&claims), &pem(), Some(NOW)).unwrap_err();
            assert!(refused.starts_with("invalid request: an assertion ") && refused.contains(said), "{refused}");
        }
        assert!(render(&assertion(&good), &pem(), Some(NOW)).is_ok());
        let unknown = render(&assertion(&good), &pem(), None).unwrap_err();
        assert_eq!(unknown, "not sent: the device does not know the time yet, and signs nothing before it does");
        let long = Assertion { key_id: Some("k".repeat(201)), ..assertion(&good) };
        assert!(render(&long, &pem(), Some(NOW)).unwrap_err().contains("more than 200 bytes"));
    }

    #[test]
    fn what_is_no_key_is_refused_and_nothing_of_it_is_said() {
        let good = format!(r#"{{"aud":"{URL}","exp":{}}}"#, NOW + 60);
        for (secret, said) in [
            ("s3cret", "holds no private key in PKCS#8"),
            ("-----BEGIN RSA PRIVATE KEY-----\ns3cret\n-----END RSA PRIVATE KEY-----", "openssl pkcs8 -topk8"),
            ("-----BEGIN PRIVATE KEY-----\ns3cret!\n-----END PRIVATE KEY-----", "it is no base64"),
            ("{\"private_key\": 7, \"s3cret\": 1}", "no JSON file of a service account"),
            ("{\"private_key\": \"s3cret\"}", "holds no private key in PKCS#8"),
        ] {
            let refused = render(&assertion(&good), &Secret::new(secret.to_owned()), Some(NOW)).unwrap_err();
            assert!(refused.starts_with("invalid request: the slot `service-account` ") && refused.contains(said));
            assert!(!refused.contains("s3cret"), "{refused}");
        }
    }
}
