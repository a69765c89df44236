//! Where requests may go: `reach` and `audience` of plugins.toml, as URL prefixes.
//!
//! A prefix covers a URL of the same origin (RFC 6454: scheme, host, port) whose path is the prefix's path or lies below
//! it at a `/`. Names are not resolved here; [`Prefix::private`] says whether the address behind one may be private.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use url::{Host, Url};

/// One entry of `reach` or `audience`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    url: Url,
    private: bool,
}

/// Why a text is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// Not an absolute URL.
    #[error("`{0}` is not an absolute URL such as `https://sheets.googleapis.com`")]
    NotAUrl(String),
    /// A scheme that is neither https nor http.
    #[error("`{0}` is neither https nor http")]
    Scheme(String),
    /// It has a part that a prefix can't have.
    #[error("`{url}` has {part}, which a prefix can't have")]
    Part {
        /// The URL.
        url: String,
        /// Which.
        part: &'static str,
    },
}

impl Prefix {
    /// Takes `https://host[:port][/path]`, or `http:`. `private` grants addresses of private networks behind the name; a
    /// literal private address and `localhost` grant themselves.
    ///
    /// # Errors
    /// When it has another form.
    pub fn parse(text: &str, private: bool) -> Result<Self, PrefixError> {
        let url = Url::parse(text).map_err(|_| PrefixError::NotAUrl(text.to_owned()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(PrefixError::Scheme(text.to_owned()));
        }
        let part = if !url.username().is_empty() || url.password().is_some() {
            Some("a user")
        } else if url.query().is_some() {
            Some("a query")
        } else if url.fragment().is_some() {
            Some("a fragment")
        } else {
            None
        };
        if let Some(part) = part {
            return Err(PrefixError::Part { url: text.to_owned(), part });
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => is_private(address.into()),
            Some(Host::Ipv6(address)) => is_private(address.into()),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => return Err(PrefixError::NotAUrl(text.to_owned())),
        };
        Ok(Self { url, private: private || literal })
    }

    /// Whether it covers this URL.
    #[must_use]
    pub fn covers(&self, url: &Url) -> bool {
        let own = self.url.path().trim_end_matches('/');
        self.url.origin() == url.origin()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && !has_disguised_separator(url.path())
    }

    /// Whether the address behind it may be one of a private network.
    #[must_use]
    pub fn private(&self) -> bool {
        self.private
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.url.as_str())
    }
}

/// Servers disagree on whether `%2f`, `%5c` and encoded dots separate a path. What some would read as a way out of the
/// prefix is covered by none.
fn has_disguised_separator(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.contains("%2f") || path.contains("%5c") || path.contains("%2e")
}

/// The first prefix that covers the URL.
#[must_use]
pub fn covering<'a>(prefixes: &'a [Prefix], url: &Url) -> Option<&'a Prefix> {
    prefixes.iter().find(|prefix| prefix.covers(url))
}

/// Whether an address belongs to this machine or to a private network: what IANA's special-purpose registries (RFC 6890)
/// do not list as globally reachable.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19))
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_private(v4.into());
            }
            let segments = v6.segments();
            // Only 2000::/3 is global unicast; of it, what embeds an IPv4 address or is documentation is not believed.
            (segments[0] & 0xe000) != 0x2000
                || segments[0] == 0x2002
                || (segments[0] == 0x2001 && segments[1] < 0x0200)
                || (segments[0] == 0x2001 && segments[1] == 0x0db8)
        }
    }
}
