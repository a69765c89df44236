//! Which headers a plugin may set.

use crate::http::{Failure, Header};

/// Headers of a request at most.
const MOST: usize = 64;

/// Bytes of all names and values together at most. Servers commonly refuse more than 8 KiB to 16 KiB.
const LARGEST: usize = 16 * 1024;

/// The host's own: what gives access, what frames the message or belongs to the connection (RFC 9110 §7.6.1), and what
/// decides how the answer is encoded, because a compressed answer can't be searched for echoes of secrets.
const RESERVED: [&str; 15] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "cookie2",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The host's own where it adds a credential: what asks for a part of the answer or for another alphabet. A server that
/// echoes the credential would answer with pieces of it, or with a form of it, that nobody finds to blank.
const RESERVED_WITH_CREDENTIAL: [&str; 3] = ["accept-charset", "if-range", "range"];

/// Checks what a plugin wants to set. `credential` is the header that the host adds to this sink's requests; `authorized`
/// says whether one is added to this request.
pub(super) fn check_headers(headers: &[Header], credential: Option<&str>, authorized: bool) -> Result<(), Failure> {
    if headers.len() > MOST {
        return Err(Failure::Invalid(format!("{} headers are more than {MOST}", headers.len())));
    }
    if headers.iter().map(|header| header.name.len() + header.value.len()).sum::<usize>() > LARGEST {
        return Err(Failure::Invalid(format!("the headers are longer than {LARGEST} bytes")));
    }
    for Header { name, value } in headers {
        if !is_name(name) {
            return Err(Failure::Invalid(format!("{name:?} is no header name")));
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") {
            return Err(Failure::Invalid(format!("the header `{name}` is the host's; leave it out")));
        }
        if authorized && RESERVED_WITH_CREDENTIAL.contains(&lower.as_str()) {
            return Err(Failure::Invalid(format!(
                "the header `{name}` can't be set in a request that the host authorizes; leave it out"
            )));
        }
        if credential.is_some_and(|credential| credential.eq_ignore_ascii_case(name)) {
            return Err(Failure::Invalid(format!("the header `{name}` is added by the host; leave it out")));
        }
        if !is_value(value) {
            return Err(Failure::Invalid(format!(
                "the value of the header `{name}` has bytes that no header can have"
            )));
        }
    }
    Ok(())
}

/// A token (RFC 9110 §5.6.2).
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Visible ASCII, spaces and tabs, not at the ends (RFC 9110 §5.5, without what it calls obsolete).
pub(super) fn is_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) && text.trim_ascii() == text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, value: &str) -> Result<(), Failure> {
        check_headers(&[Header { name: name.to_owned(), value: value.to_owned() }], Some("X-Api-Key"), false)
    }

    #[test]
    fn ordinary_headers_pass() {
        for (name, value) in [
            ("Accept", "application/json, text/*;q=0.5"),
            ("if-match", "\"etag\""),
            ("X-Empty", ""),
            ("user-agent", "mine\t1"),
            ("x!#$%&'*+-.^_`|~9", "~"),
            ("x-api-key-2", "y"),
            ("proxied", "y"),
        ] {
            assert_eq!(checked(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn the_hosts_headers_are_refused_by_name() {
        let others = ["Proxy-Authorization", "proxy-connection", "PROXY-", "AUTHORIZATION", "Transfer-Encoding"];
        for name in RESERVED.into_iter().chain(others) {
            let error = Failure::Invalid(format!("the header `{name}` is the host's; leave it out"));
            assert_eq!(checked(name, "x"), Err(error));
        }
        let error = Failure::Invalid("the header `x-api-KEY` is added by the host; leave it out".to_owned());
        assert_eq!(checked("x-api-KEY", "x"), Err(error));
    }

    #[test]
    fn what_could_forge_another_header_is_refused() {
        for name in ["", "a b", "a:", "a\r\nHost", "ä", "a\0", "(a)"] {
            assert_eq!(checked(name, "x"), Err(Failure::Invalid(format!("{name:?} is no header name"))));
        }
        for value in ["a\r\nHost: x", "a\nb", "a\rb", "a\0", " a", "a ", "\ta", "\u{7f}", "ä"] {
            let error = "the value of the header `x` has bytes that no header can have";
            assert_eq!(checked("x", value), Err(Failure::Invalid(error.to_owned())), "{value:?}");
        }
    }

    #[test]
    fn number_and_size_are_bounded() {
        let headers = |count, length| {
            let header = Header { name: "x".to_owned(), value: "y".repeat(length) };
            check_headers(&vec![header; count], None, false)
        };
        assert_eq!(headers(64, 1), Ok(()));
        assert_eq!(headers(65, 1), Err(Failure::Invalid("65 headers are more than 64".to_owned())));
        assert_eq!(headers(1, 16 * 1024 - 1), Ok(()));
        let error = Failure::Invalid("the headers are longer than 16384 bytes".to_owned());
        assert_eq!(headers(1, 16 * 1024), Err(error));
    }
}
