//! Where requests may go: `reach` and `audience` of plugins.toml, as URL prefixes.
//!
//! A prefix covers a URL of the same origin (RFC 6454: scheme, host, port) whose path is the prefix's path or lies below
//! it at a `/`. Names are not resolved here; [`Prefix::private`] says whether the address behind one may be private.

mod network;
pub use network::{Network, is_private, literal_address};

use std::fmt;

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
        let part = if has_user(&url) {
            Some("a user")
        } else if url.query().is_some() {
            Some("a query")
        } else if url.fragment().is_some() {
            Some("a fragment")
        } else if has_disguised_separator(url.path()) {
            Some("an encoded `/`, `\\` or `.` in its path")
        } else {
            None
        };
        if let Some(part) = part {
            return Err(PrefixError::Part { url: without_query(&url), part });
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => is_private(address.into()),
            Some(Host::Ipv6(address)) => is_private(address.into()),
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            None => return Err(PrefixError::NotAUrl(text.to_owned())),
        };
        Ok(Self { url, private: private || literal })
    }

    /// Whether it covers this URL.
    #[must_use]
    pub fn covers(&self, url: &Url) -> bool {
        let own = self.url.path();
        let own = own.strip_suffix('/').unwrap_or(own);
        self.url.origin() == url.origin()
            && !has_user(url)
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

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Servers disagree on whether `%2f`, `%5c` and encoded dots separate a path, how often they decode, and whether `..;` is
/// `..`. What some would read as a way out of the prefix is covered by none.
fn has_disguised_separator(path: &str) -> bool {
    let mut decoded = String::with_capacity(path.len());
    for character in path.chars() {
        decoded.push(character.to_ascii_lowercase());
        // A percent sign that stands for one, however often it was encoded.
        if decoded.ends_with("%25") {
            decoded.truncate(decoded.len() - 2);
        }
    }
    ["%2f", "%5c", "%2e"].iter().any(|separator| decoded.contains(separator))
        || decoded.split('/').any(|segment| segment.starts_with(".;") || segment.starts_with("..;"))
}

/// Whether these prefixes cover the URL, and whether one of those that do grants private networks. `None`: none covers it.
#[must_use]
pub fn covering(prefixes: &[Prefix], url: &Url) -> Option<bool> {
    // All that cover it are asked: which of them stands first says nothing about what is meant.
    prefixes.iter().filter(|prefix| prefix.covers(url)).map(Prefix::private).reduce(|one, other| one || other)
}

/// The URL as it may stand in a message or a log: origin and path. Queries and users can hold what nobody should see.
#[must_use]
pub fn without_query(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn prefix(text: &str) -> Prefix {
        Prefix::parse(text, false).unwrap()
    }

    #[test]
    fn a_prefix_ends_at_a_separator() {
        let table = [
            ("https://h.example", "https://h.example", true),
            ("https://h.example", "https://h.example/", true),
            ("https://h.example", "https://h.example/any/path?and=query#and-fragment", true),
            ("https://h.example/", "https://h.example/any", true),
            ("https://h.example/drive", "https://h.example/drive", true),
            ("https://h.example/drive", "https://h.example/drive/", true),
            ("https://h.example/drive", "https://h.example/drive/v3/files", true),
            ("https://h.example/drive", "https://h.example/drive?q=1", true),
            ("https://h.example/drive/", "https://h.example/drive", true),
            ("https://h.example/drive/", "https://h.example/drive/v3", true),
            ("https://h.example/drive", "https://h.example/drive2", false),
            ("https://h.example/drive", "https://h.example/drive;v=3", false),
            ("https://h.example/drive", "https://h.example/driv", false),
            ("https://h.example/drive", "https://h.example/", false),
            ("https://h.example/drive", "https://h.example/Drive", false),
            ("https://h.example/drive", "https://h.example//drive", false),
            ("https://h.example//", "https://h.example/drive", false),
            ("https://h.example/a//", "https://h.example/a/b", false),
        ];
        for (text, target, covered) in table {
            assert_eq!(prefix(text).covers(&url(target)), covered, "{text} and {target}");
        }
    }

    #[test]
    fn a_prefix_covers_its_own_origin_only() {
        let table = [
            ("https://h.example", "https://h.example:443/x", true),
            ("https://h.example:443", "https://h.example/x", true),
            ("http://h.example:80", "http://h.example/x", true),
            ("https://h.example", "https://H.EXAMPLE/x", true),
            ("https://bücher.example", "https://xn--bcher-kva.example/x", true),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/x", true),
            ("http://127.0.0.1", "http://2130706433/x", true),
            ("http://127.0.0.1", "http://0x7f.1/x", true),
            ("http://[::1]", "http://[0:0:0:0:0:0:0:1]/x", true),
            ("https://h.example", "http://h.example/x", false),
            ("https://h.example", "https://h.example:8443/x", false),
            ("https://h.example", "https://h.example./x", false),
            ("https://h.example", "https://h.example.evil.example/x", false),
            ("https://h.example", "https://evil-h.example/x", false),
            ("https://h.example", "https://a.h.example/x", false),
            ("https://h.example", "https://h.example@evil.example/x", false),
            ("https://h.example", "https://evil.example/https://h.example/x", false),
            ("https://h.example", "https://evil.example\\@h.example/x", false),
            ("https://h.example", "https://evil.example#@h.example/x", false),
            ("https://bücher.example", "https://bucher.example/x", false),
            ("http://127.0.0.1", "http://localhost/x", false),
            ("https://h.example", "ftp://h.example/x", false),
            ("https://h.example", "data:text/plain,x", false),
        ];
        for (text, target, covered) in table {
            assert_eq!(prefix(text).covers(&url(target)), covered, "{text} and {target}");
        }
    }

    #[test]
    fn a_url_with_a_user_is_covered_by_none() {
        for target in ["https://me@h.example/x", "https://:password@h.example/x", "https://me:password@h.example/x"] {
            assert!(!prefix("https://h.example").covers(&url(target)), "{target}");
        }
        assert!(prefix("https://h.example").covers(&url("https://@h.example/x")), "an empty user is none");
    }

    #[test]
    fn no_way_leads_out_of_a_prefix() {
        let table = [
            "https://h.example/drive/../admin",
            "https://h.example/drive/..",
            "https://h.example/drive/%2e%2e/admin",
            "https://h.example/drive/.%2E/admin",
            "https://h.example/drive/..%2fadmin",
            "https://h.example/drive/..%2Fadmin",
            "https://h.example/drive/x%2f..%2fadmin",
            "https://h.example/drive/..%5cadmin",
            "https://h.example/drive/..%5Cadmin",
            "https://h.example/drive/..\\admin",
            "https://h.example/drive/%252e%252e/admin",
            "https://h.example/drive/..%252fadmin",
            "https://h.example/drive/..%25255cadmin",
            "https://h.example/drive/..;/admin",
            "https://h.example/drive/..;x=1/admin",
            "https://h.example/drive/.;/admin",
        ];
        for target in table {
            assert!(!prefix("https://h.example/drive").covers(&url(target)), "{target}");
        }
        let inside = [
            "https://h.example/drive/a/../b",
            "https://h.example/drive/a;v=1/b",
            "https://h.example/drive/a..;b",
            "https://h.example/drive/a%20b",
            "https://h.example/drive/100%25",
            "https://h.example/drive/x?path=..%2f..",
        ];
        for target in inside {
            assert!(prefix("https://h.example/drive").covers(&url(target)), "{target}");
        }
    }

    #[test]
    fn what_is_no_prefix_is_refused_with_the_reason() {
        let part = |url: &str, part| PrefixError::Part { url: url.to_owned(), part };
        let table = [
            ("", PrefixError::NotAUrl(String::new())),
            ("h.example", PrefixError::NotAUrl("h.example".to_owned())),
            ("https://", PrefixError::NotAUrl("https://".to_owned())),
            ("ftp://h.example", PrefixError::Scheme("ftp://h.example".to_owned())),
            ("file:///etc", PrefixError::Scheme("file:///etc".to_owned())),
            ("https://me:password@h.example/x", part("https://h.example/x", "a user")),
            ("https://:password@h.example", part("https://h.example/", "a user")),
            ("https://h.example/x?q", part("https://h.example/x", "a query")),
            ("https://h.example/x#f", part("https://h.example/x", "a fragment")),
            ("https://h.example/a%2Fb", part("https://h.example/a%2Fb", "an encoded `/`, `\\` or `.` in its path")),
        ];
        for (text, error) in table {
            assert_eq!(Prefix::parse(text, false), Err(error), "{text}");
        }
    }

    #[test]
    fn a_private_address_grants_itself_and_a_name_does_not() {
        let table = [
            ("http://192.168.1.7", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]", true),
            ("http://[fd00::1]", true),
            ("http://localhost", true),
            ("http://LOCALHOST", true),
            ("http://localhost.", true),
            ("http://app.localhost", true),
            ("https://h.example", false),
            ("https://localhost.example", false),
            ("https://notlocalhost", false),
            ("http://8.8.8.8", false),
            ("http://[2607:f8b0::1]", false),
        ];
        for (text, private) in table {
            assert_eq!(prefix(text).private(), private, "{text}");
            assert!(Prefix::parse(text, true).unwrap().private(), "{text} when granted");
        }
    }

    #[test]
    fn any_prefix_that_covers_grants_private_networks() {
        let prefixes = [
            Prefix::parse("https://h.example/drive", false).unwrap(),
            Prefix::parse("https://h.example/drive/nas", true).unwrap(),
            prefix("https://h.example"),
            prefix("https://other.example"),
        ];
        let found = |target| covering(&prefixes, &url(target));
        assert_eq!(found("https://h.example/drive/x"), Some(false));
        assert_eq!(found("https://h.example/drive/nas/x"), Some(true));
        assert_eq!(found("https://h.example/x"), Some(false));
        assert_eq!(found("https://nowhere.example/"), None);
        assert_eq!(covering(&[], &url("https://h.example")), None);
    }

    #[test]
    fn a_shown_url_has_neither_query_nor_user() {
        let shown = without_query(&url("https://me:password@h.example:8443/a/b?token=x#y"));
        assert_eq!(shown, "https://h.example:8443/a/b");
    }
}
