//! `reach` and `audience`: lists of URL prefixes.

use url::Url;

use super::node::{Node, quote};
use crate::reach::{Prefix, PrefixError, is_private, literal_address};

const MOST_PREFIXES: usize = 64;

/// 1 to 64 different ones. Requests to which secrets may be added go nowhere else.
pub(super) fn parse_prefixes(node: &Node<'_, '_>) -> Option<Vec<Prefix>> {
    node.list(1..=MOST_PREFIXES, parse_prefix)
}

/// `"https://host/path"` or `{ url = "…", private = true }`.
pub(super) fn parse_prefix(node: &Node<'_, '_>) -> Option<Prefix> {
    let mut table = match node.text_or_table()? {
        Ok(_) => return parse_url(node, false),
        Err(table) => table,
    };
    let private = table.optional("private", false, Node::flag);
    let prefix = table.required("url", |node| parse_url(node, private.unwrap_or(true)));
    table.finish()?;
    private.and(prefix)
}

/// Plain http only where nobody listens in between: to the device itself and to private networks. Rows, keys and tokens
/// would travel in the clear.
fn parse_url(node: &Node<'_, '_>, private: bool) -> Option<Prefix> {
    let text = node.text()?;
    let prefix = match Prefix::parse(text, private) {
        Ok(prefix) => prefix,
        // A user, a query or what was meant as one can hold a password or a key.
        Err(PrefixError::Part { url, part }) => {
            return node.refuse_unseen(PrefixError::Part { url, part }.to_string());
        }
        Err(_) if text.contains(['@', '?', '#']) => {
            return node.refuse_unseen("is not an absolute URL such as `https://sheets.googleapis.com`");
        }
        Err(PrefixError::NotAUrl(text)) => return node.refuse(PrefixError::NotAUrl(plain(&text)).to_string()),
        Err(PrefixError::Scheme(text)) => return node.refuse(PrefixError::Scheme(plain(&text)).to_string()),
    };
    let url = url_of(&prefix)?;
    if url.scheme() == "http" && !prefix.private() {
        let help = format!("use https, or {{ url = \"{url}\", private = true }} where the host is in your own network");
        return node.refuse_with_help(format!("{} is not encrypted", quote(text)), Some(help));
    }
    // Plain http goes to private networks alone, whatever was granted: an address that is none could never be reached.
    if url.scheme() == "http" && literal_address(&url).is_some_and(|address| !is_private(address)) {
        let help = format!("use https: `{}` is not in a private network", url.host_str().unwrap_or_default());
        return node.refuse_with_help(format!("{} is not encrypted", quote(text)), Some(help));
    }
    if !prefix.covers(&url) {
        return node.refuse(format!("{} has an encoded separator in its path and covers nothing", quote(text)));
    }
    Some(prefix)
}

/// A text as a message may repeat it, without the marks around it.
fn plain(text: &str) -> String {
    quote(text).trim_matches('`').to_owned()
}

/// Whether there is a URL that both cover.
pub(super) fn overlap(one: &Prefix, other: &Prefix) -> bool {
    let covers = |one: &Prefix, other: &Prefix| url_of(other).is_some_and(|url| one.covers(&url));
    covers(one, other) || covers(other, one)
}

fn url_of(prefix: &Prefix) -> Option<Url> {
    Url::parse(&prefix.to_string()).ok()
}
