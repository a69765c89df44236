//! No secret enters a sandbox: what an answer brings is taken out, what it echoes is blanked.
//!
//! An answer comes from the network as a [`RawResponse`], which nobody can read. It becomes a [`Response`] for a plugin
//! in one of two ways. For a connector: [`RawResponse::blank`] with the secrets that the server was sent. For an auth
//! policy: [`RawResponse::take_secrets`], then the storage makes durable what was taken, then `blank` with the secrets
//! of the grant, old and new. Taking comes first, because a server may return the refresh token that it was sent.
//!
//! It knows neither the storage nor which request was answered.

mod take;
pub use take::{Taken, take_secrets};

mod blank;
pub use blank::{BLANK, Blanker};

mod log_line;
pub use log_line::blank_fields;

mod view;

use crate::http::{Header, Response};
use crate::name::SlotName;
use crate::secret::Secret;

/// An answer as it came, with whatever secrets are in it. It has no `Debug`.
pub struct RawResponse(Response);

impl RawResponse {
    /// An answer that came from the network.
    #[must_use]
    pub fn new(response: Response) -> Self {
        Self(response)
    }

    /// The status, which is no secret.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// How many bytes the body has.
    #[must_use]
    pub fn body_length(&self) -> usize {
        self.0.body.len()
    }

    /// Takes the secrets that an authorization server grants out of the body, see [`take_secrets`].
    #[must_use]
    pub fn take_secrets(self) -> (Self, Vec<(SlotName, Secret)>) {
        let Response { status, headers, body } = self.0;
        let Taken { body, secrets } = take_secrets(&body);
        (Self(Response { status, headers, body }), secrets)
    }

    /// What a plugin may see: without cookies, and without any form of the blanker's secrets in headers and body.
    #[must_use]
    pub fn blank(self, blanker: &Blanker) -> Response {
        let Response { status, headers, body } = self.0;
        let headers = headers
            .into_iter()
            .filter(|header| !is_cookie(header))
            .map(|Header { name, value }| Header { name, value: blanker.blank_text(&value) })
            .collect();
        Response { status, headers, body: blanker.blank(body) }
    }
}

/// A cookie is a secret of the server's (RFC 6265 §8.2), and no cookie is ever sent back.
fn is_cookie(header: &Header) -> bool {
    ["set-cookie", "set-cookie2"].iter().any(|name| header.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_refresh_token_that_comes_back_is_taken_before_it_is_blanked() {
        let old = Secret::new("1//old-refresh".to_owned());
        let raw = RawResponse::new(Response {
            status: 200,
            headers: vec![],
            body: br#"{"access_token":"ya29.new","refresh_token":"1//old-refresh","note":"1//old-refresh ya29.new"}"#
                .to_vec(),
        });
        assert_eq!((raw.status(), raw.body_length()), (200, 93));
        let (raw, secrets) = raw.take_secrets();
        let taken: Vec<_> = secrets.iter().map(|(slot, secret)| (slot.as_str(), secret.reveal())).collect();
        assert_eq!(taken, [("access-token", "ya29.new"), ("refresh-token", "1//old-refresh")]);
        let known: Vec<&Secret> = secrets.iter().map(|(_, secret)| secret).chain([&old]).collect();
        let response = raw.blank(&Blanker::new(&known));
        assert_eq!(
            String::from_utf8(response.body).unwrap(),
            r#"{"access_token":"access-token","note":"[secret] [secret]","refresh_token":"refresh-token"}"#
        );
    }

    #[test]
    fn headers_lose_cookies_and_echoes() {
        let secret = Secret::new("k3y-of-the-sink".to_owned());
        let raw = RawResponse::new(Response {
            status: 401,
            headers: vec![
                header("Set-Cookie", "session=1"),
                header("set-cookie2", "session=1"),
                header("www-authenticate", "Key realm=\"k3y%2Dof-the-sink\""),
                header("content-type", "text/plain"),
            ],
            body: b"no such key: k3y-of-the-sink".to_vec(),
        });
        let response = raw.blank(&Blanker::new(&[&secret]));
        assert_eq!(
            response,
            Response {
                status: 401,
                headers: vec![
                    header("www-authenticate", "Key realm=\"[secret]\""),
                    header("content-type", "text/plain"),
                ],
                body: b"no such key: [secret]".to_vec(),
            }
        );
    }
}
