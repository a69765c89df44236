//! Absolute URLs of servers, as far as this policy has to judge them.
//!
//! It knows nothing of percent-encoding, of names, or of what the host grants: the host parses each URL again before it
//! sends anything. What holds here: an [`Address`] has a scheme that is `https` or `http`, a host, perhaps a port, no
//! user, no fragment, and only characters that RFC 3986 §2 allows.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// More than any server's endpoint needs, in bytes.
const LENGTH_MAX: usize = 1024;

/// An absolute `https` or `http` URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    text: String,
    /// Where the path begins, which may be the end.
    path_at: usize,
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// It begins with neither https:// nor http://.
    #[error("it begins with neither https:// nor http://")]
    Scheme,
    /// It has no host, or one with characters that no host has.
    #[error("it has no host, or one with characters that no host has")]
    Host,
    /// Its port is not a number from 1 to 65535.
    #[error("its port is not a number from 1 to 65535")]
    Port,
    /// It holds a user or password.
    #[error("it holds a user or password")]
    User,
    /// It holds a fragment (#).
    #[error("it holds a fragment (#)")]
    Fragment,
    /// It holds a character that a URL can't hold.
    #[error("it holds a character that a URL can't hold")]
    Character,
    /// It is longer than 1,024 characters.
    #[error("it is longer than {LENGTH_MAX} characters")]
    Length,
}

impl Address {
    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether TLS protects what is sent there.
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https://")
    }

    /// Scheme, host and port: `https://example.org:8443`.
    pub fn origin(&self) -> &str {
        &self.text[..self.path_at]
    }

    /// What follows the origin; empty, or begins with `/` or `?`.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..]
    }

    /// Whether it holds a query.
    pub fn has_query(&self) -> bool {
        self.text.contains('?')
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        if text.len() > LENGTH_MAX {
            return Err(AddressError::Length);
        }
        let authority_at = ["https://", "http://"]
            .iter()
            .find(|scheme| text.starts_with(**scheme))
            .map(|scheme| scheme.len())
            .ok_or(AddressError::Scheme)?;
        if text.contains('#') {
            return Err(AddressError::Fragment);
        }
        if text.bytes().any(|byte| !byte.is_ascii_graphic() || br#""<>\^`{|}"#.contains(&byte)) {
            return Err(AddressError::Character);
        }
        let path_at = text[authority_at..].find(['/', '?']).map_or(text.len(), |at| authority_at + at);
        check_authority(&text[authority_at..path_at])?;
        Ok(Self { text, path_at })
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.text
    }
}

/// RFC 3986 §3.2, without the user, which §3.2.1 deprecates.
fn check_authority(authority: &str) -> Result<(), AddressError> {
    if authority.contains('@') {
        return Err(AddressError::User);
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(AddressError::Host)?;
            if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)) {
                return Err(AddressError::Host);
            }
            (host, port)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
                return Err(AddressError::Host);
            }
            (host, port)
        }
    };
    if host.is_empty() {
        return Err(AddressError::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        None => Err(AddressError::Host),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse::<u16>() {
            Ok(1..) => Ok(()),
            _ => Err(AddressError::Port),
        },
        Some(_) => Err(AddressError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, origin, path) in [
            ("https://example.org", "https://example.org", ""),
            ("https://example.org/", "https://example.org", "/"),
            ("http://127.0.0.1:8080/token", "http://127.0.0.1:8080", "/token"),
            ("http://[::1]:8080/a/b?c=d", "http://[::1]:8080", "/a/b?c=d"),
            ("https://my_host?tenant=1", "https://my_host", "?tenant=1"),
            ("https://example.org:65535", "https://example.org:65535", ""),
        ] {
            let address = Address::try_from(text.to_owned()).unwrap();
            assert_eq!((address.as_str(), address.origin(), address.path()), (text, origin, path));
            assert_eq!(address.is_https(), text.starts_with("https"));
            assert_eq!(address.has_query(), text.contains('?'));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        for (text, error) in [
            ("", AddressError::Scheme),
            ("example.org", AddressError::Scheme),
            ("ftp://example.org", AddressError::Scheme),
            ("HTTPS://example.org", AddressError::Scheme),
            ("https://", AddressError::Host),
            ("https:///path", AddressError::Host),
            ("https://:443", AddressError::Host),
            ("https://[::1", AddressError::Host),
            ("https://[]", AddressError::Host),
            ("https://[::1]x", AddressError::Host),
            ("https://[zz]", AddressError::Host),
            ("https://exa%6Dple.org", AddressError::Host),
            ("https://example.org:", AddressError::Port),
            ("https://example.org:0", AddressError::Port),
            ("https://example.org:65536", AddressError::Port),
            ("https://example.org:+80", AddressError::Port),
            ("https://a@example.org", AddressError::User),
            ("https://example.org/#a", AddressError::Fragment),
            ("https://example.org/a b", AddressError::Character),
            ("https://example.org/\u{e9}", AddressError::Character),
            ("https://example.org/{a}", AddressError::Character),
            ("https://example.org/\n", AddressError::Character),
        ] {
            assert_eq!(Address::try_from(text.to_owned()), Err(error), "{text}");
        }
    }

    #[test]
    fn the_length_is_bounded() {
        let longest = format!("https://{}", "a".repeat(LENGTH_MAX - 8));
        assert!(Address::try_from(longest.clone()).is_ok());
        assert_eq!(Address::try_from(longest + "a"), Err(AddressError::Length));
    }
}
