//! `authorize`: what the host adds to a connector's requests, which the connector never sees.

use std::collections::BTreeMap;
use std::fmt;

use super::super::grant::Grant;
use super::super::node::{Node, quote};
use super::super::prefix::overlap;
use super::super::reference::Declared;
use super::super::secret::{SecretSource, parse_secret_source};
use crate::name::GrantName;
use crate::reach::Prefix;

/// What is added to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// `{ grant = "…" }`: the grant's access token, as a bearer token (RFC 6750 §2.1).
    Grant(GrantName),
    /// `{ header = "X-Api-Key", secret = … }`: a key of the sink's own.
    Header {
        /// The header.
        name: HeaderName,
        /// Its whole value; with `Authorization` the scheme too: `Bearer …`, `Basic …`.
        secret: SecretSource,
    },
}

/// A header that can carry a key: a token (RFC 9110 §5.6.2) of at most 100 characters. None that says where a message
/// goes or ends, what its body is, or that carries cookies; `Authorization` is accepted, since many services take a key
/// that never changes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderName(String);

/// Host and control data (RFC 9110 §7), framing (RFC 9112 §6), and what connectors set themselves.
const RESERVED: [&str; 12] = [
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "cookie",
    "cookie2",
];

impl HeaderName {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !(1..=100).contains(&text.len()) || !text.bytes().all(accepted) {
            Err("is not the name of a header; accepted is a token such as `X-Api-Key`")
        } else if Self::is_reserved(text) {
            Err("is a header that can't carry a key; accepted is one such as `X-Api-Key` or `Authorization`")
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    fn is_reserved(text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        RESERVED.contains(&lower.as_str()) || lower.starts_with("proxy-") || lower.starts_with("content-")
    }

    /// As it was written. Names compare without case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `reach` is that of the sink or the listing, where it is valid.
pub(in super::super) fn parse_authorization(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    grants: &BTreeMap<GrantName, Grant>,
    reach: Option<&[Prefix]>,
) -> Option<Authorization> {
    let mut table = node.table()?;
    let authorization = match table.exactly_one(&["grant", "header"]) {
        Some(("grant", node)) => parse_grant_name(&node, declared, grants, reach).map(Authorization::Grant),
        Some((_, node)) => {
            let name = parse_header(&node);
            let secret = table.required("secret", parse_secret_source);
            name.zip(secret).map(|(name, secret)| Authorization::Header { name, secret })
        }
        None => {
            table.know(&["secret"]);
            None
        }
    };
    table.finish()?;
    authorization
}

fn parse_grant_name(
    node: &Node<'_, '_>,
    declared: &Declared<'_>,
    grants: &BTreeMap<GrantName, Grant>,
    reach: Option<&[Prefix]>,
) -> Option<GrantName> {
    let name = declared.grant(node, GrantName::parse)?;
    // Where either has an error, that was reported, and nothing can be said about both.
    if let (Some(grant), Some(reach)) = (grants.get(&name), reach)
        && !reach.iter().any(|one| grant.audience.iter().any(|other| overlap(one, other)))
    {
        let whose = if node.path().starts_with("choices.") { "the listing's" } else { "the sink's" };
        let message =
            format!("no token of `{name}` could ever be sent: nothing in {whose} `reach` is in its `audience`");
        return node.refuse(message);
    }
    Some(name)
}

fn parse_header(node: &Node<'_, '_>) -> Option<HeaderName> {
    let text = node.text()?;
    // What is no name of a header may be `Authorization: Bearer …`, secret and all.
    let bare = !text.contains([':', '=', ' ']);
    let shown = || if bare && HeaderName::is_reserved(text) { quote(text) } else { node.quote(text) };
    HeaderName::parse(text).or_else(|reason| node.refuse(format!("{} {reason}", shown())).ok_or(())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_header_of_its_own_or_authorization() {
        let longest = "x".repeat(100);
        for good in ["X-Api-Key", "authorization", "api_key", "!#$%&'*+-.^_`|~9", "contents", longest.as_str()] {
            assert_eq!(HeaderName::parse(good).unwrap().to_string(), good);
        }
        let too_long = "x".repeat(101);
        for bad in ["", "X Api", "X:Y", "ä", "a\r\nb", too_long.as_str()] {
            assert!(HeaderName::parse(bad).unwrap_err().starts_with("is not the name"), "{bad}");
        }
        for reserved in RESERVED.into_iter().chain(["HOST", "Proxy-Authorization", "Content-Type", "content-length"]) {
            assert!(HeaderName::parse(reserved).unwrap_err().contains("can't carry a key"), "{reserved}");
        }
    }
}
